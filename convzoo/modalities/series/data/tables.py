"""Tables of sensor readings: CSV and Parquet to series. Errors name the file and the row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import no_such, read_json
from convzoo.core.survey import listed
from convzoo.core.text import did_you_mean, first_line
from convzoo.modalities.series.example import Series, Stretch, TableFormat
from convzoo.ops.intervals import intervals
from convzoo.reading.damaged import Damaged
from convzoo.reading.lines import plain_suffix, read_text
from convzoo.reading.tables import Dialect, as_number, beginning, dialect_of, read_table, records, writes_decimal_commas

TIME_COLUMNS = ("time", "timestamp", "datetime", "date", "ts")
LABEL_COLUMNS = ("anomaly", "is_anomaly", "label", "outlier", "attack", "fault")

NONE = "none"
"""In place of a column's name: the table has no such column, whatever its columns are called."""

AS_IT_LOOKS = TableFormat()

_ZONE = re.compile(r"(.+?)\s*(?:Z|z|UTC|GMT)|(.+?\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*([+-])(\d\d):?(\d\d)?")


def read_series(path: Path, form: TableFormat = AS_IT_LOOKS, name: str | None = None) -> Series:
    """A series from a table.

    Raises:
        DataError: no such file or column; rows with a cell that is not a number, NaN or infinity, where the format does not
            leave them out; times that do not increase; no rows.
    """
    damaged = Damaged(form.skip_damaged, "rows")
    series = series_of(open_table(path, form, damaged), form, name)
    damaged.settle()
    return replace(series, skipped=damaged.skipped)


def series_of(opened: "tuple[Any, Source]", form: TableFormat, name: str | None = None) -> Series:
    """A series from an opened table, without the rows that cannot be read; these are noted.

    Raises:
        DataError: no such column, times that do not increase, or no row that can be read.
    """
    table, source = opened
    path = source.path
    if not table.num_rows:
        raise DataError(f"{path}: holds no rows")
    source.damaged.count += table.num_rows
    names = list(table.column_names)
    for column in [
        *form.ignore,
        *(form.channels or ()),
        *(c for c in (form.time, form.label) if c not in (None, NONE)),
    ]:
        if column not in names:
            raise DataError(f"{path}: has no column {column!r}; {did_you_mean(column, names)}")
    free = [name for name in names if name not in form.ignore and name not in (form.channels or ())]
    time = _column(form.time, free, TIME_COLUMNS)
    label = _column(form.label, [name for name in free if name != time], LABEL_COLUMNS)
    left_out = {time, label, *form.ignore}
    chosen = list(form.channels) if form.channels else [n for n in names if n not in left_out]
    if not chosen:
        raise DataError(f"{path}: has no column of readings besides {', '.join(str(n) for n in left_out if n)}")
    times = _times(source, table.column(time)) if time else None
    values = np.empty((table.num_rows, len(chosen)), dtype=np.float64)
    for index, column in enumerate(chosen):
        values[:, index] = _numbers(source, column, table.column(column))
    anomalies = _flags(source, label, table.column(label)) if label else None
    for row, at in np.argwhere(np.isinf(values)).tolist():
        source.refuse(row, f"column {chosen[at]!r} is infinite; correct it or delete the row")
    if form.skip_damaged and form.missing == "refuse":
        for row, at in np.argwhere(np.isnan(values)).tolist():
            source.refuse(row, f"column {chosen[at]!r} has no value")
    if source.bad:
        if len(source.bad) == table.num_rows:
            place = source.place(0)
            raise DataError(f"{place}: {source.damaged.reasons[place]}; none of the rows can be read")
        kept = np.setdiff1d(np.arange(table.num_rows), sorted(source.bad))
        times = times[kept] if times is not None else None
        values, anomalies = values[kept], anomalies[kept] if anomalies is not None else None
        source = replace(source, rows=kept, bad=set())
    if anomalies is not None and anomalies.all():
        raise DataError(
            f"{path}: column {label!r} is 1 in every row, so nothing is normal; if it is not a label, set data.label=none"
        )
    if times is not None:
        times, values, anomalies, source = _in_order(source, times, values, anomalies, form)
    _fill(source, values, chosen, form.missing)
    others = [column for column in names if column not in (time, label, *chosen)]
    columns = f"time: {time or 'none'}; label: {label or 'none'}; channels: {listed(chosen)}"
    columns += f"; not used: {listed(others)}" if others else ""
    return Series(name or path.name, values, tuple(chosen), times, anomalies, form, columns)


def between_gaps(series: Series, start: int, stop: int) -> list[Stretch]:
    """Rows `start` to `stop`, cut at each jump in time that the format of the series' table counts as a gap."""
    gap = series.form.gap if series.form else None
    if gap is None or series.times is None or stop - start < 3:
        return [Stretch(series, start, stop)] if stop > start else []
    steps = np.diff(series.times[start:stop]).astype(np.float64)
    cuts = np.flatnonzero(steps > gap * max(np.median(steps), np.finfo(float).tiny)) + 1
    edges = [start, *(start + cuts).tolist(), stop]
    return [Stretch(series, first, last) for first, last in pairwise(edges)]


def read_windows(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Anomalies as windows, in NAB's format: {"file.csv": [["2014-04-10 07:15:00", "2014-04-11 16:45:00"], …]}.

    Raises:
        DataError: the file is not JSON of this form.
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
            f"{series.name}: has no column of times, so the windows of {path} do not apply; set data.time=COLUMN"
        )
    flags = np.zeros(len(series), dtype=bool)
    for start, end in windows:
        first, last = (_edge(edge, series.times.dtype) for edge in (start, end))
        if first is None or last is None:
            raise DataError(f"{path}: {series.name}: {start!r} to {end!r} is not a window of times")
        begins, ends = np.flatnonzero(series.times == first), np.flatnonzero(series.times == last)
        if not first <= last or first > series.times.max() or last < series.times.min():
            span = f"{_written(series.times.min())} to {_written(series.times.max())}"
            raise DataError(
                f"{path}: {series.name}: the window {start} to {end} holds no row; its times run from {span}"
            )
        if len(begins) and len(ends):  # both ends are rows: count an hour that the clock showed twice only once
            flags[begins[0] : ends[0] + 1] = True
        else:
            flags |= (series.times >= first) & (series.times <= last)
    return flags


def _edge(text: str, kind: np.dtype) -> Any:
    """The time at which a window begins or ends, in the type of the series' times; None if the text is not a time."""
    if kind.kind == "M":
        return read_time(text)
    return float(text) if is_number(text) else None


def _column(given: str | None, names: Sequence[str], usual: Sequence[str]) -> str | None:
    """The column that the user named, or else one with a usual name; None if there is none or none is wanted."""
    if given is not None:
        return None if given == NONE else given
    folded = {name.lower(): name for name in names}
    return next((folded[name] for name in usual if name in folded), None)


@dataclass(frozen=True)
class Source:
    """A table's file, and which of its rows are in use, so that an error can name the line.

    Attributes:
        path: path of the file
        dialect: how its cells are separated; None for JSON lines and Parquet
        encoding: encoding of the text
        rows: for each row in use, its number in the file; None: all rows, in their order
        decimal_commas: whether 3,14 is one number
        damaged: takes note of rows that cannot be read
        bad: the numbers of these rows
        known_lines: for each row of the file its line, where they are known
    """

    path: Path
    dialect: Dialect | None = None
    encoding: str = ""
    rows: np.ndarray | None = None
    decimal_commas: bool = False
    damaged: Damaged = field(default_factory=Damaged)
    bad: set[int] = field(default_factory=set)
    known_lines: Sequence[Any] | None = None

    def place(self, row: int) -> str:
        """`file:line` of a row in use; for JSON lines and Parquet `file: row number`."""
        number = row if self.rows is None else int(self.rows[row])
        if self._lines is None:
            return f"{self.path}: row {number + 1}"
        return f"{self.path}:{self._lines[number] if number < len(self._lines) else number + 2}"

    @cached_property
    def _lines(self) -> Sequence[Any] | None:
        """The line of each row; None for JSON lines and Parquet."""
        if self.known_lines is not None or self.dialect is None:
            return self.known_lines
        # Rows are not lines: blank lines do not count, quoted cells may span several. Lines are counted only for an error.
        reader = records(read_text(self.path, self.encoding), self.dialect, strict=False)
        return [reader.line_num for cells in reader if cells][1:]

    def lines_of(self, rows: int) -> np.ndarray:
        """(rows,) the line of each row of the file; for JSON lines and Parquet its number."""
        if self._lines is None or len(self._lines) < rows:
            return np.arange(1, rows + 1, dtype=np.int32)
        return np.asarray(self._lines[:rows], dtype=np.int32)

    def refuse(self, row: int, problem: str) -> None:
        """Note that a row cannot be read."""
        place = self.place(row)
        self.damaged.note(f"{place}: {problem}", place)
        self.bad.add(row)


def open_table(path: Path, form: TableFormat, damaged: Damaged) -> tuple[Any, Source]:
    """The columns of a table, and where its rows are.

    Args:
        path: of the file
        form: how it is read
        damaged: takes note of rows that cannot be read

    Raises:
        DataError: the file is absent, is empty or is no table.
    """
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    try:
        if plain_suffix(path) == ".parquet":
            return pyarrow.parquet.read_table(path), Source(path, damaged=damaged)
        if plain_suffix(path) in (".jsonl", ".ndjson"):
            read = read_table(path, encoding=form.encoding, damaged=damaged)
            return pyarrow.table(read.columns), Source(path, damaged=damaged)
        head, encoding = beginning(path, form.encoding)
        if not head.strip():
            raise DataError(f"{path}: is empty: it holds no rows")
        dialect = dialect_of(head, plain_suffix(path), form.separator)
        source = Source(path, dialect, encoding, damaged=damaged)
        names = [name.strip() for name in next(cells for cells in records(head, dialect, strict=False) if cells)]
        twice = next((name for name in names if name and names.count(name) > 1), None)
        if twice is not None and not is_number(twice):
            raise DataError(f"{path}:1: the heading has the column {twice!r} twice")
        if all(is_number(name) or read_time(name) is not None for name in names):
            raise DataError(f"{path}:1: holds readings; the first line should name the columns: time,temperature,…")

        def parsed(**how: Any) -> Any:
            reading = pyarrow.csv.ReadOptions(use_threads=False, column_names=names, skip_rows=1, encoding=encoding)
            parsing = pyarrow.csv.ParseOptions(delimiter=dialect.separator, quote_char='"' if dialect.quotes else False)
            return pyarrow.csv.read_csv(path, reading, parsing, pyarrow.csv.ConvertOptions(**how))

        texts = {"column_types": dict.fromkeys(names, pyarrow.string())}
        try:
            table = parsed()
            commas = dialect.separator != "," and any(
                writes_decimal_commas(column.to_pylist())
                for column in table.columns
                if pyarrow.types.is_string(column.type)
            )
            if commas:  # then 1.012 is a thousand and twelve
                table, source = parsed(**texts), replace(source, decimal_commas=True)
        except pyarrow.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
            # A cell far down has another type than those before it: read all as text, so that its row can be named.
            table = parsed(**texts)
        # A delimiter at the end of each line makes a column without a name and without values.
        unnamed = [at for at, name in enumerate(names) if not name and _is_empty(table.column(at))]
        return table.select([at for at in range(len(names)) if at not in unnamed]), source
    except FileNotFoundError:
        raise no_such(path, "file") from None
    except UnicodeDecodeError:
        read_text(path, encoding)  # says in which line
        raise
    except (OSError, pyarrow.ArrowException) as error:
        if plain_suffix(path) == ".parquet" or path.is_dir():
            raise DataError(f"{path}: cannot be read as a table ({first_line(error)})") from None
        return _row_by_row(path, form, damaged)


def _is_empty(column: Any) -> bool:
    return column.null_count == len(column) or not any(column.to_pylist())


def _row_by_row(path: Path, form: TableFormat, damaged: Damaged) -> tuple[Any, Source]:
    """A text table of which rows have more or fewer cells than the heading: these are noted, the others are read as text."""
    import pyarrow

    table = read_table(path, separator=form.separator, encoding=form.encoding, damaged=damaged)
    columns = {name: values for name, values in table.columns.items() if any(values) or not name.startswith("column ")}
    source = Source(path, decimal_commas=table.decimal_commas, damaged=damaged, known_lines=table.lines)
    return pyarrow.table({name: pyarrow.array(values, pyarrow.string()) for name, values in columns.items()}), source


def _times(source: Source, column: Any) -> np.ndarray:
    """The times of all rows; those of rows that are refused mean nothing."""
    import pyarrow
    import pyarrow.compute

    absent = "has no time; give it one or delete the row"
    for row in np.flatnonzero(pyarrow.compute.is_null(column).to_numpy()).tolist():
        source.refuse(row, absent)
    if pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
        times = column.to_numpy()
        for row in np.flatnonzero(~np.isfinite(times)).tolist():
            source.refuse(row, absent)
        return times
    if pyarrow.types.is_date(column.type):
        column = column.cast(pyarrow.timestamp("s"))
    if not pyarrow.types.is_timestamp(column.type):
        texts = [text or "" for text in _texts(source, "of times", column)]
        numbers = [as_number(text, source.decimal_commas) for text in texts]
        if sum(number is not None for number in numbers) >= 0.9 * len(texts):
            found: Any = np.array([np.nan if number is None else number for number in numbers])
            wrong = np.flatnonzero(~np.isfinite(found))
        else:
            times = [read_time(text) for text in texts]
            found = np.array([np.datetime64("NaT") if time is None else time for time in times], "datetime64[ms]")
            wrong = np.flatnonzero(np.isnat(found))
        for row in wrong.tolist():
            source.refuse(
                row, f"{texts[row]!r} is not a time; it should look like 2024-05-01 13:45:00, or be a number"
                if texts[row] else absent
            )  # fmt: skip
        return found
    if column.type.tz is not None:  # keep the time in UTC
        column = column.cast(pyarrow.timestamp(column.type.unit))
    return column.to_numpy()


def read_time(text: str) -> np.datetime64 | None:
    """A time such as 2024-05-01 13:45:00, in UTC if it names a zone (Z, UTC, +02:00); None if the text is not a time."""
    text = text.strip()
    found = _ZONE.fullmatch(text)
    utc, zoned, sign, hours, minutes = found.groups("") if found else (text, "", "", "", "")
    try:
        time = np.datetime64((utc or zoned).strip())
    except ValueError:
        return None
    if np.isnat(time):
        return None
    if zoned:
        ahead = np.timedelta64(60 * int(hours) + int(minutes or 0), "m")
        time = time - ahead if sign == "+" else time + ahead
    return time


def _texts(source: Source, name: str, column: Any) -> list[str | None]:
    import pyarrow

    try:
        return column.cast(pyarrow.string()).to_pylist()
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        raise DataError(f"{source.path}: column {name!r} holds {column.type}, which is not a number") from None


def _numbers(source: Source, name: str, column: Any) -> np.ndarray:
    import pyarrow

    kind = column.type
    if pyarrow.types.is_boolean(kind) or pyarrow.types.is_decimal(kind):
        column = column.cast(pyarrow.float64())
    elif pyarrow.types.is_null(kind):
        return np.full(len(column), np.nan)
    elif not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
        numbers = np.full(len(column), np.nan)
        for row, text in enumerate(_texts(source, name, column)):
            if text is None or not text.strip():
                continue
            number = as_number(text, source.decimal_commas)
            if number is None:
                if read_time(text) is not None:
                    advice = f"if it is the time, set data.time={name}"
                else:
                    advice = f"correct it, or leave the column out with data.ignore=[{name}]"
                source.refuse(row, f"column {name!r} holds {text!r}, which is not a number; {advice}")
                continue
            numbers[row] = number
        return numbers
    return np.asarray(column.to_numpy(), dtype=np.float64)


def is_number(text: str) -> bool:
    """Whether a text is a number; nan and inf are numbers."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _flags(source: Source, name: str, column: Any) -> np.ndarray:
    """True for the rows that are marked; what is said of rows that are refused means nothing."""
    import pyarrow

    wanted = "it should be 0 or 1 (set data.label=none if it is not a label)"
    if pyarrow.types.is_boolean(column.type):
        values = np.array([np.nan if value is None else float(value) for value in column.to_pylist()])
    elif (
        pyarrow.types.is_string(column.type) and {text.lower() for text in column.to_pylist() if text} <= _FLAGS.keys()
    ):
        values = np.array([_FLAGS.get((text or "").lower(), np.nan) for text in column.to_pylist()])
    else:
        values = _numbers(source, name, column)
    for row in np.flatnonzero(~np.isin(values, (0.0, 1.0))).tolist():
        said = "has no value" if np.isnan(values[row]) else f"is {values[row]:g}"
        source.refuse(row, f"column {name!r} {said}; {wanted}")
    return values == 1


_FLAGS = {"true": 1.0, "false": 0.0}


def _in_order(
    source: Source, times: np.ndarray, values: np.ndarray, anomalies: np.ndarray | None, form: TableFormat
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Source]:
    rows = np.arange(len(times))
    if form.order == "sort":
        rows = np.argsort(times, kind="stable")
    elif form.order == "refuse" and len(back := np.flatnonzero(times[1:] < times[:-1])):
        row = int(back[0]) + 1
        raise DataError(
            f"{source.place(row)}: its time {_written(times[row])} is before the time of the row above, "
            f"{_written(times[row - 1])}; sort the rows, or set data.order=sort"
        )
    ordered = times[rows]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(same) and form.duplicates == "refuse":
        raise DataError(
            f"{source.place(int(rows[same[0] + 1]))}: has the same time as another row, {_written(ordered[same[0]])}; "
            "delete one, or set data.duplicates=first (or last, or keep)"
        )
    if len(same) and form.duplicates != "keep":
        rows = np.delete(rows, same + 1 if form.duplicates == "first" else same)
    if len(rows) == len(times) and form.order != "sort":
        return times, values, anomalies, source
    kept = replace(source, rows=rows)
    return times[rows], values[rows], anomalies[rows] if anomalies is not None else None, kept


def _written(time: Any) -> str:
    return str(time).replace("T", " ")


def _fill(source: Source, values: np.ndarray, channels: Sequence[str], missing: str) -> None:
    """Refuse or fill missing values, in place."""
    empty = np.isnan(values)
    if not empty.any():
        return
    row, column = np.argwhere(empty)[0].tolist()
    if missing == "refuse":
        raise DataError(
            f"{source.place(row)}: column {channels[column]!r} has no value ({int(empty.sum())} cells in all are empty or NaN); "
            "fill them, or set data.missing=forward or data.missing=interpolate"
        )
    for index in np.flatnonzero(empty.any(axis=0)).tolist():
        known = np.flatnonzero(~empty[:, index])
        if not len(known):
            raise DataError(
                f"{source.path}: column {channels[index]!r} has no value at all; set data.ignore=[{channels[index]}]"
            )
        if missing == "interpolate":
            rows = np.arange(len(values))
            values[:, index] = np.interp(rows, known, values[known, index])
            continue
        for start, stop in intervals(empty[:, index]):
            values[start:stop, index] = values[start - 1, index] if start else values[known[0], index]
