"""Rows of sensors as they arrive on standard input: read, put in order and standardised as a file of the run's data is."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.text import did_you_mean
from convzoo.modalities.series.data.tables import NONE, TIME_COLUMNS, is_number
from convzoo.modalities.series.example import TableFormat
from convzoo.reading.tables import as_number
from convzoo.reading.times import in_utc, in_zone, is_clock, names_zone, read_time

_FLAGS = {"true": 1.0, "false": 0.0}

Refuse = Callable[[DataError], None]


@dataclass(frozen=True)
class Row:
    """One time step of a stream.

    Attributes:
        time: when it was recorded, or its line
        values: (channels,); None where nothing arrived that could be judged, which is an alarm "no data"
        series: that it belongs to; empty: none that is known
        channels: the names of the values
        begins: whether it is the first behind a gap in time, so that nothing before it counts
        no_data: the channels that have had no value for too long
        note: what a person should know from this row on
        named: whether the user said which series the stream continues
        several: whether the stream holds several series
    """

    time: str
    values: np.ndarray | None
    series: str = ""
    channels: Sequence[str] = ()
    begins: bool = False
    no_data: Sequence[str] = ()
    note: str = ""
    named: bool = False
    several: bool = False


def scaled(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean and deviation of each channel of the first rows of a series that training did not have; that of a channel that
    stands still is 1."""
    rows = np.asarray(values, dtype=np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    return mean, np.where(deviation <= 1e-9 * np.maximum(np.abs(mean), 1e-9), 1.0, deviation)


@dataclass
class _Heading:
    """Where the columns of a stream are."""

    channels: list[int]
    times: list[int]
    series: int | None
    width: int
    named: bool


@dataclass
class _Last:
    """What is kept of the last row of a series."""

    values: np.ndarray
    time: Any = None
    second: bool = False  # of the two hours that a clock shows alike
    local: Any = None
    late: Any = None  # the time of the row before, if it was left out because its time fell
    without: np.ndarray = field(default_factory=lambda: np.zeros(0, int))


class StreamReader:
    """Reads the lines of a stream as the run's tables are read.

    The first line is a heading, or holds numbers for the channels in order, with or without a time before them. A repeated
    heading (the file was started again), blank lines and comment lines are skipped. Cells are parted by the mark that the
    first line shows; with semicolons or tabs 3,14 is a number, as in a file, if the run's data or `data.decimal` say so, or a
    cell shows it.

    * A cell without a value: `data.missing` forward or interpolate repeats the last value (the next one is not known yet); refuse
      leaves the row out and says so. With `data.no_data=N` a channel without a value for more than N rows is an alarm, and so are
      more than N rows that cannot be read.
    * A row whose time falls is left out and said, unless `data.order` is keep; rows that came late cannot be sorted in. Where
    the next
      one goes on from there, the clock was set back, and the stream begins anew. Of rows
    with the
      same time the first counts, unless `data.duplicates` is keep; it is said if that is refuse.
    * A step in time that `data.gap` counts as a gap begins anew, as in a file.
    * Where the run's tables have a column that names the series, each series of the stream is followed on its own.

    Args:
        channels: of the run
        form: how its tables are read
        steps: the usual step in time, by the series' name; "" is for all
        refused: is called with the error of a row that is left out; None: the error is raised
    """

    def __init__(
        self, channels: Sequence[str], form: TableFormat, steps: Mapping[str, float], refused: Refuse | None = None
    ) -> None:
        self.channels = channels
        self.form = form
        self.steps = steps
        self.refused = refused
        self.commas = form.decimal == "comma"

    def standardised(
        self,
        lines: Iterable[str],
        series: str,
        scales: Mapping[str, tuple[np.ndarray, np.ndarray]],
        first_rows: int | None,
    ) -> Iterator[Row]:
        """The rows of the stream, standardised.

        Args:
            lines: of the stream
            series: that it continues; empty: what its rows say
            scales: mean and deviation of each series, by its name; "" is for all
            first_rows: a series without a scale waits for so many rows, and has theirs; None: all have that of ""
        """
        own: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        waiting: dict[str, list[Row]] = {}

        def released(name: str) -> Iterator[Row]:
            rows = waiting.pop(name)
            there = [row.values for row in rows if row.values is not None]
            if not there:
                yield from rows
                return
            own[name] = scaled(np.stack(there))
            note = (
                f"no series of training: its scale is that of its own first {len(there):,} rows, which count as normal"
            )
            for number, row in enumerate(rows):
                yield _in(own[name], replace(row, note=note if not number else row.note))

        for row in self.rows(lines, series):
            name = row.series
            if first_rows is None:
                yield _in(scales[""], row)
            elif name and name in scales:
                yield _in(scales[name], row)
            elif name in own:
                yield _in(own[name], row)
            else:
                waiting.setdefault(name, []).append(row)
                if len(waiting[name]) == first_rows:
                    yield from released(name)
        for name in list(waiting):
            yield from released(name)

    def rows(self, lines: Iterable[str], series: str = "") -> Iterator[Row]:
        """The rows in the units of the sensors.

        Raises:
            DataError: no rows, no such column; a row that cannot be read, if `refused` is None.
        """
        heading: _Heading | None = None
        first: list[str] | None = None
        delimiter = ","
        last: dict[str, _Last] = {}
        refused_in_turn = 0
        for number, line in enumerate(lines, start=1):
            line = line.removeprefix("\ufeff") if heading is None else line
            if not line.strip() or (self.form.comment and line.lstrip().startswith(self.form.comment)):
                continue
            if heading is None:
                delimiter = self.form.separator or max(",;\t", key=line.count)
            cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]
            if heading is None:
                heading = self._heading(cells, delimiter)
                if heading.named:
                    first = cells
                    continue
            if cells == first:
                continue
            try:
                row = self._row(cells, number, heading, delimiter, series, last)
            except DataError as error:
                refused_in_turn += 1
                if self.refused is None:
                    raise
                self.refused(error)
                if self.form.no_data is not None and refused_in_turn > self.form.no_data:
                    yield Row(f"line {number}", None, series, self.channels, no_data=self.channels, named=bool(series))
                continue
            refused_in_turn = 0
            if row is not None:
                yield row
        if heading is None:
            raise DataError("standard input: holds no rows")

    def _row(
        self, cells: Sequence[str], number: int, heading: _Heading, delimiter: str, series: str, last: dict[str, _Last]
    ) -> Row | None:
        """A row; None while a channel has had no value yet, and for one that repeats the time of another."""
        if len(cells) != heading.width:
            count = f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
            raise DataError(f"standard input:{number}: has {count}, expected {heading.width}")
        several = heading.series is not None and not series
        name = series if heading.series is None or series else cells[heading.series]
        nothing = np.full(len(self.channels), np.nan)
        before = last.get(name)
        values = np.array([
            self._cell(cells[at], number, channel, repeated, delimiter)
            for at, channel, repeated in zip(
                heading.channels, self.channels, nothing if before is None else before.values, strict=True
            )
        ])  # fmt: skip
        empty = np.array([_is_empty(cells[at]) for at in heading.channels])
        without = empty * ((0 if before is None else before.without) + 1)
        text = " ".join(cells[at] for at in heading.times).strip()
        now = self._time(text, number, heading, before)
        begins = before is not None and self._orders(text, number, name, before, now.time)
        if begins is None:
            return None
        if begins:  # a value from before the gap is not repeated
            values = np.where(empty, np.nan, values)
        last[name] = replace(now, values=values, without=without)
        if np.isnan(values).any():
            return None  # a channel without any value so far: there is nothing to repeat
        if now.time is not None and isinstance(now.time, np.datetime64) and (self.form.zone or names_zone(text)):
            text = in_zone(now.time, self.form.zone if self.form.zone and not names_zone(text) else "UTC")
        silent = () if self.form.no_data is None else np.flatnonzero(without > self.form.no_data).tolist()
        return Row(
            text if heading.times else str(number),
            values,
            name,
            self.channels,
            bool(begins),
            [self.channels[at] for at in silent],
            named=bool(series),
            several=several,
        )

    def _time(self, text: str, number: int, heading: _Heading, before: _Last | None) -> _Last:
        """The time of a row: a number, a moment, or None where it cannot be read and nobody said that it is one."""
        found = _Last(np.zeros(0))
        if not heading.times or not (heading.named or self.steps):
            return found
        if self.form.time_format is None and is_number(text):
            return replace(found, time=as_number(text))
        moment = read_time(text, self.form.dayfirst, self.form.time_format)
        if moment is None:
            if not heading.named or is_clock(text):
                return found
            raise DataError(
                f"standard input:{number}: {text!r} is not a time; it should look like 2024-05-01 13:45:00, or be a number"
                if text
                else f"standard input:{number}: has no time; give it one or delete the row"
            )
        moment = moment.astype("datetime64[ms]")
        if self.form.zone is None or names_zone(text):
            return replace(found, time=moment)
        utc, second = in_utc(
            np.array([moment]),
            self.form.zone,
            None if before is None else before.local,
            before is not None and before.second,
        )
        return replace(found, time=utc[0], second=second, local=moment)

    def _orders(self, text: str, number: int, name: str, kept: _Last, now: Any) -> bool | None:
        """Whether a row stands behind a gap, or behind a clock that was set back: the second row in turn whose time is before
        that of the last one kept. None if it is left out silently.

        Raises:
            DataError: its time falls or repeats.
        """
        before, late, kept.late = kept.time, kept.late, None
        if before is None or now is None or type(before) is not type(now):
            return False
        place = f"standard input:{number}"
        if now < before and self.form.order != "keep":
            if late is not None and late < now:
                return True
            kept.late = now
            raise DataError(
                f"{place}: its time {text} is before that of the row above; late rows cannot be sorted into a stream, "
                "so it is left "
                "out (data.order=keep takes it)"
            )
        if now == before and self.form.duplicates == "refuse":
            raise DataError(
                f"{place}: has the same time as the row above, {text}; it is left out (data.duplicates=keep takes it)"
            )
        if now == before and self.form.duplicates != "keep":
            return None
        usual = self.steps.get(name, self.steps.get(""))
        if self.form.gap is None or usual is None:
            return False
        step = (now - before) / np.timedelta64(1, "s") if isinstance(now, np.datetime64) else float(now - before)
        return bool(step > self.form.gap * max(usual, np.finfo(float).tiny))

    def _heading(self, cells: Sequence[str], delimiter: str) -> _Heading:
        """Where the columns are, and whether the line is a heading."""
        extra = len(cells) - len(self.channels)
        numbers = (self._number(cell, delimiter) is not None for cell in cells[extra:])
        if extra in (0, 1) and all(numbers):
            return _Heading(list(range(extra, len(cells))), [0] if extra else [], None, len(cells), False)
        if self.form.tag not in (None, NONE):
            raise DataError(
                "standard input: the run's tables have a row for each value; a stream needs one row for each time, "
                "with the columns " + ", ".join(self.channels)
            )
        named = [self.form.time] if isinstance(self.form.time, str) else list(self.form.time or ())
        for column in [*self.channels, *(each for each in named if each != NONE)]:
            if column not in cells:
                raise DataError(f"standard input:1: has no column {column!r}; {did_you_mean(str(column), cells)}")
        if named:
            times = [] if named == [NONE] else [cells.index(each) for each in named]
        else:
            usual = {name.lower(): at for at, name in reversed(list(enumerate(cells))) if name not in self.channels}
            times = [usual[name] for name in TIME_COLUMNS if name in usual][:1]
            if "date" in usual and "time" in usual:
                times = [usual["date"], usual["time"]]
        by = self.form.series
        series = cells.index(by) if by not in (None, NONE) and by in cells else None
        return _Heading([cells.index(channel) for channel in self.channels], times, series, len(cells), True)

    def _number(self, text: str, delimiter: str) -> float | None:
        if text.lower() in _FLAGS:
            return _FLAGS[text.lower()]
        if self.form.decimal is None and delimiter != "," and "," in text and as_number(text, True) is not None:
            self.commas = True
        return as_number(text, self.commas and delimiter != ",")

    def _cell(self, text: str, line: int, name: str, before: float, delimiter: str) -> float:
        """The value of a cell; the last value where it is empty and `data.missing` allows it."""
        value = self._number(text, delimiter)
        if value is not None and value in self.form.no_value:
            text, value = "", None
        if value is not None and np.isfinite(value):
            return value
        if self.form.missing != "refuse" and _is_empty(text):
            return before
        advice = "; data.missing=forward repeats the last value" if _is_empty(text) else ""
        raise DataError(f"standard input:{line}: column {name!r} has {text!r}, which is not a finite number{advice}")


def _is_empty(text: str) -> bool:
    return not text or text.lower() == "nan"


def _in(scale: tuple[np.ndarray, np.ndarray], row: Row) -> Row:
    mean, deviation = scale
    return row if row.values is None else replace(row, values=(row.values - mean) / deviation)
