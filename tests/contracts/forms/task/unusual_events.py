"""What foretells every row gives, and a small form whose training part has no answers."""

from collections.abc import Mapping

import torch
from contracts.parts import Form
from torch import Tensor

from convzoo.core.task import Task

DATA = {"name": "accounts", "accounts": 24, "days": 60, "fraud": 40.0, "new": 0.2, "delay": 1.0, "seed": 3}
FORMS = {"small": Form("transactions_cnn1d", {"task": {"name": "unusual_events"}, "data": DATA})}


def perfect(task: Task, target: Mapping[str, Tensor]) -> Tensor:
    """(batch, time, 3): the score is 1 where something is wrong, else 0; no column; little surprise; NaN where not judged."""
    scores = (target["answers"] == 1).double()
    answers = torch.stack([scores, torch.full_like(scores, -1), torch.full_like(scores, -100)], dim=2)
    return answers.masked_fill(~target["judged"].unsqueeze(2), torch.nan)
