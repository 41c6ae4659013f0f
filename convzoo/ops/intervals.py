"""Runs of steps that are flagged."""

import numpy as np


def intervals(flags: np.ndarray) -> list[tuple[int, int]]:
    """The runs of True in a boolean array: (start, stop) of each, without the stop."""
    padded = np.concatenate([[False], np.asarray(flags, dtype=bool), [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)
    return [(int(start), int(stop)) for start, stop in edges]
