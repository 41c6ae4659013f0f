"""Classification of videos: the probabilities of several clips of a video are averaged."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Fraction, FromData, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.task import Meter
from convzoo.tasks.classification import Classification


@dataclass(frozen=True)
class Views:
    """The logits that a network gives for the clips of some videos.

    Attributes:
        logits: (clips, classes), the clips of a video one after another
        counts: (videos,), number of clips of each video
    """

    logits: Tensor
    counts: Tensor

    def mean(self) -> Float[Tensor, "videos classes"]:
        """The logarithm of the mean probability over each video's clips."""
        parts = self.logits.float().log_softmax(dim=1).split(self.counts.tolist())
        return torch.stack([part.logsumexp(dim=0) - torch.tensor(float(len(part))).log() for part in parts])


class ClipClassification(Classification):
    r"""Classification of one clip of a video in training, and of several clips in prediction: $p(c) = \frac{1}{n} \sum_i p_i(c)$.

    A prediction also has the class of each clip, under `over_time`. The scores are those of `Classification` for whole videos,
    and `clip_accuracy` for single clips.

    Args:
        label_smoothing: the fraction of the target that is spread over all classes
        best_by: the validation score that chooses the best checkpoint
        class_weights: the weight of the loss by class: `none`; `balanced`, so that all classes weigh the same together; or a
            mapping from label to weight
    """

    def __init__(
        self,
        labels: FromData[tuple],
        crops: FromData[Positive] = 1,
        label_smoothing: Fraction = 0.0,
        best_by: Literal["val/accuracy", "val/macro_f1", "val/matthews", "-val/cross_entropy"] = "val/accuracy",
        class_weights: Literal["none", "balanced"] | dict[str, PositiveFloat] = "none",
        counts: FromData[tuple] = (),
    ) -> None:
        super().__init__(labels, label_smoothing, best_by, class_weights=class_weights, counts=counts)
        self.crops = crops

    def losses(  # type: ignore[override]
        self, outputs: Float[Tensor, "batch classes"], target: dict[str, Int[Tensor, " batch"]]
    ) -> dict[str, Tensor]:
        """The cross-entropy of one clip of each video."""
        return super().losses(outputs, target["label"])

    def predict(self, model: nn.Module, batch: Batch) -> Views:  # type: ignore[override]
        """Each clip's probabilities, averaged over its crops. Only as many clips at once as in training, to limit memory."""
        clips, counts = batch.inputs["clip"], batch.target["views"]
        logits = torch.cat([model(clip=part) for part in clips.split(max(1, batch.size))])
        if len(logits) == int(counts.sum()) * self.crops:
            logits = logits.float().log_softmax(dim=1).unflatten(0, (-1, self.crops)).logsumexp(dim=1)
            logits = logits - torch.tensor(float(self.crops)).log()
        return Views(logits, counts)

    def decode(self, outputs: Views | Float[Tensor, "batch classes"]) -> list[dict[str, Any]]:  # type: ignore[override]
        """The class, its probability, all probabilities, and the class of each clip (`over_time`)."""
        if isinstance(outputs, Tensor):
            return super().decode(outputs)
        found = super().decode(outputs.mean())
        for row, part in zip(found, outputs.logits.split(outputs.counts.tolist()), strict=True):
            probability, best = part.softmax(dim=1).max(dim=1)
            row["over_time"] = [
                {"label": self.labels[index], "probability": value}
                for index, value in zip(best.tolist(), probability.tolist(), strict=True)
            ]
        return found

    def read_target(self, target: dict[str, Int[Tensor, " batch"]]) -> list[dict[str, Any]]:  # type: ignore[override]
        """The true class of each, for a person to read."""
        return super().read_target(target["label"])

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The class, its probability and the file; if the class changes over time, also each class with its times."""
        lines = [super().in_words(prediction, shown)]
        moments = prediction.get("over_time", [])
        if len({moment["label"] for moment in moments}) > 1:
            for label, group in groupby(moments, key=lambda moment: moment["label"]):
                stretch = list(group)
                mean = sum(moment["probability"] for moment in stretch) / len(stretch)
                when = f"{stretch[0]['start']:6.2f} to {stretch[-1]['end']:6.2f} s" if "start" in stretch[0] else ""
                lines.append(f"  {when}  {label}  {mean:.3f}")
        return "\n".join(lines)

    def meter(self) -> Meter:
        """The scores of whole videos, and the accuracy of single clips."""
        from convzoo.metrics.clips import ClipMeter

        return ClipMeter(len(self.labels))
