"""The scores of a classifier, over a whole split and over all processes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from convzoo.core.processes import gather_all, sum_over_processes


class ClassificationMeter:
    """Counts a confusion matrix, from which the scores follow; for two classes it keeps the scores of each example too.

    torchmetrics has the same scores; its import takes a second and a hundred megabytes, more than the networks here. The tests
    hold these against torchmetrics and scikit-learn.

    Args:
        classes: how many
    """

    def __init__(self, classes: int) -> None:
        self.confusion = torch.zeros(classes, classes, dtype=torch.float64)
        self.cross_entropy = torch.zeros((), dtype=torch.float64)
        # A process may have no share of a small split, so the lists begin with nothing rather than empty.
        self.scores = [torch.empty(0, dtype=torch.float64)] if classes == 2 else None
        self.targets = [torch.empty(0, dtype=torch.int64)]

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Add a batch: logits (batch, classes) and class numbers (batch,)."""
        outputs, target = outputs.detach().cpu().double(), target.cpu()
        ones = torch.ones(len(target), dtype=torch.float64)
        self.confusion.index_put_((target, outputs.argmax(dim=1)), ones, accumulate=True)
        self.cross_entropy += F.cross_entropy(outputs, target, reduction="sum")
        if self.scores is not None:
            self.scores.append(outputs[:, 1] - outputs[:, 0])
            self.targets.append(target)

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        confusion = sum_over_processes(self.confusion)
        count = confusion.sum()
        found = {
            "accuracy": float(confusion.diagonal().sum() / count),
            "macro_f1": macro_f1(confusion),
            "matthews": matthews(confusion),
            "cross_entropy": float(sum_over_processes(self.cross_entropy) / count),
        }
        if self.scores is not None:
            scores, targets = gather_all(torch.cat(self.scores)), gather_all(torch.cat(self.targets))
            found["auroc"] = area_under_roc(scores, targets == 1)
        return found


def macro_f1(confusion: Tensor) -> float:
    """The mean of the classes' F1 = 2 TP / (2 TP + FP + FN); a class that is neither there nor predicted is left out."""
    hits = confusion.diagonal()
    both = confusion.sum(dim=0) + confusion.sum(dim=1)
    return float((2 * hits / both.clamp(min=1))[both > 0].mean())


def matthews(confusion: Tensor) -> float:
    """Matthews' correlation for any number of classes (Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006); 0 where a
    single class is there or predicted."""
    count = confusion.sum()
    predicted, true = confusion.sum(dim=0), confusion.sum(dim=1)
    covariance = confusion.diagonal().sum() * count - predicted @ true
    spread = (count**2 - predicted @ predicted) * (count**2 - true @ true)
    return float(covariance / spread.sqrt()) if spread > 0 else 0.0


def area_under_roc(scores: Tensor, positive: Tensor) -> float:
    """The part of pairs of a positive and a negative in which the positive scores more; ties count half. 0.5 without pairs."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return 0.5
    _, inverse, counts = scores.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(dim=0)
    ranks = (last - (counts - 1) / 2)[inverse]  # tied examples share their mean rank, from 1
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
