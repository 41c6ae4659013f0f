"""Pairs of nodes: the known graph as a matrix, the nodes' numbers, and their common neighbours."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from convzoo.core.arguments import Fraction, Positive
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, some_of
from convzoo.core.text import nearest
from convzoo.modalities.graph.example import Graph
from convzoo.modalities.graph.links import NodePair, linked_of, pair_keys, pairs_of
from convzoo.modalities.graph.matrices import graph_matrix
from convzoo.modalities.graph.places import places
from convzoo.ops.sparse import GraphTensors, SparseMatrix
from convzoo.reading.lines import read_lines

_SPARSE = 0.1
"""Features are kept sparse if the fraction of them that is not zero is smaller than this."""
_ROUNDS = 20
"""How often a negative is drawn again if its nodes are connected."""
_HIDE, _NODES = 1, 2
"""Streams of the random numbers."""


class LinkEncoder(Encoder):
    r"""The graph of the training edges, pairs of nodes, and which neighbours they have in common.

    In each epoch a part of the training edges is hidden: it leaves the graph, in both directions, and is what the network learns
    to find; the others carry messages. Else the network would learn to read an edge off its own message, which no edge that is
    asked for sends (Wang et al. 2023, arXiv:2302.00890, §4.3). Which edges are hidden is a function of seed, epoch and edge, so a
    step is the same however its batch is divided. Each hidden edge comes with negatives, drawn uniformly from all
    pairs that no training edge connects.

    Args:
        hidden: part of the training edges that is hidden in an epoch; 0: none, and all of them are learnt from
        negatives: number of unconnected pairs for each edge
        normalise: `none` leaves features as they are; `length` scales those of each node to length 1; `standard` scales each
            feature to mean 0 and deviation 1 over the nodes; `auto` is `length` where most are zero (words), else `standard`
        without_features: what stands for the features of nodes that have none: `places`, the strongest directions of the
            adjacency matrix and the degree; `learned`, a vector that is learnt for each node
    """

    example = NodePair
    takes_ids = True
    cached = False

    def __init__(
        self,
        hidden: Fraction = 0.3,
        negatives: Positive = 1,
        normalise: Literal["none", "length", "standard", "auto"] = "auto",
        without_features: Literal["places", "learned"] = "places",
    ) -> None:
        self.hidden = hidden
        self.negatives = negatives
        self.normalise = normalise
        self.without_features = without_features
        self._graph: Graph | None = None
        self._features: Tensor | SparseMatrix | None = None
        self._keys: np.ndarray | None = None
        self._whole: GraphTensors | None = None
        # The visible edges of the last epoch, and their tensors.
        self._visible: tuple[Any, Any, GraphTensors] | None = None

    @property
    def graph(self) -> Graph:
        """The graph of the training edges."""
        assert self._graph is not None, "fit or load_state comes first"
        return self._graph

    def fit(self, examples: Sequence[NodePair]) -> None:
        """Keep the graph of the training edges."""
        self._take(examples[0].graph)

    def _take(self, graph: Graph) -> None:
        self._graph = graph
        self._features = self._keys = self._visible = self._whole = None

    def prepare(self, example: NodePair) -> NodePair:
        """The pair itself: it is only a reference."""
        return example

    def survey(self, examples: Sequence[NodePair], items: Sequence[Any] | None) -> Survey:
        """How many pairs are linked, and pairs of which the graph knows nothing."""
        graph = examples[0].graph
        self._require(graph)
        count, linked = len(examples), linked_of(examples, range(len(examples)))
        if graph is not self.graph or not len(examples):
            return Survey({"pairs": f"{count:,}"})
        facts = {"pairs": f"{int((linked == 1).sum()):,} linked, {int((linked == 0).sum()):,} not"}
        width = graph.features.shape[1]
        instead = (
            "places in the graph" if self.without_features == "places" else "a vector that is learnt for each node"
        )
        facts["features"] = f"{width:,} a node" if width else f"none: {instead}"
        alone = np.diff(graph.edges.indptr) == 0
        both = np.flatnonzero(alone[pairs_of(examples, range(count))].any(axis=1))
        if not len(both):
            return Survey(facts)
        named = [examples[int(at)].source for at in both[:1]] + [""] * (len(both) - 1)
        known = "only its features tell of it" if width else "nothing tells of it"
        return Survey(facts, [f"{some_of(named, count, 'pairs')} have a node without a known edge: {known}"])

    def collate(self, items: Sequence[NodePair], draws: Draws | None = None) -> Batch:
        """A list of pairs to a batch."""
        return self.gather(items, range(len(items)), draws)

    def gather(self, examples: Sequence[NodePair], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """The graph, (pairs, 2) nodes, their common neighbours, and whether they are linked.

        For training the hidden edges among the examples, and the negatives of each. `NodePair`s that ask for all links of a node
        become all pairs of it with nodes that no known edge connects it to.

        Raises:
            DataError: the graph is not the one that was trained on.
        """
        graph = examples[indices[0]].graph if len(indices) else self.graph
        self._require(graph)
        pairs, size = pairs_of(examples, indices), len(indices)
        if draws is not None:
            return self._training(pairs, draws)
        linked = torch.from_numpy(linked_of(examples, indices))
        queries = getattr(examples, "queries", None)
        own = (
            np.full(size, -1) if queries is None and not isinstance(examples, list)
            else queries[np.asarray(indices)] if queries is not None else np.array([examples[at].query for at in indices])
        )  # fmt: skip
        target: dict[str, Any] = {"linked": linked, "queries": torch.from_numpy(own.astype(np.int64))}
        if (pairs[:, 1] < 0).any():
            pairs, pointers = self._with_all(pairs)
            target |= {"pointers": torch.from_numpy(pointers), "pairs": torch.from_numpy(pairs)}
        return Batch(self._inputs(self._tensors(self.graph.edges), self.graph.edges, pairs), target, size)

    def _training(self, pairs: np.ndarray, draws: Draws) -> Batch:
        size, count = len(pairs), len(self.graph)
        hidden = self._hidden(pairs, draws)
        kept = np.flatnonzero(hidden) if self.hidden else np.arange(size)
        edges, _, whole = self._seen_in(draws)
        chosen = Draws(draws.seed, draws.epoch, np.asarray(draws.indices)[kept])
        others = self._draw(chosen, count)
        both = np.r_[pairs[kept], others.reshape(-1, 2)]
        linked = torch.zeros(len(both))
        linked[: len(kept)] = 1
        # The sum over what is learnt from, divided by what that is on average: a step is then the same however it is divided.
        share = size * (1 + self.negatives) * (self.hidden or 1.0)
        target = {"linked": linked, "weights": torch.full((len(both),), 1 / share, dtype=torch.float64)}
        return Batch(self._inputs(whole, edges, both), target, size)

    def _hidden(self, pairs: np.ndarray, draws: Draws) -> np.ndarray:
        """(pairs,): whether each edge is hidden in this epoch."""
        keys = pair_keys(pairs, len(self.graph))
        return Draws(draws.seed, draws.epoch, keys).uniform(_HIDE, 1)[:, 0] < self.hidden

    def _seen_in(self, draws: Draws) -> tuple[Any, Any, GraphTensors]:
        """The edges that carry messages in an epoch, as a matrix and as tensors; made once an epoch."""
        epoch = (draws.seed, draws.epoch) if self.hidden else None
        if self._visible is None or self._visible[1] != epoch:
            edges = self.graph.edges
            if self.hidden:
                rows = np.repeat(np.arange(len(self.graph)), np.diff(edges.indptr))
                seen = ~self._hidden(np.stack([rows, edges.indices], axis=1).astype(np.int64), draws)
                pointers = np.r_[0, np.cumsum(seen)][edges.indptr]
                edges = scipy.sparse.csr_matrix((edges.data[seen], edges.indices[seen], pointers), edges.shape)
            self._visible = (edges, epoch, self._tensors(edges))
        return self._visible

    def _draw(self, draws: Draws, count: int) -> np.ndarray:
        """(edges, negatives, 2): pairs of different nodes that no training edge connects."""
        wanted = self.negatives
        found = np.zeros((len(np.asarray(draws.indices)), wanted, 2), np.int64)
        missing = np.ones(found.shape[:2], bool)
        keys = self._known_keys()
        for round_number in range(_ROUNDS):
            rows = np.flatnonzero(missing.any(axis=1))
            if not len(rows):
                break
            again = Draws(draws.seed, draws.epoch, np.asarray(draws.indices)[rows])
            drawn = (again.uniform(_NODES + round_number, 2 * wanted) * count).astype(np.int64).reshape(-1, wanted, 2)
            found[rows] = np.where(missing[rows][..., None], drawn, found[rows])
            own = pair_keys(found[rows].reshape(-1, 2), count)
            at = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
            bad = (keys[at] == own) | (found[rows].reshape(-1, 2)[:, 0] == found[rows].reshape(-1, 2)[:, 1])
            missing[rows] = bad.reshape(-1, wanted)
        return found

    def _known_keys(self) -> np.ndarray:
        """Sorted keys of the training edges."""
        if self._keys is None:
            edges = self.graph.edges
            rows = np.repeat(np.arange(len(self.graph), dtype=np.int64), np.diff(edges.indptr))
            above = rows < edges.indices
            self._keys = rows[above] * len(self.graph) + edges.indices[above]  # in the order of the rows: sorted
        return self._keys

    def _with_all(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each node that is asked for with all others that no known edge leads to, and where the pairs of each example begin."""
        parts = []
        for first, second in pairs.tolist():
            if second >= 0:
                parts.append(np.array([[first, second]]))
                continue
            free = np.ones(len(self.graph), bool)
            free[first] = False
            edges = self.graph.edges
            free[edges.indices[edges.indptr[first] : edges.indptr[first + 1]]] = False
            others = np.flatnonzero(free)
            parts.append(np.stack([np.full(len(others), first), others], axis=1))
        return np.concatenate(parts), np.r_[0, np.cumsum([len(part) for part in parts])]

    def _inputs(self, whole: GraphTensors, edges: Any, pairs: np.ndarray) -> dict[str, Any]:
        return {"graph": whole, "pairs": torch.from_numpy(pairs), "common": common(edges, pairs)}

    def _tensors(self, edges: Any) -> GraphTensors:
        """The matrix that weights the messages, with the features; that of all known edges is made once."""
        if edges is self.graph.edges and self._whole is not None:
            return self._whole
        if self._features is None:
            self._features = self._made_features()
        matrix = graph_matrix(edges, "symmetric", self_loops=True)
        found = GraphTensors(self._features, SparseMatrix.of(matrix, symmetric=True))
        if edges is self.graph.edges:
            self._whole = found
        return found

    def _made_features(self) -> Tensor | SparseMatrix:
        graph = self.graph
        table = graph.features
        if not table.shape[1] and self.without_features == "learned":
            table = scipy.sparse.identity(len(graph), np.float32, format="csr")
        elif not table.shape[1]:
            found = places(graph)
            return torch.from_numpy(
                ((found - found.mean(axis=0)) / np.maximum(found.std(axis=0), 1e-9)).astype(np.float32)
            )
        filled = table.nnz if scipy.sparse.issparse(table) else np.count_nonzero(table)
        sparse = filled <= 0.5 * table.shape[0] * table.shape[1]
        kind = self.normalise if self.normalise != "auto" else "length" if sparse else "standard"
        if kind == "standard":
            dense = np.asarray(table.todense()) if scipy.sparse.issparse(table) else table
            deviation = dense.std(axis=0, dtype=np.float64)
            table = ((dense - dense.mean(axis=0, dtype=np.float64)) / np.where(deviation > 1e-8, deviation, 1)).astype(
                np.float32
            )
        elif kind == "length":
            squares = (
                table.multiply(table).sum(axis=1) if scipy.sparse.issparse(table) else np.square(table).sum(axis=1)
            )
            scale = 1 / np.sqrt(np.maximum(np.asarray(squares, np.float64).ravel(), 1e-12))
            table = scipy.sparse.diags(scale).dot(table).astype(np.float32)
        if scipy.sparse.issparse(table):
            table = table.tocsr().astype(np.float32)
            if table.nnz <= _SPARSE * table.shape[0] * table.shape[1]:
                table.sort_indices()
                return SparseMatrix.of(table)
            table = np.asarray(table.todense())
        return torch.from_numpy(np.ascontiguousarray(table, np.float32))

    def matched(
        self, examples: Sequence[NodePair], split: Mapping[str, Collection[str]]
    ) -> tuple[Sequence[NodePair], list[str]]:
        """Pairs without the edges that the run learnt from, whose answer the graph knows, and without those that it chose its
        checkpoint by.

        Raises:
            DataError: the graph has other nodes, or all pairs are known.
        """
        if not len(examples):
            raise DataError("no pair to score")
        self._require(examples[0].graph)
        known, chosen = set(self._known_keys().tolist()), set(split.get("val", ()))
        keys = pair_keys(pairs_of(examples, range(len(examples))), len(self.graph)).tolist()
        fresh = [
            pair for key, pair in zip(keys, examples, strict=True) if key not in known and pair.source not in chosen
        ]
        lost = len(examples) - len(fresh)
        if not fresh:
            raise DataError(
                f"all {lost:,} pairs are those that the run learnt from or chose its checkpoint by: nothing is left"
            )
        why = f"{lost:,} of {len(examples):,} pairs are those that the run learnt from or chose its checkpoint by"
        return fresh, [f"{why}; they are not scored"] if lost else []

    def _require(self, graph: Graph) -> None:
        """Refuse another graph: what is known of a node's edges is known of this one."""
        if graph is self.graph:
            return
        if list(graph.ids) != list(self.graph.ids):
            known = set(self.graph.ids)
            strange = next((name for name in graph.ids if name not in known), None)
            found = (
                f"{len(graph):,} of {len(self.graph):,} nodes" if strange is None else f"node {strange!r} was not there"
            )
            raise DataError(
                f"the data have other nodes than training ({found}): links are predicted in the graph that was trained on; give "
                "its nodes in their order, or train on these data"
            )

    def from_inputs(self, values: Sequence[Any]) -> list[NodePair]:
        """`a,b` for a pair, `a` for all links of a node, by their ids; or a file with a pair a line (.csv, .tsv, .txt).

        Raises:
            DataError: there is no such node, or a pair is a node with itself.
        """
        found: list[NodePair] = []
        for value in values:
            if isinstance(value, NodePair):
                found.append(value)
            elif isinstance(value, tuple | list):
                found.append(self._pair([str(part) for part in value], "the pair"))
            elif str(value) not in self.graph.numbers and str(value).endswith((".csv", ".tsv", ".txt")):
                lines = read_lines(Path(value))
                parts = [line.replace("\t", ",").split(",") for line in lines if line.strip()]
                heading = bool(parts) and parts[0][0].strip().strip('"') not in self.graph.numbers
                found += [
                    self._pair(part, f"{value}:{number}")
                    for number, part in enumerate(parts, 1) if number > 1 or not heading
                ]  # fmt: skip
            else:
                text = str(value)
                found.append(self._pair([text] if text in self.graph.numbers else text.split(","), "the pair"))
        return found

    def from_lines(self, lines: Sequence[str]) -> list[NodePair]:
        """A pair of ids, or the id of a node, a line."""
        return self.from_inputs([line.strip() for line in lines if line.strip()])

    def _pair(self, names: Sequence[str], where: str) -> NodePair:
        graph = self.graph
        parts = [name.strip().strip('"') for name in names]
        if len(parts) not in (1, 2):
            raise DataError(f"{where} {','.join(parts)!r}: has {len(parts)} ids; give two, with a comma between them")
        for name in parts:
            if name not in graph.numbers:
                near = nearest(name, list(graph.ids)[:20_000])
                raise DataError(f"{where}: the graph has no node {name!r}{f'; did you mean {near!r}?' if near else ''}")
        if len(parts) == 2 and parts[0] == parts[1]:
            raise DataError(f"{where}: names node {parts[0]!r} twice; a link is between two different nodes")
        return NodePair(graph, graph.numbers[parts[0]], graph.numbers[parts[1]] if len(parts) == 2 else -1)

    @property
    def dims(self) -> Mapping[str, Any]:
        """How many features a node has, and the nodes' ids."""
        if self._features is None:
            self._features = self._made_features()
        return {"in_channels": self._features.shape[1], "node_ids": self.graph.ids}

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The features."""
        graph = self.graph
        return (
            {"in_channels": list(graph.feature_names)}
            if len(graph.feature_names) == graph.features.shape[1] > 0
            else {}
        )

    def annotate(self, example: NodePair, prediction: dict[str, Any]) -> dict[str, Any]:
        """How many neighbours both nodes have in common, and whether the graph connects them already."""
        if example.second < 0 or example.graph is not self.graph:
            return prediction
        edges = self.graph.edges
        one, other = (
            set(edges.indices[edges.indptr[node] : edges.indptr[node + 1]].tolist())
            for node in (example.first, example.second)
        )
        return prediction | {"common_neighbours": len(one & other), "known": example.second in one}

    def state(self) -> dict[str, Any]:
        """The graph of the training edges, with ids and features."""
        graph = self.graph
        features = graph.features
        kept: dict[str, Any] = {"features": features}
        if scipy.sparse.issparse(features):
            kept = {"feature_" + name: getattr(features, name) for name in ("indptr", "indices", "data")}
            kept["width"] = features.shape[1]
        edges = {"edge_" + name: getattr(graph.edges, name) for name in ("indptr", "indices", "data")}
        return {"ids": list(graph.ids), "feature_names": list(graph.feature_names), **kept, **edges}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        arrays: dict[str, Any] = {
            key: value.numpy() if isinstance(value, Tensor) else value for key, value in state.items()
        }
        count = len(arrays["ids"])
        features = arrays.get("features")
        if features is None:
            parts = tuple(arrays["feature_" + name] for name in ("data", "indices", "indptr"))
            features = scipy.sparse.csr_matrix(parts, (count, arrays["width"]))
        parts = tuple(arrays["edge_" + name] for name in ("data", "indices", "indptr"))
        edges = scipy.sparse.csr_matrix(parts, (count, count))
        self._take(Graph(edges, features, [None] * count, arrays["ids"], arrays["feature_names"]))


def common(edges: Any, pairs: np.ndarray) -> SparseMatrix:
    """(pairs, nodes): 1 where a node is a neighbour of both nodes of a pair; one product of two sparse tables, entry by entry."""
    pattern = scipy.sparse.csr_matrix((np.ones(edges.nnz, np.float32), edges.indices, edges.indptr), edges.shape)
    found = pattern[pairs[:, 0]].multiply(pattern[pairs[:, 1]]).tocsr().astype(np.float32)
    found.sort_indices()
    return SparseMatrix.of(found)
