"""Classification: one class of several, of whatever is encoded."""

from typing import Any, Literal

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from convzoo.core.arguments import Fraction, FromData
from convzoo.core.task import Meter, Task


class Classification(Task):
    r"""Cross-entropy, $-\sum_c q_c \log \mathrm{softmax}(z)_c$, with q the target, smoothed if asked (Szegedy et al. 2016,
    arXiv:1512.00567, §7).

    Scores: accuracy, macro F1 (the mean over classes, each counting the same) and Matthews' correlation; for two classes also
    the area under the ROC curve.

    Args:
        label_smoothing: the part of the target that is spread over all classes
        best_by: the validation score that chooses the best checkpoint
    """

    def __init__(
        self,
        labels: FromData[tuple],
        label_smoothing: Fraction = 0.0,
        best_by: Literal["val/accuracy", "val/macro_f1", "val/matthews", "-val/cross_entropy"] = "val/accuracy",
    ) -> None:
        self.labels = tuple(labels)
        self.label_smoothing = label_smoothing
        self.best_by = best_by

    def losses(self, outputs: Float[Tensor, "batch classes"], target: Int[Tensor, " batch"]) -> dict[str, Tensor]:
        """The cross-entropy."""
        return {"cross_entropy": F.cross_entropy(outputs, target, label_smoothing=self.label_smoothing)}

    def decode(self, outputs: Float[Tensor, "batch classes"]) -> list[dict[str, Any]]:
        """The class, its probability, and all probabilities."""
        probabilities = outputs.float().softmax(dim=1)
        best = probabilities.argmax(dim=1).tolist()
        return [
            {
                "label": self.labels[index],
                "probability": row[index],
                "probabilities": dict(zip(self.labels, row, strict=True)),
            }
            for index, row in zip(best, probabilities.tolist(), strict=True)
        ]

    def read_target(self, target: Int[Tensor, " batch"]) -> list[dict[str, Any]]:
        """The true class of each, for a person to read."""
        return [{"label": self.labels[number] if number >= 0 else None} for number in target.tolist()]

    def meter(self) -> Meter:
        """Accuracy, macro F1, Matthews' correlation; cross-entropy; AUROC for two classes."""
        from convzoo.metrics.classification import ClassificationMeter

        return ClassificationMeter(len(self.labels))
