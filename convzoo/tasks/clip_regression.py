"""Regression of videos: the numbers of several clips of a video are averaged."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import FromData, Positive, Probability
from convzoo.core.batch import Batch
from convzoo.core.task import Meter
from convzoo.tasks.regression import NAMES, Regression


class ClipRegression(Regression):
    """`Regression` of one clip of a video in training, and of several in prediction: a video's number is the mean over its clips.

    Args:
        loss: what is minimised
        coverage: the fraction of true numbers that intervals should hold
        best_by: the validation score that chooses the best checkpoint
    """

    def __init__(
        self,
        mean: FromData[float],
        deviation: FromData[float],
        crops: FromData[Positive] = 1,
        loss: Literal["squared", "absolute", "huber", "pinball"] = "squared",
        coverage: Probability = 0.9,
        best_by: Literal["-val/rmse", "-val/mae", "val/r2"] = "-val/rmse",
    ) -> None:
        super().__init__(mean, deviation, loss, coverage, best_by)
        self.crops = crops

    def raw(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch outputs"]:
        """The mean over the clips and crops of each video. Only as many clips at once as in training, to limit memory."""
        clips, counts = batch.inputs["clip"], batch.target["views"]
        outputs = torch.cat([model(clip=part) for part in clips.split(max(1, batch.size))])
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        crops = self.crops if len(outputs) == int(counts.sum()) * self.crops else 1
        return torch.stack([part.mean(dim=0) for part in outputs.split((counts * crops).tolist())])

    def numbers(self, target: Mapping[str, Any]) -> Float[Tensor, " batch"]:
        """The true number of each video, standardised."""
        return target["label"]

    def meter(self) -> Meter:
        """The scores of whole videos."""
        from convzoo.metrics.clips import ClipRegressionMeter

        return ClipRegressionMeter(self.deviation, NAMES[self.loss], self.each_loss)
