"""The scores of predicted links, over a whole split and over all processes."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from convzoo.core.processes import gather_all
from convzoo.metrics.classification import weighted_area_under_roc
from convzoo.ops.link_scores import HITS, average_precision, link_scores, ranks_of_edges


class LinkMeter:
    r"""Scores of pairs of which some are linked:

    * auroc: the probability that a linked pair has a higher score than one that is not linked
    * average_precision: $\sum_n (R_n - R_{n-1}) P_n$ over all thresholds
    * mrr and hits_at_10: the mean of 1 / rank of an edge, and the part of the edges with a rank up to 10: the rank among its own
      negatives where it has some, else among all of the split. Of equal scores, half are counted as better
    """

    def __init__(self) -> None:
        # Of each pair the score, whether it is linked, and the number of its edge.
        self.rows = [torch.empty(0, 3, dtype=torch.float64)]

    def update(self, outputs: Tensor, target: Mapping[str, Tensor]) -> None:
        """Add a batch: scores (pairs,); `linked` (pairs,) and `queries` (pairs,)."""
        row = [outputs.detach().cpu().double(), target["linked"].cpu().double(), target["queries"].cpu().double()]
        self.rows.append(torch.stack(row, dim=1))

    def _known(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        rows = gather_all(torch.cat(self.rows)).numpy()
        queries = rows[:, 2].astype(np.int64)
        return rows[:, 0], rows[:, 1] == 1, queries if (queries >= 0).any() else None

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        return link_scores(*self._known())

    def units(self) -> np.ndarray:
        """Each pair; where edges have negatives of their own, each edge."""
        _, linked, queries = self._known()
        return np.arange(len(linked)) if queries is None else np.flatnonzero(linked)

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """Area under the curve and average precision of each draw; of edges with negatives of their own MRR and hits."""
        scores, linked, queries = self._known()
        if queries is None:
            average = average_precision(scores, linked, weights)
            return {"auroc": weighted_area_under_roc(scores, linked, weights), "average_precision": average}
        ranks = ranks_of_edges(scores, linked, queries)
        total = np.maximum(weights.sum(axis=1), 1e-300)
        return {"mrr": weights @ (1 / ranks) / total, f"hits_at_{HITS}": weights @ (ranks <= HITS) / total}
