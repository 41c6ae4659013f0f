"""The seeds that reach most nodes, by reverse-reachable sets: near-optimal with a guarantee."""

import math
from typing import Any

import numpy as np
import scipy.sparse

from convzoo.ops.cascades import AT_ONCE, cascade

MOST_SETS = 5_000_000
"""So many sets are drawn at most; a graph that needs more gets a weaker guarantee."""


class ReverseReachable:
    """Sets of the nodes that would have reached a random node (Borgs et al. 2014, arXiv:1212.0884). The part of the sets that a
    set of seeds meets, times the number of nodes, is its expected spread.

    Args:
        edges: SciPy CSR (nodes, nodes): in row i, column j the probability that i reaches j
        random: source of the random numbers
    """

    def __init__(self, edges: Any, random: np.random.Generator) -> None:
        self.back = edges.T.tocsr()
        self.random = random
        self.count = 0
        self.sets: list[np.ndarray] = []
        self.nodes: list[np.ndarray] = []

    def grow(self, count: int) -> None:
        """Draw sets until there are so many."""
        size = self.back.shape[0]
        while self.count < count:
            part = min(count - self.count, max(1, AT_ONCE // size))
            roots = np.stack([np.arange(part), self.random.integers(0, size, part)], axis=1)
            sets, nodes = cascade(self.back, roots, part, self.random)
            self.sets.append(sets + self.count)
            self.nodes.append(nodes)
            self.count += part

    def matrix(self) -> Any:
        """SciPy CSR of bool (nodes, sets): which node is in which set."""
        rows, columns = np.concatenate(self.nodes), np.concatenate(self.sets)
        return scipy.sparse.csr_matrix((np.ones(len(rows), bool), (rows, columns)), (self.back.shape[0], self.count))

    def greedy(self, seeds: int) -> tuple[np.ndarray, np.ndarray]:
        """The nodes that meet most sets, one after another, each the one that meets most of those not yet met.

        Returns:
            (seeds,) nodes in this order, and (seeds,) the fraction of the sets that the first 1, 2, … of them meet: at least
            1 - 1/e of what any so many nodes meet.
        """
        of_node = self.matrix()
        of_set = of_node.T.tocsr()
        gains = np.diff(of_node.indptr).astype(np.int64)
        met = np.zeros(self.count, bool)
        chosen, parts = [], []
        for _ in range(min(seeds, len(gains))):
            node = int(np.argmax(gains))
            mine = of_node.indices[of_node.indptr[node] : of_node.indptr[node + 1]]
            new = mine[~met[mine]]
            met[new] = True
            inside = of_set[new].indices
            gains -= np.bincount(inside, minlength=len(gains))
            gains[node] = -1  # also where nothing is gained any more, a node is chosen once
            chosen.append(node)
            parts.append(met.mean())
        return np.array(chosen), np.array(parts)


def imm(
    edges: Any, seeds: int, random: np.random.Generator, epsilon: float = 0.1, failure: float = 1.0
) -> tuple[np.ndarray, float]:
    r"""The seeds of IMM (Tang et al. 2015, doi:10.1145/2723372.2723734, algorithms 2 and 3): their spread is at least $1 - 1/e -
    \epsilon$ of the best with a probability of at least $1 - n^{-\ell}$. The sets that the seeds are chosen by are drawn anew
    after the bound was found, as Chen 2018 (arXiv:1808.09363) asks for.

    Args:
        edges: SciPy CSR (nodes, nodes): in row i, column j the probability that i reaches j
        seeds: how many (k)
        random: source of the random numbers
        epsilon: $\epsilon$
        failure: $\ell$

    Returns:
        (seeds,) the nodes in the order in which they were chosen, and their spread as the sets estimate it.
    """
    size = edges.shape[0]
    seeds = min(seeds, size)
    logarithm = math.log(max(size, 2))
    failure = failure * (1 + math.log(2) / logarithm)
    ways = math.lgamma(size + 1) - math.lgamma(seeds + 1) - math.lgamma(size - seeds + 1)
    wide = math.sqrt(2) * epsilon
    rounds = max(1, math.ceil(math.log2(max(size, 2))) - 1)
    first = (
        (2 + 2 * wide / 3) * (ways + failure * logarithm + math.log(max(math.log2(max(size, 2)), 1.0))) * size / wide**2
    )
    bound, trial = 1.0, ReverseReachable(edges, random)
    for step in range(1, rounds + 1):
        guess = size / 2**step
        trial.grow(min(math.ceil(first / guess), MOST_SETS))
        _, parts = trial.greedy(seeds)
        if size * parts[-1] >= (1 + wide) * guess:
            bound = size * parts[-1] / (1 + wide)
            break
    alpha = math.sqrt(failure * logarithm + math.log(2))
    beta = math.sqrt((1 - 1 / math.e) * (ways + failure * logarithm + math.log(2)))
    wanted = 2 * size * ((1 - 1 / math.e) * alpha + beta) ** 2 / epsilon**2 / max(bound, seeds)
    sets = ReverseReachable(edges, random)
    sets.grow(min(math.ceil(wanted), MOST_SETS))
    chosen, parts = sets.greedy(seeds)
    return chosen, float(size * parts[-1])
