"""A graph with its nodes' features and classes, and nodes as references into it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from convzoo.core.errors import DataError
from convzoo.core.labels import Label
from convzoo.core.references import References


@dataclass(frozen=True, eq=False)
class Graph:
    """One graph. An undirected graph holds both directions of each edge.

    Attributes:
        edges: a SciPy CSR matrix (nodes, nodes) of float32: in row i, column j the weight of the edge that carries node j's
            messages to node i (from j to i, where edges have a direction)
        features: (nodes, features) of float32, an array or a SciPy CSR matrix; no columns where nodes have no features
        labels: (nodes,), the label of each node: its class, a number, or several classes; None where a node has none
        ids: (nodes,) names
        feature_names: one for each column; the column `colour=red` is 1 where the text column `colour` holds `red`
        directed: whether edges have a direction
        notes: what was corrected while the graph was read: loops, duplicate edges
        numbers: a node's number by its id; filled by the class itself
    """

    edges: Any
    features: Any
    labels: Sequence[Label | None]
    ids: Sequence[str]
    feature_names: Sequence[str] = ()
    directed: bool = False
    notes: str = ""
    numbers: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        count = len(self.ids)
        if not count:
            raise DataError("the graph has no nodes")
        values = self.features.data if scipy.sparse.issparse(self.features) else self.features
        if not np.isfinite(values).all():
            rows = self.features.tocoo().row if scipy.sparse.issparse(self.features) else np.arange(count)
            bad = ~np.isfinite(values) if values.ndim == 1 else ~np.isfinite(values).all(axis=1)
            columns = self.features.indices if values.ndim == 1 else None
            at = int(rows[np.flatnonzero(bad)[0]])
            place = (
                int(columns[np.flatnonzero(bad)[0]]) if columns is not None else int(np.argmin(np.isfinite(values[at])))
            )
            name = self.feature_names[place] if self.feature_names else f"number {place}"
            raise DataError(
                f"node {self.ids[at]!r}: feature {name} is not a finite number; fill missing values ({int(bad.sum())} in all)"
            )
        if not self.edges.nnz:
            raise DataError(f"the graph of {count} nodes has no edges: there is nothing to convolve over")
        self.numbers.update({name: number for number, name in enumerate(self.ids)})
        if len(self.numbers) < count:
            twice = next(name for number, name in enumerate(self.ids) if self.numbers[name] != number)
            raise DataError(f"node {twice!r} is there twice")

    def __len__(self) -> int:
        return len(self.ids)

    def in_words(self) -> str:
        """Size, components and isolated nodes, for the run's record."""
        degrees = np.diff(self.edges.indptr) + (
            np.bincount(self.edges.indices, minlength=len(self)) if self.directed else 0
        )
        pieces = scipy.sparse.csgraph.connected_components(self.edges, directed=False)[0]
        isolated = int((degrees == 0).sum())
        edges = self.edges.nnz if self.directed else (self.edges.nnz + int((self.edges.diagonal() != 0).sum())) // 2
        parts = [
            f"{len(self):,} nodes",
            f"{edges:,} {'directed ' if self.directed else ''}edges",
            f"{pieces:,} components",
        ]
        if isolated:
            parts.append(f"{isolated:,} isolated nodes")
        return ", ".join(parts) + (f"; {self.notes}" if self.notes else "")


def make_edges(
    sources: np.ndarray, targets: np.ndarray, count: int, weights: np.ndarray | None = None, directed: bool = False
) -> tuple[Any, str]:
    """The matrix of a graph from a list of edges, and notes on what was corrected.

    A duplicate edge counts once, with its largest weight. For an undirected graph the reverse of each edge is added. Loops are
    left out: the encoder decides whether a node sees itself.
    """
    given = len(sources)
    kind = np.int32 if count < 2**31 else np.int64
    loops = sources == targets
    sources, targets = sources[~loops].astype(kind, copy=False), targets[~loops].astype(kind, copy=False)
    values = None if weights is None else weights[~loops].astype(np.float32)
    if not directed:
        sources, targets = np.r_[sources, targets], np.r_[targets, sources]
        values = None if values is None else np.r_[values, values]
    matrix = _compressed(targets, sources, values, count)
    kept = matrix.nnz if directed else matrix.nnz // 2
    notes = []
    if loops.any():
        notes.append(f"{int(loops.sum()):,} self-loops left out")
    if given - int(loops.sum()) - kept:
        notes.append(f"{given - int(loops.sum()) - kept:,} duplicate {'' if directed else 'or reversed '}edges merged")
    return matrix, ", ".join(notes)


def _compressed(rows: np.ndarray, columns: np.ndarray, values: np.ndarray | None, count: int) -> Any:
    """CSR with each entry once; of duplicates the largest value, or 1 if no values are given."""
    if values is not None:
        order = np.lexsort((values, columns, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        if len(rows):
            last = np.r_[(rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1]), True]
            rows, columns, values = rows[last], columns[last], values[last]
        return scipy.sparse.csr_matrix((values, (rows, columns)), (count, count))
    matrix = scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, count))
    matrix.data[:] = 1.0  # SciPy adds equal entries up
    matrix.sort_indices()
    return matrix


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a graph: a reference. One that is not in the graph yet (for `predict`) brings its features and edges.

    Attributes:
        graph: the graph that it is in, or that it is attached to
        index: its number; -1 if it is new
        label: its class, a number, or several classes
        name: name of a new node
        features: (features,), the features of a new node
        neighbours: the numbers of the nodes that a new node is connected to
        weights: the weights of a new node's edges
    """

    graph: Graph
    index: int
    label: Label | None = None
    name: str = ""
    features: np.ndarray | None = None
    neighbours: np.ndarray | None = None
    weights: np.ndarray | None = None
    group: ClassVar[None] = None
    sample_input: ClassVar[str] = "--nodes ID"

    @property
    def source(self) -> str:
        """The node's id."""
        return self.name or self.graph.ids[self.index]

    @property
    def shown(self) -> str:
        """What the terminal shows."""
        return f"node {self.source}"


class Nodes(References[Node]):
    """Some nodes of a graph.

    Args:
        graph: the graph that they are in
        indices: (nodes,), their numbers
    """

    def __init__(self, graph: Graph, indices: np.ndarray) -> None:
        self.graph = graph
        self.indices = np.asarray(indices, np.int64)

    def __len__(self) -> int:
        return len(self.indices)

    def reference(self, index: int) -> Node:
        """A node with its class."""
        number = int(self.indices[index])
        return Node(self.graph, number, self.graph.labels[number])

    def part(self, chosen: slice) -> "Nodes":
        """Some of them."""
        return Nodes(self.graph, self.indices[chosen])
