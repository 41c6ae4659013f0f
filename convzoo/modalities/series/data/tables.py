"""Tables of sensor readings: CSV, Parquet and JSON lines to series. Errors name the file and the row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.survey import MOST, listed
from convzoo.core.text import did_you_mean
from convzoo.modalities.series.data.opening import Source, open_table
from convzoo.modalities.series.example import Series, Stretch, TableFormat
from convzoo.ops.intervals import intervals
from convzoo.reading import roles
from convzoo.reading.damaged import Damaged
from convzoo.reading.tables import as_number
from convzoo.reading.times import (
    days_first,
    falls,
    in_utc,
    is_clock,
    looks_put_back,
    names_zone,
    read_time,
    undecided,
)

TIME_COLUMNS = ("time", "timestamp", "datetime", "date", "ts", "date_time", "zeit", "zeitstempel", "datum")
LABEL_COLUMNS = (
    "anomaly", "is_anomaly", "label", "outlier", "attack", "fault", "is_failure", "failure", "machine failure", "machine_failure",
    "is_fault", "normal/attack",
)  # fmt: skip

NONE = "none"
"""In place of a column's name: the table has no such column, whatever its columns are called."""

AS_IT_LOOKS = TableFormat()

NORMAL_WORDS = (
    "0",
    "false",
    "no",
    "n",
    "normal",
    "ok",
    "good",
    "healthy",
    "none",
    "nominal",
    "fine",
    "benign",
    "in order",
)
"""Words of a column of labels that say that nothing is wrong."""

WRONG_WORDS = (
    "1", "true", "yes", "y", "anomaly", "anomalous", "abnormal", "outlier", "fault", "faulty", "failure", "attack", "a "
    "ttack", "bad",
    "alarm", "error", "broken", "damaged",
)  # fmt: skip
"""Words that say that something is."""

UNLABELLED_WORDS = ("", "nan", "unknown", "unlabelled", "unlabeled", "?", "null", "na", "n/a")


def read_series(path: Path, form: TableFormat = AS_IT_LOOKS, name: str | None = None) -> Series:
    """The series of a table that holds one.

    Raises:
        DataError: no such file or column; rows with a cell that is not a number, NaN or infinity, where the format does not
            leave them out; times that do not increase; no rows; several series.
    """
    found = read_all(path, form, name)
    if len(found) > 1:
        raise DataError(f"{path}: holds {len(found)} series; expected one")
    return found[0]


def read_all(path: Path, form: TableFormat = AS_IT_LOOKS, name: str | None = None) -> list[Series]:
    """The series of a table: one, or one for each name in the column `form.series`.

    Raises:
        DataError: as for `read_series`.
    """
    damaged = Damaged(form.skip_damaged, "rows")
    found = all_series(open_table(path, form, damaged), form, name)
    damaged.settle()
    return [replace(series, skipped=damaged.skipped) for series in found]


@dataclass(frozen=True)
class _Rows:
    """The rows of one series, as arrays: `values` is (rows, channels), `labels` 1, 0 or -1 (unknown), or None."""

    source: Source
    times: np.ndarray | None
    values: np.ndarray
    labels: np.ndarray | None

    def of(self, rows: np.ndarray) -> "_Rows":
        """Some of the rows, in that order."""
        return _Rows(
            self.source.of(rows),
            None if self.times is None else self.times[rows],
            self.values[rows],
            None if self.labels is None else self.labels[rows],
        )

    def __len__(self) -> int:
        return len(self.values)


def all_series(opened: tuple[Any, Source], form: TableFormat, name: str | None = None) -> list[Series]:
    """The series of an opened table, without the rows that cannot be read; these are noted.

    Raises:
        DataError: no such column, times that do not increase, or no row that can be read.
    """
    table, source = opened
    path = source.path
    if not table.num_rows:
        raise DataError(f"{path}: holds no rows")
    source.damaged.count += table.num_rows
    names = list(table.column_names)
    timed = [form.time] if isinstance(form.time, str) else list(form.time or ())
    long = bool(form.tag) and form.tag != NONE
    for column in [
        *form.ignore,
        *(() if long else form.channels or ()),
        *(c for c in (*timed, form.label, form.series, form.tag, form.value) if c not in (None, NONE)),
    ]:
        if column not in names:
            raise DataError(f"{path}: has no column {column!r}; {did_you_mean(column, names)}")
    free = [each for each in names if each not in form.ignore and (long or each not in (form.channels or ()))]
    notes = list(source.notes)

    time = _time_columns(form, free, table)
    free = [each for each in free if each not in time]
    label = _column(form.label, free, LABEL_COLUMNS)
    free = [each for each in free if each != label]
    form, times, zone = _times(source, [table.column(each) for each in time], time, form)
    tag, value = _long_columns(form, free, table, source)
    labels = _labels(source, label, table.column(label), form, notes) if label else None

    if tag is not None and value is not None:
        numbers = _numbers(source, value, table.column(value))[:, None]
        chosen = [value]
    else:
        given = form.channels is not None
        candidates = list(form.channels or ()) if given else free
        numbers, chosen = _channels(source, table, candidates, given, form, labels, notes)
    if not chosen:
        taken = ", ".join([*time, *([label] if label else [])])
        raise DataError(f"{path}: has no column of readings" + (f" besides {taken}" if taken else ""))
    numbers[np.isin(numbers, list(form.no_value))] = np.nan
    for row, at in np.argwhere(np.isinf(numbers)).tolist():
        source.refuse(row, f"column {chosen[at]!r} is infinite; correct it or delete the row")
    if form.skip_damaged and form.missing == "refuse" and tag is None:
        for row, at in np.argwhere(np.isnan(numbers)).tolist():
            source.refuse(row, f"column {chosen[at]!r} has no value")

    whole = _Rows(source, times, numbers, labels)
    kept = np.arange(len(whole))
    if source.bad:
        if len(source.bad) == table.num_rows:
            place = source.place(0)
            raise DataError(f"{place}: {source.damaged.reasons[place]}; none of the rows can be read")
        kept = np.setdiff1d(kept, sorted(source.bad))
        whole = replace(whole.of(kept), source=replace(source.of(kept), bad=set()))
    if whole.labels is not None and (whole.labels == 1).all():
        raise DataError(
            f"{path}: column {label!r} is 1 in every row, so nothing is normal; if it is not a label, set data.label=none"
        )
    groups, by = _groups(
        whole, table, kept, form, free if tag is None else [c for c in free if c not in (tag, value)], tag
    )
    if by is not None and tag is None and by in chosen and form.channels is None:
        at = chosen.index(by)
        chosen = [each for each in chosen if each != by]
        whole = replace(whole, values=np.delete(whole.values, at, axis=1))
    form = replace(form, series=by or form.series, tag=tag or form.tag, value=value or form.value)
    if source.decimal_commas:
        form = replace(form, decimal="comma")
    if tag is None:
        notes += _odd_numbers(path.name, whole.values, chosen)
    ranges = _ranges(whole, chosen) if tag is None else ""
    found = []
    for key, rows in groups.items():
        own = whole.of(rows) if key is not None else whole
        channels: Sequence[str] = chosen
        if tag is not None:
            tags = [table.column(tag)[int(kept[row])].as_py() for row in rows.tolist()]
            own, channels = _as_wide(own, tags, form)
        found.append(_series(own, channels, form, zone, name or path.name, key, label, notes))
    others = [each for each in names if each not in (*time, label, by, tag, *(chosen if tag is None else (value,)))]
    columns = f"time: {' and '.join(time) or 'none'}; label: {label or 'none'}"
    columns += f"; series: {by} ({len(found):,})" if by else ""
    columns += f"; sensors: {tag}, values: {value}" if tag else ""
    columns += f"; channels: {ranges or listed(found[0].channels)}"
    columns += f"; not used: {listed(others)}" if others else ""
    if tag is not None and len({series.channels for series in found}) > 1:
        found = _same_sensors(path, found)
    return [replace(series, columns=columns, notes=tuple(notes)) for series in found]


def _column(given: str | None, names: Sequence[str], usual: Sequence[str]) -> str | None:
    """The column that the user named, or else one with a usual name; None if there is none or none is wanted."""
    if given is not None:
        return None if given == NONE else given
    folded = {name.strip().lower(): name for name in names}
    return next((folded[name] for name in usual if name in folded), None)


def _is_text(column: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type)


def _some(column: Any, most: int = 50) -> list[str]:
    """The first cells of a column of text that are not empty."""
    return [text for text in column.slice(0, 10 * most).to_pylist() if text and text.strip()][:most]


def _time_columns(form: TableFormat, free: Sequence[str], table: Any) -> list[str]:
    """The columns of the time: none, one, or those of the date and of the time of the day."""
    if form.time is not None:
        return [] if form.time == NONE else [form.time] if isinstance(form.time, str) else list(form.time)
    usual = _column(None, free, TIME_COLUMNS)
    clock = next(
        (each for each in free if each.strip().lower() in ("time", "clock", "hour", "zeit", "uhrzeit", "time_of_day")),
        None,
    )
    date = next((each for each in free if each.strip().lower() in ("date", "day", "datum")), None)
    if date and clock and _holds_clocks(table.column(clock)):
        return [date, clock]
    if usual is not None:
        return [usual]
    import pyarrow

    timed = []
    for each in free:
        column = table.column(each)
        texts = _some(column) if _is_text(column) else []
        if pyarrow.types.is_timestamp(column.type) or (
            texts and all(read_time(text, True, form.time_format) is not None for text in texts)
        ):
            timed.append(each)
    return timed if len(timed) == 1 else []


def _holds_clocks(column: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_time(column.type):
        return True
    return _is_text(column) and bool(texts := _some(column)) and all(is_clock(text) for text in texts)


def _long_columns(form: TableFormat, free: Sequence[str], table: Any, source: Source) -> tuple[str | None, str | None]:
    """The columns of the sensor's name and of the value, where the table has a row for each value."""
    if form.tag == NONE:
        return None, None
    if form.tag is not None or form.value is not None:
        tag = form.tag or _column(None, free, roles.TAG_NAMES)
        value = form.value or _column(None, [each for each in free if each != tag], roles.VALUE_NAMES)
        if tag is None or value is None:
            lacking = "tag" if tag is None else "value"
            raise DataError(
                f"{source.path}: which column is the {lacking}? it has {listed(free)}; say data.{lacking}=COLUMN"
            )
        return tag, value
    if form.channels is not None:
        return None, None
    tag = next(
        (each for each in free if each.strip().lower() in roles.TAG_NAMES and _is_text(table.column(each))), None
    )
    value = _column(None, free, roles.VALUE_NAMES)
    if tag is None or value is None or (_is_text(table.column(value)) and not _some(table.column(value))):
        return None, None
    numeric = [each for each in free if each not in (tag, value) and not _is_text(table.column(each))]
    numeric = [each for each in numeric if each.strip().lower() not in roles.SERIES_NAMES]
    return (tag, value) if not numeric else (None, None)


def _channels(
    source: Source,
    table: Any,
    candidates: Sequence[str],
    given: bool,
    form: TableFormat,
    labels: np.ndarray | None,
    notes: list[str],
) -> tuple[np.ndarray, list[str]]:
    """The columns with readings, (rows, channels), and their names.

    A column that nobody named is left out where it holds words, numbers its rows or repeats the label; `notes` says so.
    """
    name = source.path.name
    found: list[np.ndarray] = []
    chosen: list[str] = []
    for each in candidates:
        column = table.column(each)
        if not given and _is_text(column) and each != form.series:
            texts = [text for text in column.to_pylist() if text and text.strip()]
            numbers = sum(as_number(text, source.decimal_commas) is not None for text in texts)
            if texts and numbers < 0.5 * len(texts):
                if all(read_time(text, True) is not None for text in texts[:50]):
                    notes.append(
                        f"{name}: column {each!r} holds times and is not used; data.time={each} takes it as the time"
                    )
                else:
                    notes.append(f"{name}: column {each!r} holds words ({texts[0][:20]}, …) and is not used")
                continue
        if each == form.series:
            continue
        values = _numbers(source, each, column)
        if not given:
            wrong = labels == 1 if labels is not None else None
            if roles.counts_rows(values) and roles.COUNTER_NAMES.fullmatch(each.strip().lower()):
                notes.append(
                    f"{name}: column {each!r} only counts the rows and is not used; data.channels=[…] would take it"
                )
                continue
            if wrong is not None and roles.copies_label(values, wrong):
                notes.append(
                    f"{name}: column {each!r} is 1 only where the label is, so it would give the answer away, and is not used; "
                    "data.channels=[…] would take it"
                )
                continue
            if roles.looks_like_label(each, values):
                notes.append(
                    f"{name}: column {each!r} looks like a label and is taken as a sensor; if it is one, set data.label={each}, "
                    f"or data.ignore=[{each}]"
                )
            elif roles.always_rises(values):
                notes.append(
                    f"{name}: column {each!r} only rises, as a time or a counter does, and is taken as a sensor; "
                    f"data.ignore=[{each}] leaves it out"
                )
        found.append(values)
        chosen.append(each)
    values = np.stack(found, axis=1) if found else np.zeros((table.num_rows, 0))
    return values, chosen


def _groups(
    rows: _Rows, table: Any, kept: np.ndarray, form: TableFormat, free: Sequence[str], tag: str | None
) -> tuple[Mapping[Any, np.ndarray], str | None]:
    """The rows of each series by its name, and the column that names them; {None: all rows} for a single one.

    Raises:
        DataError: a row names no series.
    """
    every = {None: np.arange(len(rows))}
    if form.series == NONE:
        return every, None

    def by(column: str) -> dict[str, np.ndarray]:
        values = table.column(column).to_pylist()
        return roles.groups_of([values[row] for row in kept.tolist()])

    if form.series is not None:
        found = by(form.series)
        if "" in found:
            raise DataError(
                f"{rows.source.place(int(found[''][0]))}: column {form.series!r} is empty; fill it or delete the row"
            )
        return found, form.series
    usual = [each for each in free if each.strip().lower() in roles.SERIES_NAMES]
    for each in usual:
        found = by(each)
        if "" in found or len(found) < 2:
            continue
        if tag is not None or (
            rows.times is not None
            and not (np.diff(rows.times) > _zero(rows.times)).all()
            and roles.parts_times(rows.times, found)
        ):
            return found, each
        if rows.times is None and _is_text(table.column(each)) and len(found) <= len(rows) / 20:
            return found, each
    if form.order == "refuse" and rows.times is not None and tag is None:
        back = len(falls(rows.times)) or (rows.times[1:] == rows.times[:-1]).any()
        if back:
            for each in free:
                found = by(each)
                if "" not in found and roles.parts_times(rows.times, found):
                    row = int(np.flatnonzero(rows.times[1:] <= rows.times[:-1])[0]) + 1
                    raise DataError(
                        f"{rows.source.place(row)}: its time {_written(rows.times[row])} is not after that of the row "
                        "above; times "
                        f"rise within each of the {len(found):,} values of column {each!r}: set data.series={each} to "
                        "read a series "
                        "for each"
                    )
    return every, None


def _zero(times: np.ndarray) -> Any:
    return np.timedelta64(0) if np.issubdtype(times.dtype, np.datetime64) else 0


def _as_wide(rows: _Rows, tags: Sequence[Any], form: TableFormat) -> tuple[_Rows, list[str]]:
    """Rows of a table in long format as rows with a value of each sensor.

    Raises:
        DataError: the table has no times, a row names no sensor, or two rows have the same sensor and time.
    """
    source, every = rows.source, rows.times
    if every is None:
        raise DataError(f"{source.path}: has a row for each value, but no column of times; set data.time=COLUMN")
    if "" in (named := [roles.name_of(tag) for tag in tags]):
        raise DataError(f"{source.place(named.index(''))}: column {form.tag!r} is empty; fill it or delete the row")
    if form.channels is not None:
        wanted = np.array([each in set(form.channels) for each in named])
        for channel in form.channels:
            if channel not in named:
                raise DataError(f"{source.path}: has no sensor {channel!r}; {did_you_mean(channel, set(named))}")
        rows, every = rows.of(np.flatnonzero(wanted)), every[wanted]
        named = [each for each, good in zip(named, wanted, strict=True) if good]
    order = np.arange(len(rows))[::-1] if form.duplicates == "last" else np.arange(len(rows))
    times, names, values, again = roles.wide(every[order], [named[at] for at in order.tolist()], rows.values[order, 0])
    if len(again) and form.duplicates not in ("first", "last"):
        row = int(order[again[0]])
        raise DataError(
            f"{rows.source.place(row)}: {named[row]!r} has a value at {_written(every[row])} already; delete one, set "
            "data.duplicates=first (or last), or data.series=COLUMN if a column tells machines apart"
        )
    if form.channels is not None:
        values, names = values[:, [names.index(each) for each in form.channels]], list(form.channels)
    elif form.duplicates == "last":
        back = list(dict.fromkeys(named))
        values, names = values[:, [names.index(each) for each in back]], back
    labels = None
    if rows.labels is not None:
        labels = np.full(len(times), -1, np.int8)
        np.maximum.at(labels, np.searchsorted(times, every), rows.labels)
    # The first row of each time stands for it in errors.
    first = np.unique(every, return_index=True)[1]
    return _Rows(rows.source.of(first), times, values, labels), names


def _same_sensors(path: Path, found: list[Series]) -> list[Series]:
    """Series of a long table with their sensors in the order of the first.

    Raises:
        DataError: a series lacks one.
    """
    channels = found[0].channels
    for series in found:
        if set(series.channels) != set(channels):
            odd = sorted(set(series.channels) ^ set(channels))
            raise DataError(
                f"{path}: {series.name} and {found[0].name} do not have the same sensors ({listed(odd)} in one only); "
                "name those that "
                "all have with data.channels=[…]"
            )
    return [
        replace(series, channels=channels, values=series.values[:, [series.channels.index(each) for each in channels]])
        for series in found
    ]


def _series(
    rows: _Rows,
    channels: Sequence[str],
    form: TableFormat,
    zone: str,
    name: str,
    key: str | None,
    label: str | None,
    notes: list[str],
) -> Series:
    """One series from its rows: in order, without missing values."""
    named = name if key is None else key if name == rows.source.path.name else f"{name}:{key}"
    if rows.times is not None and form.zone is not None and zone == form.zone:
        rows = replace(rows, times=in_utc(rows.times, form.zone)[0])
    if rows.times is not None:
        rows = _in_order(rows, form, notes, zone)
    values = rows.values if key is not None or rows.values.base is None else rows.values.copy()
    _fill(rows.source, values, channels, form.missing)
    flags = known = None
    if rows.labels is not None:
        flags = rows.labels == 1
        known = rows.labels >= 0 if (rows.labels < 0).any() else None
        if known is not None and not known.any():
            flags = known = None
    return Series(named, values, tuple(channels), rows.times, flags, form, "", known=known, zone=zone)


def _ranges(rows: _Rows, channels: Sequence[str]) -> str:
    """`a (0.1 to 5.2), b (1 to 3; 4 % empty)`."""
    said = []
    for at, name in enumerate(channels[:MOST]):
        there = rows.values[np.isfinite(rows.values[:, at]), at]
        missing = 1 - len(there) / len(rows)
        range_ = f"{there.min():.4g} to {there.max():.4g}" if len(there) else "no value"
        said.append(f"{name} ({range_}" + (f"; {100 * missing:.2g} % empty" if missing else "") + ")")
    return ", ".join(said) + (f", … ({len(channels):,} in all)" if len(channels) > MOST else "")


def _odd_numbers(name: str, values: np.ndarray, channels: Sequence[str]) -> list[str]:
    """Channels that hold a number which loggers write in place of no value."""
    notes = []
    for at, channel in enumerate(channels):
        if (odd := roles.no_value_in(values[:, at])) is not None:
            number, count = odd
            notes.append(
                f"{name}: column {channel!r} is {number:g} in {count:,} row{'s' * (count != 1)}, far outside of its "
                "other values; if "
                f"that stands for no value, set data.no_value=[{number:g}] and data.missing=forward"
            )
    return notes


def between_gaps(series: Series, start: int, stop: int, usual: float | None = None) -> list[Stretch]:
    """Rows `start` to `stop`, cut at each jump in time that the format of the series' table counts as a gap.

    Args:
        series: of the rows
        start: the first row
        stop: the row after the last
        usual: the usual step from a row to the next, as `step_of` gives it; None: the median of these rows
    """
    gap = series.form.gap if series.form else None
    if gap is None or series.times is None or stop - start < 2 or (usual is None and stop - start < 3):
        return [Stretch(series, start, stop)] if stop > start else []
    steps = steps_of(series.times[start:stop])
    usual = float(np.median(steps)) if usual is None else usual
    cuts = np.flatnonzero(steps > gap * max(usual, np.finfo(float).tiny)) + 1
    edges = [start, *(start + cuts).tolist(), stop]
    return [Stretch(series, first, last) for first, last in pairwise(edges)]


def steps_of(times: np.ndarray) -> np.ndarray:
    """The steps from a row to the next: in seconds, or in the unit of times that are numbers."""
    steps = np.diff(times)
    return steps / np.timedelta64(1, "s") if np.issubdtype(times.dtype, np.datetime64) else steps.astype(np.float64)


def _times(
    source: Source, columns: Sequence[Any], names: Sequence[str], form: TableFormat
) -> tuple[TableFormat, Any, str]:
    """The times of all rows, and the zone that they are in: empty if they are as written. Those of rows that are refused mean
    nothing. The format says then whether dates begin with the day.

    Raises:
        DataError: nobody knows whether dates begin with the day.
    """
    import pyarrow
    import pyarrow.compute

    if not columns:
        return form, None, ""
    if form.zone is not None:
        in_utc(np.zeros(0, "datetime64[ms]"), form.zone)  # a zone that does not exist is refused at once
    column = columns[0]
    absent = "has no time; give it one or delete the row"
    for each in columns:
        for row in np.flatnonzero(pyarrow.compute.is_null(each).to_numpy()).tolist():
            source.refuse(row, absent)
    if len(columns) == 1 and (pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)):
        times = column.to_numpy()
        for row in np.flatnonzero(~np.isfinite(times)).tolist():
            source.refuse(row, absent)
        return form, times, ""
    if len(columns) == 1 and pyarrow.types.is_date(column.type):
        column = column.cast(pyarrow.timestamp("s"))
    if len(columns) == 1 and pyarrow.types.is_timestamp(column.type):
        zoned = column.type.tz is not None
        if zoned:  # keep the time in UTC
            column = column.cast(pyarrow.timestamp(column.type.unit))
        return form, column.to_numpy(), "UTC" if zoned else form.zone or ""
    parts = [_texts(source, name, each) for name, each in zip(names, columns, strict=True)]
    texts = [" ".join(text or "" for text in cells).strip() for cells in zip(*parts, strict=True)]
    numbers = [as_number(text, source.decimal_commas) for text in texts] if form.time_format is None else []
    if numbers and sum(number is not None for number in numbers) >= 0.9 * len(texts):
        found: Any = np.array([np.nan if number is None else number for number in numbers])
        wrong, zone = np.flatnonzero(~np.isfinite(found)), ""
    else:
        dayfirst = form.dayfirst
        if dayfirst is None and form.time_format is None:
            dayfirst = days_first(texts)
            unclear = undecided(texts) if dayfirst is None else None
            if unclear is not None:
                raise DataError(
                    f"{source.place(texts.index(unclear))}: {unclear!r} may begin with the day or with the month, and "
                    "no date of the file "
                    "tells which; set data.dayfirst=true or false"
                )
            form = replace(form, dayfirst=dayfirst)
        times = [read_time(text, dayfirst, form.time_format) for text in texts]
        found = np.array([np.datetime64("NaT") if time is None else time for time in times], "datetime64[ms]")
        wrong = np.flatnonzero(np.isnat(found))
        known = next((text for text, time in zip(texts, times, strict=True) if time is not None), "")
        says_zone = names_zone(known) or (form.time_format is not None and "%z" in form.time_format)
        zone = "UTC" if says_zone else form.zone or ""
    wanted = f"as {form.time_format}" if form.time_format else "like 2024-05-01 13:45:00, or be a number"
    for row in wrong.tolist():
        source.refuse(row, f"{texts[row]!r} is not a time; it should look {wanted}" if texts[row] else absent)
    return form, found, zone


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
    return np.array(column.to_numpy(), dtype=np.float64)


def is_number(text: str) -> bool:
    """Whether a text is a number; nan and inf are numbers."""
    return as_number(text) is not None


def _labels(source: Source, name: str, column: Any, form: TableFormat, notes: list[str]) -> np.ndarray:
    """1 where a row is marked as wrong, 0 where it is not, -1 where it has no label; what is said of rows that are refused means
    nothing.

    Raises:
        DataError: no row has a label, or no word of the column is known to mean that nothing is wrong.
    """
    wanted = "it should be 0 or 1 (set data.label=none if it is not a label)"
    texts = [_folded(value) for value in column.to_pylist()]
    words = list(dict.fromkeys(text for text in texts if text not in UNLABELLED_WORDS))
    if not words:
        raise DataError(f"{source.path}: column {name!r} has no label in any row; set data.label=none")
    normal = {_folded(word) for word in form.normal} or set(NORMAL_WORDS)
    plain = all(as_number(word) is not None for word in words)
    if not plain and not normal & set(words):
        raise DataError(
            f"{source.path}: column {name!r} holds {listed(words, 4)}, none of which is known to mean that nothing is wrong; set "
            "data.normal=[WORD], or data.label=none if it is not a label"
        )
    # Of words the others are kinds of faults. A number or a word among 0 and 1 is a slip.
    faults = set(WRONG_WORDS) if plain and not form.normal else set(words) - normal
    if not plain and {"0", "1"} & set(words):
        faults = set(WRONG_WORDS)
    found = np.array([-1 if text in UNLABELLED_WORDS else 0 if text in normal else 1 for text in texts], np.int8)
    for row, text in enumerate(texts):
        if found[row] == 1 and text not in faults:
            source.refuse(row, f"column {name!r} is {text}; {wanted}")
    if not plain:
        wrong = [word for word in words if word in faults]
        notes.append(
            f"{source.path.name}: column {name!r} says normal: {listed(sorted(normal & set(words)))}; wrong: {listed(wrong)}"
        )
    unknown = int((found < 0).sum())
    if unknown:
        notes.append(
            f"{source.path.name}: {unknown:,} of {len(found):,} rows have no label; they are learnt from like normal "
            "ones and not scored"
        )
    return found


def _folded(value: Any) -> str:
    """A label as a word: 1.0 and true are 1."""
    if isinstance(value, bool):
        return str(int(value))
    number = as_number(value) if not isinstance(value, str) or value.strip() else None
    if number is not None and number == number:
        return f"{number:g}"
    return "" if value is None or number is not None else str(value).strip().lower()


def _in_order(rows: _Rows, form: TableFormat, notes: list[str], zone: str) -> _Rows:
    """Rows whose times rise, as the format asks; `notes` counts those that were moved or left out.

    Raises:
        DataError: times fall or repeat, and the format does not say what to do.
    """
    source, times = rows.source, rows.times
    assert times is not None
    order = np.arange(len(times))
    back = falls(times)
    if form.order == "sort":
        order = np.argsort(times, kind="stable")
        if len(back):
            moved = int((order != np.arange(len(order))).sum())
            notes.append(f"{source.path.name}: {moved:,} rows were moved to put times in order (data.order=sort)")
    elif form.order == "refuse" and len(back):
        row = int(back[0])
        if not zone and looks_put_back(times, back):
            advice = (
                "the clock was put back there, as in autumn: name its zone with data.zone=Europe/Berlin, or what it is; or set "
                "data.order=keep"
            )
        else:
            advice = "sort the rows, or set data.order=sort; data.series=COLUMN if a column tells machines apart"
        raise DataError(
            f"{source.place(row)}: its time {_written(times[row])} is before the time of the row above, "
            f"{_written(times[row - 1])}; {advice}"
        )
    ordered = times[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(same) and form.duplicates == "refuse":
        raise DataError(
            f"{source.place(int(order[same[0] + 1]))}: has the same time as another row, {_written(ordered[same[0]])}; "
            "delete one, or "
            "set data.duplicates=first (or last, or keep); data.series=COLUMN if a column tells machines apart"
        )
    if len(same) and form.duplicates != "keep":
        order = np.delete(order, same + 1 if form.duplicates == "first" else same)
        notes.append(
            f"{source.path.name}: {len(same):,} of {len(times):,} rows are left out, because they have the time of another row "
            f"(data.duplicates={form.duplicates})"
        )
    return rows if len(order) == len(times) and form.order != "sort" else rows.of(order)


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
