"""Whole graphs as tensors: the graphs of a batch side by side, as one graph without edges between them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from convzoo.core.arguments import Positive
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, listed, some_of
from convzoo.core.targets import Targets
from convzoo.core.text import did_you_mean
from convzoo.modalities.graph.matrices import graph_matrix
from convzoo.modalities.graph.whole import WholeGraph
from convzoo.modalities.graph.whole_formats import Structure, as_text
from convzoo.ops.sparse import GraphTensors, SparseMatrix

MOST_KINDS = 100
"""A column of text with more different values than this is a name: it tells nothing about other graphs."""

_STREAM = 0
_BLOCK = 256


class WholeGraphEncoder(Encoder):
    """A graph's nodes as rows of features, its edges as a matrix.

    A node's features are the kinds of its columns of text (1 in the place of its kind), its columns of numbers, the logarithm of
    its degree and, if asked for, where it stands in the graph. Numbers are standardised over the training split. Kinds that
    training lacks are zeros.

    Args:
        matrix: how messages are weighted: `adjacency` A (a sum), `random_walk` $D^{-1} A$ (a mean), `symmetric` $D^{-1/2} A
            D^{-1/2}$, or `laplacian`, scaled for Chebyshev polynomials
        self_loops: whether each node is also its own neighbour
        positions: what tells nodes apart that look alike: `random_walk`, the chances that a random walk is back at its node after
            2, 3, … steps, which count the cycles through it (Dwivedi et al. 2022, arXiv:2110.07875); `laplacian`, the values of
            the eigenvectors of the Laplacian with the smallest eigenvalues, whose signs are drawn anew in each training batch
            (Dwivedi et al. 2020, arXiv:2003.00982)
        position_size: how many steps or eigenvectors
    """

    example = WholeGraph

    def __init__(
        self,
        matrix: Literal["adjacency", "random_walk", "symmetric", "laplacian"] = "adjacency",
        self_loops: bool = False,
        positions: Literal["none", "random_walk", "laplacian"] = "none",
        position_size: Positive = 8,
    ) -> None:
        self.matrix = matrix
        self.self_loops = self_loops
        self.positions = positions
        self.position_size = position_size
        self.targets = Targets()
        self.kinds: dict[str, dict[str, list[str]]] = {"nodes": {}, "edges": {}}  # column -> its kinds
        self.numbers: dict[str, list[str]] = {"nodes": [], "edges": []}
        self.names_left_out: list[str] = []
        self.mean = np.zeros(0, np.float32)
        self.deviation = np.zeros(0, np.float32)
        self.edge_mean = np.zeros(0, np.float32)
        self.edge_deviation = np.zeros(0, np.float32)
        self.usual_size = 1.0

    def fit(self, examples: Sequence[WholeGraph]) -> None:
        """Learn the labels, the columns with their kinds, means and deviations of numbers, and the usual number of nodes.

        Raises:
            DataError: there are fewer than two classes or numbers, or graphs have different columns.
        """
        self.targets = Targets.of(example.label for example in examples)
        structures = [example.read() for example in examples]
        self.names_left_out = []
        for where in ("nodes", "edges"):
            self._learn_columns(where, [getattr(structure, where) for structure in structures])
        moments, edge_moments = _Moments(), _Moments()
        for example, structure in zip(examples, structures, strict=True):
            moments.add(self._node_numbers(structure, example.source))
            edge_moments.add(self._edge_numbers(structure, example.source))
        self.mean, self.deviation = moments.found()
        self.edge_mean, self.edge_deviation = edge_moments.found()
        self.usual_size = float(np.mean([structure.count for structure in structures]))

    def _learn_columns(self, where: str, tables: Sequence[Mapping[str, np.ndarray]]) -> None:
        kinds: dict[str, list[str]] = {}
        numbers: list[str] = []
        for name in sorted({name for table in tables for name in table} - ({"weight"} if where == "edges" else set())):
            columns = [table[name] for table in tables if name in table]
            if all(values.dtype.kind == "f" for values in columns):
                numbers.append(name)
                continue
            found = sorted({value for values in columns for value in _as_kinds(values)})
            if len(found) > MOST_KINDS:
                self.names_left_out.append(f"{name} ({len(found):,} different values)")
            else:
                kinds[name] = found
        self.kinds[where], self.numbers[where] = kinds, numbers

    def _node_numbers(self, structure: Structure, source: str) -> np.ndarray:
        """(nodes, numbers): columns of numbers, the degree, and random-walk positions, not standardised."""
        rows, _, _ = structure.entries()
        degree = np.log1p(np.bincount(rows, minlength=structure.count))
        columns = [*self._numbers_of(structure.nodes, "nodes", source), degree]
        if self.positions == "random_walk":
            columns += list(return_chances(structure, self.position_size).T)
        return np.stack(columns, axis=1).astype(np.float32)

    def _edge_numbers(self, structure: Structure, source: str) -> np.ndarray:
        columns = self._numbers_of(structure.edges, "edges", source)
        return np.stack(columns, axis=1) if columns else np.zeros((len(structure.sources), 0), np.float32)

    def _numbers_of(self, table: Mapping[str, np.ndarray], where: str, source: str) -> list[np.ndarray]:
        return [self._column(table, name, where, source) for name in self.numbers[where]]

    def _column(self, table: Mapping[str, np.ndarray], name: str, where: str, source: str) -> np.ndarray:
        if name not in table:
            raise DataError(
                f"{source}: the {where} have no {name!r}, which those of training have; {did_you_mean(name, table)}"
            )
        values = table[name]
        if name in self.numbers[where] and values.dtype.kind != "f":
            raise DataError(f"{source}: {name!r} of the {where} should be numbers, and one is {values[0]!r}")
        return values

    def _kinds_of(self, table: Mapping[str, np.ndarray], where: str, source: str, count: int) -> np.ndarray:
        """(rows, kinds): 1 in the place of each row's kind, for each column of text."""
        parts = [np.zeros((count, 0), np.float32)]
        for name, known in self.kinds[where].items():
            place = {kind: at for at, kind in enumerate(known)}
            numbers = np.array(
                [place.get(kind, -1) for kind in _as_kinds(self._column(table, name, where, source))], np.int64
            )
            part = np.zeros((count, len(known)), np.float32)
            there = np.flatnonzero(numbers >= 0)
            part[there, numbers[there]] = 1
            parts.append(part)
        return np.concatenate(parts, axis=1)

    def prepare(self, example: WholeGraph) -> tuple[Any, ...]:
        """Features (nodes, features), the matrix as pointers, columns and values, its transpose as pointers, columns and order,
        edge features (entries, edge features), and the target.

        Raises:
            DataError: the graph lacks a column of training, its class is not in training, or its file cannot be read.
        """
        structure = example.read()
        source = example.source
        target = self.targets.target(example.label, source)
        kinds = self._kinds_of(structure.nodes, "nodes", source, structure.count)
        numbers = (self._node_numbers(structure, source) - self.mean) / self.deviation
        features = [kinds, numbers]
        if self.positions == "laplacian":
            features.append(eigenvectors(structure, self.position_size))
        rows, columns, which = structure.entries()
        weights = structure.edges["weight"][which] if "weight" in structure.edges else np.ones(len(rows), np.float32)
        edges = scipy.sparse.csr_matrix((weights, (rows, columns)), (structure.count, structure.count))
        edges.sort_indices()
        matrix = graph_matrix(edges, self.matrix, self.self_loops)
        given = np.concatenate(
            [
                self._kinds_of(structure.edges, "edges", source, len(structure.sources)),
                (self._edge_numbers(structure, source) - self.edge_mean) / self.edge_deviation,
            ],
            axis=1,
        )[which]
        if self.self_loops and self.matrix != "laplacian" and given.shape[1]:  # a loop has no features
            of_entries = np.zeros((matrix.nnz, given.shape[1]), np.float32)
            of_entries[matrix.indices != np.repeat(np.arange(structure.count), np.diff(matrix.indptr))] = given
            given = of_entries
        numbered = scipy.sparse.csr_matrix(
            (np.arange(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape
        ).T.tocsr()
        whole = [matrix.indptr, matrix.indices, numbered.indptr, numbered.indices, numbered.data]
        pointers, entries, *back = (torch.from_numpy(part.astype(np.int32)) for part in whole)
        return (
            torch.from_numpy(np.concatenate(features, axis=1).astype(np.float32)),
            pointers, entries, torch.from_numpy(matrix.data.astype(np.float32)), *back,
            torch.from_numpy(given.astype(np.float32)), target,
        )  # fmt: skip

    def survey(self, examples: Sequence[WholeGraph], items: Sequence[Any] | None) -> Survey:
        """Sizes, what nodes and edges are told by, graphs without edges, kinds that training lacks."""
        structures = [example.read() for example in examples]
        facts = {
            "nodes": lengths_in_words([structure.count for structure in structures]) + " a graph",
            "edges": lengths_in_words([structure.edge_count for structure in structures]) + " a graph",
            "features": self._in_words(),
        }
        notes = []
        bare = [
            example.source
            for example, structure in zip(examples, structures, strict=True)
            if not len(structure.sources)
        ]
        if bare:
            notes.append(f"{some_of(bare, len(examples), 'graphs')} have no edge: the network sees their nodes only")
        if self.names_left_out:
            notes.append(f"not used, since they are names and no kinds: {listed(self.names_left_out)}")
        for where, columns in self.kinds.items():
            for name, known in columns.items():
                counts = Counter(
                    kind
                    for structure in structures
                    for kind in _as_kinds(getattr(structure, where).get(name, np.zeros(0)))
                )
                new = [f"{kind} ({counts[kind]:,})" for kind in counts if kind not in set(known)]
                if new:
                    notes.append(
                        f"kinds of {name!r} that training lacks, which the network does not see: {listed(new)}"
                    )
        return Survey(facts, notes)

    def _in_words(self) -> str:
        nodes = [*self.kinds["nodes"], *self.numbers["nodes"], "degree"]
        nodes += (
            [] if self.positions == "none" else [f"{self.position_size} {self.positions.replace('_', '-')} positions"]
        )
        edges = [*self.kinds["edges"], *self.numbers["edges"]]
        return f"of nodes {', '.join(nodes)}; of edges {', '.join(edges) or 'none'}"

    def collate(self, items: Sequence[tuple[Any, ...]], draws: Draws | None = None) -> Batch:
        """The graphs side by side: `graph`, `member` (nodes,), the number of each node's graph, and `counts` (graphs,)."""
        features, pointers, columns, values, back_pointers, back_columns, order, edge_features, targets = zip(
            *items, strict=True
        )
        sizes = [len(part) for part in features]
        entries = [len(part) for part in columns]
        counts = torch.tensor(sizes)
        nodes_before = np.cumsum([0, *sizes[:-1]]).tolist()
        entries_before = np.cumsum([0, *entries[:-1]]).tolist()

        def joined(parts: Sequence[Tensor], before: Sequence[int]) -> Tensor:
            return torch.cat([part + add for part, add in zip(parts, before, strict=True)])

        def chained(parts: Sequence[Tensor]) -> Tensor:
            ends = [part[1:] + add for part, add in zip(parts, entries_before, strict=True)]
            return torch.cat([torch.zeros(1, dtype=torch.int32), *ends])

        back = chained(back_pointers), joined(back_columns, nodes_before), joined(order, entries_before)
        matrix = SparseMatrix(chained(pointers), joined(columns, nodes_before), torch.cat(values), sum(sizes), back)
        if draws is not None and self.positions == "laplacian":
            signs = np.where(draws.uniform(_STREAM, self.position_size) < 0.5, -1, 1).astype(np.float32)
            features = tuple(
                torch.cat([part[:, : -self.position_size], part[:, -self.position_size :] * sign], dim=1)
                for part, sign in zip(features, torch.from_numpy(signs), strict=True)
            )
        of_edges = torch.cat(edge_features) if edge_features[0].shape[1] else None
        inputs = {
            "graph": GraphTensors(torch.cat(features), matrix, of_edges),
            "member": torch.repeat_interleave(torch.arange(len(sizes)), counts),
            "counts": counts,
        }
        return Batch(inputs, self.targets.batch(targets), len(items))

    @property
    def feature_names(self) -> list[str]:
        """What each feature of a node is."""
        kinds = [f"{name}={kind}" for name, known in self.kinds["nodes"].items() for kind in known]
        places = {
            "none": [],
            "random_walk": [f"return after {step} steps" for step in range(2, self.position_size + 2)],
            "laplacian": [f"eigenvector {number}" for number in range(1, self.position_size + 1)],
        }[self.positions]
        return [*kinds, *self.numbers["nodes"], "degree", *places]

    @property
    def dims(self) -> Mapping[str, Any]:
        """How many features nodes and edges have, those of the labels, the kind of matrix, the usual number of nodes."""
        return {
            "in_channels": len(self.feature_names),
            "edge_channels": sum(map(len, self.kinds["edges"].values())) + len(self.numbers["edges"]),
            **self.targets.dims,
            "matrix": self.matrix,
            "usual_size": self.usual_size,
        }

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The classes and the features of nodes and edges."""
        edges = [f"{name}={kind}" for name, known in self.kinds["edges"].items() for kind in known]
        return {**super().names, "in_channels": self.feature_names, "edge_channels": [*edges, *self.numbers["edges"]]}

    def keep(self, earlier: "WholeGraphEncoder", examples: Sequence[WholeGraph]) -> None:
        """Keep the earlier means and deviations, if the features are the same, and the usual size."""
        if earlier.names["in_channels"] == self.names["in_channels"]:
            self.mean, self.deviation = earlier.mean, earlier.deviation
        if earlier.names["edge_channels"] == self.names["edge_channels"]:
            self.edge_mean, self.edge_deviation = earlier.edge_mean, earlier.edge_deviation
        self.usual_size = earlier.usual_size

    def state(self) -> dict[str, Any]:
        """What was learnt from the training split."""
        return {
            **self.targets.state(), "kinds": self.kinds, "numbers": self.numbers, "names_left_out": self.names_left_out,
            "usual_size": self.usual_size, "mean": self.mean, "deviation": self.deviation, "edge_mean": self.edge_mean,
            "edge_deviation": self.edge_deviation,
        }  # fmt: skip

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        arrays: dict[str, Any] = {
            key: value.numpy() if isinstance(value, Tensor) else value for key, value in state.items()
        }
        self.targets = Targets.from_state(arrays)
        self.kinds = {
            where: {name: list(known) for name, known in columns.items()} for where, columns in arrays["kinds"].items()
        }
        self.numbers = {where: list(names) for where, names in arrays["numbers"].items()}
        self.names_left_out = list(arrays["names_left_out"])
        self.usual_size = float(arrays["usual_size"])
        for name in ("mean", "deviation", "edge_mean", "edge_deviation"):
            setattr(self, name, arrays[name])


class _Moments:
    """Means and deviations of columns over many tables."""

    def __init__(self) -> None:
        self.sums: Any = 0.0
        self.squares: Any = 0.0
        self.count = 0

    def add(self, table: np.ndarray) -> None:
        self.sums = self.sums + table.sum(axis=0, dtype=np.float64)
        self.squares = self.squares + np.square(table, dtype=np.float64).sum(axis=0)
        self.count += len(table)

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        mean = np.atleast_1d(self.sums / max(self.count, 1))
        spread = np.sqrt(np.maximum(np.atleast_1d(self.squares / max(self.count, 1)) - mean**2, 0))
        return mean.astype(np.float32), np.where(spread > 1e-6, spread, 1).astype(np.float32)


def _as_kinds(values: np.ndarray) -> list[str]:
    return values.tolist() if values.dtype.kind == "U" else [as_text(value) for value in values]


def return_chances(structure: Structure, steps: int) -> np.ndarray:
    """(nodes, steps): the chance that a random walk from a node is back at it after 2, 3, … steps (after one it never is).

    Args:
        structure: a graph
        steps: how many numbers of steps
    """
    rows, columns, _ = structure.entries()
    edges = scipy.sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows, columns)), (structure.count, structure.count)
    )
    walk = graph_matrix(edges, "random_walk", self_loops=False)
    found = np.zeros((structure.count, steps), np.float32)
    for first in range(0, structure.count, _BLOCK):
        chosen = np.arange(first, min(first + _BLOCK, structure.count))
        reached = walk[:, chosen].toarray()  # column j: the chance to be at j after one step
        for step in range(steps):
            reached = walk @ reached
            found[chosen, step] = reached[chosen, np.arange(len(chosen))]
    return found


def eigenvectors(structure: Structure, count: int) -> np.ndarray:
    """(nodes, count): the eigenvectors of the normalised Laplacian with the smallest eigenvalues after the first, each scaled to
    a mean square of 1. Their signs are such that the largest value is positive; missing ones are zeros.

    Args:
        structure: a graph
        count: how many
    """
    rows, columns, _ = structure.entries()
    size = structure.count
    edges = scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (size, size))
    laplacian = scipy.sparse.identity(size) - graph_matrix(
        ((edges + edges.T) > 0).astype(np.float32), "symmetric", False
    )
    if size > 2000:
        from scipy.sparse.linalg import eigsh

        _, vectors = eigsh(laplacian.tocsc(), count + 1, sigma=-1e-3, which="LM", v0=np.ones(size))
    else:
        _, vectors = np.linalg.eigh(laplacian.toarray())
    kept = vectors[:, 1 : count + 1]
    kept = kept * np.sqrt(size) * np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])] + 1e-30)
    found = np.zeros((size, count), np.float32)
    found[:, : kept.shape[1]] = kept
    return found
