"""What a regression that is always right gives; and texts with numbers."""

from typing import Any

from contracts.parts import Form
from torch import Tensor

from convzoo.core.task import Task

NUMBERS = {"data": {"name": "text_table", "form": "numbers"}, "baselines": [{"name": "mean"}], "expect": {}}

FORMS = {
    loss: Form("sentiment_cnn1d", {**NUMBERS, "task": {"name": "regression", "loss": loss}})
    for loss in ("absolute", "huber", "pinball")
}


def perfect(task: Task, target: Tensor) -> Any:
    """The true number, standardised, without an interval."""
    return target.unsqueeze(1)
