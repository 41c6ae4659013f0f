"""Anomaly detection by the errors of a network that was trained on normal data."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Count, Fraction, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.model import HasReach, HasTotalStride, StreamFollower
from convzoo.core.processes import gather_objects
from convzoo.core.splits import Splits
from convzoo.core.task import Meter, Task
from convzoo.core.text import did_you_mean
from convzoo.ops.intervals import intervals
from convzoo.ops.pieces import in_pieces

TINY = 1e-9
"""The smallest error to divide by."""

PIECE = 1 << 16
"""Time steps that the network sees at once. So the memory for scoring does not grow with the length of a series."""


@dataclass(frozen=True)
class Surprise:
    """What the network expected of one series, and how far each channel is from it.

    Attributes:
        expected: (channels, time) in the encoder's units
        by_channel: (channels, time) the score of each channel alone, in units of the threshold
        score: (time,) the score, in units of the threshold: above 1 is an alarm
    """

    expected: np.ndarray
    by_channel: np.ndarray
    score: np.ndarray


class AnomalyDetection(Task):
    r"""The network predicts each time step. The error is the squared difference,
    $e_{tc} = ((x_{tc} - \hat x_{tc}) / \sigma_c)^2$. The score is the causal mean of the error over the last `smooth` steps, and
    then the mean or the maximum over the channels. It is given in units of the threshold: above 1 is an alarm.

    The threshold is a quantile of the scores of the validation split, times a factor: the test split is not used, and no
    labels are needed. If the test split has labels, scores are counted step by step, without point adjustment.

    Args:
        smooth: errors are averaged over this many steps, the step itself and those before it
        recent: errors are divided by their mean over this many last steps, for series that drift; null: they are not divided
        residuals: `plain` takes the differences as they are; `standardised` divides those of each channel by their standard
            deviation over the validation split, so that channels that are easy or hard to predict have the same weight
        across: how the channels' errors become one score: `mean` finds anomalies of several channels, `max` those of a single one
        scope: `dataset`: one threshold for all series; `series`: one for each, from its own validation scores, for machines that
            differ; a series that is not in the validation split gets the threshold of all series together
        quantile: the quantile of the validation scores that the threshold is set from
        factor: the threshold is the quantile multiplied by this
        burn_in: steps at the beginning of each stretch without a score, because the network has seen too few steps there
    """

    follows: ClassVar[bool] = True
    judged_by = ("f1",)  # errors of detectors are in units of their own
    best_by = "-val/error"
    outputs = {"predicted_values": ("batch", "channels", "time")}
    errors: ClassVar[frozenset[str]] = frozenset(
        {"error", "alarm_rate", "false_alarm_rate", "missed_alarm_rate", "detection_delay"}
    )

    def __init__(
        self,
        smooth: Positive = 8,
        recent: Positive | None = None,
        residuals: Literal["plain", "standardised"] = "plain",
        across: Literal["mean", "max"] = "mean",
        scope: Literal["dataset", "series"] = "dataset",
        quantile: Fraction = 0.999,
        factor: PositiveFloat = 1.0,
        burn_in: Count = 0,
    ) -> None:
        self.smooth = smooth
        self.recent = recent
        self.residuals = residuals
        self.across = across
        self.scope = scope
        self.quantile = quantile
        self.factor = factor
        self.burn_in = burn_in
        self.deviations: list[float] | None = None  # of the differences in each channel
        self.thresholds: dict[str, float] = {}  # by the series' name; "" is for all series together

    def losses(self, outputs: Float[Tensor, "batch channels time"], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean squared error over the steps that are not padding."""
        counted = target["counted"]
        if bool(counted.all()):  # windows: nothing is padded
            return {"squared_error": F.mse_loss(outputs, target["values"])}
        errors = (outputs - target["values"]).square().mean(dim=1)
        return {"squared_error": (errors * counted).sum() / counted.sum()}

    def predict(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch two time"]:
        """For each time step its score, in units of the threshold, and its error; zeros in the padding."""
        found = []
        for row, length in enumerate(batch.target["counted"].sum(dim=1).tolist()):
            missed = self._missed(model, batch, row, length)
            error = self._error(missed)
            threshold = self._threshold(batch.target["series"][row])
            both = torch.stack([self._score(error) / threshold, error.mean(dim=0)])
            found.append(F.pad(both, (0, batch.target["counted"].shape[1] - length)))
        return torch.stack(found)

    def surprises(self, model: nn.Module, batch: Batch) -> list[Surprise]:
        """Where the scores of `predict` come from: for each series what was expected, and the score of each channel."""
        found = []
        for row, length in enumerate(batch.target["counted"].sum(dim=1).tolist()):
            missed = self._missed(model, batch, row, length)
            channels = self._channel_scores(self._error(missed)) / self._threshold(batch.target["series"][row])
            expected = batch.inputs["values"][row, :, :length] - missed
            parts = (expected, channels, self._across(channels))
            found.append(Surprise(*(part.cpu().numpy() for part in parts)))
        return found

    def require(self, splits: Splits) -> None:
        """Check that the validation split has rows to set the threshold from, and that the test split has rows to score.

        Raises:
            DataError: no stretch of a split is longer than `burn_in`, or no row of the validation split is normal.
        """
        for split, stretches in (("val", splits.val), ("test", splits.test)):
            if not len(stretches):
                continue
            longest = max(stretches, key=len)
            if len(longest) <= self.burn_in:
                raise DataError(
                    f"{longest.source}: is the longest stretch of the {split} split and has {len(longest)} rows; "
                    f"with task.burn_in={self.burn_in} none of them gets a score: set it lower"
                    + (", or data.val higher" if split == "val" else "")
                )
        if not any(bool(self._judged(stretch.anomalies, len(stretch)).any()) for stretch in splits.val):
            raise DataError("the val split has no normal row to set the threshold from; set data.val higher")

    def cautions(self, splits: Splits) -> list[str]:
        """Whether the labelled test rows hold an anomaly."""
        flags = [stretch.anomalies for stretch in splits.test if stretch.anomalies is not None]
        if not flags or any(each.any() for each in flags):
            return []
        return [
            f"none of the {sum(map(len, flags)):,} labelled rows of the test split is an anomaly: recall and vus_pr are "
            "undefined, and f1 is 0 or undefined, whatever is learnt"
        ]

    def _judged(self, anomalies: np.ndarray | None, length: int) -> np.ndarray:
        """(time,) True for the normal steps that the threshold is set from."""
        good = np.ones(length, dtype=bool) if anomalies is None else np.asarray(anomalies) != 1
        # The first averages are over fewer than `smooth` steps and vary more, so they do not set the threshold.
        good[: max(self.burn_in, min(self.burn_in + self.smooth - 1, length - 1))] = False
        return good

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Set deviations and thresholds from the validation split, without steps that are labelled as anomalies."""
        missed: list[Tensor] = []
        normal: list[Tensor] = []
        judged: list[Tensor] = []
        names: list[str] = []
        for batch in batches:
            names += batch.target["series"]
            for row, length in enumerate(batch.target["counted"].sum(dim=1).tolist()):
                anomalies = batch.target["anomalies"][row, :length].cpu().numpy()
                missed.append(self._missed(model, batch, row, length).cpu())
                normal.append(torch.from_numpy((anomalies != 1) & (np.arange(length) >= self.burn_in)))
                judged.append(torch.from_numpy(self._judged(anomalies, length)))
        # Every process gets all values in the same order, so all choose the same threshold.
        missed, normal, judged, names = (
            [each for part in gather_objects(own) for each in part] for own in (missed, normal, judged, names)
        )
        if self.residuals == "standardised" and missed:
            pairs = zip(missed, normal, strict=True)
            total = torch.stack([each[:, good].double().square().sum(dim=1) for each, good in pairs]).sum(dim=0)
            count = sum(int(good.sum()) for good in normal)
            self.deviations = (total / max(count, 1)).sqrt().clamp(min=1e-6).tolist()
        scores: dict[str, list[Tensor]] = {"": []}
        for name, each, good in zip(names, missed, judged, strict=True):
            found = self._score(self._error(each))[good]
            scores[""].append(found)
            if self.scope == "series" and len(found):
                scores.setdefault(name, []).append(found)
        if not sum(map(len, scores[""])):
            raise RecipeError(
                "the validation split has no normal time step to set the threshold from; set data.val higher"
            )
        for name, parts in scores.items():
            quantile = float(np.quantile(torch.cat(parts).double().numpy(), self.quantile))
            self.thresholds[name] = max(quantile * self.factor, 1e-12)

    def _threshold(self, name: str) -> float:
        """The threshold of a series; 1 before calibration."""
        return self.thresholds.get(name, self.thresholds.get("", 1.0))

    def _missed(self, model: nn.Module, batch: Batch, row: int, length: int) -> Float[Tensor, "channels time"]:
        """The values of one series minus the predicted ones. Each series is computed alone: scores do not depend on the batch."""
        values = batch.inputs["values"][row : row + 1, :, :length]
        if isinstance(model, HasReach):
            stride = model.total_stride if isinstance(model, HasTotalStride) else 1
            expected = in_pieces(model, values, model.reach, PIECE // stride * stride)
        else:
            expected = model(values)
        return (values - expected)[0].float()

    def _error(self, missed: Float[Tensor, "channels time"]) -> Float[Tensor, "channels time"]:
        if self.deviations is not None:
            missed = missed / missed.new_tensor(self.deviations)[:, None]
        return missed.square()

    def _score(self, error: Float[Tensor, "channels time"]) -> Float[Tensor, " time"]:
        """The score of each time step from the errors of the last steps; 0 during the burn-in."""
        return self._across(self._channel_scores(error))

    def _channel_scores(self, error: Float[Tensor, "channels time"]) -> Float[Tensor, "channels time"]:
        judged = causal_mean(error[:, self.burn_in :], self.smooth)
        if self.recent is not None:
            judged = judged / causal_mean(error[:, self.burn_in :], self.recent).clamp(min=TINY)
        return F.pad(judged, (error.shape[1] - judged.shape[1], 0))

    def _across(self, judged: Float[Tensor, "channels time"]) -> Float[Tensor, " time"]:
        """One score from those of the channels."""
        return judged.mean(dim=0) if self.across == "mean" else judged.amax(dim=0)

    def follow(self, model: nn.Module, rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """For each row of a stream: the time, the score, whether it is an alarm. Scores are the same as for the whole series.

        Raises:
            RecipeError: the model looks ahead.
        """
        if not isinstance(model, StreamFollower):
            raise RecipeError(
                f"{type(model).__name__} looks ahead, so it cannot follow a stream; "
                "predict a file, or train with model.name=tcn1d"
            )
        state = model.start()
        short, long = _Last(self.smooth), _Last(self.recent or 1)
        for number, row in enumerate(rows):
            if row.series and self.scope == "series" and row.series not in self.thresholds:
                known = [name for name in self.thresholds if name]
                raise RecipeError(
                    f"--series: no threshold was set for {row.series!r}; {did_you_mean(row.series, known)}"
                )
            values = torch.from_numpy(np.asarray(row.values, dtype=np.float32)).view(1, -1, 1)
            expected, state = model.step(values, state)
            score = 0.0
            if number >= self.burn_in:
                error = self._error((values - expected)[0])[:, 0].double().cpu().numpy()
                judged = short.mean_with(error)
                if self.recent is not None:
                    judged = judged / np.maximum(long.mean_with(error), TINY)
                score = float(judged.mean() if self.across == "mean" else judged.max()) / self._threshold(row.series)
            yield {"time": row.time, "score": score, "alarm": score > 1}

    def decode(self, outputs: Float[Tensor, "batch two time"]) -> list[dict[str, Any]]:
        """The alarms of each series: rows from `start` to before `stop`, and their highest score."""
        found = []
        for scores in outputs[:, 0].cpu().numpy():
            alarms = [
                {"start": start, "stop": stop, "peak": round(float(scores[start:stop].max()), 4)}
                for start, stop in intervals(scores > 1)
            ]
            found.append({"alarms": alarms, "highest": float(scores.max(initial=0.0))})
        return found

    def read_target(self, target: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """The true intervals; None if unlabelled."""
        return [
            {
                "alarms": [{"start": start, "stop": stop} for start, stop in intervals(row == 1)]
                if bool((row >= 0).any()) else None
            }
            for row in target["anomalies"].cpu().numpy()
        ]  # fmt: skip

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """A series and its alarms, or a step of a stream."""
        if "alarm" in prediction:  # normal steps are not printed
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
        """The mean error; with labels also precision, recall, F1, false and missed alarms, delay and VUS-PR."""
        from convzoo.metrics.anomalies import AnomalyMeter

        return AnomalyMeter()

    def state(self) -> dict[str, Any]:
        """The thresholds and the deviations."""
        return {"thresholds": self.thresholds, "deviations": self.deviations}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.thresholds, self.deviations = dict(state.get("thresholds", {})), state.get("deviations")


class _Last:
    """The mean of the last `rows` rows, in a ring buffer."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.count = 0
        self.kept: np.ndarray | None = None

    def mean_with(self, row: np.ndarray) -> np.ndarray:
        """The mean of this row and the last rows before it; of fewer at the beginning."""
        if self.kept is None:
            self.kept = np.zeros((self.rows, len(row)))
        self.kept[self.count % self.rows] = row
        self.count += 1
        return self.kept[: self.count].mean(axis=0)


def causal_mean(values: Float[Tensor, "channels time"], width: int) -> Float[Tensor, "channels time"]:
    """The mean of each value and the width - 1 before it; of fewer at the beginning."""
    if not values.shape[1]:
        return values
    width = min(width, values.shape[1])
    # Each window is summed on its own: in differences of a running sum, the rounding error of one huge value would stay for ever.
    sums = F.avg_pool1d(F.pad(values.double(), (width - 1, 0))[None], width, stride=1)[0] * width
    counts = torch.arange(1, values.shape[1] + 1, device=values.device).clamp(max=width)
    return (sums / counts).float()
