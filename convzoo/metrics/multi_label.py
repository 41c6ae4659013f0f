"""The scores of a classifier of several labels at once, over a whole split and over all processes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from convzoo.core.processes import gather_all
from convzoo.metrics.classification import average_precision


class MultiLabelMeter:
    """Micro and macro F1, mean average precision, subset accuracy and cross-entropy of labels that are decided one by one.

    Micro F1 counts all decisions together, macro F1 is the mean over the labels; a label that is neither there nor predicted has
    the F1 0. Mean average precision is the mean over the labels that are there. Subset accuracy is the fraction of examples whose
    labels are all right.

    Args:
        labels: number of labels
        thresholds: (labels,), the logits from which a label is predicted; opponents are scored with them, too
    """

    def __init__(self, labels: int, thresholds: Tensor) -> None:
        self.thresholds = thresholds.double()
        self.outputs = [torch.empty(0, labels, dtype=torch.float64)]
        self.targets = [torch.empty(0, labels, dtype=torch.float64)]

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Add a batch: logits and 0 or 1, both (batch, labels). Examples without labels, NaN, are left out."""
        outputs, target = outputs.detach().cpu().double(), target.detach().cpu().double()
        known = ~target.isnan().any(dim=1)
        self.outputs.append(outputs[known])
        self.targets.append(target[known])

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        outputs, target = gather_all(torch.cat(self.outputs)), gather_all(torch.cat(self.targets))
        chosen, true = outputs >= self.thresholds, target == 1
        hits = (chosen & true).sum(dim=0).double()
        both = (chosen.sum(dim=0) + true.sum(dim=0)).double()
        there = true.any(dim=0).nonzero()[:, 0].tolist()
        precisions = [average_precision(outputs[:, label], true[:, label]) for label in there]
        return {
            "micro_f1": float(2 * hits.sum() / both.sum().clamp(min=1)),
            "macro_f1": float((2 * hits / both.clamp(min=1)).mean()),
            "mean_average_precision": sum(precisions) / max(len(precisions), 1),
            "subset_accuracy": float((chosen == true).all(dim=1).double().mean()),
            "cross_entropy": float(F.binary_cross_entropy_with_logits(outputs, target)),
        }
