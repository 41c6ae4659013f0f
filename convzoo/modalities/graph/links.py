"""Pairs of nodes as references into a graph: whether an edge connects them is what is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from convzoo.core.references import References
from convzoo.modalities.graph.example import Graph

LINKED, APART = "linked", "not linked"


@dataclass(frozen=True, slots=True)
class NodePair:
    """Two nodes of a graph: a reference. No direction is asked for: (a, b) is (b, a).

    Attributes:
        graph: the graph with the known edges only, along which messages go
        first: number of a node
        second: number of another node; -1 for all nodes that `first` has no known edge to (`predict --links`)
        label: `linked`, `not linked`, or None if unknown
        query: for negatives that belong to one edge, the number of that edge; -1 otherwise
    """

    graph: Graph
    first: int
    second: int
    label: str | None = None
    query: int = -1
    group: ClassVar[None] = None
    sample_input: ClassVar[str] = "--pairs ID,ID"

    @property
    def source(self) -> str:
        """The ids of both nodes, with a comma between them."""
        ids = self.graph.ids
        return ids[self.first] if self.second < 0 else f"{ids[self.first]},{ids[self.second]}"

    @property
    def shown(self) -> str:
        """What the terminal shows."""
        ids = self.graph.ids
        return f"links of {ids[self.first]}" if self.second < 0 else f"{ids[self.first]} – {ids[self.second]}"


class NodePairs(References[NodePair]):
    """Some pairs of nodes of a graph.

    Args:
        graph: with the known edges
        pairs: (pairs, 2), numbers of nodes
        linked: (pairs,), whether an edge connects them
        queries: (pairs,), the number of the edge that a negative belongs to (and of the edge itself); None: they belong to none
    """

    def __init__(self, graph: Graph, pairs: np.ndarray, linked: np.ndarray, queries: np.ndarray | None = None) -> None:
        self.graph = graph
        self.pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
        self.linked = np.asarray(linked, bool)
        self.queries = queries

    def __len__(self) -> int:
        return len(self.pairs)

    def reference(self, index: int) -> NodePair:
        """A pair with what is true of it."""
        first, second = self.pairs[index].tolist()
        query = -1 if self.queries is None else int(self.queries[index])
        return NodePair(self.graph, first, second, LINKED if self.linked[index] else APART, query)

    def part(self, chosen: slice) -> "NodePairs":
        """Some of them."""
        queries = None if self.queries is None else self.queries[chosen]
        return NodePairs(self.graph, self.pairs[chosen], self.linked[chosen], queries)


def pair_keys(pairs: np.ndarray, count: int) -> np.ndarray:
    """(pairs,): one number for each pair of nodes, whatever their order.

    Args:
        pairs: (pairs, 2)
        count: number of nodes
    """
    return np.minimum(pairs[:, 0], pairs[:, 1]) * np.int64(count) + np.maximum(pairs[:, 0], pairs[:, 1])


def pairs_of(examples: Sequence[NodePair], chosen: Sequence[int]) -> np.ndarray:
    """(chosen, 2): the nodes of some examples."""
    if isinstance(examples, NodePairs):
        return examples.pairs[np.asarray(chosen, np.int64)]
    return np.array([(examples[at].first, examples[at].second) for at in chosen], np.int64).reshape(-1, 2)


def linked_of(examples: Sequence[NodePair], chosen: Sequence[int]) -> np.ndarray:
    """(chosen,): 1 where an edge connects both nodes, 0 where none does, NaN if unknown."""
    if isinstance(examples, NodePairs):
        return examples.linked[np.asarray(chosen, np.int64)].astype(np.float32)
    known = {LINKED: 1.0, APART: 0.0, None: np.nan}
    return np.array([known[examples[at].label] for at in chosen], np.float32)
