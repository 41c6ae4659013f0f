"""Lives of units: at which rows a unit is judged."""

import numpy as np

from convzoo.modalities.series.history import History

FEWEST_ROWS = 30
"""A unit that is cut has at least so many rows, where it lives that long: the shortest C-MAPSS engine in a test has 31."""


def cut_at_random(whole: History, count: int, random: np.random.Generator) -> list[History]:
    """A unit that is known to its end, seen only until some row before it: each history is judged at its last row.

    Args:
        whole: all rows of a unit
        count: how many rows are drawn, evenly spread over the life
        random: draws them
    """
    rows = len(whole)
    fewest = min(FEWEST_ROWS, max(1, rows // 2))
    # One row from each of `count` equal parts of the life: with few units, all parts of a life are judged.
    edges = np.linspace(fewest, rows, count + 1)
    stops = np.minimum(random.uniform(edges[:-1], edges[1:]).astype(int), rows - 1)
    return [
        History(whole.table, whole.unit, whole.start, whole.start + stop, whole.start + stop - 1)
        for stop in np.maximum(stops, 1).tolist()
    ]
