"""Sensor readings as tensors: standardised and cut into windows, directly from the arrays that hold them."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
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
from convzoo.core.text import did_you_mean
from convzoo.modalities.series.data.tables import AS_IT_LOOKS, NONE, TIME_COLUMNS, between_gaps, is_number, read_series
from convzoo.modalities.series.example import Series, Stretch, TableFormat, Windows
from convzoo.ops.moments import Moments
from convzoo.reading.tables import SUFFIXES, tables_below

WILD = 1e6
"""The limit of standardised values, for sensors that write -3.4e38 where they have no value."""

_FLAGS = {"true": 1.0, "false": 0.0}

UNKNOWN = -1
"""In place of 0 or 1, where a time step has no label."""


@dataclass(frozen=True)
class Row:
    """One time step of a stream: its time, its standardised values (channels,), and the series that it continues, if any."""

    time: str
    values: np.ndarray
    series: str = ""


class SeriesEncoder(Encoder):
    """Windows of one length for training, whole stretches for scoring; each channel has mean 0 and standard deviation 1.

    The series stay where they are and keep their type: a window is cut out and standardised when its batch is made, so that only
    the batch is copied. A channel that is constant in training is only centred.

    Args:
        window: number of rows in a training window; auto: 128, or a quarter of the longest training stretch where that is less
        stride: rows from one training window to the next
        normalise: `dataset`: by the mean and deviation of all training stretches; `series`: by those of each series' own training
            stretch, for machines that differ; a series that is not in the training split is normalised by its first
            `normalise_rows` rows
        normalise_rows: for `series`: the mean and deviation of an unknown series are computed from this many of its first rows
        clip: the largest absolute standardised value; larger ones are set to it, so that a single outlier does not dominate
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
        by_name = {"": Moments(len(self.channels))}
        for stretch in examples:
            own = _moments(stretch, len(self.channels))
            by_name[""].merge(own)
            if self.normalise == "series":
                by_name.setdefault(stretch.series.name, Moments(len(self.channels))).merge(own)
        for name, found in by_name.items():
            self.means[name], self.deviations[name] = _mean_and_deviation(found)

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
            if item.anomalies is not None:
                anomalies[row, : len(item)] = item.anomalies
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
            first = Stretch(series, 0, min(self.normalise_rows, len(series)))
            return _mean_and_deviation(_moments(first, len(self.channels)))
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

        Tables are read with the run's settings (`data.time`, `missing`, `order`, `duplicates`, `gap`); labels are not used.

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
                    series = read_series(file, form, name)
                    found += between_gaps(series, 0, len(series))
            else:
                found += Stretch.from_inputs([value])
        return found

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
        """Rows of a stream of CSV lines, in the order in which they arrive.

        The first line is a heading, or holds numbers for the channels in order, with or without a time before them. A repeated
        heading (the file was started again) is skipped. With `data.missing` forward or interpolate an empty cell repeats the
        last value, because the next value is not known yet.

        Args:
            lines: the lines of the stream
            series: the run's series that the stream continues, if each series has its own scale and threshold
            refused: is called with the error of a row that cannot be read, and the stream goes on; None: the error is raised

        Raises:
            RecipeError: the training split has no such series.
            DataError: a channel is missing, a row has too few or too many cells, or a cell is not a finite number; with its line.
        """
        if series and self.normalise == "series" and series not in self.means:
            raise RecipeError(
                f"--series: the training split has no series {series!r}; "
                f"{did_you_mean(series, [name for name in self.means if name])}"
            )
        rows = self._parsed(lines, refused)
        if self.normalise == "series" and series:
            mean, deviation = self.means[series], self.deviations[series]
        elif self.normalise == "series":
            first = list(islice(rows, self.normalise_rows))
            values = np.stack([values for _, values in first])
            mean, deviation = self._scale(Series("", values, self.channels))
            rows = chain(first, rows)
        else:
            mean, deviation = self.means[""], self.deviations[""]
        for when, row in rows:
            yield Row(when, np.clip((row - mean) / deviation, -self.limit, self.limit), series)

    def _parsed(
        self, lines: Iterable[str], refused: Callable[[DataError], None] | None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """The time and the values of each row."""
        number, heading, width = 0, None, 0
        columns: list[int] = []
        time: int | None = None
        delimiter = ","
        last = np.full(len(self.channels), np.nan)
        for number, line in enumerate(lines, start=1):
            if not line.strip("\ufeff \t\r\n"):
                continue
            if not columns:
                line = line.removeprefix("\ufeff")
                delimiter = max(",;\t", key=line.count)
            cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]
            if not columns:
                columns, time, has_heading = self._columns(cells)
                width = len(cells)
                if has_heading:
                    heading = cells
                    continue
            if cells == heading:
                continue
            try:
                if len(cells) != width:
                    raise DataError(
                        f"standard input:{number}: has {len(cells)} cell{'' if len(cells) == 1 else 's'}, expected {width}"
                    )
                last = np.array([self._cell(cells[at], number, name, before)
                                 for at, name, before in zip(columns, self.channels, last, strict=True)])  # fmt: skip
            except DataError as error:
                if refused is None:
                    raise
                refused(error)
                continue
            if np.isnan(last).any():
                continue  # a channel without any value so far: there is nothing to repeat
            yield cells[time] if time is not None else str(number), last
        if not columns:
            raise DataError("standard input: holds no rows")

    def _columns(self, cells: Sequence[str]) -> tuple[list[int], int | None, bool]:
        """The column of each channel, the column of the time, and whether the line is a heading."""
        extra = len(cells) - len(self.channels)
        if extra in (0, 1) and all(is_number(cell) or cell.lower() in _FLAGS for cell in cells[extra:]):
            return list(range(extra, len(cells))), 0 if extra else None, False
        for channel in self.channels:
            if channel not in cells:
                raise DataError(f"standard input:1: has no column {channel!r}; {did_you_mean(channel, cells)}")
        named = self.form.time
        if named not in (None, NONE) and named not in cells:
            raise DataError(f"standard input:1: has no column {named!r}; {did_you_mean(str(named), cells)}")
        usual = (at for at, name in enumerate(cells) if name.lower() in TIME_COLUMNS and name not in self.channels)
        time = next(usual, None) if named is None else None if named == NONE else cells.index(named)
        return [cells.index(channel) for channel in self.channels], time, True

    def _cell(self, text: str, line: int, name: str, before: float) -> float:
        """The value of a cell; the last value where it is empty and `data.missing` allows it."""
        value = _FLAGS.get(text.lower())
        if value is None:
            value = float(text) if is_number(text) else np.nan
        if np.isfinite(value):
            return value
        if self.form.missing != "refuse" and (not text or text.lower() == "nan"):
            return before
        advice = (
            "; train with data.missing=forward to repeat the last value" if not text or text.lower() == "nan" else ""
        )
        raise DataError(f"standard input:{line}: column {name!r} has {text!r}, which is not a finite number{advice}")

    def annotate(self, example: Stretch, prediction: dict[str, Any]) -> dict[str, Any]:
        """Alarms with the times of their first and last row."""
        alarms = [
            alarm
            | {
                "from": example.series.time_of(example.start + alarm["start"]),
                "to": example.series.time_of(example.start + alarm["stop"] - 1),
            }
            for alarm in prediction.get("alarms", [])
        ]
        return prediction | ({"alarms": alarms} if "alarms" in prediction else {})

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

    def state(self) -> dict[str, Any]:
        """Channels, means and deviations."""
        names = list(self.means)
        return {
            "channels": list(self.channels),
            "window": self.window,
            "form": asdict(replace(self.form, channels=None, ignore=())),
            "series": names,
            "means": np.stack([self.means[name] for name in names]),
            "deviations": np.stack([self.deviations[name] for name in names]),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.channels = tuple(state["channels"])
        self.window = state.get("window", self.window)
        self.form = TableFormat(**state["form"]) if "form" in state else AS_IT_LOOKS
        means, deviations = (np.asarray(state[key], dtype=np.float64) for key in ("means", "deviations"))
        self.means = dict(zip(state["series"], means, strict=True))
        self.deviations = dict(zip(state["series"], deviations, strict=True))


_BLOCK = 1 << 16
"""Number of rows that are read at once, so that memory does not grow with the length of a series."""


def _moments(stretch: Stretch, channels: int) -> Moments:
    """Moments of each channel over the rows of a stretch that are not labelled as anomalies."""
    found = Moments(channels)
    for start in range(0, len(stretch), _BLOCK):
        rows = np.asarray(stretch.values[start : start + _BLOCK], dtype=np.float64)
        if stretch.anomalies is not None:
            rows = rows[~stretch.anomalies[start : start + _BLOCK]]
        found.add(rows.T)
    return found


def _mean_and_deviation(found: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel; the deviation of a constant channel is 1."""
    deviation = found.deviation()
    still = deviation <= 1e-9 * np.maximum(np.abs(found.mean), 1e-9)
    return found.mean, np.where(still, 1.0, deviation)
