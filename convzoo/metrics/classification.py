"""The scores of a classifier, over a whole split and over all processes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convzoo.core.processes import gather_all, sum_over_processes

BINS = 15
"""Number of bins of the expected calibration error, as in most papers."""


@dataclass(frozen=True)
class Decided:
    """Logits, and the classes that a threshold on them decided.

    Attributes:
        logits: (batch, classes)
        chosen: (batch,), class numbers
    """

    logits: Tensor
    chosen: Tensor


class ClassificationMeter:
    """Counts a confusion matrix and computes the scores from it. Of each example it keeps what the scores are made of, so that
    they can be computed for examples that are drawn again.

    torchmetrics has the same scores, but its import takes a second and a hundred megabytes, more than the networks here. The
    tests compare the scores with torchmetrics and scikit-learn.

    A score that these examples do not define is NaN: the area under the ROC curve and Matthews' correlation where only one class
    occurs, recall and F1 of a class that does not occur (F1 only if it is not predicted either), precision of a class that is
    never predicted.

    Args:
        classes: number of classes
        calibration: whether to compute the calibration error too
        positive: the number of the class whose precision, recall and F1 are given too; None: of no class
        budgets: for two classes: by the part of the others that may be called positive, the threshold of the margin (the logit of
            the positive class minus that of the other) that was chosen for it
        coarse: the number of the coarse class of each class; empty if there is no hierarchy
    """

    def __init__(
        self,
        classes: int,
        calibration: bool = False,
        positive: int | None = None,
        budgets: Mapping[float, float] | None = None,
        coarse: Sequence[int] = (),
    ) -> None:
        self.positive = positive
        self.budgets = dict(budgets or {})
        self.coarse = np.array(coarse, dtype=int)
        self.confusion = torch.zeros(classes, classes, dtype=torch.float64)
        self.cross_entropy = torch.zeros((), dtype=torch.float64)
        # A process may have no share of a small split, so the list begins with an empty table: it can always be joined.
        # The columns are the true class, the predicted one, the cross-entropy, and for two classes the score of the second.
        self.rows = [torch.empty(0, 4, dtype=torch.float64)]
        # For each bin of the probability: the number of predictions, the sum of their probabilities, the number of right ones.
        self.bins = torch.zeros(3, BINS, dtype=torch.float64) if calibration else None

    def update(self, outputs: Tensor | Decided, target: Tensor) -> None:
        """Add a batch: logits (batch, classes), perhaps with classes that a threshold decided, and class numbers (batch,)."""
        decided = outputs.chosen.cpu() if isinstance(outputs, Decided) else outputs.detach().cpu().argmax(dim=1)
        outputs = outputs.logits if isinstance(outputs, Decided) else outputs
        outputs, target = outputs.detach().cpu().double(), target.cpu()
        ones = torch.ones(len(target), dtype=torch.float64)
        self.confusion.index_put_((target, decided), ones, accumulate=True)
        losses = F.cross_entropy(outputs, target, reduction="none")
        self.cross_entropy += losses.sum()
        score = outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else torch.zeros_like(losses)
        self.rows.append(torch.stack([target.double(), decided.double(), losses, score], dim=1))
        if self.bins is not None:
            self.bins += calibration_bins(outputs.softmax(dim=1), target)

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
        if self.positive is not None:
            hits, called, true = (
                float(counts[self.positive])
                for counts in (confusion.diagonal(), confusion.sum(dim=0), confusion.sum(dim=1))
            )
            found["precision"] = hits / called if called else math.nan
            found["recall"] = hits / true if true else math.nan
            found["f1"] = 2 * hits / (called + true) if called + true else math.nan
        if len(self.confusion) == 2:
            targets, _, _, scores = gather_all(torch.cat(self.rows)).unbind(dim=1)
            found["auroc"] = area_under_roc(scores, targets == 1)
        if len(self.coarse):
            coarse = torch.from_numpy(self.coarse)
            found["coarse_accuracy"] = float(confusion[coarse[:, None] == coarse].sum() / count)
        if self.budgets:
            found |= {name: float(value[0]) for name, value in self._budget_scores(np.ones((1, int(count)))).items()}
        if self.bins is not None:
            found["calibration_error"] = calibration_error(sum_over_processes(self.bins))
        return found

    def units(self) -> np.ndarray:
        """Each example."""
        return np.arange(len(gather_all(torch.cat(self.rows))))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """All scores except the calibration error, for each draw."""
        rows = gather_all(torch.cat(self.rows)).numpy()
        targets, predicted, losses, scores = rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2], rows[:, 3]
        count = weights.sum(axis=1)
        hit = targets == predicted
        # Only the margins of each draw's confusion matrix are needed: classes may be many.
        kinds = np.eye(len(self.confusion))
        true, named = weights @ kinds[targets], weights @ kinds[predicted]
        right = weights[:, hit] @ kinds[targets[hit]]
        both = true + named
        # A class that a draw does not have keeps the F1 of the whole split: else draws without a rare class would be too good.
        whole = np.bincount(targets, minlength=len(kinds)) + np.bincount(predicted, minlength=len(kinds))
        whole_f1 = 2 * np.bincount(targets[hit], minlength=len(kinds)) / np.maximum(whole, 1)
        f1 = np.where(both > 0, 2 * right / np.maximum(both, 1e-9), whole_f1)
        total = right.sum(axis=1)
        spread = (count**2 - (named**2).sum(axis=1)) * (count**2 - (true**2).sum(axis=1))
        found = {
            "accuracy": total / count,
            "macro_f1": f1[:, whole > 0].mean(axis=1),
            "matthews": np.where(
                (true > 0).sum(axis=1) > 1,
                (total * count - (named * true).sum(axis=1)) / np.sqrt(np.where(spread > 0, spread, np.inf)),
                np.nan,
            ),
            "cross_entropy": weights @ losses / count,
        }
        if len(self.confusion) == 2:
            found["auroc"] = weighted_area_under_roc(scores, targets == 1, weights)
        if len(self.coarse):
            found["coarse_accuracy"] = weights @ (self.coarse[targets] == self.coarse[predicted]) / count
        if self.positive is not None:
            at = self.positive
            found["f1"] = f1[:, at] if whole[at] else np.full(len(weights), np.nan)
            found["precision"] = _divided(right[:, at], named[:, at])
            found["recall"] = _divided(right[:, at], true[:, at])
        return found | self._budget_scores(weights)

    def _budget_scores(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """For each budget and draw, what is found of the positive class, and what is wrongly called so of the other."""
        if not self.budgets:
            return {}
        rows = gather_all(torch.cat(self.rows)).numpy()
        positive = rows[:, 0] == self.positive
        margins = rows[:, 3] if self.positive == 1 else -rows[:, 3]
        sizes = {kind: (weights @ (positive == kind)).astype(float) for kind in (True, False)}
        found = {}
        for budget, threshold in self.budgets.items():
            called = margins >= threshold
            found[f"recall_at_{budget:g}"] = _divided(weights @ (called & positive), sizes[True])
            found[f"false_alarms_at_{budget:g}"] = _divided(weights @ (called & ~positive), sizes[False])
        return found


def _divided(counts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Counts divided by sizes; NaN where the size is 0."""
    return np.where(sizes > 0, counts / np.maximum(sizes, 1e-9), np.nan)


def weighted_area_under_roc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(draws,): `area_under_roc` where each example counts as often as its weight says; NaN without pairs.

    Args:
        scores: (examples,)
        positive: (examples,), boolean
        weights: (draws, examples)
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf) > 0)  # equal scores are one group
    weights = weights[:, order]
    pairs = [np.add.reduceat(weights * (positive[order] == kind), starts, axis=1) for kind in (True, False)]
    above, below = pairs[0], np.cumsum(pairs[1], axis=1) - pairs[1] / 2
    whole = pairs[0].sum(axis=1) * pairs[1].sum(axis=1)
    return np.where(whole > 0, (above * below).sum(axis=1) / np.maximum(whole, 1e-9), np.nan)


def calibration_bins(probabilities: Tensor, target: Tensor) -> Tensor:
    """Predictions in bins of equal width by the probability of the predicted class: (3, BINS), the number of predictions, the sum
    of their probabilities, and the number of right ones.

    Args:
        probabilities: (batch, classes)
        target: (batch,), class numbers
    """
    sure, named = probabilities.double().max(dim=1)
    # A bin includes its upper border, as in Guo et al.
    place = (sure * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    rows = torch.stack([torch.ones_like(sure), sure, (named == target).double()])
    return torch.zeros(3, BINS, dtype=torch.float64).index_add_(1, place, rows)


def calibration_error(bins: Tensor) -> float:
    """The expected calibration error: the difference between the mean probability and the accuracy of a bin, as a mean over all
    predictions (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    Args:
        bins: as `calibration_bins` gives them
    """
    count, probability, right = bins
    return float((probability - right).abs().sum() / count.sum())


def best_temperature(outputs: Tensor, target: Tensor) -> float:
    """The T > 0 that minimises the cross-entropy of `outputs / T`; 1 if there are no examples, or if all are right: then any
    smaller T would be better, and the split says nothing of how sure the network may be.

    The cross-entropy is convex in 1/T, so a bisection of its slope finds the only minimum, between 0.05 and 20.

    Args:
        outputs: logits (examples, classes), float64
        target: class numbers (examples,)
    """
    if not len(target) or bool((outputs.argmax(dim=1) == target).all()):
        return 1.0
    true = outputs.gather(1, target[:, None])[:, 0]
    low, high = 1 / 20, 20.0
    for _ in range(60):
        middle = (low * high) ** 0.5
        # The slope in 1/T: the mean of the expected logit minus the true one.
        slope = ((outputs * middle).softmax(dim=1) * outputs).sum(dim=1).sub(true).mean()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return 1 / ((low * high) ** 0.5)


def class_scores(confusion: Tensor) -> Tensor:
    """Precision, recall, F1 and the number of true examples of each class, (classes, 4); 0 instead of a division by 0.

    Args:
        confusion: counts, (classes, classes); a row is a true class
    """
    hits, predicted, true = confusion.diagonal(), confusion.sum(dim=0), confusion.sum(dim=1)
    parts = [hits / predicted.clamp(min=1), hits / true.clamp(min=1), 2 * hits / (predicted + true).clamp(min=1), true]
    return torch.stack(parts, dim=1)


def macro_f1(confusion: Tensor) -> float:
    """The mean over the classes of F1 = 2 TP / (2 TP + FP + FN); a class that neither occurs nor is predicted is left out."""
    hits = confusion.diagonal()
    both = confusion.sum(dim=0) + confusion.sum(dim=1)
    return float((2 * hits / both.clamp(min=1))[both > 0].mean())


def matthews(confusion: Tensor) -> float:
    """Matthews' correlation for any number of classes (Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006); 0 if only one
    class is predicted, NaN if only one occurs."""
    count = confusion.sum()
    predicted, true = confusion.sum(dim=0), confusion.sum(dim=1)
    covariance = confusion.diagonal().sum() * count - predicted @ true
    spread = (count**2 - predicted @ predicted) * (count**2 - true @ true)
    if int((true > 0).sum()) < 2:
        return math.nan
    return float(covariance / spread.sqrt()) if spread > 0 else 0.0


def area_under_roc(scores: Tensor, positive: Tensor) -> float:
    """The fraction of pairs of a positive and a negative example in which the positive one has the higher score; equal scores
    count half. NaN without pairs."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return math.nan
    _, inverse, counts = scores.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(dim=0)
    ranks = (last - (counts - 1) / 2)[inverse]  # tied examples share their mean rank, from 1
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def threshold_counts(scores: Tensor, positive: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """At each different score as the threshold, from the highest: (thresholds,) of true and false positives, and the thresholds.

    Args:
        scores: (examples,); an example is predicted positive if its score is at least the threshold
        positive: (examples,), bool
    """
    ordered, order = scores.double().sort(descending=True, stable=True)
    hits = positive[order].double().cumsum(dim=0)
    last = torch.ones(len(ordered), dtype=torch.bool)
    last[:-1] = ordered[:-1] != ordered[1:]  # of equal scores, all or none are predicted
    count = torch.arange(1, len(ordered) + 1, dtype=torch.float64)[last]
    return hits[last], count - hits[last], ordered[last]


def average_precision(scores: Tensor, positive: Tensor) -> float:
    """The area under the curve of precision and recall, $\\sum_n (R_n - R_{n-1}) P_n$; NaN without positives.

    Args:
        scores: (examples,)
        positive: (examples,), bool
    """
    if not positive.any():
        return math.nan
    hits, false, _ = threshold_counts(scores, positive)
    recall = torch.cat([torch.zeros(1, dtype=torch.float64), hits / positive.sum()])
    return float((recall.diff() * hits / (hits + false)).sum())


def budget_threshold(margins: Tensor, positive: Tensor, budget: float) -> float:
    """The lowest threshold at which at most the part `budget` of the others is called positive; it lies half way to the next
    margin below. Infinite if even the highest margin of all is too many.

    Args:
        margins: (examples,); an example is called positive if its margin is at least the threshold
        positive: (examples,), bool
        budget: from 0 to 1
    """
    if not len(margins):
        return 0.0
    _, false, thresholds = threshold_counts(margins, positive)
    allowed = int((false <= budget * float((~positive).sum()) + 1e-9).sum())
    if not allowed:
        return float("inf")
    lowest = thresholds[allowed - 1]
    return float(lowest if allowed == len(thresholds) else (lowest + thresholds[allowed]) / 2)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold of the probability, and what it gave on the examples that it was chosen on.

    Attributes:
        threshold: an example is positive if its probability is at least this
        precision: the fraction of right ones among the predicted positives
        recall: the fraction of the positives that are found
        reached: whether the wanted precision or recall is reached
    """

    threshold: float
    precision: float
    recall: float
    reached: bool = True


def operating_point(probabilities: Tensor, positive: Tensor, wanted: str, least: float = 0.0) -> OperatingPoint | None:
    """The threshold with the best F1, the best recall at a precision or within a part of false alarms, or the best precision at a
    recall.

    It lies half way between two probabilities, so that rounding does not move an example to the other side. Where no threshold
    reaches the precision, it is the one with the highest precision. None without positive examples.

    Args:
        probabilities: (examples,), of the positive class
        positive: (examples,), bool
        wanted: `f1`, `precision`, `recall` or `false_alarms`
        least: the precision or recall that should be reached, or the part of the others that may be called positive
    """
    if not positive.any():
        return None
    hits, false, thresholds = threshold_counts(probabilities, positive)
    precision, recall = hits / (hits + false), hits / positive.sum()
    if wanted == "false_alarms":
        least_false = budget_threshold(probabilities, positive, least)
        called = probabilities >= least_false
        found = float((called & positive).sum())
        # Above every probability where even the highest is a false alarm.
        threshold = least_false if math.isfinite(least_false) else (float(probabilities.max()) + 1) / 2
        return OperatingPoint(
            threshold, found / max(int(called.sum()), 1), found / int(positive.sum()), bool(called.any())
        )
    if wanted == "f1":
        best = int((2 * hits / (hits + false + positive.sum())).argmax())
    elif wanted == "precision":
        enough = precision >= least - 1e-12
        best = int(torch.where(enough, recall, -1.0).argmax()) if enough.any() else int(precision.argmax())
    else:
        best = int(torch.where(recall >= least - 1e-12, precision, -1.0).argmax())
    lower = thresholds[best + 1] if best + 1 < len(thresholds) else torch.zeros(())
    reached = wanted == "f1" or float((precision if wanted == "precision" else recall)[best]) >= least - 1e-12
    middle = float((thresholds[best] + lower) / 2)
    return OperatingPoint(middle, float(precision[best]), float(recall[best]), reached)
