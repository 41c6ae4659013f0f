"""Cascades along the edges of a graph under the independent-cascade model, many at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

AT_ONCE = 20_000_000
"""How many (cascade, node) cells are held at a time."""


def cascade(
    edges: Any, starts: np.ndarray, cascades: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Who is reached in each of many cascades: a node that is reached has one chance to reach each node that it has an edge to,
    and succeeds with the edge's probability (Kempe et al. 2003, doi:10.1145/956750.956769).

    Args:
        edges: SciPy CSR (nodes, nodes): in row i, column j the probability that i reaches j
        starts: (pairs, 2), the number of a cascade and a node in which it starts
        cascades: how many cascades there are
        random: source of the random numbers

    Returns:
        (reached,) the cascade and (reached,) the node, each pair once, in the order of the steps.
    """
    count = edges.shape[0]
    seen = np.zeros(cascades * count, bool)
    cells = np.unique(starts[:, 0].astype(np.int64) * count + starts[:, 1])
    seen[cells] = True
    found = [cells]
    pointers, columns, chances = edges.indptr, edges.indices, edges.data
    while len(cells):
        nodes = cells % count
        first, number = pointers[nodes].astype(np.int64), np.diff(pointers)[nodes].astype(np.int64)
        ends = np.cumsum(number)
        places = np.arange(ends[-1]) + np.repeat(first - (ends - number), number)
        lucky = random.random(len(places)) < chances[places]
        home = np.repeat(cells - nodes, number)[lucky]
        cells = np.unique(home + columns[places[lucky]])
        cells = cells[~seen[cells]]
        seen[cells] = True
        found.append(cells)
    every = np.concatenate(found)
    return every // count, every % count


def spread(
    edges: Any, seeds: Sequence[int] | np.ndarray, cascades: int, random: np.random.Generator
) -> tuple[float, float]:
    """How many nodes a set of seeds reaches on average, the seeds among them, and the standard error of that mean.

    Args:
        edges: as for `cascade`
        seeds: numbers of nodes
        cascades: how many are simulated
        random: source of the random numbers
    """
    seeds = np.asarray(seeds, np.int64)
    sizes = []
    for first in range(0, cascades, max(1, AT_ONCE // edges.shape[0])):
        part = min(cascades - first, max(1, AT_ONCE // edges.shape[0]))
        starts = np.stack([np.repeat(np.arange(part), len(seeds)), np.tile(seeds, part)], axis=1)
        sizes.append(np.bincount(cascade(edges, starts, part, random)[0], minlength=part))
    every = np.concatenate(sizes)
    return float(every.mean()), float(every.std() / np.sqrt(max(len(every) - 1, 1)))
