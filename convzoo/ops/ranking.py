"""The best items for each user, computed in blocks of users."""

from collections.abc import Callable

import torch
from torch import Tensor

from convzoo.core.outputs.rankings import Ranking


def best_items(
    score: Callable[[slice], Tensor], users: int, pointers: Tensor, seen: Tensor, k: int, block: int = 256
) -> Ranking:
    """Rank all items for each user, without the user's earlier items. Only the scores of `block` users are in memory at once.

    Args:
        score: gives the scores (chosen users, items) for a slice of the users
        users: number of users
        pointers: (users + 1,), where each user's items begin in `seen`
        seen: item numbers
        k: number of items to keep
        block: number of users at a time
    """
    items, scores = [], []
    starts = pointers.tolist()
    for first in range(0, users, block):
        last = min(first + block, users)
        found = score(slice(first, last)).float()
        counts = pointers[first + 1 : last + 1] - pointers[first:last]
        rows = torch.repeat_interleave(torch.arange(last - first, device=found.device), counts)
        found = found.index_put((rows, seen[starts[first] : starts[last]]), found.new_tensor(-torch.inf))
        top = found.topk(min(k, found.shape[1]), dim=1)
        items.append(torch.where(top.values == -torch.inf, -1, top.indices))
        scores.append(top.values)
    if not items:
        return Ranking(torch.zeros(0, k, dtype=torch.int64), torch.zeros(0, k))
    return Ranking(torch.cat(items), torch.cat(scores))
