"""What a prediction of lives that is always right gives."""

from collections.abc import Mapping

from torch import Tensor

from convzoo.core.task import Task


def perfect(task: Task, target: Mapping[str, Tensor]) -> Tensor:
    """(batch, time, 1): the true life at each row."""
    return target["answers"].unsqueeze(2)
