"""A whole series with a class as an example: a gesture, a heartbeat, the current of a device."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.labels import Label
from convzoo.reading.files import files_named, kind_of
from convzoo.reading.tables import SUFFIXES, Table, read_table

TIME_NAMES = (
    "time", "t", "timestamp", "date", "datetime", "date_time", "step", "index", "ts", "zeit", "zeitstempel", "datum", "elapsed",
    "uhrzeit",
)  # fmt: skip
"""What the column with the times is usually called; a unit may follow: `Time (s)`, `Zeit [ms]`, `timestamp_ms`."""

_UNIT = re.compile(r"\s*[\[(].*[\])]$|\s*[_ /](s|sec|secs|seconds|ms|us|µs|ns|min|h)$")


def names_time(name: str) -> str | None:
    """The usual name of a column with times, without its unit; None where the column is not called so."""
    plain = _UNIT.sub("", name.strip().lower())
    return plain if plain in TIME_NAMES else None


def _no_channel(name: str) -> bool:
    """Whether a column of a file of one series holds no channel, by its name."""
    return name.strip().lower() in ("", "unnamed: 0") or names_time(name) is not None


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """A series of one or several channels, as values or as the path of a table with a row a step.

    Attributes:
        values: (channels, time), float32; NaN where a value is missing
        path: of a table with a row a step
        label: its class, or a number; None if unlabelled
        group: series of one group stay in one split: a person, a machine
        source: where it comes from
        channels: their names; empty where they have none
        columns: of a table of series: the columns of values, of the series' names and of the times, as found; other tables are
            read with them
    """

    values: np.ndarray | None = None
    path: Path | None = None
    label: Label | None = None
    group: str | None = None
    source: str = ""
    channels: tuple[str, ...] = ()
    columns: Mapping[str, Any] | None = None
    sample_input: ClassVar[str] = "series.csv"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[LabelledSeries]":
        """Series from lines of standard input: the values of one channel, with commas, semicolons, tabs or spaces between them.

        Raises:
            DataError: a value is no number.
        """
        found = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            words = line.replace(";", " ").replace(",", " ").replace("?", "nan").split()
            try:
                values = np.array(words, dtype=np.float32)
            except ValueError:
                raise DataError(
                    f"line {number}: should be the values of a series, numbers with commas between them"
                ) from None
            found.append(_checked(cls(values=values[None], source=f"line {number}")))
        return found

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[LabelledSeries]":
        """Series for prediction: each value is an array, (time,) or (channels, time), or the path of a table with a row a step.

        Raises:
            DataError: there is no such file, a folder holds no table, or an array has another shape or holds no value.
        """
        found = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
            elif isinstance(value, str | Path):
                found.extend(cls(path=path, source=str(path)) for path in files_named(value, SUFFIXES, "table"))
            elif isinstance(value, np.ndarray | list | tuple):
                found.append(_from_array(value))
            else:
                raise DataError(
                    f"an input should be an array (channels, time) or the path of a table, not {kind_of(value)}"
                )
        return found

    def read(self) -> np.ndarray:
        """(channels, time), float32; NaN where a value is missing.

        Raises:
            DataError: the file cannot be read, holds no numbers, or no value at all.
        """
        return self.loaded()[0]

    def loaded(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """The values and the names of the channels; empty where these have none.

        Raises:
            DataError: as `read`.
        """
        if self.values is not None:
            return self.values, self.channels
        assert self.path is not None, "a series has values or a path"
        return read_single(self.path)

    def check(self) -> None:
        """Read the file once.

        Raises:
            DataError: as `read`.
        """
        self.read()


def read_single(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """One series from a table with a row a step: (channels, time) and the names of the channels. A column of times is left out,
    and a file of numbers only has no heading.

    Raises:
        DataError: the file cannot be read, has no column of numbers, or holds no value.
    """
    table = read_table(path)
    if all(_is_number(name) for name in table.columns):  # no heading
        table = read_table(path, heading=[f"channel {at}" for at in range(1, len(table.columns) + 1)])
    names = [name for name in table.columns if not _no_channel(name) and table.is_numeric(name)]
    if not len(table):
        raise DataError(f"{path}: holds no rows")
    if not names:
        raise DataError(
            f"{path}: has no column of numbers; a series is a table with a row a step and a column a channel"
        )
    found = LabelledSeries(values=column_values(table, names), source=str(path), channels=tuple(names))
    _checked(found)
    assert found.values is not None
    return found.values, found.channels


def column_values(table: Table, names: Sequence[str], rows: Sequence[int] | None = None) -> np.ndarray:
    """Columns of numbers as (channels, rows) float32; an empty cell is NaN.

    Raises:
        DataError: a cell holds something else.
    """
    rows = range(len(table)) if rows is None else rows
    return np.array([[cell_value(table, row, name) for row in rows] for name in names], dtype=np.float32)


def cell_value(table: Table, row: int, name: str) -> float:
    """A number in a cell; NaN where it is empty or says that it is missing.

    Raises:
        DataError: it holds something else.
    """
    value = table.columns[name][row]
    if value is None or (isinstance(value, float) and value != value):
        return np.nan
    if isinstance(value, str) and value.strip().lower() in ("", "?", "nan", "na", "null", "none"):
        return np.nan
    return table.number(row, name)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _from_array(value: Any) -> LabelledSeries:
    try:
        values = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        raise DataError("a series is an array of numbers, (time,) or (channels, time)") from None
    if values.ndim not in (1, 2) or not values.size:
        raise DataError(f"a series is an array (time,) or (channels, time), and this one has the shape {values.shape}")
    return _checked(LabelledSeries(values=np.atleast_2d(values), source="an array"))


def _checked(example: LabelledSeries) -> LabelledSeries:
    values = example.values
    assert values is not None
    if np.isinf(values).any():
        raise DataError(
            f"{example.source}: holds an infinite value; numbers should be finite, or empty where they are missing"
        )
    if not np.isfinite(values).any():
        raise DataError(f"{example.source}: holds no value: all are missing")
    return example
