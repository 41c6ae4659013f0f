"""Tables, for every kind of data: CSV with any usual separator, quotes, decimal commas and encoding, JSON lines, Parquet."""

import ast
import codecs
import csv
import gzip
import io
import json
import math
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.arguments import Decimal, LabelType
from convzoo.core.errors import DataError
from convzoo.core.files import no_such
from convzoo.core.inputs import Given, InputTable
from convzoo.core.labels import Label
from convzoo.core.libraries import needs
from convzoo.core.text import first_line
from convzoo.reading.columns import find_column, find_split, optional_column, split_named
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import files_below, refuse_twice, visible
from convzoo.reading.lines import encoding_of, plain_name, plain_suffix, read_text

TEXT_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".json", ".xlsx")
"""How a table's file ends; the text forms and `.json` also with `.gz` behind it."""

_IN_A_FOLDER = (*TEXT_SUFFIXES, ".parquet", ".xlsx")
"""The same for the tables of a folder, where a `.json` file mostly says something about them."""

SEPARATORS = (",", ";", "\t", "|")
_LOOKED_AT = 100
_HEAD = 200_000
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d*),\d+(?:[eE][+-]?\d+)?")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+")
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
_EXCEL_SEPARATOR = re.compile(r"sep=([,;\t|])\r?\n")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def is_table(path: Path) -> bool:
    """Whether a file's name ends like a table's."""
    return plain_suffix(path) in ((*TEXT_SUFFIXES, ".json") if path.suffix.lower() == ".gz" else SUFFIXES)


def tables_below(folder: Path) -> list[Path]:
    """The tables below a folder, in the order of their paths."""
    found = files_below(folder) if folder.is_dir() else ()
    return sorted(path for path in found if is_table(path) and plain_suffix(path) in _IN_A_FOLDER and path.is_file())


def table_named(folder: Path, stem: str) -> Path | None:
    """The table of that name in a folder, whatever its ending: `nodes.csv`, `nodes.tsv`, `nodes.csv.gz` …; None: there is none.

    Raises:
        DataError: there are two.
    """
    found = [path for path in visible(folder) if is_table(path) and plain_name(path).stem == stem]
    refuse_twice(folder, [(stem, path) for path in found])
    return found[0] if found else None


class Table:
    """Columns by name, all of one length. Values are as text, or what JSON or Parquet has; what is not there is None.

    Attributes:
        path: of the file
        columns: lists of values by name
        lines: for each row, where it stands in the file
        separator: between the fields of a CSV file; empty for JSON and Parquet
        decimal: what stands before decimals, `point` or `comma`; None: found
        broken: the rows that cannot be read, by their line: what is wrong, and what their fields hold
    """

    def __init__(
        self,
        path: Path,
        columns: dict[str, list[Any]],
        lines: Sequence[Any],
        separator: str = "",
        broken: Mapping[Any, tuple[str, dict[str, Any]]] | None = None,
    ) -> None:
        self.path = path
        self.columns = columns
        self.lines = lines
        self.separator = separator
        self.decimal: Decimal | None = None
        self.broken = dict(broken or {})

    def __len__(self) -> int:
        return len(self.lines)

    def place(self, row: int) -> str:
        """Where a row stands: `file:line`."""
        return f"{self.path}:{self.lines[row]}"

    def cells(self, row: int) -> dict[str, Any]:
        """A row, by the names of the columns."""
        return {name: values[row] for name, values in self.columns.items()}

    def inputs(self, example: Callable[[int], Any], taken: str) -> list[Given]:
        """All rows for `predict`, in their order: those that cannot be read too, with the error in place of the example.

        Args:
            example: makes the example of a row, or raises a DataError
            taken: which column was taken for what, in words
        """
        facts = InputTable(self.path, list(self.columns), taken)
        found = {line: (_or_error(partial(example, row)), self.cells(row)) for row, line in enumerate(self.lines)}
        found |= {line: (DataError(message), cells) for line, (message, cells) in self.broken.items()}
        return [Given(found[line][0], row, facts, found[line][1]) for row, line in enumerate(sorted(found), 1)]

    def find(self, role: str, given: str | None, usual: Sequence[str], needed: bool = True) -> str | None:
        """The column of that role: as given, else one that is usually called so.

        Raises:
            DataError: there is none.
        """
        names = list(self.columns)
        if needed:
            try:
                return find_column(self.path, role, names, given, usual)
            except DataError as error:
                if len(names) > 1 or not self.separator:
                    raise
                raise DataError(f"{error}; if another mark separates its fields, say data.separator=MARK") from None
        return optional_column(self.path, names, given, usual)

    def splits(self, given: str | None) -> tuple[list[str], str] | None:
        """For each row train, val or test, and the column that says so; None where no column does.

        Raises:
            DataError: the given column is not there, or a row names no split.
        """
        name = find_split(self.path, list(self.columns), given, self.columns.__getitem__)
        if name is None:
            return None
        words = ["" if value is None else str(value) for value in self.columns[name]]
        return [split_named(self.place(row), name, word) for row, word in enumerate(words)], name

    def ids(self, name: str) -> list[str]:
        """A column of ids or names as text, without the spaces around them.

        Raises:
            DataError: one is empty, or is no single value.
        """
        return [self.id(row, name) for row in range(len(self))]

    def id(self, row: int, name: str) -> str:
        """An id or a name in a row, as text.

        Raises:
            DataError: it is empty, or is no single value.
        """
        value = self.columns[name][row]
        if isinstance(value, list | dict):
            raise DataError(f"{self.place(row)}: column {name!r} holds {type(value).__name__}, not one value")
        found = _plain(value)
        if not found:
            raise DataError(f"{self.place(row)}: column {name!r} is empty; fill it or delete the row")
        return found

    def optional_ids(self, name: str | None) -> list[str | None]:
        """A column of ids as text, None where one is empty; all None without a column."""
        if name is None:
            return [None] * len(self)
        return [_plain(value) or None for value in self.columns[name]]

    def label_columns(
        self,
        given: str | Sequence[str] | None,
        usual: Sequence[str],
        label_type: LabelType,
        used: Collection[str | None],
    ) -> str | list[str]:
        """The column of the labels, or, where there is none, the columns of 0 and 1 that stand for a class each.

        Args:
            given: the name of the column, or those of the columns of classes; None: found
            usual: what a column of labels is usually called
            label_type: what each label is
            used: columns with another role

        Raises:
            DataError: there is neither.
        """
        if isinstance(given, list | tuple):
            if label_type == "number":
                raise DataError(f"data.label: names {len(given)} columns; a number stands in one column")
            return [str(optional_column(self.path, list(self.columns), name, ())) for name in given]
        found = self.find("label", None if given is None else str(given), usual, needed=False)
        if found is not None:
            return found
        if label_type == "number":
            return str(self.find("label", None, usual))
        free = [name for name in self.columns if name not in used]
        flags = [
            name for name in free if (cells := set(map(_flag, self.columns[name]))) <= {True, False} and True in cells
        ]
        one_each = all(sum(bool(_flag(self.columns[name][row])) for name in flags) == 1 for row in range(len(self)))
        if len(flags) > 1 and (label_type == "classes" or one_each):
            return flags
        return str(self.find("label", None, usual))

    def labels(self, name: str | Sequence[str], label_type: LabelType, needed: bool = True) -> list[Label | None]:
        """A column of labels: classes as text, numbers as floats, or the names of several classes as a tuple.

        A cell of several classes is a list as JSON or Python writes it (`["a", "b"]`), or names with `|`, `;` or `,` between
        them: the first of these marks that is in the column separates the names of all its cells. An empty cell has none of the
        classes. Of columns that stand for a class each, those with 1 (or true, yes, x) name the classes of a row; 0, false, no
        and an empty cell do not. Names lose the spaces around them and are in Unicode's NFC; their case counts.

        Args:
            name: of the column, or of the columns of classes
            label_type: what each label is
            needed: whether a class or a number must be in each row; else an empty cell is None

        Raises:
            DataError: a cell is empty, is no single class, no finite number or no list of names.
        """
        read = self.label_reader(name, label_type, needed)
        return [read(row) for row in range(len(self))]

    def label_reader(
        self, name: str | Sequence[str], label_type: LabelType, needed: bool = True
    ) -> Callable[[int], Label | None]:
        """What reads the label of a row: as `labels`, for readers that leave damaged rows out."""
        if not isinstance(name, str):
            return self._reader_of_flags(name, label_type, needed)
        if label_type == "classes":
            return self._reader_of_several(name)
        if label_type == "class":
            return lambda row: None if not needed and _is_empty(self.columns[name][row]) else self._class(row, name)
        commas = self._commas_in(name)
        return lambda row: None if not needed and _is_empty(self.columns[name][row]) else self.number(row, name, commas)

    def _class(self, row: int, name: str) -> str:
        """The class in a cell; also in a list of one."""
        value = self.columns[name][row]
        names = _names_in(value)
        if isinstance(names, list) and len(names) == 1:
            return names[0].strip()
        if isinstance(names, list):
            raise DataError(
                f"{self.place(row)}: column {name!r} names {len(names)} classes, {str(value)[:40]}; for several classes at once "
                "take task=multi_label"
            )
        return _as_name(self.id(row, name))

    def _reader_of_flags(
        self, columns: Sequence[str], label_type: LabelType, needed: bool
    ) -> Callable[[int], Label | None]:
        def read(row: int) -> Label | None:
            names = []
            for name in columns:
                value = self.columns[name][row]
                flag = _flag(value)
                if flag is None:
                    raise DataError(f"{self.place(row)}: column {name!r} says {str(value)[:40]!r}; it should be 0 or 1")
                names += [name] if flag else []
            if label_type == "classes":
                return tuple(names)
            if not names and not needed:
                return None
            if len(names) != 1:
                raise DataError(
                    f"{self.place(row)}: {len(names)} of the columns {', '.join(columns)[:60]} are 1; a class needs one, and "
                    "several at once task=multi_label"
                )
            return names[0]

        return read

    def points_in(self, name: str) -> list[str]:
        """A note where a column of numbers may write thousands with points: all its points stand before three digits."""
        cells = [str(value).strip() for value in self.columns[name] if isinstance(value, str)]
        thousands = next((cell for cell in cells if _THOUSANDS.fullmatch(cell)), None)
        others = any(_DECIMAL_POINT.fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for cell in cells)
        if thousands is None or others or self.decimal is not None or self._commas_in(name):
            return []
        return [
            f"{self.path.name}: column {name!r} says {thousands}, which is read as {float(thousands):g}; if its points mark "
            f"thousands, say data.decimal=comma; if not, data.decimal=point"
        ]

    def _commas_in(self, name: str) -> bool:
        """Whether a column writes decimal commas, also between commas and quotes: one cell has such a comma, and none a point."""
        if self.decimal is not None:
            return self.decimal == "comma"
        cells = [str(value).strip() for value in self.columns[name]]
        points = any(_DECIMAL_POINT.fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for cell in cells)
        return self.decimal_commas or (not points and any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells))

    def _reader_of_several(self, name: str) -> Callable[[int], tuple[str, ...]]:
        text = [cell for cell in map(_names_in, self.columns[name]) if isinstance(cell, str)]
        separator = next((mark for mark in ("|", ";", ",") if any(mark in cell for cell in text)), None)

        def read(row: int) -> tuple[str, ...]:
            cell = _names_in(self.columns[name][row])
            names = (cell.split(separator) if separator else [cell]) if isinstance(cell, str) else cell
            if names is None:
                value = str(self.columns[name][row])[:40]
                raise DataError(
                    f'{self.place(row)}: column {name!r} says {value!r}; it should name classes, such as a|b or ["a", "b"]'
                )
            return tuple(dict.fromkeys(filter(None, map(_as_name, names))))

        return read

    def numbers_as_classes(self, name: str) -> list[str]:
        """A note where a column of classes looks like one of numbers: many different numbers, few of them twice."""
        values = [value for value in self.columns[name] if not _is_empty(value)]
        different = len({str(value) for value in values})
        commas = self._commas_in(name)
        if different <= max(20, len(values) / 20) or any(as_number(value, commas) is None for value in values):
            return []
        return [
            f"{self.path.name}: column {name!r} has {different:,} different numbers, and each is taken as a class; "
            "task=regression predicts a number"
        ]

    def numbers(self, name: str) -> np.ndarray:
        """A column of finite numbers, float64. In a file with decimal commas, 3,14 is one, and 1.012 is a thousand and twelve.

        Raises:
            DataError: one is empty or no finite number.
        """
        return np.array([self.number(row, name) for row in range(len(self))], np.float64)

    def number(self, row: int, name: str, commas: bool | None = None) -> float:
        """A finite number in a row.

        Args:
            row: its number
            name: of the column
            commas: whether decimals may stand after a comma; None: as in the rest of the table

        Raises:
            DataError: it is empty or no finite number.
        """
        value = self.columns[name][row]
        number = as_number(value, self.decimal_commas if commas is None else commas)
        if number is None:
            said = "is empty" if _is_empty(value) else f"says {str(value)[:40]!r}"
            raise DataError(f"{self.place(row)}: column {name!r} {said}; it should be a number")
        if not math.isfinite(number):
            raise DataError(f"{self.place(row)}: column {name!r} says {value!r}; it should be a finite number")
        return number

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers: nine in ten of its cells (empty ones aside) are; others are then unreadable."""
        values = [value for value in self.columns[name] if not _is_empty(value)]
        return bool(values) and (
            sum(as_number(value, self.decimal_commas) is not None for value in values) >= 0.9 * len(values)
        )

    def sound(self, damaged: Damaged, check: Callable[[int], Any]) -> "Table":
        """The table without the rows for which `check` raises a DataError; these are noted."""
        kept = [row for row in range(len(self)) if damaged.sound(partial(_passes, check, row))]
        return self if len(kept) == len(self) else self.part(kept)

    def part(self, rows: Sequence[int]) -> "Table":
        """Some rows."""
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        found = Table(self.path, columns, [self.lines[row] for row in rows], self.separator)
        found.decimal_commas, found.decimal = self.decimal_commas, self.decimal
        return found

    @cached_property
    def decimal_commas(self) -> bool:
        """Whether the file writes decimal commas: a column has only numbers, and one of them has such a comma."""
        if not self.separator or self.separator == ",":
            return False
        return any(writes_decimal_commas(values) for values in self.columns.values())


def _or_error(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except DataError as error:
        return error


def _passes(check: Callable[[int], Any], row: int) -> bool:
    check(row)
    return True


def writes_decimal_commas(values: Iterable[Any]) -> bool:
    """Whether values of a text column are numbers with decimal commas: nine in ten are numbers, and one has such a comma."""
    found, others = False, 0
    texts = ["" if value is None else str(value).strip() for value in values]
    for text in texts:
        if _DECIMAL_COMMA.fullmatch(text):
            found = True
        elif text and not _NUMBER.fullmatch(text) and not _THOUSANDS.fullmatch(text):
            others += 1
            if others > 0.1 * len(texts):
                return False
    return found


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _plain(value: Any) -> str:
    """A cell as text without spaces around it; whole numbers without decimals, since pandas writes 1.0 where other cells of the
    column are missing. Empty where there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def _as_name(value: Any) -> str:
    """A cell as the name of a class, in Unicode's NFC: two ways to write é are one class."""
    return unicodedata.normalize("NFC", _plain(value))


_FLAGS = {"1": True, "true": True, "yes": True, "x": True, "0": False, "false": False, "no": False, "": False}


def _flag(value: Any) -> bool | None:
    """Whether a cell says 1 or 0, in any usual way; None where it says something else."""
    return _FLAGS.get(re.sub(r"\.0+$", "", _plain(value)).lower())


def _names_in(value: Any) -> list[str] | str | None:
    """The names in a cell: a list where it is one, also as text of JSON or Python; else text that is still to be divided; None
    where it is neither."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _list_in(value)
    if isinstance(value, list):
        return (
            [_as_name(name) for name in value] if all(isinstance(name, str | int | float) for name in value) else None
        )
    return None if isinstance(value, dict) else "" if value is None else _as_name(value)


def _list_in(text: str) -> Any:
    """A list that JSON, Python or NumPy (`['a' 'b']`) wrote; a mapping where it is none."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text if parse is json.loads else re.sub(r"(['\"])\s+(['\"])", r"\1, \2", text.strip()))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return {}


def as_number(value: Any, decimal_commas: bool = False) -> float | None:
    """A cell as a number; None where it is empty or none. `nan` and `inf` are numbers here."""
    if isinstance(value, str):
        value = value.strip()
        if decimal_commas and (_DECIMAL_COMMA.fullmatch(value) or _THOUSANDS.fullmatch(value)):
            value = value.replace(".", "").replace(",", ".")
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        separator: between fields
        quotes: whether quotation marks enclose fields
    """

    separator: str
    quotes: bool


def read_table(
    path: Path,
    heading: Sequence[str] | None = None,
    separator: str | None = None,
    quotes: bool | None = None,
    encoding: str | None = None,
    damaged: Damaged | None = None,
) -> Table:
    """A table from a file: .csv, .tsv, .jsonl, .ndjson or .json (all also as .gz), .parquet, or the first sheet of an .xlsx.

    Args:
        path: of the file
        heading: the columns' names, where the file has no heading
        separator: between fields; None: a comma, semicolon, tab or bar, whichever cuts the rows best
        quotes: whether quotation marks enclose fields; None: yes, but with tabs only where the file is written so
        encoding: of the text; None: UTF-8, UTF-16 or UTF-32, found by the first bytes
        damaged: takes note of rows that cannot be read, which are then left out; None: the first one is refused

    Raises:
        DataError: the file is absent or damaged, is not text in that encoding, or a row has too few or too many fields.
    """
    suffix = plain_suffix(path)
    if suffix == ".parquet":
        return _parquet(path)
    if suffix == ".xlsx":
        return _sheet(path)
    text = read_text(path, encoding)
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(path, text, damaged)
    if suffix == ".json":
        return _json_array(path, text, damaged)
    first = 1
    if named := _EXCEL_SEPARATOR.match(text):  # Excel's own first line, sep=;
        separator, text, first = separator or named[1], text[named.end() :], 2
    if separator is not None and len(separator) > 1:  # MovieLens writes ::
        text, separator = text.replace(separator, "\x1f"), "\x1f"
    dialect = dialect_of(text, suffix, separator, quotes)
    return _csv(path, text, list(heading) if heading else None, dialect, first, damaged)


def dialect_of(text: str, suffix: str, separator: str | None = None, quotes: bool | None = None) -> Dialect:
    """How the text of a CSV file is written, from its first rows.

    Args:
        text: of the file, or its beginning
        suffix: `.tsv` or another; it decides where the rows do not
        separator: where it is known
        quotes: where it is known
    """
    usual = "\t" if suffix == ".tsv" else ","
    if separator is None:
        candidates = [usual, *(mark for mark in SEPARATORS if mark != usual)]
        separator = max(candidates, key=lambda mark: _fit(text, mark, quotes is not False))
    if quotes is None:
        quotes = separator != "\t" or _tabs_with_quotes(text)
    return Dialect(separator, quotes)


def _fit(text: str, separator: str, quotes: bool) -> tuple[float, int]:
    """How well a separator cuts the first rows: the part of them with as many fields as the first, then the number of fields."""
    counts = []
    try:
        for fields in records(text[:_HEAD], Dialect(separator, quotes), strict=False):
            if not fields:
                continue
            counts.append(len(fields))
            if len(counts) > _LOOKED_AT:
                break
    except csv.Error:
        return 0.0, 0
    if not counts or counts[0] < 2:
        return 0.0, 0
    return sum(count == counts[0] for count in counts) / len(counts), counts[0]


def _tabs_with_quotes(text: str) -> bool:
    """Whether quotation marks enclose fields between tabs: they do in the heading or in
    all of a column, or the rows are even only so."""
    if any(
        len(field) > 1 and field[0] == field[-1] == '"' for field in text.partition("\n")[0].rstrip("\r").split("\t")
    ):
        return True
    rows = [line.rstrip("\r").split("\t") for line in text[:_HEAD].split("\n")[1:_LOOKED_AT] if line.strip()]
    columns = list(zip(*rows, strict=False)) if len(rows) > 1 else []
    if any(all(len(field) > 1 and field[0] == field[-1] == '"' for field in column) for column in columns):
        return True
    return '"' in text and not _even(text, Dialect("\t", False)) and _even(text, Dialect("\t", True))


def _even(text: str, dialect: Dialect) -> bool:
    """Whether all rows have as many fields as the first."""
    try:
        return len({len(fields) for fields in records(text, dialect) if fields}) == 1
    except csv.Error:
        return False


def beginning(path: Path, encoding: str | None = None) -> tuple[str, str]:
    """The first rows of a text file, without a byte order mark, and its encoding.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            head = file.read(_HEAD)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: is no whole gzip file ({error})") from None
    found = encoding or encoding_of(head)
    try:
        # What is cut at the end of the beginning may be half a letter.
        text = codecs.getincrementaldecoder(found)().decode(head, final=len(head) < _HEAD).removeprefix("\ufeff")
    except UnicodeDecodeError:
        read_text(path, found)  # says in which line
        raise
    except LookupError:
        raise DataError(f"data.encoding: there is no encoding {encoding!r}; utf-8 and cp1252 are usual") from None
    # The last row may be cut.
    return text if len(head) < _HEAD else text.rpartition("\n")[0], found


def records(text: str, dialect: Dialect, strict: bool = True) -> Any:
    """The rows of a CSV file as lists of text; `line_num` says where the reader stands."""
    csv.field_size_limit(2**31 - 1)
    quoting: Any = csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE
    # StringIO takes four bytes a character, and is needed only where lines end with a carriage return alone.
    lone = text.count("\r") != text.count("\r\n")
    lines: Iterable[str] = io.StringIO(text, newline="") if lone else _lines(text)
    return csv.reader(lines, delimiter=dialect.separator, quoting=quoting, strict=strict)


def _lines(text: str) -> Iterator[str]:
    """The lines of a text with their ends, cut at line feeds, one after another."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start : end + 1]
        start = end + 1
    if start < len(text):
        yield text[start:]


def _csv(
    path: Path, text: str, heading: list[str] | None, dialect: Dialect, first: int, damaged: Damaged | None
) -> Table:
    rows: list[list[str]] = []
    lines: list[int] = []
    broken: dict[Any, tuple[str, list[str]]] = {}
    reader = records(text, dialect)
    above = first - 1  # lines of the file above the row that is read
    try:
        for fields in reader:
            line, above = above + 1, reader.line_num + first - 1
            if not fields:
                continue
            if heading is None:
                heading = _names_of(path, line, [name.strip() for name in fields])
                continue
            if len(fields) != len(heading):
                shown = {"\t": "a tab", "\x1f": "the separator"}.get(dialect.separator, repr(dialect.separator))
                told = f"{path}:{line}: has {len(fields)} fields, the heading {len(heading)} (separated by {shown})"
                _refuse_row(damaged, told)
                broken[line] = told, fields
                continue
            rows.append(fields)
            lines.append(line)
    except csv.Error as error:
        if "end of data" in str(error):  # the row that swallowed the rest of the file says more than its last line
            raise DataError(
                f"{path}:{above + 1}: is not valid CSV: a quotation mark of this row is never closed; close it, or try "
                "data.quotes=false"
            ) from None
        raise DataError(f"{path}:{reader.line_num}: is not valid CSV ({error}); try data.quotes=false") from None
    if heading is None:
        raise DataError(f"{path}: is empty: it holds no rows")
    if damaged is not None and not rows:
        damaged.settle()
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in heading]
    names = [name or f"column {number}" for number, name in enumerate(heading, 1)]
    known = {line: (told, _by_name(names, fields, dialect.separator)) for line, (told, fields) in broken.items()}
    return Table(path, dict(zip(names, columns, strict=True)), lines, dialect.separator, known)


def _by_name(names: Sequence[str], fields: Sequence[str], separator: str) -> dict[str, Any]:
    """The fields of a row that has too few or too many: the last column keeps those that are left over."""
    count = len(names)
    kept = [*fields[: count - 1], separator.join(fields[count - 1 :])] if len(fields) > count else fields
    return dict.fromkeys(names) | dict(zip(names, kept, strict=False))


def _refuse_row(damaged: Damaged | None, message: str) -> None:
    if damaged is None:
        raise DataError(message)
    damaged.count += 1
    damaged.note(message)


def _json_lines(path: Path, text: str, damaged: Damaged | None) -> Table:
    def parsed() -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield number, DataError(f"{path}:{number}: is not JSON ({error})")

    return _of_objects(path, parsed(), damaged)


def _json_array(path: Path, text: str, damaged: Damaged | None) -> Table:
    """A list of objects, `[{"text": …}, …]`; also inside an object that holds nothing else that is a list of objects."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON ({error}); a file with an object a line is called .jsonl") from None
    if isinstance(value, dict):
        lists = [each for each in value.values() if isinstance(each, list) and each and isinstance(each[0], dict)]
        value = lists[0] if len(lists) == 1 else value
    if not isinstance(value, list):
        raise DataError(f'{path}: should be a list of objects, such as [{{"text": …, "label": …}}, …]')
    return _of_objects(path, enumerate(value, start=1), damaged)


def _of_objects(path: Path, parsed: Iterable[tuple[int, Any]], damaged: Damaged | None) -> Table:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    broken: dict[Any, tuple[str, dict[str, Any]]] = {}
    for number, row in parsed:
        if isinstance(row, DataError):
            broken[number] = str(row), {}
            _refuse_row(damaged, broken[number][0])
            continue
        if not isinstance(row, dict):
            broken[number] = f'{path}:{number}: should be an object such as {{"text": …, "label": …}}', {}
            _refuse_row(damaged, broken[number][0])
            continue
        rows.append(row)
        lines.append(number)
    if damaged is not None and not rows:
        damaged.settle()
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(path, {name: [row.get(name) for row in rows] for name in names}, lines, broken=broken)


def _sheet(path: Path) -> Table:
    """The first sheet of a workbook; its first row names the columns. Rows that are wholly empty do not count."""
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(f"{path}: {needs('reading Excel files', 'openpyxl', error)}; or save it as .csv") from None
    try:
        with path.open("rb") as file:
            sheet = openpyxl.load_workbook(file, read_only=True, data_only=True).worksheets[0]
            filled = [
                (number, row) for number, row in enumerate(sheet.iter_rows(values_only=True), 1)
                if any(cell is not None for cell in row)
            ]  # fmt: skip
    except FileNotFoundError:
        raise no_such(path, "file") from None
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        zipfile.BadZipFile,
        openpyxl.utils.exceptions.InvalidFileException,
    ) as error:
        raise DataError(f"{path}: cannot be read as an Excel workbook ({first_line(error)})") from None
    if not filled:
        raise DataError(f"{path}: is empty: its first sheet holds no rows")
    (_, heading), *rows = filled
    names = _names_of(path, filled[0][0], ["" if name is None else str(name).strip() for name in heading])
    kept = [
        at for at, name in enumerate(names) if heading[at] is not None or any(row[at] is not None for _, row in rows)
    ]
    columns = {names[at]: [row[at] for _, row in rows] for at in kept}
    return Table(path, columns, [number for number, _ in rows])


def _names_of(path: Path, line: int, heading: Sequence[str]) -> list[str]:
    """The names of a heading; `column 2` where one is empty.

    Raises:
        DataError: a name stands there twice.
    """
    twice = next((name for name in heading if name and heading.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}:{line}: the heading has the column {twice!r} twice")
    return [name or f"column {number}" for number, name in enumerate(heading, 1)]


def _parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except FileNotFoundError:
        raise no_such(path, "file") from None
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({first_line(error)})") from None
    names = [name for name in table.column_names if not _PANDAS_INDEX.fullmatch(name)]
    columns = {name: [_known(value) for value in table.column(name).to_pylist()] for name in names}
    return Table(path, columns, range(1, table.num_rows + 1))


def _known(value: Any) -> Any:
    """pandas writes NaN where a value is missing, also among texts."""
    return None if isinstance(value, float) and value != value else value
