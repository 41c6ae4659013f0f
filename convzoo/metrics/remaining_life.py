"""The scores of predicted remaining lives, over a whole split and over all processes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convzoo.core.processes import gather_all

SURE = 50.0
"""Exponents of the asymmetric score end here, so that one absurd answer does not make it infinite."""


def asymmetric_cost(errors: Tensor, early: float, late: float) -> Tensor:
    r"""The cost of each error $d$ = predicted - true: $e^{-d/a_1} - 1$ where the prediction is too early, $d < 0$, and
    $e^{d/a_2} - 1$ where it is too late (Saxena et al. 2008, doi:10.1109/PHM.2008.4711414, eq. 11; there $a_1 = 13$ and
    $a_2 = 10$ cycles).

    Args:
        errors: of any shape
        early: $a_1$, in the unit of the lives
        late: $a_2$; smaller, since a failure costs more than a visit too many
    """
    return torch.expm1(torch.where(errors < 0, -errors / early, errors / late).clamp(max=SURE))


class RemainingLifeMeter:
    """Errors at all judged rows whose life is known: root mean square and mean absolute error, and the sum of the asymmetric
    costs. With a `cap`, true lives are capped for these, and `rmse_uncapped` and `asymmetric_score_uncapped` are against the
    lives as they are. With intervals also how many true lives are inside them (`coverage`), and how wide they are (`mean_width`).

    Args:
        cap: no answer is above it; None: lives are not capped
        early: of the asymmetric cost, in the unit of the lives
        late: of the asymmetric cost
    """

    def __init__(self, cap: float | None, early: float, late: float) -> None:
        self.cap = cap
        self.early = early
        self.late = late
        # Sums over the judged rows of each history, in the order of _COLUMNS; histories differ in their number of rows.
        self.rows = [torch.empty(0, len(_COLUMNS), dtype=torch.float64)]

    def update(self, outputs: Tensor, target: Mapping[str, Any]) -> None:
        """Add a batch: the life, or the life and the ends of its interval, (batch, time, 1 or 3), and the true answers."""
        true = target["answers"].detach().cpu().double()
        # An opponent's answers are padded to the longest history of the whole split, a batch to its own longest.
        outputs = outputs.detach().cpu().double()[:, : true.shape[1]]
        known = ~true.isnan()
        capped = true if self.cap is None else true.clamp(max=self.cap)
        found = outputs[..., 0] if self.cap is None else outputs[..., 0].clamp(max=self.cap)
        parts = [known.double()]
        for answers in (capped, true):
            errors = torch.where(known, found - answers, 0.0)
            parts += [errors.square(), errors.abs(), asymmetric_cost(errors, self.early, self.late)]
        if outputs.shape[2] == 3:
            low, high = outputs[..., 1], outputs[..., 2]
            there = known & ~(low.isnan() | high.isnan())
            inside = there & (low <= capped) & (capped <= high)
            parts += [there.double(), inside.double(), torch.where(there, high - low, 0.0)]
        else:
            parts += [torch.zeros_like(true)] * 3
        self.rows.append(torch.stack([part.sum(dim=1) for part in parts], dim=1))

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        found = self.resampled(np.ones((1, len(self._rows()))))
        return {name: float(values[0]) for name, values in found.items()}

    def _rows(self) -> Tensor:
        return gather_all(torch.cat(self.rows))

    def units(self) -> np.ndarray:
        """Each history."""
        return np.arange(len(self._rows()))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """The scores for each draw."""
        rows = self._rows().numpy()
        sums = dict(zip(_COLUMNS, (weights @ rows).T, strict=True))
        found = {}
        with np.errstate(invalid="ignore", divide="ignore"):
            for end in ("", "_uncapped") if self.cap is not None else ("",):
                found[f"rmse{end}"] = np.sqrt(sums[f"squares{end}"] / sums["count"])
                found[f"asymmetric_score{end}"] = sums[f"cost{end}"]
                found[f"mae{end}"] = sums[f"sizes{end}"] / sums["count"]
            if rows[:, _COLUMNS.index("intervals")].any():
                found["coverage"] = sums["inside"] / sums["intervals"]
                found["mean_width"] = sums["width"] / sums["intervals"]
        return found


_COLUMNS = (
    "count", "squares", "sizes", "cost", "squares_uncapped", "sizes_uncapped", "cost_uncapped", "intervals", "inside", "width",
)  # fmt: skip
