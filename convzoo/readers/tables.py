"""Tables as columns of text or numbers, for readers of many rows: CSV, TSV and Parquet."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.text import first_line
from convzoo.ops.columns import find_column, optional_column

SUFFIXES = (".csv", ".tsv", ".parquet")


class Table:
    """Columns by name, all of one length. Values are as text, or what Parquet has.

    Attributes:
        path: of the file
        columns: lists of values by name
        lines: for each row, where it stands in the file
    """

    def __init__(self, path: Path, columns: dict[str, list[Any]], lines: Any) -> None:
        self.path = path
        self.columns = columns
        self.lines = lines

    def __len__(self) -> int:
        return len(self.lines)

    def place(self, row: int) -> str:
        """Where a row stands: `file:line`."""
        return f"{self.path}:{self.lines[row]}"

    def find(self, role: str, given: str | None, usual: tuple[str, ...], needed: bool = True) -> str | None:
        """The column of that role: as given, else one that is usually called so.

        Raises:
            DataError: there is none.
        """
        names = list(self.columns)
        if needed:
            return find_column(self.path, role, names, given, usual)
        return optional_column(self.path, names, given, usual)

    def ids(self, name: str) -> list[str]:
        """A column of ids as text.

        Raises:
            DataError: one is empty.
        """
        found = ["" if value is None else str(value).strip() for value in self.columns[name]]
        if "" in found:
            raise DataError(f"{self.place(found.index(''))}: column {name!r} is empty; fill it or delete the row")
        return found

    def numbers(self, name: str) -> np.ndarray:
        """A column of finite numbers, float64.

        Raises:
            DataError: one is empty or no finite number.
        """
        values = self.columns[name]
        try:
            found = np.array([np.nan if value in (None, "") else value for value in values], np.float64)
        except (TypeError, ValueError):
            at = next(row for row, value in enumerate(values) if not _is_number(value))
            raise DataError(
                f"{self.place(at)}: column {name!r} says {str(values[at])[:40]!r}; it should be a number"
            ) from None
        if not np.isfinite(found).all():
            at = int(np.flatnonzero(~np.isfinite(found))[0])
            raise DataError(f"{self.place(at)}: column {name!r} says {values[at]!r}; it should be a finite number")
        return found

    def is_numeric(self, name: str) -> bool:
        """Whether a column has numbers only (empty ones aside), and at least one."""
        values = [value for value in self.columns[name] if value not in (None, "")]
        return bool(values) and all(_is_number(value) for value in values)


def read_table(path: Path, heading: list[str] | None = None, separator: str | None = None) -> Table:
    """A table from a .csv, .tsv or .parquet file.

    Args:
        path: of the file
        heading: the columns' names, where the file has no heading
        separator: between fields; by default a tab in .tsv, else a comma

    Raises:
        DataError: the file is absent, damaged, or a row has too few or too many fields.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: is not UTF-8 text (byte {error.object[error.start]:#04x})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    separator = separator or ("\t" if path.suffix.lower() == ".tsv" else ",")
    if len(separator) > 1:  # MovieLens writes ::
        text, separator = text.replace(separator, "\x1f"), "\x1f"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for fields in reader:
            if heading is None:
                heading = [name.strip() for name in fields]
                twice = next((name for name in heading if heading.count(name) > 1), None)
                if twice is not None:
                    raise DataError(f"{path}:{reader.line_num}: the heading has the column {twice!r} twice")
                continue
            if not fields:
                continue
            if len(fields) != len(heading):
                raise DataError(f"{path}:{reader.line_num}: has {len(fields)} fields, expected {len(heading)}")
            rows.append(fields)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: is not valid CSV ({error})") from None
    if heading is None:
        raise DataError(f"{path}: is empty")
    columns = zip(*rows, strict=True) if rows else ([] for _ in heading)
    return Table(path, {name: list(column) for name, column in zip(heading, columns, strict=True)}, lines)


def _parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({first_line(error)})") from None
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    return Table(path, columns, range(1, table.num_rows + 1))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
