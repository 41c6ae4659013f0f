"""Nodes whose communities are looked for: the whole graph, and an order that mixes its features up."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from convzoo.core.batch import Batch
from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws, permutation
from convzoo.core.survey import Survey, some_of
from convzoo.modalities.graph.encoder import GraphEncoder
from convzoo.modalities.graph.example import Graph, Node
from convzoo.modalities.graph.members import Member
from convzoo.modalities.graph.places import places
from convzoo.modalities.graph.scaling import Scaling, means_and_deviations, scaling_of, unit_rows


class CommunityEncoder(GraphEncoder):
    """The graph as a matrix, nodes as row numbers, and for training a new order of the nodes in each epoch, which gives every
    node the features of another one. No label is looked at, but for scores.

    Args:
        scaling: `none` leaves features as they are; `length` scales those of each node to length 1; `standard` scales each
            feature to mean 0 and deviation 1; `auto` is `length` where most are zero (words), else `standard`. Nodes without
            features get their places in the graph, the strongest directions of the adjacency matrix and the degree
    """

    example = Member

    def __init__(self, scaling: Scaling = "auto") -> None:
        super().__init__("symmetric", True, "none", [], "places")
        self.scaling = scaling
        self.kind = "none"

    def fit(self, examples: Sequence[Node]) -> None:
        """Keep the graph, and the scale of its features."""
        self._graph = graph = examples[0].graph
        if not graph.features.shape[1]:
            found = places(graph)
            self.places = ((found - found.mean(axis=0)) / np.maximum(found.std(axis=0), 1e-9)).astype(np.float32)
            return
        self.kind = scaling_of(graph.features, self.scaling)
        if self.kind == "standard":
            self.mean, self.deviation = means_and_deviations(graph.features)

    def _normalised(self, features: Any) -> Any:
        return unit_rows(features) if self.kind == "length" else super()._normalised(features)

    def survey(self, examples: Sequence[Node], items: Sequence[Any] | None) -> Survey:
        """How many features the nodes have, and nodes without neighbours."""
        graph = examples[0].graph
        self._require(graph)
        count = graph.features.shape[1]
        facts = {"features": f"{count:,} a node" if count else "none: places in the graph"}
        lonely = np.flatnonzero(np.diff(graph.edges.indptr) == 0).tolist()
        if not lonely:
            return Survey(facts)
        known = "only their features tell of them" if count else "nothing tells of them"
        return Survey(
            facts, [f"{some_of([graph.ids[at] for at in lonely], len(graph), 'nodes')} have no edge: {known}"]
        )

    def gather(self, examples: Sequence[Node], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """The graph, (batch,) numbers of nodes in it, for training the order that mixes the features up; as target the numbers
        and those of the true communities, -1 where unknown.

        Raises:
            DataError: the graph is not the one that was trained on.
        """
        chosen = [examples[index] for index in indices]
        graph = chosen[0].graph if chosen else self.graph
        self._require(graph)
        nodes = np.array([example.index for example in chosen], np.int64)
        truth = self._truth(graph)[nodes]
        truth[nodes < 0] = -1
        target = {"nodes": torch.from_numpy(nodes), "communities": torch.from_numpy(truth)}
        if (nodes < 0).any():
            whole, rows = self._attached(self.graph, chosen)
        else:
            whole, rows = self._whole(self.graph), nodes
        inputs: dict[str, Any] = {"graph": whole, "nodes": torch.from_numpy(rows)}
        if draws is not None:
            inputs["order"] = torch.from_numpy(
                permutation(len(self.graph), draws.seed + 1, draws.epoch).astype(np.int64)
            )
        return Batch(inputs, target, len(nodes))

    def from_inputs(self, values: Sequence[Any]) -> list[Node]:
        """Nodes of the graph by their ids; new ones as a mapping, a JSON object, or a file of these (.json, .jsonl), with their
        edges, which their community follows from: `{"id": "new", "features": {"age": 31}, "edges": ["n17", "n4"]}`.

        Raises:
            DataError: there is no such node; a new node lacks its features, or nodes of this graph have none.
        """
        return super().from_inputs(values)

    def matched(
        self, examples: Sequence[Node], split: Mapping[str, Collection[str]]
    ) -> tuple[Sequence[Node], list[str]]:
        """All nodes: no label was learnt from, so none is known.

        Raises:
            DataError: there is no node, or the graph is not the one that was trained on.
        """
        if not len(examples):
            raise DataError("no node has a community to score")
        self._require(examples[0].graph)
        return examples, []

    def _truth(self, graph: Graph) -> np.ndarray:
        """(nodes,): the number of the true community of each node, -1 where unknown."""
        if self._numbers is None or self._numbers[0] is not graph:
            names = sorted({str(label) for label in graph.labels if label is not None})
            number = {name: at for at, name in enumerate(names)}
            found = np.array([-1 if label is None else number[str(label)] for label in graph.labels], np.int64)
            self._numbers = (graph, found)
        return self._numbers[1]

    def _require(self, graph: Graph) -> None:
        if graph is not self.graph and list(graph.ids) != list(self.graph.ids):
            raise DataError(
                "the data have other nodes than training: communities are those of the graph that was trained on; give its nodes "
                "in their order, or train on these data"
            )

    @property
    def dims(self) -> Mapping[str, Any]:
        """How many features a node has, the nodes' ids, and the edges, which modularity is computed from."""
        width = self.graph.features.shape[1] if self.places is None else self.places.shape[1]
        return {"in_channels": width, "node_ids": self.graph.ids, "edges": self.graph.edges}

    def state(self) -> dict[str, Any]:
        """The graph, and the scale of its features."""
        return {**super().state(), "kind": self.kind}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load_state(state)
        self.kind = state["kind"]
