"""Tables of sensor readings: CSV and Parquet to series, with every fault named by file and row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import read_json
from convzoo.core.series import Series, intervals
from convzoo.core.text import did_you_mean, first_line

SUFFIXES = (".csv", ".tsv", ".parquet")
TIME_COLUMNS = ("time", "timestamp", "datetime", "date", "ts")
LABEL_COLUMNS = ("anomaly", "is_anomaly", "label", "outlier", "attack", "fault")

Missing = Literal["refuse", "forward", "interpolate"]


@dataclass(frozen=True)
class TableFormat:
    """How the tables of a data set are read.

    Attributes:
        time: the column with the times; by default one named time, timestamp, datetime, date or ts; none: rows are numbered
        label: the column that says what is wrong (0 or 1, false or true); by default one named anomaly, is_anomaly, label …
        channels: the columns with the readings; by default all others that hold numbers
        ignore: columns that are left out
        missing: what becomes of empty cells and NaN: refuse them, repeat the last value, or draw a line between neighbours
        order: rows whose times fall: refuse them, sort all rows by time, or keep them as they are
        duplicates: several rows of one time: refuse them, keep the first, or the last
    """

    time: str | None = None
    label: str | None = None
    channels: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    missing: Missing = "refuse"
    order: Literal["refuse", "sort", "keep"] = "refuse"
    duplicates: Literal["refuse", "first", "last", "keep"] = "refuse"


def read_series(path: Path, form: TableFormat = TableFormat(), name: str | None = None) -> Series:
    """A series from a table.

    Raises:
        DataError: no such file or column; a cell that is no number; NaN or infinity; times that do not rise; no rows.
    """
    table = _read_table(path)
    if not table.num_rows:
        raise DataError(f"{path}: holds no rows")
    names = list(table.column_names)
    for column in [*form.ignore, *(form.channels or ()), *(c for c in (form.time, form.label) if c)]:
        if column not in names:
            raise DataError(f"{path}: has no column {column!r}; {did_you_mean(column, names)}")
    free = [name for name in names if name not in form.ignore and name not in (form.channels or ())]
    time = form.time or _usual(free, TIME_COLUMNS)
    label = form.label or _usual([name for name in free if name != time], LABEL_COLUMNS)
    left_out = {time, label, *form.ignore}
    chosen = list(form.channels) if form.channels else [n for n in names if n not in left_out]
    if not chosen:
        raise DataError(f"{path}: has no column of readings besides {', '.join(str(n) for n in left_out if n)}")
    times = _times(path, table.column(time)) if time else None
    values = np.empty((table.num_rows, len(chosen)), dtype=np.float64)
    for index, column in enumerate(chosen):
        values[:, index] = _numbers(path, column, table.column(column))
    anomalies = _flags(path, label, table.column(label)) if label else None
    if times is not None:
        times, values, anomalies = _in_order(path, times, values, anomalies, form)
    _fill(path, values, chosen, form.missing)
    return Series(name or path.name, values, tuple(chosen), times, anomalies)


def read_windows(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Anomalies as windows, in NAB's format: {"file.csv": [["2014-04-10 07:15:00", "2014-04-11 16:45:00"], …]}.

    Raises:
        DataError: the file is no such JSON.
    """
    content = read_json(path)
    try:
        return {str(key): [(str(start), str(end)) for start, end in value] for key, value in content.items()}
    except (AttributeError, TypeError, ValueError):
        raise DataError(f'{path}: should be {{"file.csv": [[start, end], …]}}, as NAB writes it') from None


def flag_windows(series: Series, windows: Sequence[tuple[str, str]], path: Path) -> np.ndarray:
    """(time,) True inside the windows, their ends included.

    Raises:
        DataError: a window's time cannot be read, or the series has no times.
    """
    if series.times is None:
        raise DataError(
            f"{series.name}: has no column of times, so the windows of {path} do not apply; say data.time=COLUMN"
        )
    flags = np.zeros(len(series), dtype=bool)
    for start, end in windows:
        try:
            kind = series.times.dtype
            first, last = (np.datetime64(edge) if kind.kind == "M" else float(edge) for edge in (start, end))
        except ValueError:
            raise DataError(f"{path}: {series.name}: {start!r} to {end!r} is no window of times") from None
        begins, ends = np.flatnonzero(series.times == first), np.flatnonzero(series.times == last)
        if not first <= last or first > series.times.max() or last < series.times.min():
            span = f"{_written(series.times.min())} to {_written(series.times.max())}"
            raise DataError(
                f"{path}: {series.name}: the window {start} to {end} holds no row; its times run from {span}"
            )
        if len(begins) and len(ends):  # rows that are there: so that an hour that a clock showed twice counts once
            flags[begins[0] : ends[0] + 1] = True
        else:
            flags |= (series.times >= first) & (series.times <= last)
    return flags


def _usual(names: Sequence[str], usual: Sequence[str]) -> str | None:
    folded = {name.strip().lower(): name for name in names}
    return next((folded[name] for name in usual if name in folded), None)


def _read_table(path: Path) -> Any:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    try:
        if path.suffix.lower() == ".parquet":
            return pyarrow.parquet.read_table(path)
        with path.open("rb") as file:
            heading = file.readline().decode("utf-8-sig")
        if not heading.strip():
            raise DataError(f"{path}: is empty")
        delimiter = max(",;\t", key=heading.count)
        names = heading.strip().split(delimiter)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{path}:1: the heading has the column {twice!r} twice")
        as_they_look: dict[str, Any] = {
            "read_options": pyarrow.csv.ReadOptions(use_threads=False),
            "parse_options": pyarrow.csv.ParseOptions(delimiter=delimiter),
        }
        try:
            return pyarrow.csv.read_csv(path, **as_they_look)
        except pyarrow.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
            # A cell far down is of another kind than those before it: read all as text, so that its row can be named.
            texts = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string()))
            return pyarrow.csv.read_csv(path, convert_options=texts, **as_they_look)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as a table ({first_line(error)})") from None


def _times(path: Path, column: Any) -> np.ndarray:
    import pyarrow
    import pyarrow.compute

    if column.null_count:
        raise DataError(f"{path}:{_first_null(column) + 2}: has no time; give it one or delete the row")
    if pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
        return column.to_numpy()
    if pyarrow.types.is_date(column.type):
        column = column.cast(pyarrow.timestamp("s"))
    if not pyarrow.types.is_timestamp(column.type):
        texts = column.cast(pyarrow.string()).to_pylist()
        try:
            return np.array([np.datetime64(text.strip()) for text in texts]).astype("datetime64[ms]")
        except ValueError:
            bad = next(row for row, text in enumerate(texts) if not _is_time(text))
            raise DataError(
                f"{path}:{bad + 2}: {texts[bad]!r} is no time; it should look like 2024-05-01 13:45:00, or be a number"
            ) from None
    if column.type.tz is not None:
        column = column.cast(pyarrow.timestamp(column.type.unit))
    return column.to_numpy()


def _is_time(text: str) -> bool:
    try:
        np.datetime64(text.strip())
    except ValueError:
        return False
    return True


def _first_null(column: Any) -> int:
    import pyarrow.compute

    return int(pyarrow.compute.index(pyarrow.compute.is_null(column), True).as_py())


def _numbers(path: Path, name: str, column: Any) -> np.ndarray:
    import pyarrow

    kind = column.type
    if pyarrow.types.is_boolean(kind) or pyarrow.types.is_decimal(kind):
        column = column.cast(pyarrow.float64())
    elif pyarrow.types.is_null(kind):
        return np.full(len(column), np.nan)
    elif not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
        for row, text in enumerate(column.cast(pyarrow.string()).to_pylist()):
            if text is not None and not _is_number(text):
                raise DataError(
                    f"{path}:{row + 2}: column {name!r} says {text!r}, which is no number; mend it, or leave the column out "
                    f"with data.ignore=[{name}]"
                )
        texts = column.cast(pyarrow.string()).to_pylist()
        return np.array([np.nan if text is None or not text.strip() else float(text) for text in texts])
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text.strip() or "nan")
    except ValueError:
        return False
    return True


def _flags(path: Path, name: str, column: Any) -> np.ndarray:
    import pyarrow

    if pyarrow.types.is_boolean(column.type) and not column.null_count:
        return column.to_numpy().astype(bool)
    values = _numbers(path, name, column)
    odd = np.flatnonzero(~np.isin(values, (0.0, 1.0)))
    if len(odd):
        raise DataError(f"{path}:{odd[0] + 2}: column {name!r} says {values[odd[0]]:g}; it should say 0 or 1")
    return values == 1


def _in_order(
    path: Path, times: np.ndarray, values: np.ndarray, anomalies: np.ndarray | None, form: TableFormat
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    if form.order == "sort":
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
        anomalies = anomalies[order] if anomalies is not None else None
    elif form.order == "refuse" and len(back := np.flatnonzero(times[1:] < times[:-1])):
        row = int(back[0]) + 1
        raise DataError(
            f"{path}:{row + 2}: its time {_written(times[row])} comes before that of the row above, {_written(times[row - 1])}; "
            "sort the rows, or say data.order=sort"
        )
    same = np.flatnonzero(times[1:] == times[:-1])
    if not len(same) or form.duplicates == "keep":
        return times, values, anomalies
    if form.duplicates == "refuse":
        raise DataError(
            f"{path}:{int(same[0]) + 3}: has the time of the row above, {_written(times[same[0]])}; delete one, or say "
            "data.duplicates=first (or last, or keep)"
        )
    kept = np.ones(len(times), dtype=bool)
    kept[same + 1 if form.duplicates == "first" else same] = False
    return times[kept], values[kept], anomalies[kept] if anomalies is not None else None


def _written(time: Any) -> str:
    return str(time).replace("T", " ")


def _fill(path: Path, values: np.ndarray, channels: Sequence[str], missing: Missing) -> None:
    """Refuse infinities; refuse or fill what is missing, in place."""
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        row, column = infinite[0].tolist()
        raise DataError(f"{path}:{row + 2}: column {channels[column]!r} is infinite; mend it or delete the row")
    empty = np.isnan(values)
    if not empty.any():
        return
    row, column = np.argwhere(empty)[0].tolist()
    if missing == "refuse":
        raise DataError(
            f"{path}:{row + 2}: column {channels[column]!r} has no value ({int(empty.sum())} cells in all are empty or NaN); "
            "fill them, or say data.missing=forward or data.missing=interpolate"
        )
    for index in np.flatnonzero(empty.any(axis=0)).tolist():
        known = np.flatnonzero(~empty[:, index])
        if not len(known):
            raise DataError(
                f"{path}: column {channels[index]!r} has no value at all; say data.ignore=[{channels[index]}]"
            )
        if missing == "interpolate":
            rows = np.arange(len(values))
            values[:, index] = np.interp(rows, known, values[known, index])
            continue
        for start, stop in intervals(empty[:, index]):
            values[start:stop, index] = values[start - 1, index] if start else values[known[0], index]
