"""The nodes of a graph: the whole graph at every step, or neighbours drawn around a batch of nodes."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from convzoo.core.arguments import Positive
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.labels import UNLABELLED
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, listed, some_of
from convzoo.core.targets import Targets
from convzoo.core.text import nearest
from convzoo.modalities.graph.example import Graph, Node, Nodes
from convzoo.modalities.graph.matching import Matched, in_order, match_features, match_nodes, same_nodes
from convzoo.modalities.graph.matrices import degrees, entry_scale, graph_matrix
from convzoo.modalities.graph.neighbours import NeighbourSampler
from convzoo.modalities.graph.places import places
from convzoo.ops.sparse import GraphTensors, SparseMatrix
from convzoo.reading.lines import read_lines
from convzoo.reading.tables import as_number

_SPARSE = 0.1
"""Features are kept sparse if the fraction of them that is not zero is smaller than this."""


class GraphEncoder(Encoder):
    """The graph as a matrix, nodes as row numbers.

    One graph is the whole data set: training never uses the classes of validation and test nodes, but it uses their features and
    edges, as usual. With `neighbours`, a training step holds only the sampled part around its nodes; scoring always uses the
    whole graph.

    Args:
        matrix: how messages are weighted: `symmetric` $D^{-1/2} A D^{-1/2}$, `random_walk` $D^{-1} A$ (a mean), `adjacency` A (a
            sum), or `laplacian`, scaled for Chebyshev polynomials
        self_loops: whether each node is also its own neighbour
        normalise: `none` leaves features as they are; `rows` scales the features of each node to a sum of 1; `standard` scales
            each feature to mean 0 and standard deviation 1 over the training nodes; `auto` does so where most features are not
            0, else only with those that are numbers and mostly not 0: what is there or not (words) stays as it is
        without_features: what stands for the features of nodes that have none: `learned`, a vector that is learnt for each node;
            `places`, where it stands in the graph: the strongest directions of the adjacency matrix, and its degree
        neighbours: how many neighbours are sampled at each hop, such as [10, 10] for two layers; empty for the whole graph in
            every step
    """

    example = Node
    takes_ids = True
    cached = False

    def __init__(
        self,
        matrix: Literal["symmetric", "random_walk", "adjacency", "laplacian"] = "symmetric",
        self_loops: bool = True,
        normalise: Literal["none", "rows", "standard", "auto"] = "none",
        neighbours: list[Positive] = [],  # noqa: B006 (read only: what a recipe writes)
        without_features: Literal["learned", "places"] = "learned",
    ) -> None:
        self.matrix = matrix
        self.self_loops = self_loops
        self.normalise = normalise
        self.neighbours = list(neighbours)
        self.without_features = without_features
        self.places: np.ndarray | None = None  # (nodes, directions) of the graph that was trained on
        self.targets = Targets()
        self.mean: np.ndarray | None = None
        self.deviation: np.ndarray | None = None
        self.learnt: np.ndarray | None = None  # numbers of the nodes whose labels were learnt from
        self.bare: np.ndarray | None = None  # numbers of the nodes without a label
        self._graph: Graph | None = None
        self._needed: list[str] | None = None
        # Caches for the last graph that was encoded, which is nearly always the graph of the training split.
        self._made: tuple[Graph, Any] | None = None
        self._numbers: tuple[Graph, np.ndarray] | None = None
        self._columns: tuple[Graph, Matched] | None = None
        self._of: tuple[Graph, GraphTensors] | None = None
        self._sampler: tuple[Graph, NeighbourSampler] | None = None

    @property
    def graph(self) -> Graph:
        """The graph that was trained on."""
        assert self._graph is not None, "fit or load_state comes first"
        return self._graph

    def fit(self, examples: Sequence[Node]) -> None:
        """Keep the graph; learn the classes and, for `standard`, the features' means and deviations from the training nodes.

        Raises:
            DataError: there are fewer than two classes or numbers.
        """
        nodes = _indices(examples, range(len(examples)))
        self._graph = graph = examples[0].graph
        self.learnt = np.array([node for node in nodes.tolist() if graph.labels[node] is not None], np.int64)
        self.bare = np.array([node for node, label in enumerate(graph.labels) if label is None], np.int64)
        self.targets = Targets.of(graph.labels[index] for index in nodes)
        if not graph.features.shape[1] and self.without_features == "places":
            found = places(graph)
            self.places = ((found - found.mean(axis=0)) / np.maximum(found.std(axis=0), 1e-9)).astype(np.float32)
        if not graph.features.shape[1]:
            return
        known = not scipy.sparse.issparse(graph.features) and graph.features.size > 0
        dense = known and (graph.features != 0).mean() > 0.5
        chosen = graph.features[nodes]
        if self.normalise == "standard" or (self.normalise == "auto" and dense):
            chosen = np.asarray(chosen.todense()) if scipy.sparse.issparse(chosen) else chosen
            self.mean = chosen.mean(axis=0, dtype=np.float64).astype(np.float32)
            deviation = chosen.std(axis=0, dtype=np.float64).astype(np.float32)
            self.deviation = np.where(deviation > 1e-8, deviation, 1).astype(np.float32)
        elif self.normalise == "auto":
            mean, deviation = scale_of_numbers(chosen)
            if mean.any() or (deviation != 1).any():
                self.mean, self.deviation = mean, deviation

    def prepare(self, example: Node) -> Node:
        """The node itself: it is only a reference."""
        return example

    def survey(self, examples: Sequence[Node], items: Sequence[Any] | None) -> Survey:
        """How many features the nodes have, and nodes without neighbours."""
        graph, nodes = examples[0].graph, _indices(examples, range(len(examples)))
        count = graph.features.shape[1]
        instead = "a vector is learnt for each node" if self.places is None else "its place in the graph tells a node"
        facts = {"features": f"{count:,} a node" if count else f"none: {instead}"}
        lonely = [graph.ids[node] for node in nodes[np.diff(graph.edges.indptr)[nodes] == 0].tolist()]
        if not lonely:
            return Survey(facts)
        seen = "the network sees their own features only" if count else "the network learns nothing of them from others"
        return Survey(facts, [f"{some_of(lonely, len(nodes), 'nodes')} have no edge: {seen}"])

    def collate(self, items: Sequence[Node], draws: Draws | None = None) -> Batch:
        """A list of nodes to a batch."""
        return self.gather(items, range(len(items)), draws)

    def gather(self, examples: Sequence[Node], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """The graph, (batch,) numbers of nodes in it, and their targets.

        Raises:
            DataError: a node's class does not occur in training; the graph's features are not those of training.
        """
        graph = examples[indices[0]].graph if len(indices) else self.graph
        nodes = _indices(examples, indices)
        target = self._targets(graph)[nodes]
        target[nodes < 0] = self.targets.unlabelled()
        if self.targets.label_type == "class" and (target < UNLABELLED).any():
            at = int(nodes[np.flatnonzero(target < UNLABELLED)[0]])
            self.targets.target(graph.labels[at], f"node {graph.ids[at]!r}")
        size = len(nodes)
        if (nodes < 0).any():
            whole, nodes = self._attached(graph, [examples[index] for index in indices])
        elif draws is not None and self.neighbours:
            whole, nodes = self._sampled(graph, nodes, draws)
        else:
            whole = self._whole(graph)
        return Batch({"graph": whole, "nodes": torch.from_numpy(nodes)}, torch.from_numpy(target), size)

    def _matrix(self, graph: Graph) -> Any:
        """The matrix of a graph, made once."""
        if self._made is None or self._made[0] is not graph:
            self._made = (graph, graph_matrix(graph.edges, self.matrix, self.self_loops))
        return self._made[1]

    def _targets(self, graph: Graph) -> np.ndarray:
        """(nodes,) or (nodes, labels): the nodes' targets, made once; below UNLABELLED where training has no such class."""
        if self._numbers is None or self._numbers[0] is not graph:
            self._matched(graph)
            self._numbers = (graph, self._targets_of(graph))
        return self._numbers[1]

    def _matched(self, graph: Graph) -> Matched:
        """How the features of a graph (where nodes have none, its nodes) are those of the graph that was trained on; found once.

        Raises:
            DataError: they are not.
        """
        if self._columns is None or self._columns[0] is not graph:
            named = bool(self.graph.features.shape[1])
            self._columns = (graph, match_features(self.graph, graph) if named else match_nodes(self.graph, graph))
        return self._columns[1]

    def matched(
        self, examples: Sequence[Node], split: Mapping[str, Collection[str]]
    ) -> tuple[Sequence[Node], list[str]]:
        """Nodes of another graph, whose features are found by their names; where nodes have none, the nodes by their ids. Nodes
        that the run learnt from or chose its checkpoint by are left out.

        Raises:
            DataError: the graph has other features, or all nodes are known.
        """
        if not len(examples):
            raise DataError("no node has a label to score")
        graph = examples[0].graph
        notes = list(self._matched(graph).notes)
        same = same_nodes(self.graph, graph, self._matched(graph))
        names = {self.graph.ids[node] for node in (() if self.learnt is None else self.learnt.tolist())}
        known = names | set(split.get("val", ()))
        fresh = [node for node in examples if not (same[node.index] and node.source in known)]
        if len(fresh) < len(examples):
            lost = len(examples) - len(fresh)
            why = f"{lost:,} of {len(examples):,} labelled nodes are those that the run learnt from or chose its checkpoint by"
            if not fresh:
                raise DataError(f"all {why}: nothing is left to score")
            notes.append(f"{why}; they are not scored")
        return fresh, notes

    def _targets_of(self, graph: Graph) -> np.ndarray:
        if self.targets.label_type != "class":
            rows = [
                self.targets.target(label, f"node {name!r}")
                for label, name in zip(graph.labels, graph.ids, strict=True)
            ]
            return np.asarray(rows, np.float32)
        # An unknown class is an error only where its node is asked for.
        number: dict[Any, int] = {name: index for index, name in enumerate(self.targets.labels.names)}
        number[None] = UNLABELLED
        return np.array([number.get(name, UNLABELLED - 1) for name in graph.labels], np.int64)

    def _whole(self, graph: Graph) -> GraphTensors:
        """The whole graph, made once."""
        if self._of is None or self._of[0] is not graph:
            symmetric = not graph.directed and self.matrix != "random_walk"
            adjacency = SparseMatrix.of(self._matrix(graph), symmetric, gradient=not self.neighbours)
            features = _as_tensor(self._features(graph, None), gradient=not self.neighbours)
            self._of = (graph, GraphTensors(features, adjacency))
        return self._of[1]

    def _features(self, graph: Graph, nodes: np.ndarray | None) -> Any:
        """The normalised features of some nodes, or of all."""
        found = self._matched(graph)
        if not self.graph.features.shape[1]:
            # A vector is learnt for each node, or its place in the graph tells it: row i of a graph in another order is another.
            whole: Any = (
                self.places if self.places is not None else scipy.sparse.identity(len(graph), np.float32, format="csr")
            )
            whole = whole if found.order is None else whole[found.order]
            return whole if nodes is None else whole[nodes]
        chosen = graph.features if nodes is None else graph.features[nodes]
        return self._normalised(chosen if found.order is None else in_order(chosen, found.order))

    def _normalised(self, features: Any) -> Any:
        if self.mean is not None and self.deviation is not None:
            if scipy.sparse.issparse(features) and (self.mean != 0).mean() < 0.5:
                return _scaled(features, self.mean, self.deviation)
            dense = np.asarray(features.todense()) if scipy.sparse.issparse(features) else features
            return (dense - self.mean) / self.deviation
        if self.normalise == "rows":
            sums = np.asarray(features.sum(axis=1)).ravel()
            scale = np.divide(1, sums, out=np.zeros(len(sums), np.float32), where=sums != 0)
            if scipy.sparse.issparse(features):
                return scipy.sparse.diags(scale.astype(np.float32)).dot(features).tocsr()
            return features * scale[:, None]
        return features

    def _sampled(self, graph: Graph, nodes: np.ndarray, draws: Draws) -> tuple[GraphTensors, np.ndarray]:
        if self._sampler is None or self._sampler[0] is not graph:
            self._sampler = (graph, NeighbourSampler(self._matrix(graph), self.neighbours))

        def uniform(chosen: np.ndarray, hop: int, count: int) -> np.ndarray:
            # They depend on the node, not on the batch: however a batch is divided, a node sees the same neighbours.
            return Draws(draws.seed, draws.epoch, chosen).uniform(hop, count)

        part = self._sampler[1](nodes, uniform)
        features = _as_tensor(self._features(graph, part.nodes), gradient=True)
        return GraphTensors(features, SparseMatrix.of(part.matrix)), np.arange(len(nodes))

    def _attached(self, graph: Graph, examples: Sequence[Node]) -> tuple[GraphTensors, np.ndarray]:
        """The graph with new nodes at its end. They get messages from their neighbours and send none, so that each
        new node is predicted as if it were the only one."""
        new = [example for example in examples if example.index < 0]
        count = len(graph)
        degree = degrees(graph.edges, self.self_loops)
        rows, columns, values = [], [], []
        for number, node in enumerate(new):
            assert node.neighbours is not None and node.weights is not None
            own = float(node.weights.sum()) + self.self_loops
            scale = entry_scale(np.full(len(node.neighbours), own), degree[node.neighbours], self.matrix)
            rows += [np.full(len(node.neighbours), number)]
            columns += [node.neighbours]
            values += [node.weights * scale]
            if self.self_loops:
                rows += [np.array([number])]
                columns += [np.array([count + number])]
                values += [entry_scale(np.array([own]), np.array([own]), self.matrix)]
        below = scipy.sparse.csr_matrix(
            (np.concatenate(values).astype(np.float32), (np.concatenate(rows), np.concatenate(columns))),
            (len(new), count + len(new)),
        )
        above = self._matrix(graph).copy()
        above.resize((count, count + len(new)))
        matrix = scipy.sparse.vstack([above, below], format="csr")
        stack: Any = scipy.sparse.vstack if scipy.sparse.issparse(graph.features) else np.vstack
        features = self._normalised(stack([graph.features, np.stack([np.asarray(node.features) for node in new])]))
        features = features.tocsr() if scipy.sparse.issparse(features) else features
        order = iter(range(count, count + len(new)))
        nodes = np.array([example.index if example.index >= 0 else next(order) for example in examples])
        whole = GraphTensors(_as_tensor(features, gradient=False), SparseMatrix.of(matrix, gradient=False))
        return whole, nodes

    def from_inputs(self, values: Sequence[Any]) -> list[Node]:
        """Nodes of the graph by their ids; `all` of them, or the `unlabelled` ones; a file of ids (.txt); new nodes as a mapping,
        a JSON object, or a file of these (.json, .jsonl):
        `{"id": "new", "features": {"age": 31, "colour": "red"}, "edges": ["n17", "n4"]}`. A new node brings all features but
        those of a set (words): of one that is not known null.

        Raises:
            DataError: there is no such node; a new node lacks its features, or new nodes cannot be predicted.
        """
        found: list[Node] = []
        for value in values:
            if isinstance(value, Node):
                found.append(value)
            elif isinstance(value, Mapping):
                found.append(self._new(value, f"new node {len(found) + 1}"))
            elif str(value) in self.graph.numbers:
                found.append(self._node(self.graph.numbers[str(value)]))
            elif str(value) == "all":
                found += [self._node(index) for index in range(len(self.graph))]
            elif str(value) == "unlabelled":
                if self.bare is None or not len(self.bare):
                    raise DataError(
                        "unlabelled: every node of the graph has a label, or the run does not know which has none"
                    )
                found += [self._node(index) for index in self.bare.tolist()]
            elif str(value).endswith(".txt"):
                found += self.from_inputs([line.strip() for line in read_lines(Path(value)) if line.strip()])
            elif str(value).lstrip().startswith("{"):
                found.append(self._parsed(str(value), "the argument"))
            elif str(value).endswith((".json", ".jsonl")):
                lines = read_lines(Path(value))
                found += [
                    self._parsed(line, f"{value}:{number}") for number, line in enumerate(lines, 1) if line.strip()
                ]
            else:
                near = nearest(str(value), list(self.graph.ids)[:20_000])
                hint = f"did you mean {near!r}? " if near else ""
                raise DataError(
                    f"the graph has no node {str(value)!r}; {hint}A new node is given with its edges: "
                    '{"features": {…}, "edges": ["ID", …]}'
                )
        return found

    def _node(self, index: int) -> Node:
        return Node(self.graph, index, self.graph.labels[index])

    def from_lines(self, lines: Sequence[str]) -> list[Node]:
        """A node's id, or a new node as a JSON object, a line."""
        return self.from_inputs([line.strip() for line in lines if line.strip()])

    def _parsed(self, text: str, where: str) -> Node:
        try:
            value = json.loads(text)
        except ValueError as error:
            raise DataError(f"{where}: is not JSON ({error})") from None
        if not isinstance(value, dict):
            raise DataError(f'{where}: should be an object such as {{"features": {{…}}, "edges": ["ID", …]}}')
        return self._new(value, where)

    def _new(self, value: Mapping[str, Any], where: str) -> Node:
        graph = self.graph
        if not graph.features.shape[1]:
            instead = "its place in it tells a node" if self.places is not None else "a vector was learnt for each"
            raise DataError(
                f"{where}: nodes of this graph have no features, so {instead}, and nothing is known of a new one. Train with "
                "features, or on a graph that has the node"
            )
        if self.matrix == "laplacian":
            raise DataError(
                f"{where}: the filters are polynomials of the Laplacian of the whole graph, which a new node changes; train with "
                "model.conv=sage encoder.matrix=random_walk for new nodes"
            )
        unknown = [key for key in value if key not in ("id", "features", "edges", "weights")]
        if unknown:
            raise DataError(f"{where}: has the key {unknown[0]!r}; allowed: id, features, edges, weights")
        features, edges = value.get("features"), value.get("edges")
        if features is None or not isinstance(edges, list) or (not edges and not self.self_loops):
            raise DataError(f'{where}: a new node needs "features" and "edges", a list of ids')
        for name in edges:
            if str(name) not in graph.numbers:
                near = nearest(str(name), list(graph.ids)[:20_000])
                raise DataError(
                    f"{where}: the graph has no node {str(name)!r}{f'; did you mean {near!r}?' if near else ''}"
                )
        weights = value.get("weights", [1.0] * len(edges))
        if not isinstance(weights, list) or len(weights) != len(edges):
            raise DataError(f"{where}: should have as many weights as edges ({len(edges)})")
        numbers = [as_number(weight) for weight in weights]
        wrong = next((at for at, each in enumerate(numbers) if each is None or not 0 < each < np.inf), None)
        if wrong is not None:
            raise DataError(
                f"{where}: the weight of edge {edges[wrong]!r} is {weights[wrong]!r}; it should be a number above 0"
            )
        row = self._feature_row(features, where)
        # As in the graph: an edge that is there twice counts once, with its largest weight.
        merged: dict[int, float] = {}
        for name, weight in zip(edges, numbers, strict=True):
            assert weight is not None
            at = graph.numbers[str(name)]
            merged[at] = max(weight, merged.get(at, 0.0))
        neighbours, kept = np.array(list(merged), np.int64), np.array(list(merged.values()), np.float32)
        return Node(graph, -1, None, str(value.get("id", "new")), row, neighbours, kept)

    def _feature_row(self, features: Any, where: str) -> np.ndarray:
        count = self.graph.features.shape[1]
        row = np.zeros(count, np.float32)
        try:
            if isinstance(features, Mapping):
                self._fill_by_name(row, features, where)
            else:
                if len(features) != count:
                    raise DataError(f"{where}: has {len(features)} features; nodes have {count}")
                row[:] = [float(item) for item in features]
        except (TypeError, ValueError):
            raise DataError(f"{where}: features should be numbers, by name or as a list of {count}") from None
        if not np.isfinite(row).all():
            raise DataError(f"{where}: a feature is not a finite number")
        return row

    def _fill_by_name(self, row: np.ndarray, features: Mapping[str, Any], where: str) -> None:
        """Fill a row with features by their names: numbers, the value of a category, the values of a set, or null for one that is
        not known.

        Raises:
            DataError: there is no such feature, or one is missing that every node has.
        """
        names = list(self.graph.feature_names)
        place = {name: index for index, name in enumerate(names)}
        kinds = {name.partition("=")[0] for name in names if "=" in name}
        if not features and place:
            raise DataError(
                f"{where}: has no features; nodes have {listed(dict.fromkeys(n.partition('=')[0] for n in names), 5)}"
            )
        for key, given in features.items():
            if given is None and (key in place or key in kinds):
                if key in place:
                    row[place[key]] = self._middle(place[key])
                    if f"{key}=missing" in place:
                        row[place[f"{key}=missing"]] = 1.0
                continue
            for each in given if isinstance(given, list) else [given]:
                column = f"{key}={each}" if f"{key}={each}" in place else key
                if column not in place:
                    near = nearest(str(key), [name.partition("=")[0] for name in names])
                    hint = f"; did you mean {near!r}?" if near and near != key else ""
                    raise DataError(f"{where}: nodes have no feature {key!r} with the value {each!r}{hint}")
                row[place[column]] = 1.0 if column != key else float(each)
        lacking = [name for name in self._always() if name not in features]
        if lacking:
            raise DataError(
                f"{where}: lacks the feature{'s' if len(lacking) > 1 else ''} {listed(map(repr, lacking), 5)}, which every node "
                "has; null says that one is not known"
            )

    def _always(self) -> list[str]:
        """The features that each node has: numbers, and categories of which each has one. Words of a set are there or not."""
        if self._needed is None:
            names = list(self.graph.feature_names)
            table = self.graph.features.tocsc() if scipy.sparse.issparse(self.graph.features) else self.graph.features
            found: dict[str, None] = {}
            groups: dict[str, list[int]] = {}
            for at, name in enumerate(names):
                key, mark, said = name.partition("=")
                if mark and said != "missing":
                    groups.setdefault(key, []).append(at)
                elif not mark:
                    values = table[:, at].data if scipy.sparse.issparse(table) else table[:, at]
                    if not np.isin(values, (0, 1)).all():
                        found[name] = None
            for key, columns in groups.items():
                each = np.asarray(table[:, columns].sum(axis=1)).ravel()
                if (each <= 1).all() and (each == 1).mean() > 0.5:
                    found[key] = None
            self._needed = list(found)
        return self._needed

    def _middle(self, column: int) -> float:
        values = self.graph.features[:, [column]]
        return float(np.median(values.toarray() if scipy.sparse.issparse(values) else values))

    @property
    def dims(self) -> Mapping[str, Any]:
        """How many features, those of the labels, the kind of matrix and how many hops are sampled."""
        return {
            "in_channels": self.graph.features.shape[1]
            or (len(self.graph) if self.places is None else self.places.shape[1]),
            **self.targets.dims,
            "matrix": self.matrix,
            "hops": len(self.neighbours),
            # Each step computes the whole graph, however few of its nodes it learns from.
            "batch_size": 1024 if self.neighbours or self.learnt is None else max(len(self.learnt), 1),
        }

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The classes, and the features; without features, the nodes."""
        count = self.graph.features.shape[1]
        unnamed = [str(number) for number in range(count)]
        if not count and self.places is not None:
            # Directions of one graph are not those of another: a name that holds the graph keeps them apart.
            whole = hashlib.sha256(" ".join(self.graph.ids).encode()).hexdigest()[:12]
            return {**super().names, "in_channels": [f"{whole} {at}" for at in range(self.places.shape[1])]}
        return {**super().names, "in_channels": (self.graph.feature_names or unnamed) if count else self.graph.ids}

    def keep(self, earlier: "GraphEncoder", examples: Sequence[Node]) -> None:
        """Keep the earlier means and deviations, if the features are the same."""
        if earlier.names["in_channels"] == self.names["in_channels"] and earlier.normalise == self.normalise:
            self.mean, self.deviation = earlier.mean, earlier.deviation

    def state(self) -> dict[str, Any]:
        """The graph with its nodes' ids, and what was learnt from the training nodes. No classes of nodes are kept."""
        graph = self.graph
        features = graph.features
        kept: dict[str, Any] = {"features": features}
        if scipy.sparse.issparse(features):
            kept = {"feature_" + name: getattr(features, name) for name in ("indptr", "indices", "data")}
            kept["width"] = features.shape[1]
        learnt = {} if self.mean is None else {"mean": self.mean, "deviation": self.deviation}
        learnt |= {} if self.places is None else {"places": self.places}
        learnt |= {} if self.learnt is None else {"learnt": self.learnt}
        learnt |= {} if self.bare is None else {"bare": self.bare}
        edges = {"edge_" + name: getattr(graph.edges, name) for name in ("indptr", "indices", "data")}
        return {
            **self.targets.state(),
            "ids": list(graph.ids),
            "feature_names": list(graph.feature_names),
            "directed": graph.directed,
            **kept,
            **edges,
            **learnt,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        arrays: dict[str, Any] = {
            key: value.numpy() if isinstance(value, Tensor) else value for key, value in state.items()
        }
        self.targets = Targets.from_state(arrays)
        count = len(arrays["ids"])
        features = arrays.get("features")
        if features is None:
            parts = tuple(arrays["feature_" + name] for name in ("data", "indices", "indptr"))
            features = scipy.sparse.csr_matrix(parts, (count, arrays["width"]))
        parts = tuple(arrays["edge_" + name] for name in ("data", "indices", "indptr"))
        edges = scipy.sparse.csr_matrix(parts, (count, count))
        self._graph = Graph(
            edges, features, [None] * count, arrays["ids"], arrays["feature_names"], bool(arrays["directed"])
        )
        self.mean, self.deviation = arrays.get("mean"), arrays.get("deviation")
        self.places = arrays.get("places")
        self.learnt, self.bare = arrays.get("learnt"), arrays.get("bare")


def scale_of_numbers(features: Any) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations (features,) of a table in which most values are 0.

    Columns of 0 and 1 have 0 and 1, so that they stay as they are; numbers that are mostly not 0 are standardised; of others,
    those above 1 are divided by their largest value.
    """
    table: Any = features.tocsc() if scipy.sparse.issparse(features) else np.asarray(features)
    count, width = table.shape
    mean, deviation = np.zeros(width, np.float32), np.ones(width, np.float32)
    for at in range(width):
        values = table.data[table.indptr[at] : table.indptr[at + 1]] if scipy.sparse.issparse(table) else table[:, at]
        values = np.asarray(values, np.float64)[values != 0]
        if not len(values) or (values == 1).all():
            continue
        if len(values) > count / 2:
            middle = values.sum() / count
            spread = np.sqrt(max((values**2).sum() / count - middle**2, 0.0))
            if spread > 1e-8 * max(abs(middle), 1e-8):
                mean[at], deviation[at] = middle, spread
        else:
            deviation[at] = max(float(np.abs(values).max()), 1.0)
    return mean, deviation


def _scaled(features: Any, mean: np.ndarray, deviation: np.ndarray) -> Any:
    """Sparse features less their means, divided by their deviations: where a mean is 0, zeros stay zeros."""
    scaled = features @ scipy.sparse.diags((1 / deviation).astype(np.float32))
    moved = np.flatnonzero(mean)
    if not len(moved):
        return scaled.tocsr()
    rows, columns = np.repeat(np.arange(features.shape[0]), len(moved)), np.tile(moved, features.shape[0])
    shift = np.tile((mean / deviation)[moved], features.shape[0]).astype(np.float32)
    return (scaled - scipy.sparse.csr_matrix((shift, (rows, columns)), features.shape)).tocsr()


def _indices(examples: Sequence[Node], chosen: Sequence[int]) -> np.ndarray:
    """(chosen,): the nodes' numbers in their graph."""
    if isinstance(examples, Nodes):
        return examples.indices[np.asarray(chosen, np.int64)]
    return np.array([examples[index].index for index in chosen], np.int64)


def _as_tensor(features: Any, gradient: bool) -> Tensor | SparseMatrix:
    """Features in the form that a model takes: sparse if most are zero."""
    if scipy.sparse.issparse(features):
        features = features.tocsr()
        if features.nnz <= _SPARSE * features.shape[0] * features.shape[1]:
            features.sort_indices()
            return SparseMatrix.of(features.astype(np.float32), gradient=gradient)
        features = np.asarray(features.todense())
    return torch.from_numpy(np.ascontiguousarray(features, np.float32))
