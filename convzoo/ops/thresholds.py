"""What every threshold of a score finds."""

import math

import numpy as np


def average_precision(scores: np.ndarray, wrong: np.ndarray) -> float:
    r"""$\sum_n (R_n - R_{n-1}) P_n$ over all thresholds; equal scores are one threshold. NaN where nothing is wrong.

    Args:
        scores: (rows,)
        wrong: (rows,), boolean
    """
    if not wrong.any():
        return math.nan
    hits, alarms, _ = at_each_threshold(scores, wrong.astype(np.float64))
    return float((np.diff(hits, prepend=0.0) * hits / alarms).sum() / wrong.sum())


def at_each_threshold(scores: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each different score as the threshold, from the highest: the sum of the values at or above it, the number of rows, and
    the threshold, (thresholds,) each.

    Args:
        scores: (rows,)
        values: (rows,), such as 1 where a row is wrong, or its amount
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    return np.cumsum(values[order])[last], (np.arange(len(scores)) + 1.0)[last], ordered[last]
