"""What a classifier that is always right gives."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from convzoo.core.task import Task


def perfect(task: Task, target: Tensor) -> Any:
    """Logits that leave no doubt of the true class."""
    return 20.0 * F.one_hot(target, len(task.labels)).float()
