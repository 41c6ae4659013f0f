"""The CSV files that convzoo writes, and reads again."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError, RecipeError
from convzoo.core.files import atomic_write, explain, write_text
from convzoo.core.text import first_line


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV; a value that is a mapping, a list or a tuple is written as JSON. A text that a spreadsheet would compute
    gets an apostrophe before it, which `read_table` removes."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = []
    for cells in (columns, *([row.get(name, "") for name in columns] for row in rows)):
        line = io.StringIO()
        # With this end of line a carriage return inside a text is quoted, too; the file has line feeds.
        csv.writer(line, lineterminator="\r\n").writerow([_cell(value) for value in cells])
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    write_text(path, "".join(lines))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], setting: str) -> None:
    """Write rows as CSV, JSON lines or Parquet, as the name of the file ends.

    Args:
        path: of the file
        rows: by the names of their columns; a row may lack some
        setting: that names the file, for the error

    Raises:
        RecipeError: the name ends differently.
        DataError: the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        write_table(path, rows)
    elif suffix == ".jsonl":
        write_text(path, "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows))
    elif suffix == ".parquet":
        _write_parquet(path, rows)
    else:
        raise RecipeError(
            f"{setting}: {path}: predictions are written as .csv or .jsonl, or as .parquet, not "
            f"{path.suffix or 'a name without these'}"
        )


def _write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pyarrow.array(values)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError):
            # Values of several types: a column of Parquet has one.
            columns[name] = pyarrow.array([None if value is None else str(value) for value in values])
    with atomic_write(path) as file:
        pyarrow.parquet.write_table(pyarrow.table(columns), file)


def read_table(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a table that `write_table` wrote, as text.

    Args:
        path: of the file
        columns: which it has to have, if it has a row

    Raises:
        DataError: the file cannot be read, or lacks a column.
    """
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file, strict=True))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {explain(error)}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a table that convzoo wrote ({first_line(error)})") from None
    header = [_text(name) for name in lines[0]] if lines else []
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(header):
            raise DataError(f"{path}: row {number} has {len(line)} fields instead of {len(header)}")
    lacking = [name for name in columns if name not in header]
    if lacking:
        raise DataError(f"{path}: has no column {lacking[0]!r}")
    return [dict(zip(header, map(_text, line), strict=True)) for line in lines[1:]]


def as_read(text: str) -> str:
    """A text as `read_table` gives it back after `write_table` wrote it: to compare with what was read."""
    return _text(str(_cell(text)))


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and _computed(value) else value


def _text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _computed(cell[1:]) else cell


def _computed(text: str) -> bool:
    """Whether a spreadsheet would take a text for a formula. `-) good` and `+1 for this` are texts in every one of them, and stay
    as they are."""
    return text.startswith(("=", "\t", "\r")) or (text.startswith(("+", "-", "@")) and ("(" in text or "|" in text))
