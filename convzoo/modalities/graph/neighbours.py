"""Neighbour sampling on compressed rows: plain NumPy, no compiled extension."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse

Uniform = Callable[[np.ndarray, int, int], np.ndarray]
"""(nodes, hop, count) to uniform numbers in [0, 1), (nodes, count): a node's numbers depend only on the node and the hop."""


@dataclass(frozen=True)
class Sample:
    """A part of a graph around some nodes.

    Attributes:
        nodes: (part,) the nodes' numbers in the whole graph; the seeds come first
        matrix: SciPy CSR (part, part)
    """

    nodes: np.ndarray
    matrix: Any


class NeighbourSampler:
    """Draws a few neighbours of each node, hop by hop, without replacement (Hamilton et al. 2017, arXiv:1706.02216).

    A node is expanded once, at the hop where it first appears; nodes of the last hop are not expanded. Self-loops are always
    kept. If only n of a node's d neighbours are drawn, their weights are multiplied by d / n, so that each weighted sum over
    neighbours keeps its expectation.

    Args:
        matrix: SciPy CSR (nodes, nodes), with or without a diagonal
        fanouts: largest number of neighbours that are drawn at each hop
    """

    def __init__(self, matrix: Any, fanouts: Sequence[int]) -> None:
        self.fanouts = list(fanouts)
        self.diagonal = matrix.diagonal()
        others = matrix
        if self.diagonal.any():
            rows = np.repeat(np.arange(matrix.shape[0], dtype=matrix.indices.dtype), np.diff(matrix.indptr))
            off = rows != matrix.indices
            pointers = np.r_[0, np.cumsum(off)][matrix.indptr].astype(matrix.indptr.dtype)
            others = scipy.sparse.csr_matrix((matrix.data[off], matrix.indices[off], pointers), matrix.shape)
        self.pointers, self.columns, self.values = others.indptr, others.indices, others.data
        self._place = np.full(matrix.shape[0], -1, np.int32)

    def __call__(self, seeds: np.ndarray, uniform: Uniform) -> Sample:
        """The part of the graph that the seeds' outputs are computed from.

        Args:
            seeds: distinct nodes
            uniform: source of the random numbers
        """
        place = self._place
        found = [seeds]
        place[seeds] = np.arange(len(seeds))
        count = len(seeds)
        rows, columns, values = [], [], []
        frontier = seeds
        for hop, fanout in enumerate(self.fanouts):
            at, drawn, degree = choose(self.pointers, frontier, fanout, partial(_of_hop, uniform, hop))
            reached = self.columns[at]
            fresh = reached[place[reached] < 0]
            # Each entry writes its own number at its node's place; of equal nodes only the last written one is kept.
            own = np.arange(len(fresh), dtype=np.int32)
            place[fresh] = own
            new = fresh[place[fresh] == own]
            place[new] = np.arange(count, count + len(new))
            found.append(new)
            rows.append(np.repeat(place[frontier], drawn))
            columns.append(place[reached])
            values.append(self.values[at] * np.repeat(np.divide(degree, np.maximum(drawn, 1), dtype=np.float32), drawn))
            count += len(new)
            frontier = new
        nodes = np.concatenate(found)
        loops = self.diagonal[nodes]
        if loops.any():
            own = np.arange(count, dtype=np.int32)
            rows, columns, values = [*rows, own], [*columns, own], [*values, loops]
        place[nodes] = -1
        entries = (np.concatenate(values).astype(np.float32), (np.concatenate(rows), np.concatenate(columns)))
        return Sample(nodes, scipy.sparse.csr_matrix(entries, (count, count)))


def _of_hop(uniform: Uniform, hop: int, nodes: np.ndarray, count: int) -> np.ndarray:
    return uniform(nodes, hop, count)


def choose(
    pointers: np.ndarray, nodes: np.ndarray, fanout: int, uniform: Callable[[np.ndarray, int], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most `fanout` entries of each node's row, with equal probability for every subset of that size.

    Floyd's method (Bentley & Floyd 1987, doi:10.1145/30401.315746), for all rows at once: for j from d - n to d - 1 draw t from 0
    to j and take t, or j where t was taken before.

    Returns:
        positions of the chosen entries, row after row; how many of each row; how many each row has
    """
    first = pointers[nodes].astype(np.int64)
    degree = pointers[nodes + 1].astype(np.int64) - first
    drawn = np.minimum(degree, fanout)
    offsets = np.arange(drawn.sum()) - np.repeat(np.cumsum(drawn) - drawn, drawn)
    crowded = np.flatnonzero(degree > fanout)
    if len(crowded):
        numbers = uniform(nodes[crowded], fanout)
        size = degree[crowded]
        taken = np.empty((len(crowded), fanout), np.int64)
        for step in range(fanout):
            last = size - fanout + step
            pick = (numbers[:, step] * (last + 1)).astype(np.int64)
            twice = (taken[:, :step] == pick[:, None]).any(axis=1)
            taken[:, step] = np.where(twice, last, pick)
        offsets[np.repeat(degree > fanout, drawn)] = np.sort(taken, axis=1).ravel()
    return np.repeat(first, drawn) + offsets, drawn, degree
