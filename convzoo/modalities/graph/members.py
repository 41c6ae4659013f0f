"""Nodes whose communities are looked for: references into a graph, of which nothing is known beforehand."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from convzoo.modalities.graph.example import Graph, Node, Nodes


@dataclass(frozen=True, slots=True)
class Member(Node):
    """A node that is to be put into a community. Its `label` is the true one, which only scores look at."""

    sample_input: ClassVar[str] = "--community ID"


class Members(Nodes):
    """All or some nodes of a graph.

    Args:
        graph: the graph that they are in
        indices: (nodes,), their numbers
    """

    def reference(self, index: int) -> Member:
        """A node with its true community, if the graph says it."""
        number = int(self.indices[index])
        return Member(self.graph, number, self.graph.labels[number])

    def part(self, chosen: slice) -> "Members":
        """Some of them."""
        return Members(self.graph, self.indices[chosen])


def without_labels(graph: Graph) -> Graph:
    """The same graph, with no label at any node."""
    return Graph(
        graph.edges, graph.features, [None] * len(graph), graph.ids, graph.feature_names, graph.directed, graph.notes
    )  # fmt: skip


def whole(graph: Graph) -> tuple[Members, Members, Members]:
    """The three parts of a graph that is grouped: every time all nodes. Only those of the test part have labels, so that nothing
    can be learnt or chosen from one."""
    bare, every = without_labels(graph), np.arange(len(graph))
    return Members(bare, every), Members(bare, every), Members(graph, every)
