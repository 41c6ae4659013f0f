"""The remaining useful life of a unit at each row of its history, with an interval."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import FromData, LabelType, PositiveFloat, Probability
from convzoo.core.batch import Batch
from convzoo.core.errors import DataError
from convzoo.core.processes import gather_all
from convzoo.core.splits import Splits
from convzoo.core.task import Meter
from convzoo.tasks.by_row import ByRow

EARLY, LATE, LIFE = 13.0, 10.0, 125.0
"""The constants of the asymmetric score for lives of up to so many cycles (Saxena et al. 2008)."""


class RemainingLife(ByRow):
    r"""How long a unit lasts from a row on, in the unit of the true lives.

    At each row the network gives the expected life $\hat y$, by its squared error, and the two ends of an interval, by the
    pinball loss (Koenker & Bassett 1978, doi:10.2307/1913643). The ends are moved by a margin that is calibrated on the
    validation split, so that the intervals hold a fraction `coverage` of new lives: conformalised quantile regression (Romano
    et al. 2019, arXiv:1905.03222). Rows of one unit are alike, so the fraction holds the better the more validation units
    there are.

    A machine that is still sound does not show how long it will last. With a `cap`, lives above it are learnt, and scored, as the
    cap: an answer of the cap means "at least so long" (Heimes 2008, doi:10.1109/PHM.2008.4711422). Scores against the lives as
    they are stand beside, with `_uncapped`.

    Scores: root mean squared and mean absolute error; the asymmetric score, the sum of a cost that is higher for lives that were
    predicted too long; coverage and mean width of the intervals.

    Args:
        cap: longer lives are learnt and scored as this; None: lives are taken as they are
        coverage: the fraction of true lives that intervals should hold
        early: the cost of an error grows by the factor e for so many units that an answer is too short; open: 13 for a cap of
            125, else in proportion to the cap, or to twice the mean life
        late: the same for an answer that is too long; open: 10 for a cap of 125
        best_by: the validation score that chooses the best checkpoint
    """

    label_type: ClassVar[LabelType] = "number"
    errors: ClassVar[frozenset[str]] = frozenset(
        {"rmse", "mae", "asymmetric_score", "mean_width", "squared_error", "pinball"}
    )
    outputs = {"standardised_lives": ("batch", "time", "ends")}

    def __init__(
        self,
        mean: FromData[float],
        deviation: FromData[float],
        cap: PositiveFloat | None = None,
        coverage: Probability = 0.9,
        early: PositiveFloat | None = None,
        late: PositiveFloat | None = None,
        best_by: Literal["-val/rmse", "-val/asymmetric_score", "-val/mae"] = "-val/rmse",
    ) -> None:
        if coverage == 0:
            raise ValueError("coverage: 0 gives no interval; it should be above 0 and below 1, such as 0.9")
        self.cap = cap
        self.coverage = coverage
        self.best_by = best_by
        self.centre, self.scale = (cap / 2, cap / 2) if cap is not None else (float(mean), float(deviation))
        usual = cap if cap is not None else 2 * max(float(mean), 1e-12)
        self.early = early if early is not None else EARLY / LIFE * usual
        self.late = late if late is not None else LATE / LIFE * usual
        self.margin: float | None = None  # in the unit of the lives; None before calibration

    @property
    def row_outputs(self) -> int:
        """The life and the distances of the two ends from it."""
        return 3

    def row_losses(self, outputs: Float[Tensor, "rows outputs"], answers: Float[Tensor, " rows"]) -> dict[str, Tensor]:
        """The squared error of the life, and the mean pinball loss of the ends, both standardised."""
        if self.cap is not None:
            answers = answers.clamp(max=self.cap)
        true = (answers - self.centre) / self.scale
        life, below, above = self._ends(outputs)
        # The ends do not move the life: it stays the expected one.
        missed = true.unsqueeze(1) - torch.stack([life.detach() - below, life.detach() + above], dim=1)
        quantiles = outputs.new_tensor([(1 - self.coverage) / 2, (1 + self.coverage) / 2])
        pinball = torch.maximum(quantiles * missed, (quantiles - 1) * missed).mean()
        return {"squared_error": F.mse_loss(life, true), "pinball": pinball}

    def _ends(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The life, and how far its interval goes below and above it, standardised."""
        return outputs[..., 0], F.softplus(outputs[..., 1]), F.softplus(outputs[..., 2])

    def row_answers(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows answers"]:
        """The life and the ends of its interval, in the unit of the lives; none below 0 or above the cap."""
        life, below, above = self._ends(outputs)
        margin = self.margin or 0.0
        value = life * self.scale + self.centre
        # A margin below 0 makes intervals narrower, but the value stays inside.
        low = torch.minimum(value - below * self.scale - margin, value)
        high = torch.maximum(value + above * self.scale + margin, value)
        return torch.stack([value, low, high], dim=-1).clamp(min=0.0, max=self.cap)

    def row_in_numbers(self, answers: Float[Tensor, " answers"]) -> dict[str, Any]:
        """The life, and the ends of its interval; None for them where an opponent gives none."""
        life, low, high = [*(self._rounded(value) for value in answers.tolist()), None, None][:3]
        return {"life": life, "low": low, "high": high}

    def _rounded(self, value: float) -> float | None:
        """To a ten-thousandth of the scale: a network is no more exact."""
        return None if math.isnan(value) else round(value, max(0, 4 - math.floor(math.log10(self.scale))))

    def read_target(self, target: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """The true life at the last judged row of each history, not capped; None if unknown."""
        found = []
        for answers in target["answers"].cpu().double():
            known = answers[~answers.isnan()]
            found.append({"life": self._rounded(float(known[-1])) if len(known) else None})
        return found

    def require(self, splits: Splits) -> None:
        """Check that there are lives to learn from, to calibrate on and to score.

        Raises:
            DataError: no row of a split has a known life, or one is negative or infinite.
        """
        for name, part in splits:
            if not len(part):
                continue
            known = 0
            for example in part:
                lives = None if example.targets is None else example.targets[example.judged]
                if lives is None:
                    continue
                wrong = (~(lives >= 0) & ~(lives != lives)) | (lives == math.inf)
                if wrong.any():
                    row = int(wrong.argmax())
                    place = example.table.place(example.judged_from + row)
                    raise DataError(f"{place}: a remaining life of {lives[row]:g}; expected 0 or more")
                known += int((lives == lives).sum())
            if not known and name != "test":
                raise DataError(f"no judged row of the {name} split has a known life; name its column with data.target")

    def cautions(self, splits: Splits) -> list[str]:
        """Whether the validation split is large enough for the intervals, and whether lives are all alike."""
        found = []
        least = math.ceil(self.coverage / (1 - self.coverage) - 1e-9)
        units = {example.group for example in splits.val}
        if len(units) < least:
            found.append(
                f"intervals that hold {100 * self.coverage:g} % of new lives need at least {least} validation units; there are "
                f"{len(units)}, so they may be too narrow (task.coverage lower, or data.val higher)"
            )
        if self.cap is not None and len(splits.test):
            lives = [float(e.targets[e.judged].min()) for e in splits.test if e.targets is not None]
            if lives and min(lives) >= self.cap:
                found.append(
                    f"every test life is at least task.cap={self.cap:g}: the capped scores say nothing; set it higher"
                )
        return found

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose the margin from the judged rows of the whole validation split, so that all processes have the same."""
        self.margin = None
        found = [torch.empty(0, dtype=torch.float64)]
        for batch in batches:
            true = batch.target["answers"]
            known = ~true.isnan()
            if self.cap is not None:
                true = true.clamp(max=self.cap)
            _, low, high = self.predict(model, batch)[known].unbind(dim=1)
            found.append(torch.maximum(low - true[known], true[known] - high).double().cpu())
        from convzoo.metrics.regression import conformal_margin

        self.margin = conformal_margin(gather_all(torch.cat(found)), self.coverage)

    def strengths(self, prediction: Mapping[str, Any]) -> Mapping[str, float]:
        """The life."""
        return {"life": prediction["life"]} if prediction else {}

    def said(self, prediction: Mapping[str, Any]) -> list[str]:
        """The life is the only answer."""
        return ["life"]

    sides: ClassVar[tuple[str, str]] = ("lengthens it", "shortens it")

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The life, its interval, and the unit: of an input, or of a row of a stream."""
        words = f"{prediction['life']:.4g} left"
        if prediction["low"] is not None:
            words += f" ({prediction['low']:.4g} to {prediction['high']:.4g})"
        if "time" in prediction:
            return f"{prediction['time']}  {prediction.get('unit', '')}  {words}"
        return f"{words}  {shown}"

    def meter(self) -> Meter:
        """Errors, the asymmetric score, coverage and mean width of the intervals."""
        from convzoo.metrics.remaining_life import RemainingLifeMeter

        return RemainingLifeMeter(self.cap, self.early, self.late)

    def state(self) -> dict[str, Any]:
        """The margin; centre and scale, for those who read the outputs of an exported model."""
        return {"margin": self.margin, "centre": self.centre, "scale": self.scale}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.margin = state.get("margin")
