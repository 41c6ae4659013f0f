"""Tables of units: a row for each time step of each unit, with columns of numbers and of categories."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.survey import listed
from convzoo.core.text import did_you_mean, first_line
from convzoo.modalities.series.data.tables import NONE, Source, open_table, read_time
from convzoo.modalities.series.example import TableFormat
from convzoo.modalities.series.history import UnitForm, UnitRows
from convzoo.reading.columns import optional_column
from convzoo.reading.damaged import Damaged
from convzoo.reading.lines import plain_name, plain_suffix
from convzoo.reading.tables import as_number

CODE_NAMES = re.compile(
    r"(?:^|_| )(?:id|code|mcc|type|category|kind|class|zip|postcode|country|currency)$", re.IGNORECASE
)
"""Columns of whole numbers with such names hold categories: a larger code is not more of anything."""

NO_NUMBER = ("nan", "na", "n/a", "#n/a", "#nv", "<na>", "null", "none", "-")
"""What is written where a number is missing; `#NV` is Excel's in German."""

_MONEY = re.compile(r"([+-]?)\s*(?:[$€£¥]\s*([+-]?)\s*)?(\d[\d.,]*)(?:\s*[$€£¥])?")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,}")

MAX_CODES = 1000
"""A column of whole numbers with more different values than this holds no categories."""

BLOCK = 1 << 20

COUNTED = 20
"""A column of so many whole numbers, each one more than that above, counts the rows."""

POSITIVE = ("1", "true", "t", "yes", "y", "fraud", "fraudulent", "anomaly", "anomalous", "chargeback", "bad", "illicit")
NEGATIVE = (
    "0",
    "false",
    "f",
    "no",
    "n",
    "legit",
    "legitimate",
    "genuine",
    "normal",
    "ok",
    "good",
    "licit",
    "non-fraud",
    "-1",
)
"""Words for yes and no in a column of marks."""


@dataclass(frozen=True)
class Roles:
    """Which columns of a table of units play which role; what is None or empty is found.

    Attributes:
        unit: the column that names the unit; `none`: each file is one unit
        time: the column with the time; `none`: rows are in their order
        target: the column with the answer; `none`: there is none
        channels: the columns with numbers; None: all others that hold numbers
        categories: the columns with categories; None: all others that hold text, and codes
        ignore: columns that are left out
        extra: columns that are kept beside, by what they are called: numbers, or text as it stands
        unit_names, time_names, target_names: what such columns are usually called
        flags: whether the target marks rows with yes and no; else it is a number
        day_first: whether 03.04.2024 and 03/04/2024 are in April
        duplicates: what to do with several rows of one unit and time
    """

    unit: str | None = None
    time: str | None = None
    target: str | None = None
    channels: Sequence[str] | None = None
    categories: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    extra: dict[str, str] = field(default_factory=dict)
    unit_names: Sequence[str] = ()
    time_names: Sequence[str] = ()
    target_names: Sequence[str] = ()
    flags: bool = False
    day_first: bool = False
    duplicates: Literal["refuse", "first", "last", "keep"] = "refuse"
    separator: str | None = None
    encoding: str | None = None


@dataclass
class _File:
    """What was read of one file: arrays by column."""

    path: Path
    unit: tuple[np.ndarray, list[str]]  # the position of each row's unit among the names
    time: np.ndarray | None
    target: np.ndarray | None
    numbers: dict[str, np.ndarray]
    texts: dict[str, tuple[np.ndarray, list[str]]]  # as for the units; -1: empty
    extra: dict[str, np.ndarray]
    lines: np.ndarray
    roles: dict[str, str | None]
    unused: list[str]


def read_units(
    files: Sequence[Path], roles: Roles, damaged: Damaged, name: str, like: UnitRows | None = None
) -> tuple[UnitRows, list[str]]:
    """The rows of some tables, sorted by unit and time, and notes on what a person should know of them.

    Args:
        files: the tables, at least one
        roles: which column is what
        damaged: takes note of rows that cannot be read
        name: what the whole is called
        like: another table with the same columns: numbers and categories are those that it has

    Raises:
        DataError: no such file or column; columns that differ between files; rows that cannot be read, where they are not left
            out; several rows of one unit and time, where they are refused.
    """
    import pyarrow

    notes: list[str] = []
    read = [_read(file, roles, damaged, like, notes) for file in files]
    damaged.settle()
    first = read[0]
    for other in read[1:]:
        for kind in ("numbers", "texts"):
            own, wanted = list(getattr(other, kind)), list(getattr(first, kind))
            if set(own) != set(wanted):
                odd = sorted(set(own) ^ set(wanted))
                raise DataError(
                    f"{other.path}: {listed(odd)} is not a column of {'numbers' if kind == 'numbers' else 'categories'} in both "
                    f"this file and {first.path}; name the columns with data.channels=[…] and data.categories=[…], or leave it "
                    f"out with data.ignore=[{odd[0]}]"
                )
    units, codes = _units_in_order(*_joined_codes([each.unit for each in read]))
    times = _joined_times(read)
    lines = _joined([each.lines for each in read])
    file_numbers = None
    if len(read) > 1:
        file_numbers = np.repeat(np.arange(len(read), dtype=np.int16), [len(each.lines) for each in read])
    keep: Any = slice(None)  # of large tables, rows that are in order are not copied
    if not _are_in_order(codes, times):
        keep = np.lexsort((times, codes)) if times is not None else np.argsort(codes, kind="stable")
    if times is not None and not isinstance(keep, slice):
        by_unit = np.argsort(codes, kind="stable")
        fell = np.flatnonzero((np.diff(codes[by_unit]) == 0) & (times[by_unit][1:] < times[by_unit][:-1]))
        if len(fell):
            where = first.path if len(read) == 1 else name
            notes.append(
                f"{where}: {len(fell):,} rows stand before an earlier row of their unit; the rows were sorted by time"
            )
    same = np.empty(0, bool) if times is None or roles.duplicates == "keep" else _repeated(codes[keep], times[keep])
    if same.any():
        rows = np.arange(len(codes))[keep]
        row = int(rows[int(np.flatnonzero(same)[0]) + 1])
        path = read[0 if file_numbers is None else int(file_numbers[row])].path
        if roles.duplicates == "refuse":
            time = str(times[row]).replace("T", " ")  # type: ignore[index]
            raise DataError(
                f"{path}:{int(lines[row])}: unit {units[int(codes[row])]} has another row of the time {time} "
                f"({int(same.sum()):,} such rows in all); delete one, set "
                "data.duplicates=first (or last, or keep), or name the column of units with "
                "data.unit"
            )
        keep = np.delete(rows, np.flatnonzero(same) + (1 if roles.duplicates == "first" else 0))
        notes.append(
            f"{name}: {int(same.sum()):,} rows with the unit and time of another row were left out (data.duplicates)"
        )
    number_names = tuple(first.numbers)
    kinds = [each.numbers[column].dtype for each in read for column in number_names]
    codes = codes[keep]
    # Column by column in memory, so that filling one touches no page of the others.
    numbers = np.empty((len(codes), len(number_names)), dtype=np.result_type(np.float32, *kinds), order="F")
    for at, column in enumerate(number_names):
        parts = [each.numbers.pop(column) for each in read]  # so that only one column is in memory twice
        numbers[:, at] = _joined(parts)[keep]
        del parts
        pyarrow.default_memory_pool().release_unused()
    coded = {column: _joined_codes([each.texts[column] for each in read]) for column in first.texts}
    targets = _sorted_optional([each.target for each in read], keep)
    extra = {
        key: _joined([each.extra[key] for each in read])[keep]
        for key in first.extra
        if all(key in e.extra for e in read)
    }
    starts = np.searchsorted(codes, np.arange(len(units) + 1, dtype=codes.dtype))
    used = first.roles
    columns = "; ".join(f"{role}: {column or 'none'}" for role, column in used.items())
    columns += f"; numbers: {listed(number_names) or 'none'}; categories: {listed(first.texts) or 'none'}"
    columns += f"; not used: {listed(first.unused)}" if first.unused else ""
    return UnitRows(
        name,
        numbers,
        number_names,
        np.stack([each[keep] for each, _ in coded.values()], axis=1) if coded else np.empty((len(codes), 0), np.int32),
        tuple(coded),
        tuple(tuple(values) for _, values in coded.values()),
        None if times is None else times[keep],
        targets,
        units,
        starts,
        lines[keep],
        extra,
        columns,
        UnitForm(used["unit"], used["time"], used["target"], roles.separator, roles.encoding, roles.day_first),
        damaged.skipped,
        tuple(files),
        None if file_numbers is None else file_numbers[keep],
    ), notes


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@dataclass
class _Columns:
    """The columns of a table, each read when it is asked for: a large Parquet file is never in memory as a whole."""

    names: list[str]
    rows: int
    read: Callable[[str], Any]

    @classmethod
    def of(cls, path: Path, roles: Roles, damaged: Damaged) -> "tuple[_Columns, Source]":
        """The columns of a file.

        Raises:
            DataError: there is no such file, it is no table, or holds no rows.
        """
        if plain_suffix(path) == ".parquet" and path.is_file():
            import pyarrow
            import pyarrow.parquet

            try:
                file = pyarrow.parquet.ParquetFile(path)
            except (OSError, pyarrow.ArrowException) as error:
                raise DataError(f"{path}: cannot be read as a table ({first_line(error)})") from None

            def read(name: str) -> Any:
                column = file.read([name], use_threads=False).column(0)
                pyarrow.default_memory_pool().release_unused()  # what unpacking needed
                return column

            found, source = cls(file.schema_arrow.names, file.metadata.num_rows, read), Source(path, damaged=damaged)
        else:
            table, source = open_table(path, TableFormat(separator=roles.separator, encoding=roles.encoding), damaged)
            found = cls(list(table.column_names), table.num_rows, table.column)
        if not found.rows:
            raise DataError(f"{path}: holds no rows")
        return found, source


def _read(path: Path, roles: Roles, damaged: Damaged, like: UnitRows | None, notes: list[str]) -> _File:
    table, source = _Columns.of(path, roles, damaged)
    damaged.count += table.rows
    names = table.names
    for setting, given in (("ignore", roles.ignore), ("channels", roles.channels), ("categories", roles.categories)):
        for column in given or ():
            if column not in names:
                raise DataError(f"{path}: data.{setting}: has no column {column!r}; {did_you_mean(column, names)}")
    free = [column for column in names if column not in roles.ignore]
    unit = _found(path, roles.unit, free, roles.unit_names)
    time = _found(path, roles.time, [each for each in free if each != unit], roles.time_names)
    target = _found(path, roles.target, [each for each in free if each not in (unit, time)], roles.target_names)
    found_extra = {key: _extra(table.read(name)) for key, name in roles.extra.items() if name in names}
    taken = {unit, time, target}
    unit_codes, unit_names = (
        _codes(table.read(unit)) if unit else (np.zeros(table.rows, np.int32), [plain_name(path).stem])
    )
    for row in np.flatnonzero(unit_codes < 0).tolist():
        source.refuse(row, f"column {unit!r} names no unit; fill it or delete the row")
    if time is None and roles.time is None:
        time = _only_time(table, [each for each in free if each not in taken], unit_codes, roles, like, source)
        if time is not None and like is None:
            notes.append(
                f"{path.name}: column {time!r} holds times, and is taken as the time; data.time=none takes rows in order"
            )
        taken.add(time)
    times = _times(source, time, table.read(time), roles.day_first) if time else None
    targets = _targets(source, target, table.read(target), roles.flags) if target else None
    numbers: dict[str, np.ndarray] = {}
    texts: dict[str, tuple[np.ndarray, list[str]]] = {}
    unused: list[str] = [each for each in names if each in roles.ignore]
    for column in free:
        if column in taken:
            continue
        values = table.read(column)
        kind = _kind(values, column, roles, like, source)
        if kind == "number":
            numbers[column] = _numbers(source, column, values)
        elif kind == "category":
            texts[column] = _codes(values)
        else:
            unused.append(column)
            if kind:
                notes.append(
                    f"{path.name}: column {column!r} {kind}, and is not used; data.channels or data.categories takes it"
                )
    kept: Any = slice(None)
    if source.bad:
        kept = np.setdiff1d(np.arange(table.rows), sorted(source.bad))
    for row, column in _infinite(numbers):
        if row not in source.bad:
            source.refuse(row, f"column {column!r} is infinite; correct it or delete the row")
            kept = np.setdiff1d(np.arange(table.rows), sorted(source.bad))
    lines = source.lines_of(table.rows)
    return _File(
        path,
        (unit_codes[kept], unit_names),
        None if times is None else times[kept],
        None if targets is None else targets[kept],
        {column: values[kept] for column, values in numbers.items()},
        {column: (codes[kept], values) for column, (codes, values) in texts.items()},
        {key: values[kept] for key, values in found_extra.items()},
        lines[kept],
        {"unit": unit, "time": time, "target": target},
        unused,
    )


def _only_time(
    table: _Columns, free: Sequence[str], units: np.ndarray, roles: Roles, like: UnitRows | None, source: Source
) -> str | None:
    """The only column that holds times, where these differ from row to row of a unit; as in another table, where there is one."""
    if like is not None:
        column = like.form.time if like.form is not None else None
        return column if column in free else None
    beside = {*roles.extra.values(), *(roles.channels or ()), *(roles.categories or ())}
    found = [
        name
        for name in free
        if name not in beside and _kind(table.read(name), name, roles, None, source) == "holds times"
    ]
    if len(found) != 1:
        return None
    moments, _ = _codes(table.read(found[0]))
    different = len(np.unique(np.stack([units, moments]), axis=1).T)
    return found[0] if different > table.rows / 2 else None


def _found(path: Path, given: str | None, free: Sequence[str], usual: Sequence[str]) -> str | None:
    return None if given == NONE else optional_column(path, free, given, usual)


def _kind(column: Any, name: str, roles: Roles, like: UnitRows | None, source: Source) -> str:
    """`number`, `category`, or why a column is neither; empty where its role was given to others."""
    import pyarrow
    import pyarrow.compute

    if like is not None:
        return "number" if name in like.number_names else "category" if name in like.category_names else ""
    if roles.channels is not None and name in roles.channels:
        return "number"
    if roles.categories is not None and name in roles.categories:
        return "category"
    kind = column.type
    if column.null_count == len(column):
        return "has no value at all"
    if pyarrow.types.is_timestamp(kind) or pyarrow.types.is_date(kind):
        return "holds times"
    if pyarrow.types.is_nested(kind):
        return f"holds {kind}"
    whole = pyarrow.types.is_integer(kind)
    if whole or pyarrow.types.is_floating(kind) or pyarrow.types.is_decimal(kind) or pyarrow.types.is_boolean(kind):
        if roles.channels is not None and not (whole and CODE_NAMES.search(name)):
            return ""
        if not whole:
            return "number"
        values = column.drop_null().to_numpy()
        if len(values) >= COUNTED and bool((np.diff(values) == 1).all()):
            return "counts the rows"
        if not CODE_NAMES.search(name):
            return "number"
        different = len(np.unique(values))
        if different > MAX_CODES:
            return f"is named as a code and has {different:,} different values"
        return "category" if roles.categories is None else ""
    texts = _texts(column)
    filled = texts[texts != ""]
    if not len(filled):
        return "has no value at all"
    some = filled[np.unique(np.linspace(0, len(filled) - 1, min(len(filled), 2000)).astype(int))]
    readable = sum(number_in(text, source.decimal_commas) is not None for text in some) / len(some)
    if readable >= 0.5:  # a column of numbers with a damaged cell is not one of categories
        return "number" if roles.channels is None else ""
    dated = sum(read_time(text) is not None or not np.isnat(time_in(text, roles.day_first)) for text in some)
    if dated / len(some) > 0.9:
        return "holds times"
    different = len(np.unique(filled))
    if different > max(100, len(filled) / 2):
        return f"has {different:,} different texts in {len(filled):,} rows"
    return "category" if roles.categories is None else ""


def _codes(column: Any) -> tuple[np.ndarray, list[str]]:
    """(rows,) the position of each cell among the different texts of a column, -1 where it is empty; and these texts, sorted."""
    import pyarrow

    found = (
        column.combine_chunks().dictionary_encode()
        if not pyarrow.types.is_dictionary(column.type)
        else column.combine_chunks()
    )
    written = found.dictionary.cast(pyarrow.string()).to_pylist()
    texts = ["" if text is None else text.strip() for text in written]
    names = sorted(set(texts) - {""})
    place = {name: at for at, name in enumerate(names)}
    codes = np.array([*(place.get(text, -1) for text in texts), -1], dtype=np.int32)
    return codes[found.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)], names


def _texts(column: Any) -> np.ndarray:
    """A column as text without the spaces around it; empty where there is no value."""
    import pyarrow

    values = column.cast(pyarrow.string()).to_pylist()
    return np.array(["" if value is None else value.strip() for value in values], dtype=object)


def number_in(text: str, decimal_commas: bool) -> float | None:
    """A cell as a number, also an amount as it is printed: $1,234.50, 12,50 €. None: it is none.

    Commas between thousands are taken where no decimal comma can be meant: before a decimal point, or if there are several.
    """
    plain = as_number(text, decimal_commas)
    if plain is not None:
        return plain
    found = _MONEY.fullmatch(text.strip())
    if found is None:
        return None
    sign, inner, digits = found.group(1), found.group(2) or "", found.group(3)
    if not decimal_commas and _GROUPED.fullmatch(digits):
        digits = digits.replace(",", "")
    return as_number(sign + inner + digits, decimal_commas)


def _extra(column: Any) -> np.ndarray:
    import pyarrow

    if pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
        return np.asarray(column.to_numpy(), dtype=np.float64)
    if pyarrow.types.is_timestamp(column.type):
        return column.to_numpy()
    return _texts(column)


def _numbers(source: Source, name: str, column: Any) -> np.ndarray:
    """(rows,) numbers, NaN where a cell is empty; single precision stays single."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_float32(kind) or pyarrow.types.is_float16(kind):
        return np.asarray(column.to_numpy(), dtype=np.float32)
    if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
        return np.asarray(column.to_numpy(), dtype=np.float64)
    if pyarrow.types.is_boolean(kind) or pyarrow.types.is_decimal(kind):
        return np.asarray(column.cast(pyarrow.float64()).to_numpy(), dtype=np.float64)
    found = np.full(len(column), np.nan)
    for row, text in enumerate(_texts(column)):
        if text == "" or text.lower() in NO_NUMBER:
            continue
        number = number_in(text, source.decimal_commas)
        if number is None:
            source.refuse(
                row,
                f"column {name!r} holds {text[:40]!r}, which is not a number; correct it, or leave the column out with "
                f"data.ignore=[{name}]",
            )
        else:
            found[row] = number
    return found


def _targets(source: Source, name: str, column: Any, flags: bool) -> np.ndarray:
    """(rows,) the answers, NaN where a cell is empty."""
    import pyarrow

    kind = column.type
    if not flags:
        return _numbers(source, name, column)
    if pyarrow.types.is_boolean(kind):
        return np.array([np.nan if value is None else float(value) for value in column.to_pylist()])
    found = np.full(len(column), np.nan)
    for row, text in enumerate(_texts(column)):
        word = text.lower().removesuffix(".0")
        if word in ("", "nan", "unknown", "none", "null"):
            continue
        if word in POSITIVE or word in NEGATIVE:
            found[row] = float(word in POSITIVE)
        else:
            source.refuse(
                row,
                f"column {name!r} says {text[:40]!r}; it should say 0 or 1, false or true, or stay empty where it is unknown",
            )
    return found


def _times(source: Source, name: str, column: Any, day_first: bool) -> np.ndarray:
    """(rows,) of datetime64[ms] or float64."""
    import pyarrow

    kind = column.type
    absent = f"column {name!r} has no time; give it one or delete the row"
    if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
        times = column.to_numpy()
        wrong = ~np.isfinite(times)
    elif pyarrow.types.is_timestamp(kind) or pyarrow.types.is_date(kind):
        times = column.cast(pyarrow.timestamp("ms"), safe=False).to_numpy()
        wrong = np.isnat(times)
    else:
        texts = _texts(column)
        some = [as_number(text, source.decimal_commas) is not None for text in texts[:1000]]
        if sum(some) >= 0.9 * len(some):
            numbers = (as_number(text, source.decimal_commas) for text in texts)
            times = np.array([np.nan if number is None else number for number in numbers], dtype=np.float64)
            wrong = ~np.isfinite(times)
        else:
            times = np.array([time_in(text, day_first) for text in texts], dtype="datetime64[ms]")
            wrong = np.isnat(times)
        for row in np.flatnonzero(wrong).tolist():
            text = texts[row]
            source.refuse(
                row,
                f"column {name!r}: {not_a_time(text, day_first)}" if text else absent,
            )
        return times
    for row in np.flatnonzero(wrong).tolist():
        source.refuse(row, absent)
    return times


_DAY_FIRST = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?:[ T,]+(.*))?")


def time_in(text: str, day_first: bool = False) -> np.datetime64:
    """A time such as 2024-05-01 13:45:00; 01.05.2024 is in May, 01/05/2024 as `day_first` says. NaT: it is none."""
    found = _DAY_FIRST.fullmatch(text.strip())
    if found:
        first, second, year, rest = found.groups()
        day, month = (first, second) if day_first or "." in text.split(" ")[0] else (second, first)
        text = f"{year}-{int(month):02d}-{int(day):02d}" + (f" {rest}" if rest else "")
    time = read_time(re.sub(r"(?<= )(\d):", r"0\1:", text))
    return np.datetime64("NaT") if time is None else time.astype("datetime64[ms]")


def not_a_time(text: str, day_first: bool = False) -> str:
    """Why a text is no time; where only the order of day and month is another one, the setting that says so."""
    if not np.isnat(time_in(text, not day_first)):
        order, setting = ("day", "false") if day_first else ("month", "true")
        return f"{text[:40]!r} is no date with the {order} first; set data.day_first={setting}"
    return f"{text[:40]!r} is not a time; it should look like 2024-05-01 13:45:00"


def _infinite(numbers: dict[str, np.ndarray]) -> list[tuple[int, str]]:
    return [(row, column) for column, values in numbers.items() for row in np.flatnonzero(np.isinf(values)).tolist()]


def _joined_codes(parts: Sequence[tuple[np.ndarray, list[str]]]) -> tuple[np.ndarray, list[str]]:
    """The codes of several files, as positions among the texts of all of them."""
    if len(parts) == 1:
        return parts[0]
    names = sorted({name for _, each in parts for name in each})
    place = {name: at for at, name in enumerate(names)}
    maps = [np.array([*(place[name] for name in each), -1], dtype=np.int32) for _, each in parts]
    return np.concatenate([own[codes] for own, (codes, _) in zip(maps, parts, strict=True)]), names


def _units_in_order(codes: np.ndarray, names: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The units that have rows, numbers in numeric order, and for each row the number of its unit."""
    parts = [codes[start : start + BLOCK] for start in range(0, len(codes), BLOCK)]
    counts = np.sum([np.bincount(part, minlength=len(names)) for part in parts], axis=0)
    used = np.flatnonzero(counts)
    names_used = [names[at] for at in used.tolist()]
    if all(re.fullmatch(r"\d{1,15}", text) for text in names_used):
        order = np.argsort([int(text) for text in names_used], kind="stable")
        used, names_used = used[order], [names_used[at] for at in order.tolist()]
    place = np.zeros(len(names), dtype=np.int32)
    place[used] = np.arange(len(used))
    if not np.array_equal(place, np.arange(len(names))):
        codes = np.concatenate([place[part] for part in parts])
    return tuple(names_used), codes


def _are_in_order(codes: np.ndarray, times: np.ndarray | None) -> bool:
    """Whether rows are sorted by unit, and in a unit by time. Looked at in parts, so that little memory is needed."""
    for start in range(0, len(codes) - 1, BLOCK):
        part = slice(start, start + BLOCK + 1)
        units = np.diff(codes[part])
        if (units < 0).any() or (times is not None and ((units == 0) & (times[part][1:] < times[part][:-1])).any()):
            return False
    return True


def _joined_times(read: Sequence[_File]) -> np.ndarray | None:
    found = [each.time for each in read]
    if any(each is None for each in found):
        odd = next(each.path for each in read if each.time is None)
        if any(each is not None for each in found):
            raise DataError(f"{odd}: has no column of times; {read[0].path} has one: name it with data.time=COLUMN")
        return None
    kinds = {each.dtype.kind for each in found if each is not None}
    if len(kinds) > 1:
        raise DataError(
            f"{read[-1].path}: its times are numbers in one file and dates in another; write all in the same way"
        )
    return _joined([each for each in found if each is not None])


def _repeated(codes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(rows - 1,) whether the next row has the same unit and time."""
    found = np.empty(max(len(codes) - 1, 0), dtype=bool)
    for start in range(0, len(found), BLOCK):
        part = slice(start, start + BLOCK + 1)
        found[start : start + BLOCK] = (np.diff(codes[part]) == 0) & (times[part][1:] == times[part][:-1])
    return found


def _sorted_optional(parts: Sequence[np.ndarray | None], keep: Any) -> np.ndarray | None:
    if all(part is None for part in parts):
        return None
    sizes = [len(part) for part in parts if part is not None]
    if len(sizes) < len(parts):
        raise DataError("some of the tables have the column of answers and some have not; give it to all or to none")
    return _joined([part for part in parts if part is not None])[keep]
