"""Edges that are held out: they leave the graph in both directions, and get negatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy.sparse

from convzoo.core.errors import DataError
from convzoo.core.splits import Splits
from convzoo.modalities.graph.example import Graph, make_edges
from convzoo.modalities.graph.links import NodePairs, pair_keys
from convzoo.modalities.graph.matrices import graph_matrix

Negatives = Literal["drawn", "hard"]

MOST_LEARNT, MOST_HELD = 1_000_000, 100_000
"""Of a larger graph, so many edges drawn at random are learnt from and tested on; all others of training still carry messages."""
MOST_NODES = 50_000
"""Hard negatives compare each node of a held-out edge with all nodes: in a larger graph that takes too long."""
_STEPS, _STAY = 10, 0.15
_BLOCK = 256


@dataclass(frozen=True)
class LinkTask:
    """How edges are held out and which pairs are the negatives.

    Attributes:
        val: part of the edges for validation
        test: part for testing
        negatives: `drawn`: as many unconnected pairs as edges, drawn uniformly; `hard`: for each edge its own ones, one end of
            the edge replaced by the most likely other nodes
        per_link: number of hard negatives of an edge, half of them for each end
        seed: of the split and of the negatives
    """

    val: float = 0.05
    test: float = 0.1
    negatives: Negatives = "drawn"
    per_link: int = 100
    seed: int = 0

    def homes(self, count: int) -> np.ndarray:
        """(edges,): 0 for training, 1 for validation, 2 for testing, drawn."""
        order = np.random.default_rng(self.seed).permutation(count)
        home = np.zeros(count, np.int8)
        tested, validated = round(self.test * count), max(1, round(self.val * count))
        home[order[:tested]] = 2
        home[order[tested : tested + validated]] = 1
        return home

    def splits(
        self,
        whole: Graph,
        home: np.ndarray | None = None,
        pairs: np.ndarray | None = None,
        origin: str = "",
        weights: np.ndarray | None = None,
        files: Mapping[str, Any] | None = None,
        notes: Sequence[str] = (),
    ) -> Splits:
        """The known graph with what is learnt, validated and tested.

        Only training edges are in the graph that the examples refer to. So nothing that looks at the graph, network or opponent,
        can see an edge that it is asked for, in either direction.

        Args:
            whole: the graph with all edges, undirected
            home: (pairs,), the split of each edge; None: drawn
            pairs: (pairs, 2), every edge once; None: those of `whole`, in their order
            origin: how `home` was made, in words
            weights: (pairs,), of the edges; None: those of `whole`
            files: that were read
            notes: on the data

        Raises:
            DataError: there are too few edges to hold some out, or too few unconnected pairs.
        """
        count = len(whole)
        if pairs is None:
            above = scipy.sparse.triu(whole.edges, k=1).tocoo()
            pairs = np.stack([above.row, above.col], axis=1).astype(np.int64)
            weights = above.data
        if home is None:
            home = self.homes(len(pairs))
            origin = f"made here: test {self.test:g}, val {self.val:g} of the edges, seed {self.seed}"
        parts = [pairs[home == number] for number in range(3)]
        if len(parts[0]) < 2 or not len(parts[1]):
            raise DataError(
                f"the graph has {len(pairs):,} edges: {len(parts[0]):,} to learn from, {len(parts[1]):,} to validate on, "
                f"{len(parts[2]):,} to test on; at least 2, 1 and 0 are needed"
            )
        kept = None if weights is None or (weights == 1).all() else weights[home == 0]
        edges, _ = make_edges(parts[0][:, 0], parts[0][:, 1], count, kept)
        known = replace(whole, edges=edges, numbers={})
        random = np.random.default_rng([self.seed, 1])
        taken = np.sort(pair_keys(pairs, count))
        found, fewer = [], []
        for name, part, most in zip(("train", "val", "test"), parts, (MOST_LEARNT, MOST_HELD, MOST_HELD), strict=True):
            if len(part) > most:
                fewer.append(f"{most:,} of {len(part):,} {name} edges, drawn at random, are used")
                part = part[np.sort(random.choice(len(part), most, replace=False))]
            if name == "train":
                found.append(NodePairs(known, part, np.ones(len(part), bool)))
            elif self.negatives == "hard" and len(part):
                found.append(self._hard(known, part, taken))
            else:
                others = drawn_negatives(len(part), count, taken, random)
                taken = np.sort(np.r_[taken, pair_keys(others, count)])
                both = np.stack([part, others], axis=1).reshape(-1, 2)  # an edge, a negative, an edge, …
                found.append(NodePairs(known, both, np.arange(len(both)) % 2 == 0))
        held = sum(len(part) for part in parts[1:])
        told = {
            "drawn": "as many unconnected pairs as held-out edges, drawn once",
            "hard": f"{2 * (self.per_link // 2)} for each held-out edge: one end replaced by the likeliest others",
        }[self.negatives]
        return Splits(
            found[0],
            found[1],
            found[2],
            origin=f"{origin}; {whole.in_words()}; {held:,} edges are held out and carry no messages; negatives: {told}",
            files=files or {},
            notes=[*notes, *fewer],
            described={"negatives": told, "unseen": _unseen(known)},
        )

    def _hard(self, known: Graph, links: np.ndarray, taken: np.ndarray) -> NodePairs:
        count = len(known)
        if count > MOST_NODES:
            raise DataError(
                f"data.negatives=hard: compares each node with all {count:,} nodes; there may be at most {MOST_NODES:,}; "
                "say data.negatives=drawn"
            )
        half = max(1, self.per_link // 2)
        ends = np.unique(links)
        likeliest: dict[int, np.ndarray] = {}
        for first in range(0, len(ends), _BLOCK):
            block = ends[first : first + _BLOCK]
            likeliest |= dict(zip(block.tolist(), _likeliest(known, block, taken, half), strict=True))
        pairs, linked, queries = [], [], []
        for number, (one, other) in enumerate(links.tolist()):
            mine = [(one, other)]
            mine += [(one, node) for node in likeliest[one].tolist()] + [
                (node, other) for node in likeliest[other].tolist()
            ]
            pairs += mine
            linked += [True] + [False] * (len(mine) - 1)
            queries += [number] * len(mine)
        return NodePairs(known, np.array(pairs), np.array(linked), np.array(queries, np.int64))


def _unseen(known: Graph) -> str:
    alone = int((np.diff(known.edges.indptr) == 0).sum())
    return f"{alone:,} nodes have no known edge"


def drawn_negatives(wanted: int, count: int, taken: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(wanted, 2): different pairs of different nodes that no edge connects, each with the same probability.

    Args:
        wanted: number of pairs
        count: number of nodes
        taken: sorted keys (`pair_keys`) of all edges, in every split, and of pairs that are drawn already
        random: source of the random numbers

    Raises:
        DataError: there are too few such pairs.
    """
    free = count * (count - 1) // 2 - len(taken)
    if free < 2 * wanted:
        raise DataError(
            f"{free:,} pairs of nodes are not connected: too few to draw {wanted:,} negatives from; the graph is nearly complete"
        )
    found = np.zeros((0, 2), np.int64)
    while len(found) < wanted:
        pairs = np.sort(random.integers(0, count, (2 * wanted + 16, 2)), axis=1)
        pairs = np.r_[found, pairs[pairs[:, 0] != pairs[:, 1]]]
        keys = pair_keys(pairs, count)
        _, first = np.unique(keys, return_index=True)
        first = np.sort(first)
        at = np.minimum(np.searchsorted(taken, keys[first]), max(len(taken) - 1, 0))
        found = pairs[first[taken[at] != keys[first]] if len(taken) else first]
    return found[:wanted]


def _likeliest(known: Graph, nodes: np.ndarray, taken: np.ndarray, half: int) -> list[np.ndarray]:
    """For each node the `half` most likely others without an edge to it, in the spirit of HeaRT (Li et al. 2023,
    arXiv:2306.10453): ranked by resource allocation (common neighbours by 1 / degree), by personalised PageRank and, if there are
    features, by their cosine; the best of a node's three ranks counts. HeaRT leaves out training edges only; here no true edge
    is a negative.
    """
    count = len(known)
    degree = np.maximum(np.diff(known.edges.indptr), 1)
    pattern = scipy.sparse.csr_matrix(
        (np.ones(known.edges.nnz, np.float32), known.edges.indices, known.edges.indptr), known.edges.shape
    )
    scores = [(pattern[nodes] @ scipy.sparse.diags((1 / degree).astype(np.float32)) @ pattern).toarray()]
    walk = graph_matrix(pattern, "random_walk", self_loops=False)
    step: np.ndarray = np.zeros((len(nodes), count))
    step[np.arange(len(nodes)), nodes] = 1
    rank: np.ndarray = _STAY * step
    for _ in range(_STEPS):
        step = (1 - _STAY) * np.asarray((walk.T @ step.T).T)
        rank = rank + _STAY * step
    scores.append(rank)
    if known.features.shape[1]:
        features = scipy.sparse.csr_matrix(known.features)
        length = np.sqrt(np.asarray(features.multiply(features).sum(axis=1)).ravel())
        unit = (scipy.sparse.diags(1 / np.maximum(length, 1e-12)) @ features).tocsr()
        scores.append((unit[nodes] @ unit.T).toarray())
    best = np.full((len(nodes), count), count, np.int64)
    for score in scores:
        order = np.argsort(-score, axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(count)[None], axis=1)
        best = np.minimum(best, ranks)
    every = np.arange(count)
    found = []
    for row, node in enumerate(nodes.tolist()):
        keys = pair_keys(np.stack([np.full(count, node), every], axis=1), count)
        at = np.minimum(np.searchsorted(taken, keys), len(taken) - 1)
        free = (taken[at] != keys) & (every != node)
        order = np.argsort(np.where(free, best[row], 2 * count), kind="stable")[:half]
        found.append(order[free[order]])
    return found
