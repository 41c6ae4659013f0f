"""The scores of videos, of which a network sees several clips each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convzoo.core.processes import sum_over_processes
from convzoo.metrics.classification import ClassificationMeter
from convzoo.metrics.regression import RegressionMeter


class ClipMeter:
    """`ClassificationMeter`'s scores of whole videos, and `clip_accuracy`: the fraction of single clips that are right.

    Args:
        classes: number of classes
    """

    def __init__(self, classes: int) -> None:
        self.videos = ClassificationMeter(classes)
        self.clips = torch.zeros(2, dtype=torch.float64)  # right, all

    def update(self, outputs: Any, target: dict[str, Tensor]) -> None:
        """Add a batch: from a network the logits of each clip, from an opponent those of each video, (batch, classes)."""
        label = target["label"]
        if isinstance(outputs, Tensor):
            each, of_each = outputs, label.to(outputs.device)
            self.videos.update(outputs, label)
        else:
            each, of_each = outputs.logits, label.repeat_interleave(outputs.counts)
            self.videos.update(outputs.mean(), label)
        right = (each.argmax(dim=1) == of_each).sum()
        self.clips += torch.tensor([float(right), float(len(each))], dtype=torch.float64)

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        right, count = sum_over_processes(self.clips).tolist()
        found = self.videos.compute()
        return {"accuracy": found.pop("accuracy"), "clip_accuracy": right / count, **found}

    def units(self) -> np.ndarray:
        """Each video."""
        return self.videos.units()

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """The scores of whole videos."""
        return self.videos.resampled(weights)


class ClipRegressionMeter(RegressionMeter):
    """`RegressionMeter`'s scores of whole videos."""

    def update(self, outputs: Tensor, target: dict[str, Tensor]) -> None:  # type: ignore[override]
        """Add a batch: the value of each video, and perhaps the ends of its interval, (batch, 1 or 3)."""
        super().update(outputs, target["label"])
