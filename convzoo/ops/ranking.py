"""The best of many items for each user, a block of users at a time."""

from collections.abc import Callable

import torch
from torch import Tensor

from convzoo.core.outputs.rankings import Ranking


def best_items(
    score: Callable[[slice], Tensor], users: int, pointers: Tensor, seen: Tensor, k: int, block: int = 256
) -> Ranking:
    """Rank all items for each user, leaving out what it had before. Only `block` users' scores are held at a time.

    Args:
        score: scores (of those users, items) for a slice of the users
        users: how many
        pointers: (users + 1,), where each user's items begin in `seen`
        seen: item numbers
        k: how many are kept
        block: users at a time
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
