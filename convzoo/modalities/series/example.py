"""Recordings of sensors: a series is one array; an example is a reference to a stretch of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from convzoo.core.arguments import Decimal
from convzoo.core.errors import DataError
from convzoo.core.references import References
from convzoo.core.splits import Skipped
from convzoo.reading.times import in_zone

UNKNOWN = -1
"""In place of 0 or 1, where a time step has no label."""


@dataclass(frozen=True)
class TableFormat:
    """How the tables of a data set are read.

    Attributes:
        time: the column with the times, or those of the date and of the time of the day; by default one named time, timestamp,
            datetime, date or ts, or the only one that holds times; `none`: rows are numbered
        label: the column that marks anomalies (0 or 1, words); by default one named anomaly, is_anomaly, label …;
            `none`: there are no labels
        channels: the columns with the readings; by default all others that hold numbers
        ignore: columns that are left out
        missing: what to do with empty cells and NaN: refuse them, repeat the last value, or interpolate linearly
        order: what to do if times decrease: refuse the rows, sort all rows by time, or keep them as they are
        duplicates: what to do with several rows of one time: refuse them, keep the first, the last, or all
        gap: a time step this many times longer than usual begins a new stretch; None: no step does
        separator: the separator of the cells in a CSV file; None: detected
        encoding: encoding of a text file; None: detected
        skip_damaged: leave rows that cannot be read out; else they are refused
        series: the column that names the series of each row; by default one named machine, device_id … where times rise only
            within its series; `none`: a table is one series
        tag: in long format, with a row for each value: the column that names the sensor
        value: in long format: the column with the value
        dayfirst: whether 01/05/2024 is the first of May; None: found
        time_format: how times are written, as `strptime` takes it; None: found
        zone: the time zone of times that name none, such as Europe/Berlin; None: they are taken as they are
        normal: words of the label column that say that nothing is wrong; by default the usual ones
        no_value: numbers that stand for no value, such as -9999
        decimal: what stands before decimals, `point` or `comma`; None: found
        comment: lines that begin so are no rows; empty: there are none
        no_data: in a stream, more than so many rows without a value are an alarm; None: they are not
    """

    time: str | Sequence[str] | None = None
    label: str | None = None
    channels: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    missing: Literal["refuse", "forward", "interpolate"] = "refuse"
    order: Literal["refuse", "sort", "keep"] = "refuse"
    duplicates: Literal["refuse", "first", "last", "keep"] = "refuse"
    gap: float | None = None
    separator: str | None = None
    encoding: str | None = None
    skip_damaged: bool = False
    series: str | None = None
    tag: str | None = None
    value: str | None = None
    dayfirst: bool | None = None
    time_format: str | None = None
    zone: str | None = None
    normal: Sequence[str] = ()
    no_value: Sequence[float] = ()
    decimal: Decimal | None = None
    comment: str = "#"
    no_data: int | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """One recording.

    Attributes:
        name: of the recording, such as its file
        values: (time, channels), numbers of any floating type, in any memory layout, also a memory map
        channels: the names of the columns
        times: (time,) of datetime64 or numbers, increasing; None: the rows are numbered
        anomalies: (time,) True where something is wrong; None if unlabelled
        form: how its table was read, so that others are read in the same way; None: it was not a table
        columns: which column of its table was taken for what, in words; empty: it was not a table
        skipped: the rows of its table that were left out because they are damaged
        known: (time,) True where `anomalies` says something; None: everywhere
        zone: of the times, which are then in UTC: `UTC`, or the zone in whose clock they are shown; empty: they are as written
        notes: what a person should know of how the table was read, a sentence each
    """

    name: str
    values: np.ndarray
    channels: tuple[str, ...]
    times: np.ndarray | None = None
    anomalies: np.ndarray | None = None
    form: TableFormat | None = None
    columns: str = ""
    skipped: Skipped = field(default_factory=Skipped)
    known: np.ndarray | None = None
    zone: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.channels):
            raise DataError(
                f"{self.name}: a series should be (time, channels), with {len(self.channels)} channels, not {self.values.shape}"
            )

    def __len__(self) -> int:
        return len(self.values)

    def time_of(self, row: int) -> str:
        """When a row was recorded; its number if the series has no times."""
        if self.times is None:
            return str(row)
        time = self.times[row]
        if not isinstance(time, np.datetime64):
            return repr(time.item())
        return in_zone(time, self.zone) if self.zone else str(time).replace("T", " ")


@dataclass(frozen=True, eq=False, slots=True)
class Stretch:
    """Rows of a series: a reference, never a copy.

    Attributes:
        series: the recording
        start: the first row
        stop: the row after the last
    """

    series: Series
    start: int
    stop: int
    sample_input: ClassVar[str] = "sensors.csv"

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def values(self) -> np.ndarray:
        """(time, channels), a view."""
        return self.series.values[self.start : self.stop]

    @property
    def anomalies(self) -> np.ndarray | None:
        """(time,), a view, or None."""
        return None if self.series.anomalies is None else self.series.anomalies[self.start : self.stop]

    @property
    def labels(self) -> np.ndarray | None:
        """(time,) of int8: 1 where something is wrong, 0 where nothing is, -1 where nobody knows; None if unlabelled."""
        if self.series.anomalies is None:
            return None
        found = self.series.anomalies[self.start : self.stop].astype(np.int8)
        if self.series.known is not None:
            found[~self.series.known[self.start : self.stop]] = UNKNOWN
        return found

    @property
    def skipped(self) -> Skipped:
        """The rows of its series' table that were left out because they are damaged."""
        return self.series.skipped

    @property
    def source(self) -> str:
        """Where it comes from."""
        whole = self.start == 0 and self.stop == len(self.series)
        return self.series.name if whole else f"{self.series.name} rows {self.start} to {self.stop - 1}"

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Stretch]":
        """Whole series as stretches, and stretches. The encoder reads files and arrays: it knows the channels.

        Raises:
            DataError: a value is none of these.
        """
        found = []
        for value in values:
            if isinstance(value, Series):
                value = cls(value, 0, len(value))
            if not isinstance(value, cls):
                raise DataError(f"{value!r:.60}: should be a file, an array (time, channels) or a Series")
            found.append(value)
        return found


class Windows(References[Stretch]):
    """All windows of one length in some stretches, `stride` rows apart.

    No window crosses the end of a stretch, and so none crosses a file or a split. Windows with a known anomaly are left out,
    because the network should learn normal data only.

    Args:
        stretches: where the windows lie
        length: number of rows in a window
        stride: rows from one window to the next
    """

    def __init__(self, stretches: Sequence[Stretch], length: int, stride: int = 1) -> None:
        self.length = length
        self.stride = stride
        self.runs = [run for stretch in stretches for run in normal_runs(stretch) if len(run) >= length]
        counts = [(len(run) - length) // stride + 1 for run in self.runs]
        self.ends = np.cumsum(counts, dtype=np.int64)
        self._before = self.ends - counts
        self._firsts = np.array([run.start for run in self.runs], dtype=np.int64)
        self._views = [np.lib.stride_tricks.sliding_window_view(run.series.values, length, axis=0) for run in self.runs]

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def places(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For windows by number: which run each lies in, and the row of the series at which it starts."""
        numbers = np.asarray(indices, dtype=np.int64)
        run = np.searchsorted(self.ends, numbers, side="right")
        return run, self._firsts[run] + (numbers - self._before[run]) * self.stride

    def cut(self, run: int, starts: np.ndarray) -> np.ndarray:
        """The windows of a run that start at these rows of its series, copied out of it: (windows, channels, length)."""
        return self._views[run][starts]

    def reference(self, index: int) -> Stretch:
        """A window as a stretch of its series."""
        (run,), (start,) = self.places([index])
        return Stretch(self.runs[run].series, int(start), int(start) + self.length)


def normal_runs(stretch: Stretch) -> list[Stretch]:
    """The parts of a stretch that hold no known anomaly."""
    anomalies = stretch.anomalies
    if anomalies is None or not anomalies.any():
        return [stretch]
    runs = np.ma.clump_unmasked(np.ma.masked_array(anomalies, mask=anomalies))
    return [Stretch(stretch.series, stretch.start + int(run.start), stretch.start + int(run.stop)) for run in runs]
