"""The scores of ranked lists, over a whole split and over all processes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from convzoo.core.outputs.rankings import Ranking
from convzoo.core.processes import gather_all, sum_over_processes


class RankingMeter:
    r"""For each k, over the users who had at least one item afterwards:

    * recall: the fraction of a user's later items that are among the k best
    * ndcg: $\sum_{i \le k, hit} 1 / \log_2(i + 1)$ divided by the same sum for a perfect list of $\min(k, n)$ hits
    * mrr: 1 / the place of the first hit among the k best, 0 without a hit
    * coverage: the fraction of all items that are among the k best of at least one user

    Args:
        items: number of items
        at: the values of k
    """

    def __init__(self, items: int, at: list[int]) -> None:
        self.items = items
        self.at = at
        self.sums = torch.zeros(len(at), 3, dtype=torch.float64)
        self.users = torch.zeros((), dtype=torch.float64)
        self.shown = torch.zeros(len(at), items, dtype=torch.float64)

    def update(self, outputs: Ranking, target: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Add a batch: the best items of its users, and the items that they had afterwards."""
        ranked = outputs.items.cpu()
        pointers, wanted = (target["wanted"][name].cpu() for name in ("pointers", "items"))
        counts = pointers.diff()
        hits = _hits(ranked, counts, wanted, self.items)
        asked = counts > 0
        hits, counts, ranked = hits[asked], counts[asked], ranked[asked]
        self.users += len(hits)
        width = hits.shape[1]
        discount = 1 / torch.log2(torch.arange(2, width + 2, dtype=torch.float64))
        places = torch.arange(1, width + 1)
        for row, k in enumerate(self.at):
            inside = hits[:, :k]
            gain = (inside * discount[:k]).sum(dim=1)
            ideal = torch.cat([torch.zeros(1, dtype=torch.float64), discount.cumsum(0)])
            best = ideal[counts.clamp(max=min(k, width))]
            first = torch.where(inside, places[:k], width + 1).amin(dim=1)
            self.sums[row, 0] += (inside.sum(dim=1).double() / counts).sum()
            self.sums[row, 1] += (gain / best).sum()
            self.sums[row, 2] += torch.where(first <= k, 1 / first.double(), 0.0).sum()
            named = ranked[:, :k].reshape(-1)
            self.shown[row, named[named >= 0]] = 1

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        sums, users = sum_over_processes(self.sums), sum_over_processes(self.users)
        shown = gather_all(self.shown.unsqueeze(0)).amax(dim=0)
        found: dict[str, float] = {}
        for row, k in enumerate(self.at):
            recall, ndcg, mrr = (sums[row] / users.clamp(min=1)).tolist()
            found |= {f"recall_at_{k}": recall, f"ndcg_at_{k}": ndcg, f"mrr_at_{k}": mrr}
            found[f"coverage_at_{k}"] = float(shown[row].mean())
        return found


def _hits(ranked: Tensor, counts: Tensor, wanted: Tensor, items: int) -> Tensor:
    """(users, k): whether the user had the item at this place of the list."""
    rows = torch.repeat_interleave(torch.arange(len(counts)), counts)
    keys = (rows * items + wanted).sort().values
    asked = torch.arange(len(ranked)).unsqueeze(1) * items + ranked
    if not len(keys):
        return torch.zeros_like(ranked, dtype=torch.bool)
    at = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
    return (keys[at] == asked) & (ranked >= 0)
