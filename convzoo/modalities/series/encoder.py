"""Sensor readings as tensors: standardised and cut into windows, directly from the arrays that hold them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, listed
from convzoo.core.tables import write_rows
from convzoo.core.text import did_you_mean
from convzoo.modalities.series.data.tables import AS_IT_LOOKS, NONE, between_gaps, read_all, steps_of
from convzoo.modalities.series.example import UNKNOWN, Series, Stretch, TableFormat, Windows
from convzoo.modalities.series.streaming import Row, StreamReader, scaled
from convzoo.ops.moments import Moments
from convzoo.reading.tables import SUFFIXES, tables_below

WILD = 20.0
"""The limit of standardised values: a sensor that writes -9999 or -3.4e38 where it has no value is far out, and is forgotten
as soon as one that is only so far out."""

FAR = 10.0
"""Readings this many times farther from the middle than 99 of 100 others do not count for the mean and the deviation."""

SAMPLE = 200_000
"""Rows that the middle is found from."""


class SeriesEncoder(Encoder):
    """Windows of one length for training, whole stretches for scoring; each channel has mean 0 and standard deviation 1.
    Readings far outside of all others (-9999) do not count for these.

    The series stay where they are and keep their type: a window is cut out and standardised when its batch is made, so that only
    the batch is copied. A channel that is constant in training is only centred.

    Args:
        window: number of rows in a training window; auto: 128, or a quarter of the longest training stretch where that is less
        stride: rows from one training window to the next
        normalise: `dataset`: by the mean and deviation of all training stretches; `series`: by those of each series' own training
            stretch, for machines that differ; a series that is not in the training split is normalised by its first
            `normalise_rows` rows
        normalise_rows: for `series`: the mean and deviation of an unknown series are computed from this many of its first rows
        clip: the largest absolute standardised value; larger ones are set to it, so that a single outlier does not dominate;
            null: 20
    """

    example = Stretch
    cached: ClassVar[bool] = False

    def __init__(
        self,
        window: Positive | Literal["auto"] = 64,
        stride: Positive = 1,
        normalise: Literal["dataset", "series"] = "dataset",
        normalise_rows: Positive = 400,
        clip: PositiveFloat | None = None,
    ) -> None:
        self.window = 0 if window == "auto" else window  # 0 until it is chosen
        self.chose = window == "auto"
        self.stride = stride
        self.normalise = normalise
        self.normalise_rows = normalise_rows
        self.clip = clip
        self.channels: tuple[str, ...] = ()
        self.form = AS_IT_LOOKS  # of the tables
        self.steps: dict[str, float] = {}  # the usual step in time, by the series' name; "" is for all
        self.series: tuple[str, ...] = ()  # the names of the series of training
        self.means: dict[str, np.ndarray] = {}  # by the series' name; "" is the whole training split
        self.deviations: dict[str, np.ndarray] = {}

    def fit(self, examples: Sequence[Stretch]) -> None:
        """Learn the channels, and their means and standard deviations over the rows that are not labelled as anomalies.

        Raises:
            DataError: no training stretch is as long as a window, or channels differ.
        """
        if not examples:
            raise DataError("the training split has no stretch")
        self.channels = examples[0].series.channels
        self.form = examples[0].series.form or AS_IT_LOOKS
        for stretch in examples:
            self._require_channels(stretch.series)
        longest = max(examples, key=len)
        if self.chose:
            self.window = max(2, min(128, len(longest) // 4))
        if not len(self.pieces(examples)):
            raise DataError(
                f"{longest.source}: is the longest training stretch and has {len(longest)} rows, fewer than the window of "
                f"{self.window} (known anomalies left out, and cut where time jumps): set encoder.window lower"
                + (" or data.gap higher" if len(longest) < len(longest.series) and longest.series.form else "")
            )
        bounds = _bounds(examples)
        by_name = {"": _PlainMoments(len(self.channels))}
        for stretch in examples:
            name = stretch.series.name
            if self.normalise == "series":
                own = _bounds([each for each in examples if each.series.name == name])
                by_name.setdefault(name, _PlainMoments(len(self.channels))).add_rows(stretch, own)
            by_name[""].add_rows(stretch, bounds)
        for name, found in by_name.items():
            self.means[name], self.deviations[name] = found.mean_and_deviation()
        self.series = tuple(dict.fromkeys(stretch.series.name for stretch in examples))
        steps: dict[str, list[np.ndarray]] = {}
        for stretch in examples:
            if stretch.series.times is not None and len(stretch) > 1:
                found_steps = steps_of(stretch.series.times[stretch.start : stretch.stop])
                steps.setdefault(stretch.series.name, []).append(found_steps)
        self.steps = {name: float(np.median(np.concatenate(parts))) for name, parts in steps.items()}
        if self.steps:
            self.steps[""] = float(np.median(list(self.steps.values())))

    def advice(self) -> str:
        """The window, if it was chosen here."""
        return f"training windows have {self.window} rows; set encoder.window to change it" if self.chose else ""

    def pieces(self, examples: Sequence[Stretch]) -> Windows:
        """The training windows: references, none of which crosses a stretch."""
        return Windows(examples, self.window, self.stride)

    def prepare(self, example: Stretch) -> Stretch:
        """The stretch itself: its rows are read when its batch is made.

        Raises:
            DataError: its channels are not those of training.
        """
        self._require_channels(example.series)
        return example

    def survey(self, examples: Sequence[Stretch], items: Sequence[Any] | None) -> Survey:
        """The channels, how long the stretches are, how many rows are labelled as anomalies, and channels that never vary."""
        for example in examples:
            self._require_channels(example.series)
        lengths = [len(example) for example in examples]
        flags = [example.anomalies for example in examples if example.anomalies is not None]
        flagged = f"{sum(int(each.sum()) for each in flags):,} of {sum(map(len, flags)):,} rows"
        where = "1 stretch" if len(lengths) == 1 else f"{len(lengths):,} stretches ({lengths_in_words(lengths)})"
        facts = {
            "channels": f"{len(self.channels):,}: {listed(self.channels)}",
            "rows": f"{sum(lengths):,} in {where}",
            "anomalies": flagged if flags else "not labelled",
        }
        lowest = np.min([example.values.min(axis=0) for example in examples], axis=0)
        highest = np.max([example.values.max(axis=0) for example in examples], axis=0)
        still = [name for name, low, high in zip(self.channels, lowest, highest, strict=True) if low == high]
        if len(still) == len(self.channels):
            return Survey(facts, ["no channel ever varies, so there is nothing to learn or to find"])
        return Survey(facts, [f"channels that never vary: {listed(still)}"] if still else [])

    def collate(self, items: Sequence[Stretch], draws: Draws | None = None) -> Batch:
        """Standardise, and pad to the longest with zeros, which are the channels' means."""
        longest = max(len(item) for item in items)
        values = np.zeros((len(items), len(self.channels), longest), dtype=np.float32)
        anomalies = np.full((len(items), longest), UNKNOWN, dtype=np.int8)
        counted = np.zeros((len(items), longest), dtype=bool)
        for row, item in enumerate(items):
            mean, deviation = self._scale(item.series)
            values[row, :, : len(item)] = (item.values.T - mean[:, None]) / deviation[:, None]
            if (labels := item.labels) is not None:
                anomalies[row, : len(item)] = labels
            counted[row, : len(item)] = True
        return self._batch(values, anomalies, counted, [item.series.name for item in items])

    def gather(self, examples: Sequence[Any], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """Windows are cut out of each series all at once; stretches one by one."""
        if not isinstance(examples, Windows):
            return super().gather(examples, indices, draws)
        runs, starts = examples.places(indices)
        values = np.empty((len(starts), len(self.channels), examples.length), dtype=np.float32)
        anomalies = np.full((len(starts), examples.length), UNKNOWN, dtype=np.int8)
        numbers = runs.tolist()
        for run in set(numbers):
            series = examples.runs[run].series
            chosen: Any = slice(None) if numbers.count(run) == len(numbers) else np.flatnonzero(runs == run)
            kind = np.float32 if series.values.dtype == np.float32 else np.float64  # as exact as the data
            mean, deviation = (each.astype(kind)[:, None] for each in self._scale(series))
            part = examples.cut(run, starts[chosen]).astype(kind, copy=False)
            part -= mean
            part /= deviation
            values[chosen] = part
            if series.anomalies is not None:
                anomalies[chosen] = 0  # windows with a known anomaly are left out
        names = [examples.runs[run].series.name for run in numbers]
        return self._batch(values, anomalies, np.ones(anomalies.shape, dtype=bool), names)

    def _batch(self, values: np.ndarray, anomalies: np.ndarray, counted: np.ndarray, names: list[str]) -> Batch:
        np.clip(values, -self.limit, self.limit, out=values)
        tensor = torch.from_numpy(values)
        target = {
            "values": tensor,
            "anomalies": torch.from_numpy(anomalies),
            "counted": torch.from_numpy(counted),
            "series": names,
        }
        return Batch({"values": tensor}, target, int(counted.sum()))

    @property
    def limit(self) -> float:
        """Standardised values are clipped to this, so that their squares stay finite."""
        return WILD if self.clip is None else self.clip

    def _scale(self, series: Series) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of each channel, for a series."""
        if self.normalise == "dataset":
            return self.means[""], self.deviations[""]
        if not series.name or series.name not in self.means:
            return scaled(series.values[: self.normalise_rows])
        return self.means[series.name], self.deviations[series.name]

    def restore(self, series: Series, values: np.ndarray) -> np.ndarray:
        """Standardised values of a series, (channels, time), in the units of its sensors again."""
        mean, deviation = self._scale(series)
        return values * deviation[:, None] + mean[:, None]

    def _require_channels(self, series: Series) -> None:
        if series.channels != self.channels:
            raise DataError(
                f"{series.name}: has the channels {', '.join(series.channels)}; the training split has {', '.join(self.channels)}"
            )

    def length(self, item: Stretch) -> int:
        """Rows."""
        return len(item)

    def from_inputs(self, values: Sequence[Any]) -> list[Stretch]:
        """Tables (.csv, .tsv, .parquet), folders of them, Series, stretches, or arrays (time, channels) with training's channels.

        Tables are read with the run's settings (`data.time`, `missing`, `order`, `duplicates`, `gap`, …); labels are not used.
        A gap is measured by the usual step of training, as in a stream.

        Raises:
            DataError: a file cannot be read or lacks a channel.
        """
        found: list[Stretch] = []
        # Read with the run's settings, but without labels, because these are predicted.
        form = replace(self.form, label=NONE, channels=self.channels, ignore=())
        for value in values:
            if isinstance(value, np.ndarray):
                array = value[:, None] if value.ndim == 1 else value
                if array.ndim != 2 or array.shape[1] != len(self.channels) or not len(array):
                    raise DataError(f"an array should be (time, {len(self.channels)}), not {value.shape}")
                if array.dtype.kind not in "fiub":
                    raise DataError(f"an array should hold numbers, not {array.dtype}")
                if not np.isfinite(array).all():
                    raise DataError("an array has NaN or infinite values: fill or remove those rows")
                found += Stretch.from_inputs([Series("array", array, self.channels)])
            elif isinstance(value, str | Path):
                path = Path(value)
                files = tables_below(path) if path.is_dir() else [path]
                if not files:
                    raise DataError(f"{path}: holds no table ({', '.join(SUFFIXES)})")
                # Use the reader's names, so that a series known from training keeps its own scale and threshold.
                names = [file.relative_to(path).as_posix() if path.is_dir() else file.name for file in files]
                for file, name in zip(files, names, strict=True):
                    for series in read_all(file, form, name):
                        found += between_gaps(series, 0, len(series), self._usual_step(series))
            else:
                found += Stretch.from_inputs([value])
        return found

    def _usual_step(self, series: Series) -> float | None:
        """The step in time that gaps are measured by; None where the series of training have none.

        Raises:
            DataError: rows are so far apart that each would stand alone.
        """
        usual = self.steps.get(series.name, self.steps.get(""))
        if usual is None or series.times is None or len(series) < 3 or self.form.gap is None:
            return usual
        own = float(np.median(steps_of(series.times)))
        if usual and own > self.form.gap * usual:
            raise DataError(
                f"{series.name}: its rows are {own:g} apart, those of training {usual:g}, so each would stand alone "
                "behind a gap; "
                "bring them to the step of training, or train on rows like these"
            )
        return usual

    def from_lines(self, lines: Sequence[str]) -> list[Stretch]:
        """Refused: a stream is predicted row by row, in a call without files.

        Raises:
            RecipeError: the stream was given together with files.
        """
        raise RecipeError(
            "- reads rows from standard input and cannot be combined with files; predict the files in a separate call"
        )

    def stream(
        self, lines: Iterable[str], series: str = "", refused: Callable[[DataError], None] | None = None
    ) -> Iterator[Row]:
        """Rows of a stream of CSV lines, in the order in which they arrive, standardised. It is read as a file of the run's
        data is: `streaming.StreamReader` says how.

        Args:
            lines: the lines of the stream
            series: the run's series that the stream continues, if each series has its own scale and threshold; the name of its
                file may be without its ending
            refused: is called with the error of a row that cannot be read, and the stream goes on; None: the error is raised

        Raises:
            RecipeError: the training split has no such series.
            DataError: a channel is missing, a row has too few or too many cells, or a cell is not a finite number; with its line.
        """
        if series and series not in self.series:
            known = [each for each in self.series if Path(each).stem == series]
            if len(known) != 1:
                raise RecipeError(
                    f"--series: the training split has no series {series!r}; {did_you_mean(series, self.series)}"
                )
            series = known[0]
        scales = {name: (self.means[name], self.deviations[name]) for name in self.means}
        by_series = self.normalise == "series"
        reader = StreamReader(self.channels, self.form, self.steps, refused)
        for row in reader.standardised(lines, series, scales, self.normalise_rows if by_series else None):
            yield row if row.values is None else replace(row, values=np.clip(row.values, -self.limit, self.limit))

    def read_with(self, settings: Mapping[str, Any]) -> None:
        """Read from now on with other settings of the tables: `{"missing": "forward"}`.

        Raises:
            RecipeError: there is no such setting.
        """
        known = [name for name in TableFormat.__dataclass_fields__ if name not in ("label", "normal", "channels")]
        for name, value in settings.items():
            if name not in known:
                raise RecipeError(f"data.{name}: is no setting of how `predict` reads; {did_you_mean(name, known)}")
            allowed = _ALLOWED.get(name)
            if allowed is not None and value not in allowed:
                raise RecipeError(f"data.{name}: should be {' or '.join(map(str, allowed))}, not {value!r}")
        self.form = replace(self.form, **settings)

    def annotate(self, example: Stretch, prediction: dict[str, Any]) -> dict[str, Any]:
        """Alarms with the times of their first and last row; rows that were not judged with their
        times; and a note where the series has no scale of its own."""
        if "alarms" not in prediction:
            return prediction
        series, first = example.series, example.start

        def timed(part: dict[str, Any]) -> dict[str, Any]:
            times = {
                "from": series.time_of(first + part["start"]),
                "to": series.time_of(first + part["stop"] - 1),
            }
            return part | times

        found = prediction | {
            key: [timed(each) for each in prediction.get(key, [])] for key in ("alarms", "not_judged")
        }
        if self.normalise == "series" and series.name not in self.means:
            rows = min(self.normalise_rows, len(series))
            found["note"] = (
                f"{series.name} is no series of training: its scale is that of its own first {rows:,} rows, which count as normal"
            )
        return found

    def write_files(
        self, path: Path, examples: Sequence[Any], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Path] | None:
        """Two tables: `path` with a row for each alarm (series, from, to, rows, peak, sensor, part), and beside it `….rows`
        with the score of each row (series, time, score, alarm, sensor), empty where it was not judged."""
        if not all("scores" in each for each in predictions):
            return None
        alarms, rows = [], []
        for example, found in zip(examples, predictions, strict=True):
            name = example.series.name
            alarms += [
                {
                    "series": name, "from": each["from"], "to": each["to"], "rows": each["stop"] - each["start"],
                    "peak": each["peak"], "sensor": each["sensor"], "part": each["part"],
                }
                for each in found["alarms"]
            ]  # fmt: skip
            for at, (score, sensor) in enumerate(zip(found["scores"].tolist(), found["sensors"].tolist(), strict=True)):
                judged = score >= 0
                rows.append(
                    {
                        "series": name,
                        "time": example.series.time_of(example.start + at),
                        "score": round(score, 6) if judged else None,
                        "alarm": int(score > 1) if judged else None,
                        "sensor": self.channels[sensor] if judged else None,
                    }
                )
        beside = path.with_name(f"{path.stem}.rows{path.suffix}")
        write_rows(beside, rows, "--out")
        if alarms or path.suffix.lower() != ".csv":
            write_rows(path, alarms, "--out")
        else:
            path.write_text("series,from,to,rows,peak,sensor,part\n", encoding="utf-8")
        return [path, beside]

    def input_names(self, item: Stretch) -> list[str]:
        """The channels."""
        return list(self.channels)

    @property
    def dims(self) -> Mapping[str, Any]:
        """in_channels, channel_names."""
        return {"in_channels": len(self.channels), "channel_names": self.channels}

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The channels."""
        return {"in_channels": self.channels}

    def keep(self, earlier: "SeriesEncoder", examples: Sequence[Stretch]) -> None:
        """Keep the earlier means and deviations of all series together and of series that both runs have, if the channels are the
        same."""
        if earlier.channels == self.channels:
            self.means = self.means | earlier.means
            self.deviations = self.deviations | earlier.deviations
            self.steps = self.steps | earlier.steps

    def state(self) -> dict[str, Any]:
        """Channels, means and deviations."""
        names = list(self.means)
        return {
            "channels": list(self.channels),
            "window": self.window,
            "form": asdict(replace(self.form, channels=None, ignore=())),
            "known_series": list(self.series),
            "steps": dict(self.steps),
            "series": names,
            "means": np.stack([self.means[name] for name in names]),
            "deviations": np.stack([self.deviations[name] for name in names]),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.channels = tuple(state["channels"])
        self.window = state.get("window", self.window)
        self.form = TableFormat(**state["form"]) if "form" in state else AS_IT_LOOKS
        self.steps = {name: float(step) for name, step in state.get("steps", {}).items()}
        means, deviations = (np.asarray(state[key], dtype=np.float64) for key in ("means", "deviations"))
        self.means = dict(zip(state["series"], means, strict=True))
        self.deviations = dict(zip(state["series"], deviations, strict=True))
        self.series = tuple(state.get("known_series", [name for name in state["series"] if name]))


_ALLOWED: dict[str, tuple[Any, ...]] = {
    "missing": ("refuse", "forward", "interpolate"), "order": ("refuse", "sort", "keep"),
    "duplicates": ("refuse", "first", "last", "keep"), "dayfirst": (True, False, None), "skip_damaged": (True, False),
    "decimal": ("point", "comma", None),
}  # fmt: skip

_BLOCK = 1 << 16
"""Number of rows that are read at once, so that memory does not grow with the length of a series."""


def _bounds(examples: Sequence[Stretch]) -> tuple[np.ndarray, np.ndarray]:
    """Between which readings of each channel are not far out."""
    step = -(-sum(map(len, examples)) // SAMPLE)
    rows = [np.asarray(example.values[::step], dtype=np.float64) for example in examples]
    low, high = np.quantile(np.concatenate(rows), [0.005, 0.995], axis=0)
    width = high - low
    # A channel that stands still has no width: all its readings count, but for those that are far from it.
    width = np.where(width > 0, width, np.maximum(np.abs(low), 1.0))
    return low - FAR * width, high + FAR * width


class _PlainMoments:
    """Means and deviations of channels over the normal readings that are not far out."""

    def __init__(self, channels: int) -> None:
        self.channels = [Moments(1) for _ in range(channels)]

    def add_rows(self, stretch: Stretch, bounds: tuple[np.ndarray, np.ndarray]) -> None:
        """Add the rows of a stretch that are not labelled as anomalies."""
        low, high = bounds
        for start in range(0, len(stretch), _BLOCK):
            rows = np.asarray(stretch.values[start : start + _BLOCK], dtype=np.float64)
            if stretch.anomalies is not None:
                rows = rows[~stretch.anomalies[start : start + _BLOCK]]
            for at, moments in enumerate(self.channels):
                column = rows[:, at]
                moments.add(column[(column >= low[at]) & (column <= high[at])][None])

    def mean_and_deviation(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each channel; the deviation of a constant channel is 1."""
        mean = np.array([each.mean[0] for each in self.channels])
        deviation = np.array([each.deviation()[0] for each in self.channels])
        still = deviation <= 1e-9 * np.maximum(np.abs(mean), 1e-9)
        return mean, np.where(still, 1.0, deviation)
