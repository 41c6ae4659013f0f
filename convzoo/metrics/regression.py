"""The scores of a regression, over a whole split and over all processes."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from convzoo.core.processes import sum_over_processes


class RegressionMeter:
    """Root mean squared error, mean absolute error and R²; the loss; for outputs with an interval also how many true numbers are
    inside it (`coverage`) and how wide it is on average (`mean_width`).

    Outputs and targets are standardised. Errors and widths are given in the unit of the labels. R² is
    $1 - \\sum (y - \\hat y)^2 / \\sum (y - \\bar y)^2$; 0 if all true numbers are equal.

    Args:
        deviation: what a standardised error is multiplied by
        name: of the loss
        loss: from (batch, 1 or 3) outputs and (batch,) targets to the loss of each example, (batch,)
    """

    def __init__(self, deviation: float, name: str, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.deviation = deviation
        self.name = name
        self.loss = loss
        # Count, sum of the targets and of their squares, squared and absolute errors, loss.
        self.sums = torch.zeros(6, dtype=torch.float64)
        # With an interval: count, inside, width.
        self.intervals = torch.zeros(3, dtype=torch.float64)

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Add a batch: the value, or the value and the ends of its interval, (batch, 1 or 3); true numbers (batch,).

        Examples without a true number, NaN, are left out.
        """
        outputs, target = outputs.detach().cpu().double(), target.detach().cpu().double()
        known = ~target.isnan()
        outputs, target = outputs[known], target[known]
        error = outputs[:, 0] - target
        loss = self.loss(outputs, target)
        self.sums += torch.stack(
            [part.sum() for part in (torch.ones_like(target), target, target.square(), error.square(), error.abs(), loss)]
        )  # fmt: skip
        if outputs.shape[1] == 3:
            low, high = outputs[:, 1], outputs[:, 2]
            there = ~(low.isnan() | high.isnan())
            inside = (low <= target) & (target <= high)
            width = torch.where(there, high - low, 0.0)
            self.intervals += torch.stack([there.double().sum(), inside.double().sum(), width.sum()])

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        count, total, squares, squared, absolute, loss = sum_over_processes(self.sums).tolist()
        spread = squares - total**2 / count
        found = {
            "rmse": math.sqrt(squared / count) * self.deviation,
            "mae": absolute / count * self.deviation,
            "r2": 1 - squared / spread if spread > 1e-12 * max(squares, 1.0) else 0.0,
        }
        if math.isfinite(loss):
            found[self.name] = loss / count
        intervals, inside, width = sum_over_processes(self.intervals).tolist()
        if intervals:
            found |= {"coverage": inside / intervals, "mean_width": width / intervals * self.deviation}
        return found


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
