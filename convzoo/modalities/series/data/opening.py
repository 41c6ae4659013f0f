"""Tables of sensor readings, opened: columns by name, and the line of each row for errors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import no_such
from convzoo.core.text import first_line
from convzoo.modalities.series.example import TableFormat
from convzoo.reading.damaged import Damaged
from convzoo.reading.lines import plain_suffix, read_text
from convzoo.reading.tables import Dialect, as_number, beginning, dialect_of, read_table, records, writes_decimal_commas
from convzoo.reading.times import is_clock, read_time

_EXCEL_SEPARATOR = re.compile(r"sep=([,;\t|])\s*")


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
        above: lines of the file above its first row
        comment: how comment lines begin
        notes: what a person should know of how the file is read
    """

    path: Path
    dialect: Dialect | None = None
    encoding: str = ""
    rows: np.ndarray | None = None
    decimal_commas: bool = False
    damaged: Damaged = field(default_factory=Damaged)
    bad: set[int] = field(default_factory=set)
    known_lines: Sequence[Any] | None = None
    above: int = 1
    comment: str = "#"
    notes: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """`file:line` of a row in use; for JSON lines and Parquet `file: row number`."""
        number = row if self.rows is None else int(self.rows[row])
        if self._lines is None:
            return f"{self.path}: row {number + 1}"
        return f"{self.path}:{self._lines[number] if number < len(self._lines) else number + self.above + 1}"

    @cached_property
    def _lines(self) -> Sequence[Any] | None:
        """The line of each row; None for JSON lines and Parquet."""
        if self.known_lines is not None or self.dialect is None:
            return self.known_lines
        # Rows are not lines: blank lines do not count, quoted cells may span several. Lines are counted only for an error.
        reader = records(read_text(self.path, self.encoding), self.dialect, strict=False)
        return [
            reader.line_num
            for cells in reader
            if cells and reader.line_num > self.above and not (self.comment and cells[0].startswith(self.comment))
        ]

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

    def of(self, rows: np.ndarray) -> "Source":
        """The same file with some of the rows in use."""
        return replace(self, rows=rows if self.rows is None else self.rows[rows])


@dataclass(frozen=True)
class _Top:
    """What stands above the first row: the names of the columns, and how many lines that takes."""

    names: list[str]
    lines: int
    dialect: Dialect
    notes: tuple[str, ...]


def open_table(path: Path, form: TableFormat, damaged: Damaged) -> tuple[Any, Source]:
    """The columns of a table, and where its rows are.

    Lines above the heading that begin with `form.comment`, comment lines between rows, Excel's `sep=;` and a row of units
    below the heading are left out.

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
        if plain_suffix(path) in (".jsonl", ".ndjson", ".json", ".xlsx"):
            read = read_table(path, encoding=form.encoding, damaged=damaged)
            return pyarrow.table(read.columns), Source(path, damaged=damaged)
        head, encoding = beginning(path, form.encoding)
        if not head.strip():
            raise DataError(f"{path}: is empty: it holds no rows")
        top = _top(path, head, form)
        source = Source(
            path, top.dialect, encoding, damaged=damaged, above=top.lines, comment=form.comment, notes=top.notes
        )
        names, dialect = top.names, top.dialect

        def parsed(**how: Any) -> Any:
            reading = pyarrow.csv.ReadOptions(
                use_threads=False, column_names=names, skip_rows=top.lines, encoding=encoding
            )
            parsing = pyarrow.csv.ParseOptions(
                delimiter=dialect.separator,
                quote_char='"' if dialect.quotes else False,
                invalid_row_handler=lambda row: "skip" if _is_comment(row.text or "", form.comment) else "error",
            )
            return pyarrow.csv.read_csv(path, reading, parsing, pyarrow.csv.ConvertOptions(**how))

        texts = {"column_types": dict.fromkeys(names, pyarrow.string())}
        try:
            if form.decimal == "comma":
                table, source = parsed(**texts), replace(source, decimal_commas=True)
            else:
                table = parsed()
                commas = form.decimal is None and dialect.separator != "," and any(
                    writes_decimal_commas(column.to_pylist())
                    for column in table.columns
                    if pyarrow.types.is_string(column.type)
                )  # fmt: skip
                if commas:  # then 1.012 is a thousand and twelve
                    table, source = parsed(**texts), replace(source, decimal_commas=True)
        except pyarrow.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
            # A cell far down has another type than those before it: read all as text, so that its row can be named.
            table = parsed(**texts)
        # A delimiter at the end of each line makes a column without a name and without values.
        unnamed = [at for at, name in enumerate(names) if name.startswith("column ") and _is_empty(table.column(at))]
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


def _is_comment(text: str, comment: str) -> bool:
    return bool(comment) and text.lstrip().startswith(comment)


def _is_reading(cell: str) -> bool:
    """Whether a cell of a first line holds a reading or a time rather than a name."""
    cell = cell.strip()
    return as_number(cell, True) is not None or read_time(cell, dayfirst=True) is not None or is_clock(cell)


def _top(path: Path, head: str, form: TableFormat) -> _Top:
    """The heading, and what stands around it.

    Raises:
        DataError: there is no heading, or it has a name twice.
    """
    lines = head.splitlines(keepends=True)
    skipped, separator = 0, form.separator
    if named := _EXCEL_SEPARATOR.fullmatch(lines[0]):  # Excel's own first line
        separator, skipped = separator or named[1], 1
    first = skipped
    while skipped < len(lines) and (not lines[skipped].strip() or _is_comment(lines[skipped], form.comment)):
        skipped += 1
    comments = [at for at in range(first, skipped) if lines[at].strip()]
    dialect = dialect_of("".join(lines[skipped:]), plain_suffix(path), separator)
    above: list[str] = next((cells for cells in records("".join(lines[skipped:]), dialect, strict=False) if cells), [])
    readings = bool(above) and all(_is_reading(cell) for cell in above)
    if comments and (readings or not above):  # the heading itself begins so: "# time,a,b"
        skipped = comments[-1]
        lines[skipped] = lines[skipped].lstrip().removeprefix(form.comment)
        comments.pop()
    reader = records("".join(lines[skipped:]), dialect, strict=False)
    heading = next((cells for cells in reader if cells), None)
    if heading is None:
        raise DataError(f"{path}: is empty: it holds no rows")
    ends = skipped + reader.line_num
    names = [name.strip() for name in heading]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None and not _is_reading(twice):
        raise DataError(f"{path}:{ends}: the heading has the column {twice!r} twice")
    if all(_is_reading(name) for name in names if name) or len(set(names)) == 1 < len(names):
        raise DataError(f"{path}:{ends}: holds readings; the first line should name the columns: time,temperature,…")
    notes = (
        [f"{path.name}: {len(comments)} comment line{'s' * (len(comments) != 1)} above the heading"] if comments else []
    )
    below: list[str] = next(reader, [])
    below_ends = skipped + reader.line_num
    if below and _are_units(below, next(reader, []), len(names)):
        notes.append(f"{path.name}: line {below_ends} is taken for units: {', '.join(filter(None, below))[:80]}")
        ends = below_ends
    return _Top([name or f"column {at}" for at, name in enumerate(names, 1)], ends, dialect, tuple(notes))


def _are_units(cells: Sequence[str], below: Sequence[str], width: int) -> bool:
    """Whether a row below the heading holds units: short words without a number, where the next row has numbers."""
    if len(cells) != width or len(below) != width or not any(cell.strip() for cell in cells):
        return False
    numbers = [at for at, cell in enumerate(below) if as_number(cell, True) is not None]
    if not numbers or any(_is_reading(cell) for cell in cells if cell.strip()):
        return False
    words = [cells[at].strip() for at in numbers]
    return all(
        len(word) <= 16 and word.lower() not in ("true", "false", "nan", "null", "none", "na", "n/a") for word in words
    )


def _is_empty(column: Any) -> bool:
    return column.null_count == len(column) or not any(column.to_pylist())


def _row_by_row(path: Path, form: TableFormat, damaged: Damaged) -> tuple[Any, Source]:
    """A text table of which rows have more or fewer cells than the heading: these are noted, the others are read as text."""
    import pyarrow

    table = read_table(path, separator=form.separator, encoding=form.encoding, damaged=damaged)
    columns = {name: values for name, values in table.columns.items() if any(values) or not name.startswith("column ")}
    commas = form.decimal == "comma" or (form.decimal is None and table.decimal_commas)
    source = Source(path, decimal_commas=commas, damaged=damaged, known_lines=table.lines)
    return pyarrow.table({name: pyarrow.array(values, pyarrow.string()) for name, values in columns.items()}), source
