"""Anomaly detection by the errors of a network that was trained on normal data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Count, Fraction, FromData, Positive, PositiveFloat
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

UNJUDGED = -1.0
"""The score of a step that cannot be judged."""

_PADDED = -2.0
"""In place of a score, behind the end of a series."""

MOST_BURN_IN = 64
LEAST_DEVIATION = 1e-2
"""Differences of a channel count as at least so large, in the encoder's units: below it they are rounding."""

CLIP = 2.0
"""A difference moves the drift at most as if it were so many deviations."""

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
    $e_{tc} = ((x_{tc} - \hat x_{tc} - d_{tc}) / \sigma_c)^2$, where d is the slow drift of the sensor (0 without `drift`). The
    score is the causal mean of the error over the last `smooth` steps, and then the mean or the maximum over the channels. It
    is given in units of the threshold: above 1 is an alarm. Steps that cannot be judged, because the network has seen too few
    before them, have the score -1 (`UNJUDGED`), which is neither an alarm nor normal.

    The threshold is a quantile of the scores of the validation split, times a factor: the test split is not used, and no
    labels are needed. If the test split has labels, scores are counted step by step, without point adjustment.

    Args:
        smooth: errors are averaged over this many steps, the step itself and those before it
        release: the score is at most the largest error of this many last steps, so that an alarm ends soon after what caused
            it, and not only when the mean has forgotten it; null: it is the mean alone
        drift: the slow mean of the differences over about this many steps is subtracted from them, for sensors that drift: $d_t =
            d_{t-1} + \mathrm{clip}(r_t, ±2) / n$, so that a fault moves it little; null: nothing is
        recent: errors are divided by their mean over this many last steps, for series that drift; null: they are not divided
        residuals: `plain` takes the differences as they are; `standardised` divides those of each channel by their standard
            deviation over the validation split, so that channels that are easy or hard to predict have the same weight
        across: how the channels' errors become one score: `mean` finds anomalies of several channels, `max` those of a single one
        scope: `dataset`: one threshold for all series; `series`: one for each, from its own validation scores, for machines that
            differ; a series that is not in the validation split gets the threshold of all series together
        quantile: the quantile of the validation scores that the threshold is set from
        factor: the threshold is the quantile multiplied by this
        burn_in: steps at the beginning of each stretch without a score, because the network has seen too few steps there;
            auto: 64, or a quarter of the longest validation stretch where that is less
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
        channel_names: FromData[tuple] = (),
        smooth: Positive = 8,
        release: Positive | None = None,
        drift: Positive | None = None,
        recent: Positive | None = None,
        residuals: Literal["plain", "standardised"] = "plain",
        across: Literal["mean", "max"] = "mean",
        scope: Literal["dataset", "series"] = "dataset",
        quantile: Fraction = 0.999,
        factor: PositiveFloat = 1.0,
        burn_in: Count | Literal["auto"] = 0,
    ) -> None:
        self.channel_names = tuple(channel_names)
        self.smooth = smooth
        self.release = release
        self.drift = drift
        self.recent = recent
        self.residuals = residuals
        self.across = across
        self.scope = scope
        self.quantile = quantile
        self.factor = factor
        self.chose = burn_in == "auto"
        self.burn_in = MOST_BURN_IN if burn_in == "auto" else burn_in
        self.deviations: list[float] | None = None  # of the differences in each channel
        self.spreads: list[float] | None = None  # of the same, divided by these, without their drift
        self.thresholds: dict[str, float] = {}  # by the series' name; "" is for all series together

    def losses(self, outputs: Float[Tensor, "batch channels time"], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean squared error over the steps that are not padding."""
        counted = target["counted"]
        if bool(counted.all()):  # windows: nothing is padded
            return {"squared_error": F.mse_loss(outputs, target["values"])}
        errors = (outputs - target["values"]).square().mean(dim=1)
        return {"squared_error": (errors * counted).sum() / counted.sum()}

    def predict(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch four time"]:
        """For each time step its score, in units of the threshold; its error, a mean of squares in the encoder's units; the
        number of the channel with the largest part of the score; and that part."""
        found = []
        for row, length in enumerate(batch.target["counted"].sum(dim=1).tolist()):
            missed = self._missed(model, batch, row, length)
            channels = self._channel_scores(self._error(missed)) / self._threshold(batch.target["series"][row])
            score = self._judged_only(self._across(channels))
            largest, sensor = channels.max(dim=0)
            part = largest / channels.sum(dim=0).clamp(min=TINY)
            rows = [score, missed.square().mean(dim=0), sensor.to(score.dtype), part]
            rest = batch.target["counted"].shape[1] - length
            found.append(
                torch.stack([F.pad(each, (0, rest), value=0 if at else _PADDED) for at, each in enumerate(rows)])
            )
        return torch.stack(found)

    def surprises(self, model: nn.Module, batch: Batch) -> list[Surprise]:
        """Where the scores of `predict` come from: for each series what was expected, and the score of each channel; 0 where a
        step is not judged."""
        found = []
        for row, length in enumerate(batch.target["counted"].sum(dim=1).tolist()):
            missed = self._missed(model, batch, row, length)
            error, drift = self._error_and_drift(missed)
            channels = self._channel_scores(error) / self._threshold(batch.target["series"][row])
            expected = batch.inputs["values"][row, :, :length] - missed + drift
            parts = (expected, channels, self._across(channels))
            found.append(Surprise(*(part.cpu().numpy() for part in parts)))
        return found

    def _judged_only(self, score: Float[Tensor, " time"]) -> Float[Tensor, " time"]:
        """The scores, with `UNJUDGED` in the burn-in."""
        burnt = min(self.burn_in, len(score))
        return torch.cat([torch.full_like(score[:burnt], UNJUDGED), score[burnt:]])

    def require(self, splits: Splits) -> None:
        """Check that the validation split has rows to set the threshold from, and that the test split has rows to score.

        Raises:
            DataError: no stretch of a split is longer than `burn_in`, or no row of the validation split is normal.
        """
        if self.chose and len(splits.val):
            self.burn_in = min(MOST_BURN_IN, max(map(len, splits.val)) // 4)
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
        """Whether the labelled test rows hold an anomaly, and whether the validation rows can set the threshold."""
        return [*self._unsure(splits), *self._nothing_wrong(splits)]

    def _unsure(self, splits: Splits) -> list[str]:
        """Why the threshold may give more false alarms than the quantile promises: few validation rows, or less than a season."""
        if not len(splits.val) or not len(splits.train):
            return []
        longest = max(map(len, splits.val))
        season = max((season_of(stretch.values) for stretch in splits.train), default=0)
        promised = f"one false alarm in {1 / max(1 - self.quantile, 1e-9):,.0f} normal rows"
        if season > longest:
            return [
                f"the data repeat about every {season:,} rows, and the longest validation stretch has {longest:,}: the "
                "threshold has not "
                f"seen a whole season, and will give more than {promised}; set data.val higher"
            ]
        rows = sum(int(self._judged(stretch.anomalies, len(stretch)).sum()) for stretch in splits.val)
        if rows * (1 - self.quantile) < 1:
            return [
                f"{rows:,} validation rows set the threshold: too few for {promised}, so it is about the highest of "
                "their scores; set "
                "data.val higher or task.quantile lower"
            ]
        return []

    def _nothing_wrong(self, splits: Splits) -> list[str]:
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
        self.deviations = self.spreads = None
        if self.residuals == "standardised" and missed:
            self.deviations = _deviations(missed, normal)
        if self.drift is not None and self.residuals == "standardised" and missed:
            # Without the drift the differences are smaller.
            self.spreads = _deviations([self._error(each).sqrt() for each in missed], normal)
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
            values = torch.cat(parts).double().numpy()
            threshold = float(np.quantile(values, self.quantile)) * self.factor
            if values.max() - values.min() <= 1e-4 * abs(values.max()):  # nothing ever moves: rounding is no alarm
                threshold *= 1.01
            self.thresholds[name] = max(threshold, LEAST_DEVIATION**2 if self.residuals == "plain" else TINY)

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
        return self._error_and_drift(missed)[0]

    def _error_and_drift(
        self, missed: Float[Tensor, "channels time"]
    ) -> tuple[Float[Tensor, "channels time"], Float[Tensor, "channels time"]]:
        """Squared differences, and the drift that was subtracted from them, in the encoder's units."""
        scale = missed.new_ones(len(missed)) if self.deviations is None else missed.new_tensor(self.deviations)
        missed = missed / scale[:, None]
        drift = torch.zeros_like(missed)
        if self.drift is not None:
            slow = _Drift(self.drift)
            found = np.stack([slow.before(row) for row in missed.T.double().cpu().numpy()], axis=1)
            drift = torch.from_numpy(found).to(missed)
        left = missed - drift
        if self.spreads is not None:
            left = left / left.new_tensor(self.spreads)[:, None]
        return left.square(), drift * scale[:, None]

    def _score(self, error: Float[Tensor, "channels time"]) -> Float[Tensor, " time"]:
        """The score of each time step from the errors of the last steps; 0 during the burn-in."""
        return self._across(self._channel_scores(error))

    def _channel_scores(self, error: Float[Tensor, "channels time"]) -> Float[Tensor, "channels time"]:
        there = error[:, self.burn_in :]
        judged = causal_mean(there, self.smooth)
        if self.release is not None and there.shape[1]:
            last = F.max_pool1d(F.pad(there, (self.release - 1, 0))[None], self.release, stride=1)[0]
            judged = torch.minimum(judged, last)
        if self.recent is not None:
            judged = judged / causal_mean(there, self.recent).clamp(min=TINY)
        return F.pad(judged, (error.shape[1] - judged.shape[1], 0))

    def _across(self, judged: Float[Tensor, "channels time"]) -> Float[Tensor, " time"]:
        """One score from those of the channels."""
        return judged.mean(dim=0) if self.across == "mean" else judged.amax(dim=0)

    def follow(self, model: nn.Module, rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """For each row of a stream: the time, the score, whether it is an alarm, and the sensor with the largest part of the
        error. Scores are the same as for the whole series. The score of a row that is not judged is None, and `note` says why. A
        stream may hold several series; each is followed on its own.

        Raises:
            RecipeError: the model looks ahead, or there is no threshold for a series that the user named.
        """
        if not isinstance(model, StreamFollower):
            raise RecipeError(
                f"{type(model).__name__} looks ahead, so it cannot follow a stream; "
                "predict a file, or train with model.name=tcn1d"
            )
        followed: dict[str, _Followed] = {}
        for row in rows:
            if row.named and self.scope == "series" and row.series not in self.thresholds:
                known = [name for name in self.thresholds if name]
                raise RecipeError(
                    f"--series: no threshold was set for {row.series!r}; {did_you_mean(row.series, known)}"
                )
            if row.begins or row.series not in followed:
                followed[row.series] = _Followed(self, model)
            found: dict[str, Any] = {"time": row.time} | ({"series": row.series} if row.several else {})
            if row.values is None:
                yield found | {"score": None, "alarm": True, "no_data": list(row.no_data)}
                continue
            score, channel, part, before = followed[row.series].step(row.values)
            notes = [row.note] if row.note else []
            if score is None:
                if before == 0:
                    notes.append(f"not judged until {self.burn_in:,} rows are seen")
                found |= {"score": None, "alarm": False}
            else:
                score /= self._threshold(row.series)
                found |= {"score": score, "alarm": score > 1, "sensor": row.channels[channel], "part": round(part, 4)}
            if row.no_data:
                found |= {"alarm": True, "no_data": list(row.no_data)}
            yield found | ({"note": "; ".join(notes)} if notes else {})

    def decode(self, outputs: Float[Tensor, "batch rows time"]) -> list[dict[str, Any]]:
        """The alarms of each series: rows from `start` to before `stop`, their highest score, and the number of the sensor
        with the largest part of it; the highest score of all, None if no row was judged; the rows that were not judged; and
        the score of each row."""
        found = []
        for rows in outputs.cpu().numpy():
            scores = rows[0][rows[0] > _PADDED]
            alarms = []
            for start, stop in intervals(scores > 1):
                at = start + int(scores[start:stop].argmax())
                alarm: dict[str, Any] = {"start": start, "stop": stop, "peak": round(float(scores[at]), 4)}
                if len(rows) > 2:
                    alarm |= {"sensor": self._name(int(rows[2][at])), "part": round(float(rows[3][at]), 4)}
                alarms.append(alarm)
            judged = scores[scores >= 0]
            answer: dict[str, Any] = {
                "alarms": alarms,
                "highest": float(judged.max()) if len(judged) else None,
                "not_judged": [{"start": start, "stop": stop} for start, stop in intervals(scores < 0)],
            }
            if len(rows) > 2:
                answer |= {"scores": scores, "sensors": rows[2][: len(scores)].astype(np.int32)}
            found.append(answer)
        return found

    def _name(self, channel: int) -> str:
        """The name of a channel; its number where nobody has named it."""
        return self.channel_names[channel] if channel < len(self.channel_names) else str(channel)

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
            return _step_in_words(prediction)
        alarms, unjudged = prediction["alarms"], prediction["not_judged"]
        rows = sum(each["stop"] - each["start"] for each in unjudged)
        if prediction["highest"] is None:
            lines = [
                f"{shown}: not judged: it has {rows:,} row{'s' * (rows != 1)}, and the network must see {self.burn_in:,} first"
            ]
        else:
            count = f"{len(alarms):,} alarm{'s' * (len(alarms) != 1)}, highest score {prediction['highest']:.3f}"
            lines = [f"{shown}: {count}" + (f"; {rows:,} rows not judged" if rows else "")]
        lines += [f"  note: {prediction['note']}"] if prediction.get("note") else []
        lines += [
            f"  {a.get('from', a['start'])} to {a.get('to', a['stop'] - 1)}  peak {a['peak']:.3f}" + _cause_in_words(a)
            for a in alarms
        ]
        return "\n".join(lines)

    def meter(self) -> Meter:
        """The mean error; with labels also precision, recall, F1, false and missed alarms, delay and VUS-PR."""
        from convzoo.metrics.anomalies import AnomalyMeter

        return AnomalyMeter()

    def state(self) -> dict[str, Any]:
        """The thresholds and the deviations."""
        return {
            "thresholds": self.thresholds,
            "deviations": self.deviations,
            "spreads": self.spreads,
            **({"burn_in": self.burn_in} if self.chose else {}),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.thresholds, self.deviations = dict(state.get("thresholds", {})), state.get("deviations")
        self.spreads = state.get("spreads")
        self.burn_in = state.get("burn_in", self.burn_in)


def _cause_in_words(found: Mapping[str, Any]) -> str:
    """The sensor of an alarm, and its part of the error."""
    return f"  {found['sensor']} ({100 * found['part']:.0f} % of the error)" if "sensor" in found else ""


def _step_in_words(step: Mapping[str, Any]) -> str:
    """A step of a stream; empty where nothing is to be said."""
    place = step["time"] + (f"  {step['series']}" if "series" in step else "")
    lines = [f"{place}  {step['note']}"] if "note" in step else []
    if "no_data" in step:
        lines.append(f"{place}  ALARM  no data: {', '.join(step['no_data'])}")
    elif step["alarm"]:
        lines.append(f"{place}  ALARM  score {step['score']:.3f}{_cause_in_words(step)}")
    return "\n".join(lines)


def _deviations(missed: Sequence[Tensor], normal: Sequence[Tensor]) -> list[float]:
    """The standard deviation of each channel around 0 over the normal steps. The largest hundredth of the squares counts as its
    smallest, so that a few wild readings do not hide all others."""
    squares = torch.cat([each[:, good].double().square() for each, good in zip(missed, normal, strict=True)], dim=1)
    if not squares.shape[1]:
        return [1.0] * len(squares)
    # `torch.quantile` takes at most 16 million values.
    most = torch.from_numpy(np.quantile(squares.numpy(), 0.99, axis=1))
    return squares.minimum(most[:, None]).mean(dim=1).sqrt().clamp(min=LEAST_DEVIATION).tolist()


class _Drift:
    """The slow mean of differences, step by step; it is taken before a step moves it."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.mean: np.ndarray | None = None

    def before(self, row: np.ndarray) -> np.ndarray:
        """The drift before this row, (channels,)."""
        mean = np.zeros_like(row) if self.mean is None else self.mean
        self.mean = mean + np.clip(row - mean, -CLIP, CLIP) / self.steps
        return mean


class _Followed:
    """One series of a stream: what the network and the scores must keep of it."""

    def __init__(self, task: AnomalyDetection, model: StreamFollower) -> None:
        self.task = task
        self.model = model
        self.state = model.start()
        self.count = 0
        self.short, self.long, self.drift = _Last(task.smooth), _Last(task.recent or 1), _Drift(task.drift or 1)
        self.last = _Last(task.release or 1)

    def step(self, row: np.ndarray) -> tuple[float | None, int, float, int]:
        """The score of the next row, not yet in units of the threshold (None if it is not judged), the channel with the
        largest part of it, that part, and the number of rows before."""
        task = self.task
        values = torch.from_numpy(np.asarray(row, dtype=np.float32)).view(1, -1, 1)
        expected, self.state = self.model.step(values, self.state)
        missed = (values - expected)[0, :, 0].double().cpu().numpy()
        missed = missed / np.array(task.deviations) if task.deviations is not None else missed
        if task.drift is not None:
            missed = missed - self.drift.before(missed)
        error = np.square(missed / np.array(task.spreads) if task.spreads is not None else missed)
        before, self.count = self.count, self.count + 1
        if before < task.burn_in:
            return None, 0, 0.0, before
        judged = self.short.mean_with(error)
        if task.release is not None:
            judged = np.minimum(judged, self.last.largest_with(error))
        if task.recent is not None:
            judged = judged / np.maximum(self.long.mean_with(error), TINY)
        channel = int(judged.argmax())
        score = float(judged.mean() if task.across == "mean" else judged.max())
        return score, channel, float(judged[channel] / max(judged.sum(), TINY)), before


class _Last:
    """The mean of the last `rows` rows, in a ring buffer."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.count = 0
        self.kept: np.ndarray | None = None

    def mean_with(self, row: np.ndarray) -> np.ndarray:
        """The mean of this row and the last rows before it; of fewer at the beginning."""
        return self._with(row).mean(axis=0)

    def largest_with(self, row: np.ndarray) -> np.ndarray:
        """The largest value of this row and the last rows before it."""
        return self._with(row).max(axis=0)

    def _with(self, row: np.ndarray) -> np.ndarray:
        if self.kept is None:
            self.kept = np.zeros((self.rows, len(row)))
        self.kept[self.count % self.rows] = row
        self.count += 1
        return self.kept[: self.count]


def season_of(values: np.ndarray, most: int = 20_000) -> int:
    """After how many rows a series repeats, by the highest peak of its autocorrelation (the mean of all channels); 0 if it
    does not clearly, or has fewer than two seasons.

    Args:
        values: (time, channels)
        most: rows that are looked at, the last ones
    """
    rows = np.asarray(values[-most:], dtype=np.float64)
    length = len(rows)
    if length < 20:
        return 0
    rows = rows - rows.mean(axis=0)
    spread = rows.std(axis=0)
    rows = rows[:, spread > 1e-9] / spread[spread > 1e-9]
    if not rows.shape[1]:
        return 0
    size = 1 << (2 * length - 1).bit_length()
    power = sum(np.square(np.abs(np.fft.rfft(column, size))) for column in rows.T)
    # Each lag is divided by the number of its pairs, else long seasons would look weak.
    found = np.fft.irfft(power, size)[: length // 2] / np.arange(length, length - length // 2, -1) / rows.shape[1]
    below = np.flatnonzero(found < 0)
    if not len(below):
        return 0
    later = found[below[0] :]
    if later.max() <= 0.3:
        return 0
    # Two seasons later the data look alike again: the first of the high peaks counts.
    start, stop = intervals(later >= 0.9 * later.max())[0]
    return int(below[0]) + start + int(later[start:stop].argmax())


def causal_mean(values: Float[Tensor, "channels time"], width: int) -> Float[Tensor, "channels time"]:
    """The mean of each value and the width - 1 before it; of fewer at the beginning."""
    if not values.shape[1]:
        return values
    width = min(width, values.shape[1])
    # Each window is summed on its own: in differences of a running sum, the rounding error of one huge value would stay for ever.
    sums = F.avg_pool1d(F.pad(values.double(), (width - 1, 0))[None], width, stride=1)[0] * width
    counts = torch.arange(1, values.shape[1] + 1, device=values.device).clamp(max=width)
    return (sums / counts).float()
