"""How well scores order pairs of which some are linked: on arrays, for meters and for the ceilings of generated data."""

import math

import numpy as np

HITS = 10


def link_scores(scores: np.ndarray, linked: np.ndarray, queries: np.ndarray | None = None) -> dict[str, float]:
    """The scores that `LinkMeter` describes; NaN where there are no linked or no other pairs.

    Args:
        scores: (pairs,)
        linked: (pairs,), boolean
        queries: (pairs,), the number of the edge that a pair belongs to; None: to none
    """
    scores, linked = np.asarray(scores, np.float64), np.asarray(linked, bool)
    average = float(average_precision(scores, linked, np.ones((1, len(scores))))[0])
    found = {"auroc": _area(scores, linked), "average_precision": average}
    ranks = ranks_of_edges(scores, linked, queries)
    known = len(ranks) > 0
    return {
        **found,
        "mrr": float((1 / ranks).mean()) if known else math.nan,
        f"hits_at_{HITS}": float((ranks <= HITS).mean()) if known else math.nan,
    }


def _area(scores: np.ndarray, linked: np.ndarray) -> float:
    from scipy.stats import rankdata

    count, others = int(linked.sum()), int((~linked).sum())
    if not count or not others:
        return math.nan
    return float((rankdata(scores)[linked].sum() - count * (count + 1) / 2) / (count * others))


def average_precision(scores: np.ndarray, linked: np.ndarray, weights: np.ndarray) -> np.ndarray:
    r"""(draws,): $\sum_n (R_n - R_{n-1}) P_n$ over all thresholds; equal scores are one threshold. NaN without linked pairs.

    Args:
        scores: (pairs,)
        linked: (pairs,), boolean
        weights: (draws, pairs), how often each pair counts
    """
    order = np.argsort(-scores, kind="stable")
    counted = weights[:, order]
    hit = counted * linked[order]
    found, all_so_far = np.cumsum(hit, axis=1), np.cumsum(counted, axis=1)
    last = np.searchsorted(-scores[order], -scores[order], side="right") - 1
    precision = found[:, last] / np.maximum(all_so_far[:, last], 1e-300)
    total = hit.sum(axis=1)
    return np.where(total > 0, (precision * hit).sum(axis=1) / np.maximum(total, 1e-300), np.nan)


def ranks_of_edges(scores: np.ndarray, linked: np.ndarray, queries: np.ndarray | None) -> np.ndarray:
    """(edges,): the rank of each edge among its own negatives, from 1, in the order of the edges; without `queries` among all of
    them. Of equal scores, half are counted as better. An edge without negatives has the rank 1."""
    edges = np.flatnonzero(linked)
    if queries is None:
        others = np.sort(scores[~linked])
        below, up_to = (np.searchsorted(others, scores[edges], side=side) for side in ("left", "right"))
        return 1 + len(others) - up_to + (up_to - below) / 2
    own = np.full(int(queries.max(initial=-1)) + 1, np.nan)
    own[queries[edges]] = scores[edges]
    other = np.flatnonzero(~linked)
    better = np.bincount(queries[other], scores[other] > own[queries[other]], len(own))
    equal = np.bincount(queries[other], scores[other] == own[queries[other]], len(own))
    return (1 + better + equal / 2)[queries[edges]]
