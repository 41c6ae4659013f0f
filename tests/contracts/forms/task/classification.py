"""What a classifier that is always right gives."""

from typing import Any

import torch.nn.functional as F
from contracts.parts import Form
from torch import Tensor

from convzoo.core.task import Task

FORMS = {
    "threshold": Form(
        "sentiment_cnn1d",
        {
            "task": {
                "name": "classification",
                "class_weights": "balanced",
                "threshold": "best_f1",
                "calibrate": "temperature",
            }
        },
    ),
    "budgets": Form("spam_cnn1d"),
    "hierarchy": Form(
        "sentiment_cnn1d",
        {
            "data": {"name": "trec", "form": "fine"},
            "task": {"name": "classification", "hierarchy": ":"},
            "baselines": [{"name": "majority"}],
        },
    ),
}


def perfect(task: Task, target: Tensor) -> Any:
    """Logits that leave no doubt of the true class."""
    return 20.0 * F.one_hot(target, len(task.labels)).float()
