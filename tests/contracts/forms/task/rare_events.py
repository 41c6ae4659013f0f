"""What a detector that misses nothing and never errs gives."""

from collections.abc import Mapping

import torch
from torch import Tensor

from convzoo.core.task import Task


def perfect(task: Task, target: Mapping[str, Tensor]) -> Tensor:
    """(batch, time, 1): 1 where something is wrong, else 0; NaN where nothing is judged."""
    scores = (target["answers"] == 1).double()
    return scores.masked_fill(~target["judged"], torch.nan).unsqueeze(2)
