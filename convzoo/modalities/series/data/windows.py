"""Labels as windows of time, beside the tables: NAB's JSON, or a CSV file with a row for each interval."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import read_json
from convzoo.modalities.series.example import Series
from convzoo.reading.columns import optional_column
from convzoo.reading.roles import SERIES_NAMES
from convzoo.reading.tables import as_number, is_table, read_table
from convzoo.reading.times import in_utc, names_zone, read_time

START_NAMES = ("start", "from", "begin", "start_time", "starttime", "start_timestamp", "first")
END_NAMES = ("end", "to", "stop", "end_time", "endtime", "end_timestamp", "last")
FILE_NAMES = ("file", "filename", "file_name", "path", *SERIES_NAMES)

EVERY = ""
"""In place of a series' name: the windows of all series, where the table of windows names none."""

Edges = tuple[str, str, str]
"""A window: its first time, its last, and where it is written."""


def read_windows(path: Path) -> dict[str, list[Edges]]:
    """Anomalies as windows, their ends included: {"file.csv": [["2014-04-10 07:15:00", "2014-04-11 16:45:00"], …]} as NAB writes
    it, or a table with the columns `start` and `end` (or `from` and `to`), and `file` or `series` where there are several.

    Raises:
        DataError: the file is neither.
    """
    if is_table(path) and path.suffix.lower() != ".json":
        return _from_table(path)
    content = read_json(path)
    try:
        return {str(key): [(str(start), str(end), str(path)) for start, end in value] for key, value in content.items()}
    except (AttributeError, TypeError, ValueError):
        raise DataError(
            f'{path}: should be {{"file.csv": [[start, end], …]}}, as NAB writes it, or a table with columns start and end'
        ) from None


def _from_table(path: Path) -> dict[str, list[Edges]]:
    table = read_table(path)
    names = list(table.columns)
    start = optional_column(path, names, None, START_NAMES)
    end = optional_column(path, names, None, END_NAMES)
    if start is None or end is None:
        raise DataError(f"{path}: should have columns start and end (or from and to); it has {', '.join(names)}")
    series = optional_column(path, names, None, FILE_NAMES)
    found: dict[str, list[Edges]] = {}
    for row in range(len(table)):
        name = EVERY if series is None else table.id(row, series)
        found.setdefault(name, []).append((table.id(row, start), table.id(row, end), table.place(row)))
    return found


def windows_of(
    windows: dict[str, list[Edges]], name: str, aliases: Sequence[str], path: Path, complete: bool
) -> list[Edges]:
    """The windows of a series.

    Args:
        windows: as read
        name: of the series
        aliases: other names that it may have there
        path: of the file of windows
        complete: whether a series without windows must be named with an empty list, as in JSON

    Raises:
        DataError: the file says nothing of the series.
    """
    if EVERY in windows:
        return windows[EVERY]
    for alias in (name, *aliases):
        if alias in windows:
            return windows[alias]
    if complete:
        raise DataError(f"{path}: says nothing of {name}; an empty list says that nothing is wrong")
    return []


def flag_windows(series: Series, windows: Sequence[Edges]) -> np.ndarray:
    """(time,) True inside the windows, their ends included.

    Raises:
        DataError: a window's time cannot be read, or the series has no times.
    """
    flags = np.zeros(len(series), dtype=bool)
    for start, end, place in windows:
        if series.times is None:
            raise DataError(
                f"{series.name}: has no column of times, so the windows of {place} do not apply; set data.time=COLUMN"
            )
        first, last = (_edge(edge, series) for edge in (start, end))
        if first is None or last is None:
            raise DataError(f"{place}: {series.name}: {start!r} to {end!r} is not a window of times")
        begins, ends = np.flatnonzero(series.times == first), np.flatnonzero(series.times == last)
        if not first <= last or first > series.times.max() or last < series.times.min():
            span = f"{_written(series.times.min())} to {_written(series.times.max())}"
            raise DataError(
                f"{place}: {series.name}: the window {start} to {end} holds no row; its times run from {span}"
            )
        if len(begins) and len(ends):  # both ends are rows: count an hour that the clock showed twice only once
            flags[begins[0] : ends[0] + 1] = True
        else:
            flags |= (series.times >= first) & (series.times <= last)
    return flags


def _edge(text: str, series: Series) -> Any:
    """The time at which a window begins or ends, in the type of the series' times; None if the text is not a time."""
    if series.times is not None and series.times.dtype.kind == "M":
        form = series.form
        found = read_time(text, form.dayfirst if form else None)
        if found is not None and form is not None and form.zone is not None and not names_zone(text):
            return in_utc(np.array([found]).astype("datetime64[ms]"), form.zone)[0][0]
        return found
    return as_number(text)


def _written(time: Any) -> str:
    return str(time).replace("T", " ")
