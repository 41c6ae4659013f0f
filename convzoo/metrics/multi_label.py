"""The scores of a classifier of several labels at once, over a whole split and over all processes."""

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convzoo.core.processes import gather_all
from convzoo.metrics.classification import average_precision


class MultiLabelMeter:
    """Micro and macro F1, mean average precision, subset accuracy and cross-entropy of labels that are decided one by one.

    Micro F1 counts all decisions together, macro F1 is the mean over the labels that are there or predicted. Mean average
    precision is the mean over the labels that are there. Subset accuracy is the fraction of examples whose labels are all right.
    Where no label is there (and none is predicted), F1 and average precision are not defined: NaN.

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
        self.outputs.append(outputs.detach().cpu().double())
        self.targets.append(target.detach().cpu().double())

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        outputs, target, _ = self._known()
        chosen, true = outputs >= self.thresholds, target == 1
        hits = (chosen & true).sum(dim=0).double()
        both = (chosen.sum(dim=0) + true.sum(dim=0)).double()
        there = true.any(dim=0).nonzero()[:, 0].tolist()
        precisions = [average_precision(outputs[:, label], true[:, label]) for label in there]
        return {
            "micro_f1": float(2 * hits.sum() / both.sum()),
            "macro_f1": float((2 * hits / both)[both > 0].mean()),
            "mean_average_precision": sum(precisions) / len(precisions) if precisions else math.nan,
            "subset_accuracy": float((chosen == true).all(dim=1).double().mean()),
            "cross_entropy": float(F.binary_cross_entropy_with_logits(outputs, target)),
        }

    def _known(self) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs and targets of the examples with labels, of all processes; and which of all examples these are."""
        outputs, target = gather_all(torch.cat(self.outputs)), gather_all(torch.cat(self.targets))
        known = ~target.isnan().any(dim=1)
        return outputs[known], target[known], known

    def units(self) -> np.ndarray:
        """Each example."""
        return np.arange(len(self._known()[2]))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """All scores, for each draw."""
        outputs, target, known = self._known()
        weights = weights[:, known.numpy()]
        chosen, true = (outputs >= self.thresholds).numpy(), (target == 1).numpy()
        hits, both = weights @ (chosen & true), weights @ (chosen.astype(float) + true)
        count = np.maximum(weights.sum(axis=1), 1e-9)
        losses = F.binary_cross_entropy_with_logits(outputs, target, reduction="none").mean(dim=1).numpy()
        # A label that a draw does not have keeps the F1 of the whole split, as in `ClassificationMeter`.
        whole_hits, whole = (chosen & true).sum(axis=0), (chosen.astype(float) + true).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            f1 = np.where(both > 0, 2 * hits / both, 2 * whole_hits / whole)[:, whole > 0]
            micro = 2 * hits.sum(axis=1) / both.sum(axis=1)
        return {
            "mean_average_precision": _mean_average_precision(outputs.numpy(), true, weights),
            "micro_f1": micro,
            "macro_f1": f1.mean(axis=1) if f1.size else np.full(len(weights), np.nan),
            "subset_accuracy": weights @ (chosen == true).all(axis=1) / count,
            "cross_entropy": weights @ losses / count,
        }


def _mean_average_precision(outputs: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(draws,): the mean over the labels of the average precision, where each example counts as often as its weight says. A label
    that no drawn example has is left out of that draw."""
    found = []
    for label in np.flatnonzero(true.any(axis=0)):
        order = np.argsort(-outputs[:, label], kind="stable")
        ends = np.flatnonzero(np.diff(outputs[order, label], append=-np.inf) < 0)  # equal outputs are one step
        counted = weights[:, order]
        hits, taken = np.cumsum(counted * true[order, label], axis=1)[:, ends], np.cumsum(counted, axis=1)[:, ends]
        gained = np.diff(hits, axis=1, prepend=0)
        positives = hits[:, -1]
        area = (gained * hits / np.maximum(taken, 1e-9)).sum(axis=1) / np.maximum(positives, 1e-9)
        found.append(np.where(positives > 0, area, np.nan))
    with np.errstate(invalid="ignore"):
        table = np.stack(found) if found else np.full((1, len(weights)), np.nan)
        there = ~np.isnan(table)
        return np.where(there, table, 0).sum(axis=0) / there.sum(axis=0)
