"""The scores of a classifier, over a whole split and over all processes."""

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import BinaryAUROC, MulticlassAccuracy, MulticlassF1Score, MulticlassMatthewsCorrCoef


class MeanCrossEntropy(Metric):
    """The mean of -log p(true class), without label smoothing."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Add a batch of logits (batch, classes)."""
        self.total += torch.nn.functional.cross_entropy(outputs.double(), target, reduction="sum")
        self.count += len(target)

    def compute(self) -> Tensor:
        """The mean so far."""
        return self.total / self.count


class ClassificationMeter:
    """Scores by name, in the shape that tasks give: update, compute."""

    def __init__(self, classes: int) -> None:
        self.binary = classes == 2
        self.scores = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(classes, average="micro"),
                "macro_f1": MulticlassF1Score(classes, average="macro"),
                "matthews": MulticlassMatthewsCorrCoef(classes),
                "cross_entropy": MeanCrossEntropy(),
            },
            compute_groups=False,
        )
        self.area = BinaryAUROC() if self.binary else None

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Add a batch: logits (batch, classes) and class numbers (batch,)."""
        outputs, target = outputs.detach().float().cpu(), target.cpu()
        self.scores.update(outputs, target)
        if self.area is not None:
            self.area.update(outputs.softmax(dim=1)[:, 1], target)

    def compute(self) -> dict[str, float]:
        """The scores over everything so far."""
        found = {name: float(value) for name, value in self.scores.compute().items()}
        if self.area is not None:
            found["auroc"] = float(self.area.compute())
        return found
