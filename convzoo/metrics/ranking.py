"""The scores of ranked lists, over a whole split and over all processes."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from convzoo.core.outputs.rankings import Ranking
from convzoo.core.processes import gather_all


class RankingMeter:
    r"""For each k, over the users who had at least one item afterwards:

    * recall: the fraction of a user's later items that are among the k best
    * ndcg: $\sum_{i \le k, hit} 1 / \log_2(i + 1)$ divided by the same sum for a perfect list of $\min(k, n)$ hits
    * mrr: 1 / the place of the first hit among the k best, 0 without a hit
    * coverage: the fraction of all items that are among the k best of at least one user

    Where no user had an item afterwards, none of them is defined: all are NaN.

    Args:
        items: number of items
        at: the values of k
    """

    def __init__(self, items: int, at: list[int]) -> None:
        self.items = items
        self.at = at
        # Of each user recall, NDCG and MRR at each k; NaN for a user who had nothing afterwards.
        self.rows = [torch.empty(0, len(at), 3, dtype=torch.float64)]
        self.shown = torch.zeros(len(at), items, dtype=torch.float64)

    def update(self, outputs: Ranking, target: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Add a batch: the best items of its users, and the items that they had afterwards."""
        ranked = outputs.items.cpu()
        pointers, wanted = (target["wanted"][name].cpu() for name in ("pointers", "items"))
        counts = pointers.diff()
        hits = _hits(ranked, counts, wanted, self.items)
        asked = counts > 0
        table = torch.full((len(hits), len(self.at), 3), math.nan, dtype=torch.float64)
        hits, counts, ranked = hits[asked], counts[asked], ranked[asked]
        width = hits.shape[1]
        discount = 1 / torch.log2(torch.arange(2, width + 2, dtype=torch.float64))
        places = torch.arange(1, width + 1)
        for row, k in enumerate(self.at):
            inside = hits[:, :k]
            gain = (inside * discount[:k]).sum(dim=1)
            ideal = torch.cat([torch.zeros(1, dtype=torch.float64), discount.cumsum(0)])
            best = ideal[counts.clamp(max=min(k, width))]
            first = torch.where(inside, places[:k], width + 1).amin(dim=1)
            table[asked, row, 0] = inside.sum(dim=1).double() / counts
            table[asked, row, 1] = gain / best
            table[asked, row, 2] = torch.where(first <= k, 1 / first.double(), 0.0)
            named = ranked[:, :k].reshape(-1)
            self.shown[row, named[named >= 0]] = 1
        self.rows.append(table)

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        rows = gather_all(torch.cat(self.rows))
        asked = ~rows[:, :1, 0].isnan().squeeze(1)
        means = rows[asked].sum(dim=0) / asked.sum()
        shown = gather_all(self.shown.unsqueeze(0)).amax(dim=0)
        found: dict[str, float] = {}
        for row, k in enumerate(self.at):
            recall, ndcg, mrr = means[row].tolist()
            found |= {f"recall_at_{k}": recall, f"ndcg_at_{k}": ndcg, f"mrr_at_{k}": mrr}
            found[f"coverage_at_{k}"] = float(shown[row].mean()) if asked.any() else math.nan
        return found

    def units(self) -> np.ndarray:
        """Each user."""
        return np.arange(len(gather_all(torch.cat(self.rows))))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """Recall, NDCG and MRR at each k."""
        rows = gather_all(torch.cat(self.rows)).numpy()
        asked = ~np.isnan(rows[:, 0, 0])
        counted = weights[:, asked]
        with np.errstate(invalid="ignore"):
            means = np.tensordot(counted, rows[asked], axes=1) / counted.sum(axis=1)[:, None, None]
        names = ("recall", "ndcg", "mrr")
        return {f"{name}_at_{k}": means[:, row, at] for row, k in enumerate(self.at) for at, name in enumerate(names)}


def _hits(ranked: Tensor, counts: Tensor, wanted: Tensor, items: int) -> Tensor:
    """(users, k): whether the user had the item at this place of the list."""
    rows = torch.repeat_interleave(torch.arange(len(counts)), counts)
    keys = (rows * items + wanted).sort().values
    asked = torch.arange(len(ranked)).unsqueeze(1) * items + ranked
    if not len(keys):
        return torch.zeros_like(ranked, dtype=torch.bool)
    at = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
    return (keys[at] == asked) & (ranked >= 0)
