"""Regression: a number for each example, with an interval, for any kind of data."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import FromData, LabelType, Probability
from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.core.processes import gather_all
from convzoo.core.splits import Splits
from convzoo.core.task import Meter, Task

NAMES = {"squared": "squared_error", "absolute": "absolute_error", "huber": "huber", "pinball": "pinball"}
"""What the loss is called among the scores."""


class Regression(Task):
    r"""A number, standardised with the mean and the deviation of the training split: the network learns
    $(y - \text{mean}) / \text{deviation}$.

    `squared` $e^2$ gives the mean of the numbers that are possible, `absolute` $|e|$ their median, `huber` is squared up to one
    deviation and absolute beyond (Huber 1964, doi:10.1214/aoms/1177703732). `pinball` (Koenker & Bassett 1978,
    doi:10.2307/1913643) learns three quantiles: the median and the two ends of the interval.

    Each prediction has an interval that holds the true number of a fraction `coverage` of new examples. It is calibrated on the
    validation split: split conformal prediction, value ± margin, the same for all; with `pinball` conformalised quantile
    regression, which moves the two learnt quantiles by a margin, so that intervals differ in width (Romano et al. 2019,
    arXiv:1905.03222). A coverage of .9 needs at least 9 validation examples; with fewer the interval may be too narrow.

    Scores: root mean squared error, mean absolute error and R²; the fraction of true numbers inside the intervals and the mean
    width of these. Errors and widths are in the unit of the labels, the loss is not.

    Args:
        loss: what is minimised
        coverage: the fraction of true numbers that intervals should hold
        best_by: the validation score that chooses the best checkpoint
    """

    label_type: ClassVar[LabelType] = "number"
    errors: ClassVar[frozenset[str]] = frozenset({"rmse", "mae", "mean_width", *NAMES.values()})
    output_axes: ClassVar[tuple[str, ...]] = ("batch", "classes")
    outputs = {"standardised_value": ("batch", "value")}
    sides: ClassVar[tuple[str, str]] = ("raises it", "lowers it")

    def __init__(
        self,
        mean: FromData[float],
        deviation: FromData[float],
        loss: Literal["squared", "absolute", "huber", "pinball"] = "squared",
        coverage: Probability = 0.9,
        best_by: Literal["-val/rmse", "-val/mae", "val/r2"] = "-val/rmse",
    ) -> None:
        if coverage == 0:
            raise ValueError("coverage: 0 gives no interval; it should be above 0 and below 1, such as 0.9")
        self.mean = float(mean)
        self.deviation = float(deviation)
        self.loss = loss
        if loss == "pinball":
            self.outputs = {"standardised_quantiles": ("batch", "quantiles")}
        self.coverage = coverage
        self.best_by = best_by
        self.margin: float | None = None  # in standardised units; None before calibration

    def cautions(self, splits: Splits) -> list[str]:
        """Whether the validation split is large enough for the intervals."""
        least = math.ceil(self.coverage / (1 - self.coverage) - 1e-9)
        if len(splits.val) >= least:
            return []
        return [
            f"intervals that hold {100 * self.coverage:g} % of new numbers need at least {least} validation examples; there are "
            f"{len(splits.val)}, so they may be too narrow (task.coverage lower, or data.val higher)"
        ]

    def model_dims(self, dims: Mapping[str, Any]) -> Mapping[str, Any]:
        """One output; with `pinball` three: the median, the lower and the upper quantile."""
        return {**dims, "classes": 3 if self.loss == "pinball" else 1}

    def losses(self, outputs: Float[Tensor, "batch outputs"], target: Any) -> dict[str, Tensor]:
        """The mean of the chosen loss."""
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        return {NAMES[self.loss]: self.each_loss(outputs, self.numbers(target)).mean()}

    def each_loss(self, outputs: Float[Tensor, "batch outputs"], target: Float[Tensor, " batch"]) -> Tensor:
        """The loss of each example, (batch,). NaN if `pinball` has no quantiles, as with an opponent that gives one number."""
        value = outputs[:, 0]
        if self.loss == "squared":
            return (value - target).square()
        if self.loss == "absolute":
            return (value - target).abs()
        if self.loss == "huber":
            return F.huber_loss(value, target, reduction="none")
        if outputs.shape[1] == 1:
            return torch.full_like(value, math.nan)
        missed = target.unsqueeze(1) - outputs  # (batch, 3)
        quantiles = outputs.new_tensor([0.5, (1 - self.coverage) / 2, (1 + self.coverage) / 2])
        return torch.maximum(quantiles * missed, (quantiles - 1) * missed).mean(dim=1)

    def predict(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch three"]:
        """The value and the ends of its interval, standardised; NaN for the ends before calibration, but for `pinball`."""
        return self._with_interval(self.raw(model, batch))

    def raw(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch outputs"]:
        """The outputs of the model for each example, without a calibrated interval."""
        outputs = model(**batch.inputs)
        return outputs if outputs.dtype == torch.float64 else outputs.float()

    def _with_interval(self, outputs: Tensor) -> Tensor:
        if self.loss == "pinball":
            # Quantiles that were learnt one by one may cross; sorted they do not (Chernozhukov et al. 2010,
            # doi:10.3982/ECTA7880).
            low, value, high = outputs.sort(dim=1).values.unbind(dim=1)
        else:
            value = outputs[:, 0]
            low = high = value if self.margin is not None else torch.full_like(value, math.nan)
        margin = self.margin or 0.0
        # A margin below 0 makes intervals narrower, but the value stays inside.
        return torch.stack([value, torch.minimum(low - margin, value), torch.maximum(high + margin, value)], dim=1)

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose the margin from the errors on the whole validation split, so that all processes have the same."""
        self.margin = None
        found = [torch.empty(0, dtype=torch.float64)]
        for batch in batches:
            target = self.numbers(batch.target)
            value, low, high = self._with_interval(self.raw(model, batch)).unbind(dim=1)
            outside = (value - target).abs() if self.loss != "pinball" else torch.maximum(low - target, target - high)
            found.append(outside[~target.isnan()].double().cpu())
        from convzoo.metrics.regression import conformal_margin

        self.margin = conformal_margin(gather_all(torch.cat(found)), self.coverage)

    def numbers(self, target: Any) -> Float[Tensor, " batch"]:
        """The true numbers in a batch's target, standardised.

        Raises:
            RecipeError: the encoder gives several clips of an example.
        """
        if isinstance(target, Mapping):
            raise RecipeError("task regression: the encoder gives clips of videos; say task=clip_regression")
        return target

    def decode(self, outputs: Float[Tensor, "batch outputs"]) -> list[dict[str, Any]]:
        """The value, and the ends of its interval; None for them before calibration, and for an opponent."""
        rows = outputs.detach().cpu().double().tolist()
        return [
            dict(zip(("value", "low", "high"), [*map(self._in_units, row), None, None], strict=False)) for row in rows
        ]

    def strengths(self, prediction: Mapping[str, Any]) -> Mapping[str, float]:
        """The value."""
        return {"value": prediction["value"]}

    def said(self, prediction: Mapping[str, Any]) -> list[str]:
        """The value is the only answer."""
        return ["value"]

    def read_target(self, target: Any) -> list[dict[str, Any]]:
        """The true number of each; None if unlabelled."""
        return [{"value": self._in_units(number)} for number in self.numbers(target).detach().cpu().double().tolist()]

    def _in_units(self, number: float) -> float | None:
        """A standardised number in the unit of the labels, to the millionth of a deviation: a float32 is no more exact."""
        if math.isnan(number):
            return None
        return round(number * self.deviation + self.mean, 5 - math.floor(math.log10(self.deviation)))

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The value, its interval and the input."""
        interval = ""
        if prediction["low"] is not None:
            interval = f"  ({prediction['low']:.6g} to {prediction['high']:.6g})"
        return f"{prediction['value']:.6g}{interval}  {shown}"

    def meter(self) -> Meter:
        """Root mean squared and mean absolute error, R², the loss; coverage and mean width of the intervals."""
        from convzoo.metrics.regression import RegressionMeter

        return RegressionMeter(self.deviation, NAMES[self.loss], self.each_loss)

    def state(self) -> dict[str, Any]:
        """The margin; mean and deviation, for those who read the outputs of an exported model."""
        return {"margin": self.margin, "mean": self.mean, "deviation": self.deviation}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.margin = state.get("margin")
