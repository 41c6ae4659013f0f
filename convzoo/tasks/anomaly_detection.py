"""Anomaly detection: what a network that knows the normal cannot explain."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Count, Fraction, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.core.processes import gather_objects
from convzoo.core.series import intervals
from convzoo.core.task import Meter, Task
from convzoo.ops.pieces import in_pieces

TINY = 1e-9
"""Below this, an error counts as none."""

PIECE = 1 << 16
"""Time steps that the network sees at once: a series as long as memory is scored in as much memory as this takes."""


class AnomalyDetection(Task):
    r"""The network says what it expects of each time step. The error is the mean square of what it missed,
    $e_{tc} = ((x_{tc} - \hat x_{tc}) / \sigma_c)^2$; its causal mean over the last `smooth` steps, and then the mean or the
    largest over the channels, is the score; a step is flagged where the score passes a threshold. The score is given in units of
    the threshold: above 1 is an alarm.

    The threshold is a quantile of the scores of the validation split, times a factor: nobody looks at the test split, and no
    labels are needed. Scores of a test split with labels are counted step by step, without point adjustment.

    Args:
        smooth: steps whose errors are averaged, the step itself and those before it
        recent: errors are judged against the mean of those of so many last steps, for series whose nature wanders; null: as
            they are
        residuals: `plain` takes what was missed as it is; `standardised` divides each channel's by its deviation over the
            validation split, so that a channel that is easily foretold tells as much as one that is not
        across: `mean` over the channels finds what moves several, `max` what moves one
        scope: one threshold for all series, or one for each series from its own validation scores, for machines that differ; a
            series that validation did not have then gets that of all together
        quantile: of the validation scores
        factor: the threshold is so many times the quantile
        settle: steps at the beginning of a stretch that are not judged: a forecaster has seen too little then
    """

    follows: ClassVar[bool] = True
    best_by = "-val/error"

    def __init__(
        self,
        smooth: Positive = 8,
        recent: Positive | None = None,
        residuals: Literal["plain", "standardised"] = "plain",
        across: Literal["mean", "max"] = "mean",
        scope: Literal["dataset", "series"] = "dataset",
        quantile: Fraction = 0.999,
        factor: PositiveFloat = 1.0,
        settle: Count = 0,
    ) -> None:
        self.smooth = smooth
        self.recent = recent
        self.residuals = residuals
        self.across = across
        self.scope = scope
        self.quantile = quantile
        self.factor = factor
        self.settle = settle
        self.deviations: list[float] | None = None  # of what is missed of each channel
        self.thresholds: dict[str, float] = {}  # by the series' name; "" is that of all together

    def losses(self, outputs: Float[Tensor, "batch channels time"], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean square of what was missed, over the steps that count."""
        counted = target["counted"]
        if bool(counted.all()):  # windows: nothing is padded
            return {"squared_error": F.mse_loss(outputs, target["values"])}
        errors = (outputs - target["values"]).square().mean(dim=1)
        return {"squared_error": (errors * counted).sum() / counted.sum()}

    def predict(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch two time"]:
        """For each time step its score, in units of the threshold, and its error; zeros where padded."""
        found = []
        for row, length in enumerate(batch.target["counted"].sum(dim=1).tolist()):
            missed = self._missed(model, batch, row, length)
            error = self._error(missed)
            threshold = self._threshold(batch.target["series"][row])
            both = torch.stack([self._score(error) / threshold, error.mean(dim=0)])
            found.append(F.pad(both, (0, batch.target["counted"].shape[1] - length)))
        return torch.stack(found)

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Take deviations and threshold from the validation split; steps known to be wrong are left out."""
        missed, normal, names = [], [], []
        for batch in batches:
            names += batch.target["series"]
            for row, length in enumerate(batch.target["counted"].sum(dim=1).tolist()):
                missed.append(self._missed(model, batch, row, length).cpu())
                normal.append(batch.target["anomalies"][row, :length].cpu() != 1)
        # Every process sees all, in one order, and so all choose the same.
        missed, normal, names = ([e for part in gather_objects(own) for e in part] for own in (missed, normal, names))
        for good in normal:
            good[: self.settle] = False
        pairs = list(zip(missed, normal, strict=True))
        if self.residuals == "standardised" and pairs:
            total = torch.stack([each[:, good].double().square().sum(dim=1) for each, good in pairs]).sum(dim=0)
            count = sum(int(good.sum()) for good in normal)
            self.deviations = (total / max(count, 1)).sqrt().clamp(min=1e-6).tolist()
        # The first averages are of few steps and swing more than those that follow: the threshold is set by whole ones.
        for good in normal:
            good[: min(self.settle + self.smooth - 1, len(good) - 1)] = False
        scores: dict[str, list[Tensor]] = {"": []}
        for name, (each, good) in zip(names, pairs, strict=True):
            judged = self._score(self._error(each))[good]
            scores[""].append(judged)
            if self.scope == "series" and len(judged):
                scores.setdefault(name, []).append(judged)
        if not sum(map(len, scores[""])):
            raise RecipeError(
                "the validation split has no normal time step to set the threshold by; give data.val more"
            )
        for name, parts in scores.items():
            quantile = float(np.quantile(torch.cat(parts).double().numpy(), self.quantile))
            self.thresholds[name] = max(quantile * self.factor, 1e-12)

    def _threshold(self, name: str) -> float:
        """Of a series; 1 before anything is calibrated."""
        return self.thresholds.get(name, self.thresholds.get("", 1.0))

    def _missed(self, model: nn.Module, batch: Batch, row: int, length: int) -> Float[Tensor, "channels time"]:
        """What the network did not expect of one series; each alone, so that no score depends on the batch it is in."""
        values = batch.inputs["values"][row : row + 1, :, :length]
        reach = getattr(model, "reach", None)
        stride = getattr(model, "total_stride", 1)
        expected = model(values) if reach is None else in_pieces(model, values, reach, PIECE // stride * stride)
        return (values - expected)[0].float()

    def _error(self, missed: Float[Tensor, "channels time"]) -> Float[Tensor, "channels time"]:
        if self.deviations is not None:
            missed = missed / missed.new_tensor(self.deviations)[:, None]
        return missed.square()

    def _score(self, error: Float[Tensor, "channels time"]) -> Float[Tensor, " time"]:
        """The error of the last steps, from when the network has seen enough; 0 before."""
        judged = causal_mean(error[:, self.settle :], self.smooth)
        if self.recent is not None:
            judged = judged / causal_mean(error[:, self.settle :], self.recent).clamp(min=TINY)
        score = judged.mean(dim=0) if self.across == "mean" else judged.amax(dim=0)
        return F.pad(score, (error.shape[1] - len(score), 0))

    def follow(self, model: nn.Module, rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """Rows of a stream one by one: the time, the score, whether it is an alarm. The scores are those of the whole series.

        Raises:
            RecipeError: the model looks ahead.
        """
        if not hasattr(model, "step"):
            raise RecipeError(
                f"{type(model).__name__} looks ahead, so it cannot follow a stream; give a file, or train with model.name=tcn1d"
            )
        stream: Any = model
        state = stream.start()
        errors: deque[Tensor] = deque(maxlen=max(self.smooth, self.recent or 0))
        for number, row in enumerate(rows):
            values = torch.from_numpy(np.asarray(row.values, dtype=np.float32)).view(1, -1, 1)
            expected, state = stream.step(values, state)
            if number >= self.settle:
                errors.append(self._error((values - expected)[0])[:, 0])
            score = float(self._recent_score(errors)) / self._threshold("") if errors else 0.0
            yield {"time": row.time, "score": score, "alarm": score > 1}

    def _recent_score(self, errors: Sequence[Tensor]) -> Tensor:
        """The last step's score from the errors of the last steps."""
        both = torch.stack(list(errors)).double()
        judged = both[-self.smooth :].mean(dim=0)
        if self.recent is not None:
            judged = judged / both[-self.recent :].mean(dim=0).clamp(min=TINY)
        return judged.mean() if self.across == "mean" else judged.amax()

    def decode(self, outputs: Float[Tensor, "batch two time"]) -> list[dict[str, Any]]:
        """The alarms of each series: rows from `start` up to, not including, `stop`, and the highest score between."""
        found = []
        for scores in outputs[:, 0].cpu().numpy():
            alarms = [
                {"start": start, "stop": stop, "peak": round(float(scores[start:stop].max()), 4)}
                for start, stop in intervals(scores > 1)
            ]
            found.append({"alarms": alarms, "highest": float(scores.max(initial=0.0))})
        return found

    def read_target(self, target: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """The true intervals, or None where nobody has said."""
        return [
            {
                "alarms": [{"start": start, "stop": stop} for start, stop in intervals(row == 1)]
                if bool((row >= 0).any()) else None
            }
            for row in target["anomalies"].cpu().numpy()
        ]  # fmt: skip

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """A series and its alarms, or a step of a stream."""
        if "alarm" in prediction:  # nothing is said of normal steps
            return f"{prediction['time']}  ALARM  score {prediction['score']:.3f}" if prediction["alarm"] else ""
        alarms = prediction["alarms"]
        lines = [
            f"{shown}: {len(alarms)} alarm{'' if len(alarms) == 1 else 's'}, highest score {prediction['highest']:.3f}"
        ]
        lines += [
            f"  {a.get('from', a['start'])} to {a.get('to', a['stop'] - 1)}  peak {a['peak']:.3f}" for a in alarms
        ]
        return "\n".join(lines)

    def meter(self) -> Meter:
        """Precision, recall, F1, false and missed alarms, delay and VUS-PR where there are labels; the mean error."""
        from convzoo.metrics.anomalies import AnomalyMeter

        return AnomalyMeter()

    def state(self) -> dict[str, Any]:
        """The thresholds and the deviations."""
        return {"thresholds": self.thresholds, "deviations": self.deviations}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.thresholds, self.deviations = dict(state.get("thresholds", {})), state.get("deviations")


def causal_mean(values: Float[Tensor, "channels time"], width: int) -> Float[Tensor, "channels time"]:
    """The mean of each value and the width - 1 before it; of fewer at the beginning."""
    if not values.shape[1]:
        return values
    width = min(width, values.shape[1])
    # A sum of each window by itself: differences of a running sum would never forget a single wild value.
    sums = F.avg_pool1d(F.pad(values.double(), (width - 1, 0))[None], width, stride=1)[0] * width
    counts = torch.arange(1, values.shape[1] + 1, device=values.device).clamp(max=width)
    return (sums / counts).float()
