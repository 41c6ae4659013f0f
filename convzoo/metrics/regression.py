"""The scores of a regression, over a whole split and over all processes."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from convzoo.core.processes import gather_all, sum_over_processes


class RegressionMeter:
    """Root mean squared error, mean absolute error and R²; the loss; for outputs with an interval also how many true numbers are
    inside it (`coverage`) and how wide it is on average (`mean_width`).

    Outputs and targets are standardised. Errors and widths are given in the unit of the labels. R² is
    $1 - \\sum (y - \\hat y)^2 / \\sum (y - \\bar y)^2$; not defined, NaN, if all true numbers are equal.

    Args:
        deviation: what a standardised error is multiplied by
        name: of the loss
        loss: from (batch, 1 or 3) outputs and (batch,) targets to the loss of each example, (batch,)
    """

    def __init__(self, deviation: float, name: str, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.deviation = deviation
        self.name = name
        self.loss = loss
        # Of each example the target, the squared and the absolute error, and the loss; NaN without a true number.
        self.rows = [torch.empty(0, 4, dtype=torch.float64)]
        # With an interval: count, inside, width.
        self.intervals = torch.zeros(3, dtype=torch.float64)

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Add a batch: the value, or the value and the ends of its interval, (batch, 1 or 3); true numbers (batch,).

        Examples without a true number, NaN, are left out.
        """
        outputs, target = outputs.detach().cpu().double(), target.detach().cpu().double()
        error = outputs[:, 0] - target
        self.rows.append(torch.stack([target, error.square(), error.abs(), self.loss(outputs, target)], dim=1))
        known = ~target.isnan()
        outputs, target = outputs[known], target[known]
        if outputs.shape[1] == 3:
            low, high = outputs[:, 1], outputs[:, 2]
            there = ~(low.isnan() | high.isnan())
            inside = (low <= target) & (target <= high)
            width = torch.where(there, high - low, 0.0)
            self.intervals += torch.stack([there.double().sum(), inside.double().sum(), width.sum()])

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        rows = self._rows()
        rows = rows[~rows[:, 0].isnan()]
        count, (target, squared, absolute, loss) = len(rows), rows.unbind(dim=1)
        spread, squares = float((target - target.mean()).square().sum()), float(target.square().sum())
        found = {
            "rmse": float(squared.mean().sqrt()) * self.deviation,
            "mae": float(absolute.mean()) * self.deviation,
            "r2": 1 - float(squared.sum()) / spread if spread > 1e-12 * max(squares, 1.0) else math.nan,
        }
        if count and bool(loss.isfinite().all()):
            found[self.name] = float(loss.mean())
        intervals, inside, width = sum_over_processes(self.intervals).tolist()
        if intervals:
            found |= {"coverage": inside / intervals, "mean_width": width / intervals * self.deviation}
        return found

    def _rows(self) -> Tensor:
        return gather_all(torch.cat(self.rows))

    def units(self) -> np.ndarray:
        """Each example."""
        return np.arange(len(self._rows()))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """The errors, R² and the loss for each draw."""
        rows = self._rows().numpy()
        known = ~np.isnan(rows[:, 0])
        weights, (target, squared, absolute, loss) = weights[:, known], rows[known].T
        count = np.maximum(weights.sum(axis=1), 1e-9)
        spread = weights @ target**2 - (weights @ target) ** 2 / count
        found = {
            "rmse": np.sqrt(weights @ squared / count) * self.deviation,
            "mae": weights @ absolute / count * self.deviation,
            "r2": np.where(spread > 1e-12, 1 - weights @ squared / np.where(spread > 1e-12, spread, np.inf), np.nan),
        }
        return found | ({self.name: weights @ loss / count} if np.isfinite(loss).all() else {})


def conformal_margin(scores: Tensor, coverage: float) -> float | None:
    """The margin of a split conformal interval: the k-th smallest score, k = (n + 1) · coverage rounded up, or
    the largest if there are fewer (Romano et al. 2019, arXiv:1905.03222, eq. 6). None without scores.

    Args:
        scores: (n,), how far each true number of the validation split is outside its interval; below 0 inside
        coverage: the fraction of new examples whose true number should be inside
    """
    if not len(scores):
        return None
    place = min(math.ceil((len(scores) + 1) * coverage - 1e-9), len(scores))
    return float(scores.sort().values[place - 1])
