"""Histories of units as tensors: numbers standardised, categories numbered, times as gaps, hours and weekdays."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from convzoo.core.arguments import Count, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, listed, some_of
from convzoo.core.tables import write_rows
from convzoo.core.text import did_you_mean
from convzoo.modalities.series.data.units import NO_NUMBER, Roles, number_in, read_units, time_in
from convzoo.modalities.series.history import History, Pieces, UnitForm, UnitRows
from convzoo.ops.moments import Moments, evenly_spaced
from convzoo.reading.damaged import Damaged
from convzoo.reading.tables import SUFFIXES, as_number, read_table, tables_below

HEAVY = 8.0
"""A column whose 99th percentile is so many times its median, both of absolute values above 0, is put on a logarithmic scale."""

LOOKED_AT = 200_000
"""Rows that quantiles and operating conditions are computed from."""

BLOCK = 1 << 16

SHIFT = 31
"""Of the random numbers that columns of a piece are moved by."""
DAY, WEEK = 86_400.0, 7 * 86_400.0

_TIME_NAMES = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")


@dataclass
class _Before:
    """What is known of a unit before the rows that are encoded: the last number of each column, the last time, how many rows."""

    last: np.ndarray
    time: Any = None
    rows: int = 0
    first: Any = 0.0  # the sum of the first rows, standardised
    past: Any = None  # what an encoder with channels of its own keeps


@dataclass(frozen=True)
class _StreamForm:
    """How the lines of a stream are read: its columns, what stands between its cells, which column is what, and for each column
    of categories the number of each value."""

    names: Sequence[str]
    separator: str
    form: UnitForm
    places: Sequence[Mapping[str, int]]


@dataclass(frozen=True)
class StreamRow:
    """One row of a stream.

    Attributes:
        unit: whose row it is
        time: when, as text
        inputs: the arguments of the model for this row: `numbers` (1, channels, 1) and `categories` (1, categories, 1)
    """

    unit: str
    time: str
    inputs: Mapping[str, torch.Tensor] = field(default_factory=dict)


class HistoryEncoder(Encoder):
    r"""Rows of units with columns of numbers and categories, cut into pieces for training; no piece crosses a unit.

    Numbers get mean 0 and deviation 1 over the training split. Columns with a long tail (amounts of money) are first put on a
    logarithmic scale, $\operatorname{arsinh}(x / m)$ with m the median of |x|. An empty cell takes the last value of its column
    in the unit, and the column's mean where there is none; a further channel says where cells were empty. A column that is
    constant in training is left at 0: nothing could be learnt of it. Irregular times are given as channels: the logarithm of the
    gap to the unit's last row, the hour of the day and the day of the week, each where it varies.

    With `conditions`, rows are sorted into operating conditions by k-means of some columns, and each number is standardised
    within its condition, as is usual for engines under changing loads (Peel 2008, doi:10.1109/PHM.2008.4711423). The condition
    is given as a category, too.

    Args:
        chunk: judged rows in a training piece
        context: rows before these that the network sees; at least the reach of the network
        conditions: number of operating conditions; 1: all rows are treated alike
        condition_columns: the columns that tell the condition
        log: the columns on a logarithmic scale; auto: those with a long tail
        times: give gap, hour and weekday where they vary
        age: give the number of rows since the unit's first
        first_rows: give also how far each number is from its mean over the unit's first rows, of which this many; machines of one
            kind differ from the beginning. 0: do not
        clip: the largest absolute standardised number
        shift: in training, each column of numbers of a piece is moved by a random constant with this deviation, in standard
            deviations. Units differ by such constants, and by them a network would know the training units again
        min_count: a category must occur this often in training; rarer ones and empty cells share one number
    """

    example = History
    cached: ClassVar[bool] = False

    def __init__(
        self,
        chunk: Positive = 128,
        context: Count = 128,
        conditions: Positive = 1,
        condition_columns: list[str] = [],  # noqa: B006 (read only: what a recipe writes)
        log: list[str] | Literal["auto"] = "auto",
        times: bool = True,
        age: bool = False,
        first_rows: Count = 0,
        clip: PositiveFloat = 10.0,
        shift: NonNegative = 0.0,
        min_count: Positive = 3,
    ) -> None:
        self.chunk = chunk
        self.context = context
        self.conditions = conditions
        self.condition_columns = list(condition_columns)
        self.log = log
        self.times = times
        self.age = age
        self.first_rows = first_rows
        self.clip = clip
        self.shift = shift
        self.min_count = min_count
        self.number_names: tuple[str, ...] = ()
        self.category_names: tuple[str, ...] = ()
        self.vocabularies: list[list[str]] = []
        self.form: UnitForm | None = None
        self.scales = np.empty(0)  # (numbers,) of the logarithm; 0: none is taken
        self.gap_median = 0.0  # 0: the gaps are not given
        self.time_kinds = [False, False]  # whether hours and weekdays are given
        self.often_empty = np.empty(0, dtype=bool)  # (numbers,) whether a channel says where cells are empty
        self.means = np.empty((0, 0))  # (conditions, numbers), then gap and age
        self.deviations = np.empty((0, 0))  # 0: constant in training
        self.centres = np.empty((0, 0))  # (conditions, condition columns), standardised
        self.condition_scale = np.empty((2, 0))
        self.mean, self.deviation = 0.0, 1.0
        self._maps: dict[int, tuple[UnitRows, list[np.ndarray]]] = {}

    # What is learnt

    def fit(self, examples: Sequence[History]) -> None:
        """Learn columns, scales, conditions and categories from the training split.

        Raises:
            DataError: there is no row, columns differ, or a column of conditions is not there.
        """
        if not len(examples):
            raise DataError("the training split has no unit")
        first = examples[0].table
        self.number_names, self.category_names, self.form = first.number_names, first.category_names, first.form
        for table in {id(each.table): each.table for each in examples}.values():
            self._require_columns(table)
        if not self.number_names and not self.category_names and first.times is None:
            raise DataError(
                f"{first.name}: has no column to learn from; name one with data.channels or data.categories"
            )
        self._learn_scales(examples)
        self._learn_times(examples)
        self._learn_conditions(examples)
        self._learn_categories(examples)
        self._learn_moments(examples)
        known = [np.asarray(each.targets)[each.judged] for each in examples if each.targets is not None]
        values = np.concatenate(known) if known else np.empty(0)
        values = values[~np.isnan(values)]
        if len(values):
            self.mean, self.deviation = float(values.mean()), float(values.std()) or 1.0

    def _sampled(self, examples: Sequence[History]) -> np.ndarray:
        """(rows, numbers): evenly spaced rows of the training split."""
        total = sum(len(each) for each in examples)
        step = max(1, total // LOOKED_AT)
        return np.concatenate([np.asarray(each.numbers[::step], dtype=np.float64) for each in examples])

    def _learn_scales(self, examples: Sequence[History]) -> None:
        sample = np.abs(self._sampled(examples))
        self.scales = np.zeros(len(self.number_names))
        for at, name in enumerate(self.number_names):
            values = sample[:, at]
            values = values[(values > 0) & np.isfinite(values)]
            if not len(values):
                continue
            median, high = np.quantile(values, [0.5, 0.99])
            if name in self.log if self.log != "auto" else high > HEAVY * median:
                self.scales[at] = median
        unknown = [name for name in self.log if name not in self.number_names] if self.log != "auto" else []
        if unknown:
            raise DataError(
                f"encoder.log: no column of numbers {unknown[0]!r}; {did_you_mean(unknown[0], self.number_names)}"
            )

    def _learn_times(self, examples: Sequence[History]) -> None:
        self.gap_median, self.time_kinds = 0.0, [False, False]
        tables = [each.table for each in examples]
        if not self.times or any(table.times is None for table in tables):
            return
        gaps = np.concatenate([_gaps(each.times) for each in examples])
        gaps = gaps[np.isfinite(gaps)]
        if len(gaps):
            median = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 0.0
            if median and float((np.abs(gaps - median) > 0.01 * median).mean()) > 0.01:
                self.gap_median = median
        if all(table.times is not None and table.times.dtype.kind == "M" for table in tables):
            seconds = np.concatenate([_seconds(each.times)[:: max(1, len(each) // 1000)] for each in examples])
            of_day = np.unique(np.round(seconds % DAY))
            self.time_kinds = [len(of_day) > 1, float(np.ptp(seconds)) >= 2 * WEEK]

    def _learn_conditions(self, examples: Sequence[History]) -> None:
        if self.conditions == 1:
            return
        columns = self._condition_positions()
        sample = self._sampled(examples)[:, columns]
        sample = sample[np.isfinite(sample).all(axis=1)]
        different = len(np.unique(sample.round(6), axis=0))
        if different < self.conditions:
            raise DataError(
                f"encoder.conditions={self.conditions}: {listed(self.condition_columns)} has only {different} different values "
                "in the training split"
            )
        from sklearn.cluster import KMeans

        self.condition_scale = np.stack([sample.mean(axis=0), np.maximum(sample.std(axis=0), 1e-12)])
        standard = (sample - self.condition_scale[0]) / self.condition_scale[1]
        some = standard[evenly_spaced(len(standard), 20_000)]
        found = KMeans(self.conditions, n_init=10, random_state=0).fit(some)
        centres = found.cluster_centers_
        self.centres = centres[np.lexsort(centres.T[::-1])]  # in a fixed order

    def _condition_positions(self) -> list[int]:
        if not self.condition_columns:
            raise DataError("encoder.condition_columns: names no column that tells the operating condition")
        for name in self.condition_columns:
            if name not in self.number_names:
                raise DataError(
                    f"encoder.condition_columns: no column {name!r}; {did_you_mean(name, self.number_names)}"
                )
        return [self.number_names.index(name) for name in self.condition_columns]

    def _learn_categories(self, examples: Sequence[History]) -> None:
        self.vocabularies = []
        for at in range(len(self.category_names)):
            counts: dict[str, int] = {}
            for table, rows in _rows_by_table(examples):
                codes = table.categories[rows, at]
                each = np.bincount(codes[codes >= 0], minlength=len(table.category_values[at]))
                for value, count in zip(table.category_values[at], each.tolist(), strict=True):
                    counts[value] = counts.get(value, 0) + count
            self.vocabularies.append(sorted(value for value, count in counts.items() if count >= self.min_count))
        self._maps = {}

    def _learn_moments(self, examples: Sequence[History]) -> None:
        width = len(self.number_names)
        numbers = [Moments(1) for _ in range(self.conditions * width)]
        others = [Moments(1), Moments(1)]
        empty = np.zeros(width, dtype=np.int64)
        for history in examples:
            for start in range(0, len(history), BLOCK):
                part = History(
                    history.table,
                    history.unit,
                    history.start + start,
                    min(history.start + start + BLOCK, history.stop),
                    0,
                )
                raw = self._logged(np.asarray(part.numbers, dtype=np.float64))
                empty += np.isnan(raw).sum(axis=0)
                condition = self._condition(np.asarray(part.numbers, dtype=np.float64))
                for number in np.unique(condition).tolist():
                    rows = raw[condition == number]
                    for at in range(width):
                        values = rows[:, at]
                        numbers[number * width + at].add(values[np.isfinite(values)][None])
                gap, age = self._gap_and_age(part)
                others[0].add(gap[np.isfinite(gap)][None])
                others[1].add(age[None])
        found = np.array([_mean_and_deviation(each) for each in numbers]).reshape(self.conditions, width, 2)
        rest = np.array([_mean_and_deviation(each) for each in others])
        rest = np.broadcast_to(rest, (self.conditions, 2, 2))
        both = np.concatenate([found, rest], axis=1)
        self.means, self.deviations = both[..., 0].copy(), both[..., 1].copy()
        self.often_empty = empty > 0

    # How rows are encoded

    def _logged(self, numbers: np.ndarray) -> np.ndarray:
        chosen = self.scales > 0
        if chosen.any():
            numbers = numbers.copy()
            numbers[:, chosen] = np.arcsinh(numbers[:, chosen] / self.scales[chosen])
        return numbers

    def _condition(self, numbers: np.ndarray) -> np.ndarray:
        """(time,) the operating condition of each row; an empty cell of its columns counts as the mean."""
        if self.conditions == 1:
            return np.zeros(len(numbers), dtype=np.int64)
        values = (numbers[:, self._condition_positions()] - self.condition_scale[0]) / self.condition_scale[1]
        values = np.nan_to_num(values)
        return np.square(values[:, None] - self.centres[None]).sum(axis=2).argmin(axis=1)

    def _gap_and_age(self, history: History) -> tuple[np.ndarray, np.ndarray]:
        first = int(history.table.starts[history.unit])
        age = np.arange(history.start - first, history.stop - first, dtype=np.float64)
        if not self.gap_median or history.times is None:
            return np.full(len(history), np.nan), age
        earlier = history.table.times[history.start - 1] if history.start > first else None  # type: ignore[index]
        return np.log1p(np.maximum(_gaps(history.times, earlier), 0) / self.gap_median), age

    def _before(self, history: History) -> np.ndarray:
        """(numbers,) the last number of each column before a history, NaN where there is none."""
        first = int(history.table.starts[history.unit])
        last = np.full(len(self.number_names), np.nan)
        if history.start == first or not len(last):
            return last
        for at in np.flatnonzero(np.isnan(history.numbers[0])).tolist():
            earlier = history.table.numbers[first : history.start, at]
            known = np.flatnonzero(~np.isnan(earlier))
            if len(known):
                last[at] = earlier[known[-1]]
        return last

    def _channels(
        self, numbers: np.ndarray, before: np.ndarray, gap: np.ndarray, age: np.ndarray, times: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(channels, time) float32, and (time,) the operating conditions."""
        numbers = np.asarray(numbers, dtype=np.float64)
        empty = np.isnan(numbers)
        if empty.any():
            numbers = _filled(numbers, empty, before)
        condition = self._condition(numbers)
        raw = np.concatenate([self._logged(numbers), gap[:, None], age[:, None]], axis=1)
        deviation = self.deviations[condition]
        with np.errstate(divide="ignore", invalid="ignore"):
            standard = np.where(deviation > 0, (raw - self.means[condition]) / deviation, 0.0)
        standard = np.clip(np.nan_to_num(standard, nan=0.0, posinf=self.clip, neginf=-self.clip), -self.clip, self.clip)
        width = len(self.number_names)
        parts = [standard[:, :width], empty[:, self.often_empty].astype(np.float64)]
        if self.gap_median:
            parts.append(standard[:, width : width + 1])
        if self.age:
            parts.append(standard[:, width + 1 :])
        parts += self._of_the_clock(times, len(raw))
        return np.concatenate(parts, axis=1).T.astype(np.float32), condition

    def _of_the_clock(self, times: np.ndarray | None, rows: int) -> list[np.ndarray]:
        found = []
        for given, period in zip(self.time_kinds, (DAY, WEEK), strict=True):
            if given:
                angle = 2 * np.pi * (_seconds(times) % period) / period if times is not None else np.zeros(rows)
                found += [np.sin(angle)[:, None], np.cos(angle)[:, None]]
        return found

    def _codes(self, history: History, condition: np.ndarray) -> np.ndarray:
        """(categories, time) the number of each category in the vocabulary; 0 is unknown or empty."""
        table = history.table
        if id(table) not in self._maps:
            maps = []
            for values, vocabulary in zip(table.category_values, self.vocabularies, strict=True):
                place = {value: number for number, value in enumerate(vocabulary, 1)}
                # The last entry is for cells that are empty, whose code is -1.
                maps.append(np.array([*(place.get(value, 0) for value in values), 0], dtype=np.int64))
            self._maps = {**dict(list(self._maps.items())[-7:]), id(table): (table, maps)}
        maps = self._maps[id(table)][1]
        found = [maps[at][history.categories[:, at]] for at in range(len(maps))]
        if self.conditions > 1:
            found.append(condition + 1)
        return np.stack(found) if found else np.empty((0, len(history)), dtype=np.int64)

    def prepare(self, example: History) -> History:
        """The history itself: its rows are read when its batch is made.

        Raises:
            DataError: its columns are not those of training.
        """
        self._require_columns(example.table)
        return example

    def pieces(self, examples: Sequence[History]) -> Pieces:
        """The training pieces: references, none of which crosses a unit."""
        return Pieces(examples, self.chunk, self.context)

    def collate(self, items: Sequence[History], draws: Draws | None = None) -> Batch:
        """Encode, and pad behind to the longest with zeros. The target has `answers` (batch, time), NaN where a row is not judged
        or its answer unknown, and `judged` (batch, time)."""
        longest = max(len(item) for item in items)
        numbers = np.zeros((len(items), len(self.channel_names), longest), dtype=np.float32)
        categories = np.zeros((len(items), len(self.category_sizes), longest), dtype=np.int64)
        answers = np.full((len(items), longest), np.nan, dtype=np.float32)
        judged = np.zeros((len(items), longest), dtype=bool)
        for row, item in enumerate(items):
            gap, age = self._gap_and_age(item)
            values, condition = self._channels(item.numbers, self._before(item), gap, age, item.times)
            parts = [values, self._since_first(item, values), self.beside(item)]
            numbers[row, :, : len(item)] = np.concatenate(parts)
            categories[row, :, : len(item)] = self._codes(item, condition)
            judged[row, : len(item)] = item.judged
            if item.targets is not None:
                answers[row, : len(item)] = np.where(item.judged, item.targets, np.nan)
        if draws is not None and self.shift:
            width = len(self.number_names)
            moved = self.shift * 12**0.5 * (draws.uniform(SHIFT, width) - 0.5)
            moved[:, ~self.deviations[:, :width].any(axis=0)] = 0.0
            for row, item in enumerate(items):
                numbers[row, :width, : len(item)] += moved[row, :, None].astype(np.float32)
        inputs = {
            "numbers": torch.from_numpy(numbers),
            "categories": torch.from_numpy(categories),
            "lengths": torch.tensor([len(item) for item in items]),
        }
        target = {"answers": torch.from_numpy(answers), "judged": torch.from_numpy(judged)}
        # Where no answer is known of a table, what is learnt is every judged row.
        rows = [judged[row] if item.targets is None else np.isfinite(answers[row]) for row, item in enumerate(items)]
        return Batch(inputs, target, max(1, sum(int(each.sum()) for each in rows)))

    def _since_first(self, history: History, values: np.ndarray) -> np.ndarray:
        """(numbers, time) how far the numbers are from their mean over the unit's first rows, as far as these have come."""
        width = len(self.number_names) if self.first_rows else 0
        if not width:
            return np.empty((0, len(history)), dtype=np.float32)
        first = int(history.table.starts[history.unit])
        head = values[:width, : self.first_rows]
        if history.start > first:
            stop = min(first + self.first_rows, history.stop)
            begin = History(history.table, history.unit, first, stop, first)
            head = self._channels(begin.numbers, self._before(begin), *self._gap_and_age(begin), begin.times)[0][:width]
        means = np.cumsum(head, axis=1, dtype=np.float64) / np.arange(1, head.shape[1] + 1)
        rows = np.minimum(np.arange(history.start - first, history.stop - first), head.shape[1] - 1)
        return (values[:width] - means[:, rows]).astype(np.float32)

    def beside(self, history: History) -> np.ndarray:
        """(channels, time) float32: channels that a subclass adds; here none."""
        return np.empty((0, len(history)), dtype=np.float32)

    def beside_next(self, before: Any, numbers: np.ndarray, values: Sequence[str]) -> np.ndarray:
        """(channels,) the same for the next row of a stream.

        Args:
            before: what is known of the unit; what is kept for later rows goes into `before.past`
            numbers: (numbers,) of the row, NaN where a cell is empty
            values: of its categories, as text
        """
        return np.empty(0, dtype=np.float32)

    @property
    def beside_names(self) -> list[str]:
        """The names of the channels of `beside`."""
        return []

    def length(self, item: History) -> int:
        """Rows."""
        return len(item)

    def _require_columns(self, table: UnitRows) -> None:
        for kind, own, wanted in (
            ("numbers", table.number_names, self.number_names),
            ("categories", table.category_names, self.category_names),
        ):
            if own != wanted:
                raise DataError(
                    f"{table.name}: has the {kind} {listed(own) or 'none'}; the training split has {listed(wanted) or 'none'}"
                )

    # What a person is told

    def survey(self, examples: Sequence[History], items: Sequence[Any] | None) -> Survey:
        """The columns with their ranges, how long the units are, and columns that hold nothing to learn from."""
        for example in examples:
            self._require_columns(example.table)
        lengths = [len(example) for example in examples]
        judged = sum(int(example.judged.sum()) for example in examples)
        facts = {
            "units": f"{len(lengths):,} ({lengths_in_words(lengths)} rows)",
            "rows": f"{sum(lengths):,}" + (f", {judged:,} of them judged" if judged < sum(lengths) else ""),
            "numbers": self._ranges(examples),
        }
        if self.category_names:
            sizes = [
                f"{name} {len(words):,}" for name, words in zip(self.category_names, self.vocabularies, strict=True)
            ]
            facts["codes"] = listed(sizes)
        if self.time_names:
            facts["time"] = listed(self.time_names)
        still = [name for at, name in enumerate(self.number_names) if not self.deviations[:, at].any()]
        notes = [f"columns that never vary in training: {listed(still)}"] if still else []
        short = [each.source for each in examples if len(each) < 2]
        if short:
            notes.append(f"{some_of(short, len(examples), 'units')} have a single row, so nothing stands before it")
        return Survey(facts, notes)

    def _ranges(self, examples: Sequence[History]) -> str:
        sample = self._sampled(examples)
        said = []
        for at, name in enumerate(self.number_names):
            values = sample[:, at]
            known = values[np.isfinite(values)]
            span = f"{known.min():.4g} to {known.max():.4g}" if len(known) else "empty"
            share = 1 - len(known) / max(len(values), 1)
            more = [*(["log"] if self.scales[at] > 0 else []), *([f"{100 * share:.1f} % empty"] if share else [])]
            said.append(f"{name} {span}" + (f" ({', '.join(more)})" if more else ""))
        return listed(said) or "none"

    def advice(self) -> str:
        """Which columns are on a logarithmic scale, if that was chosen here."""
        chosen = [name for name, scale in zip(self.number_names, self.scales, strict=True) if scale > 0]
        if self.log != "auto" or not chosen:
            return ""
        return f"on a logarithmic scale: {listed(chosen)}; set encoder.log to change it"

    def input_names(self, item: History) -> list[str]:
        """The channels."""
        return list(self.channel_names)

    @property
    def time_names(self) -> list[str]:
        """The channels that are made of the times."""
        gap, age = (["gap"] if self.gap_median else []), (["age"] if self.age else [])
        return [*gap, *age, *(name for at, name in enumerate(_TIME_NAMES) if self.time_kinds[at // 2])]

    @property
    def channel_names(self) -> tuple[str, ...]:
        """What each channel of `numbers` is."""
        empty = [f"{name} is empty" for name, often in zip(self.number_names, self.often_empty, strict=True) if often]
        since = [f"{name} since the first rows" for name in self.number_names] if self.first_rows else []
        return (*self.number_names, *empty, *self.time_names, *since, *self.beside_names)

    @property
    def category_sizes(self) -> list[int]:
        """How many numbers each category has, the one for unknown values included."""
        return [len(words) + 1 for words in self.vocabularies] + ([self.conditions + 1] if self.conditions > 1 else [])

    @property
    def dims(self) -> Mapping[str, Any]:
        """in_channels, category_sizes, channel_names, and mean and deviation of the known answers."""
        return {
            "in_channels": len(self.channel_names),
            "category_sizes": self.category_sizes,
            "channel_names": self.channel_names,
            "mean": self.mean,
            "deviation": self.deviation,
        }

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The channels."""
        return {"in_channels": self.channel_names}

    # Raw input

    def from_inputs(self, values: Sequence[Any]) -> list[History]:
        """Tables, folders of them (a file a unit, where training had no column of units), UnitRows and histories.

        Raises:
            DataError: a file cannot be read or lacks a column.
        """
        found: list[History] = []
        for value in values:
            if isinstance(value, str | Path):
                path = Path(value)
                files = tables_below(path) if path.is_dir() else [path]
                if not files:
                    raise DataError(f"{path}: holds no table ({', '.join(SUFFIXES)})")
                table = self.read(files, str(path))
                found += [History.whole(table, unit) for unit in range(len(table.units))]
            else:
                found += History.from_inputs([value])
        return found

    def read(self, files: Sequence[Path], name: str) -> UnitRows:
        """Tables as training's were read, without answers.

        Raises:
            DataError: a file cannot be read or lacks a column.
        """
        form = self.form or UnitForm()
        roles = Roles(
            form.unit or "none",
            form.time or "none",
            "none",
            self.number_names,
            self.category_names,
            separator=form.separator,
            day_first=form.day_first,
            duplicates="keep",
        )
        wanted = UnitRows(
            "", np.empty((0, len(self.number_names))), self.number_names, np.empty((0, len(self.category_names)), np.int32),
            self.category_names, tuple(() for _ in self.category_names), None, None, (), np.zeros(1, int),
        )  # fmt: skip
        table, _ = read_units(files, roles, Damaged(what="rows"), name, wanted)
        return _in_columns_of(table, self.number_names, self.category_names)

    def stream(
        self, lines: Iterable[str], series: str = "", refused: Callable[[DataError], None] | None = None
    ) -> Iterator[StreamRow]:
        """Rows of a stream of CSV lines; the first line is the heading. Each unit's rows continue its own history.

        Raises:
            DataError: the heading lacks a column; or a row cannot be read, and nobody is told.
        """
        arriving = iter(lines)
        heading = next((line for line in arriving if line.strip()), None)
        if heading is None:
            return
        heading = heading.removeprefix("\ufeff")
        separator = (self.form.separator if self.form else None) or max(",;\t|", key=heading.count)
        names = [name.strip() for name in next(csv.reader([heading], delimiter=separator))]
        form = self.form or UnitForm()
        for column in (form.unit, form.time, *self.number_names, *self.category_names):
            if column is not None and column not in names:
                raise DataError(f"standard input:1: has no column {column!r}; {did_you_mean(column, names)}")
        places = [{word: at for at, word in enumerate(words, 1)} for words in self.vocabularies]
        read = _StreamForm(names, separator, form, places)
        known: dict[str, _Before] = {}
        for line, text in enumerate(arriving, 2):
            if not text.strip():
                continue
            try:
                yield self._stream_row(text, line, read, known)
            except DataError as error:
                if refused is None:
                    raise
                refused(error)

    def _stream_row(self, text: str, line: int, read: _StreamForm, known: dict[str, _Before]) -> StreamRow:
        where, form = f"standard input:{line}", read.form
        cells = next(csv.reader([text], delimiter=read.separator))
        if len(cells) != len(read.names):
            raise DataError(f"{where}: has {len(cells)} cells; the heading has {len(read.names)}")
        row = {name: cell.strip() for name, cell in zip(read.names, cells, strict=True)}
        unit = row[form.unit] if form.unit else ""
        if form.unit and not unit:
            raise DataError(f"{where}: column {form.unit!r} names no unit")
        numbers = np.full((1, len(self.number_names)), np.nan)
        for at, name in enumerate(self.number_names):
            cell = row[name]
            if cell == "" or cell.lower() in NO_NUMBER:
                continue
            number = number_in(cell, read.separator != "," and "," in cell)
            if number is None or not np.isfinite(number):
                raise DataError(f"{where}: column {name!r} has {cell[:40]!r}, which is not a finite number")
            numbers[0, at] = number
        time = self._time(row, form, where)
        before = known.setdefault(unit, _Before(np.full(len(self.number_names), np.nan)))
        if time is not None and before.time is not None and time < before.time:
            raise DataError(
                f"{where}: its time {row[form.time or '']} is before that of the last row of {unit or 'the stream'}"
            )
        gap = np.full(1, np.nan)
        times = None if time is None else np.array([time])
        if self.gap_median and times is not None:
            gap = np.log1p(np.maximum(_gaps(times, before.time), 0) / self.gap_median)
        values, condition = self._channels(numbers, before.last, gap, np.array([float(before.rows)]), times)
        texts = [row[name] for name in self.category_names]
        codes = [place.get(text, 0) for place, text in zip(read.places, texts, strict=True)]
        codes += [int(condition[0]) + 1] if self.conditions > 1 else []
        beside = self.beside_next(before, numbers[0], texts)
        if self.first_rows:
            shown_numbers = values[: len(self.number_names), 0]
            if before.rows < self.first_rows:
                before.first = before.first + shown_numbers
            since = shown_numbers - before.first / min(before.rows + 1, self.first_rows)
            beside = np.concatenate([since.astype(np.float32), beside])
        before.last = np.where(np.isnan(numbers[0]), before.last, numbers[0])
        before.time, before.rows = time, before.rows + 1
        shown = row[form.time] if form.time else str(before.rows)
        inputs = {
            "numbers": torch.from_numpy(np.concatenate([values, beside[:, None]]))[None],
            "categories": torch.tensor(codes, dtype=torch.int64).view(1, -1, 1),
        }
        return StreamRow(unit, shown, inputs)

    def _time(self, row: Mapping[str, str], form: UnitForm, where: str) -> Any:
        if form.time is None:
            return None
        text = row[form.time]
        number = as_number(text)
        if number is not None:
            return np.float64(number)
        time = time_in(text, form.day_first)
        if np.isnat(time):
            raise DataError(f"{where}: column {form.time!r}: {text[:40]!r} is not a time")
        return time

    def write_files(
        self, path: Path, examples: Sequence[History], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Path] | None:
        """Where predictions have answers for each judged row, as arrays: a table of these rows with all columns of the person's
        table, in its order, and the answers behind them."""
        by_row = [
            {name: each for name, each in prediction.items() if isinstance(each, np.ndarray)}
            for prediction in predictions
        ]
        if path.suffix.lower() not in (".csv", ".jsonl", ".parquet") or not any(by_row):
            return None
        written = []
        tables: dict[Path, Any] = {}
        for example, found in zip(examples, by_row, strict=True):
            for number, row in enumerate(range(example.judged_from, example.stop)):
                key, cells = self._cells(example, row, tables)
                answers = {
                    f"predicted_{name}" if name in cells else name: _plain(values[number])
                    for name, values in found.items()
                }
                written.append((key, {**cells, **answers}))
        several = len({key[0] for key, _ in written}) > 1
        written.sort(key=lambda each: each[0])
        write_rows(path, [{**({"file": key[0]} if several else {}), **cells} for key, cells in written], "--out")
        return [path]

    def _cells(self, example: History, row: int, tables: dict[Path, Any]) -> tuple[tuple[str, int], dict[str, Any]]:
        """Where a row stands, and its cells as they are in its file; unit, time and numbers where it is of no file."""
        table = example.table
        file = table.file_of(row)
        if file is None or table.lines is None:
            cells = {"unit": example.name, "time": table.time_of(row)}
            return ("", row), cells | dict(zip(table.number_names, map(_plain, table.numbers[row]), strict=True))
        line = int(table.lines[row])
        if file not in tables:
            form = self.form or UnitForm()
            read = read_table(file, separator=form.separator, encoding=form.encoding)
            by_line = {int(at) if str(at).isdigit() else number: number for number, at in enumerate(read.lines, 1)}
            tables[file] = (read, by_line)
        read, by_line = tables[file]
        return (str(file), line), read.cells(by_line[line] - 1)

    # What is kept

    def state(self) -> dict[str, Any]:
        """Columns, scales, conditions, categories, means and deviations."""
        return {
            "number_names": list(self.number_names),
            "category_names": list(self.category_names),
            "vocabularies": self.vocabularies,
            "form": None if self.form is None else vars(self.form),
            "scales": self.scales,
            "gap_median": self.gap_median,
            "time_kinds": self.time_kinds,
            "often_empty": self.often_empty.astype(np.int64),
            "means": self.means,
            "deviations": self.deviations,
            "centres": self.centres,
            "condition_scale": self.condition_scale,
            "mean": self.mean,
            "deviation": self.deviation,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.number_names, self.category_names = tuple(state["number_names"]), tuple(state["category_names"])
        self.vocabularies = [list(words) for words in state["vocabularies"]]
        self.form = None if state["form"] is None else UnitForm(**state["form"])
        self.gap_median, self.time_kinds = float(state["gap_median"]), [bool(each) for each in state["time_kinds"]]
        self.often_empty = np.asarray(state["often_empty"]).astype(bool)
        for name in ("scales", "means", "deviations", "centres", "condition_scale"):
            setattr(self, name, np.asarray(state[name], dtype=np.float64))
        self.mean, self.deviation = float(state["mean"]), float(state["deviation"])
        self._maps = {}

    def keep(self, earlier: "HistoryEncoder", examples: Sequence[History]) -> None:
        """Keep the earlier scales, conditions, categories, means and deviations, if the columns are the same."""
        if (earlier.number_names, earlier.category_names) == (self.number_names, self.category_names):
            self.load_state({**earlier.state(), "mean": self.mean, "deviation": self.deviation})


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _seconds(times: Any) -> np.ndarray:
    """(time,) seconds since 1970-01-05, a Monday, for dates; the numbers themselves for numbers."""
    if times.dtype.kind == "M":
        return (times.astype("datetime64[ms]") - np.datetime64("1970-01-05", "ms")).astype(np.float64) / 1000
    return np.asarray(times, dtype=np.float64)


def _gaps(times: Any, earlier: Any = None) -> np.ndarray:
    """(time,) seconds since the row before; NaN at the first where nothing is known of one before."""
    seconds = _seconds(times)
    before = np.nan if earlier is None else _seconds(np.array([earlier]))[0]
    return np.diff(seconds, prepend=before)


def _rows_by_table(examples: Sequence[History]) -> Iterator[tuple[UnitRows, Any]]:
    """For each table the rows that some histories have."""
    for table in {id(each.table): each.table for each in examples}.values():
        chosen = np.zeros(len(table), dtype=bool)
        for each in examples:
            if each.table is table:
                chosen[each.start : each.stop] = True
        yield table, slice(None) if chosen.all() else chosen


def _filled(numbers: np.ndarray, empty: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Each empty cell takes the last number of its column, which may stand before the first row."""
    extended = np.concatenate([before[None], numbers])
    rows = np.where(np.concatenate([np.isnan(before)[None], empty]), 0, np.arange(len(extended))[:, None])
    return np.take_along_axis(extended, np.maximum.accumulate(rows, axis=0), axis=0)[1:]


def _mean_and_deviation(found: Moments) -> tuple[float, float]:
    """0 as the deviation of a constant column."""
    mean, deviation = float(found.mean[0]), float(found.deviation()[0])
    return mean, 0.0 if deviation <= 1e-9 * max(abs(mean), 1e-9) else deviation


def _in_columns_of(table: UnitRows, numbers: Sequence[str], categories: Sequence[str]) -> UnitRows:
    """The same rows, with the columns in this order."""
    if (table.number_names, table.category_names) == (tuple(numbers), tuple(categories)):
        return table
    first = [table.number_names.index(name) for name in numbers]
    second = [table.category_names.index(name) for name in categories]
    return replace(
        table,
        numbers=table.numbers[:, first],
        number_names=tuple(numbers),
        categories=table.categories[:, second],
        category_names=tuple(categories),
        category_values=tuple(table.category_values[at] for at in second),
    )
