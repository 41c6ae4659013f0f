"""Columns of people's tables: which one plays which role, and which split a word names."""

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError
from convzoo.core.text import did_you_mean

SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test",
    "testing": "test",
}  # fmt: skip
"""What people call the splits."""


def find_column(path: str | Path, role: str, names: Sequence[str], given: str | None, usual: Collection[str]) -> str:
    """The column of a role: as given, else the first of the usual names that is there, whatever its case, also with
    blanks or hyphens between its words and a question mark behind (`Asset ID`, `Is Fraud?`).

    Args:
        path: of the table, for the fault
        role: the setting that names the column: `label` for `data.label`
        names: the table's columns
        given: what the setting says
        usual: what such a column is usually called

    Raises:
        DataError: there is no such column.
    """
    found = optional_column(path, names, given, usual)
    if found is None:
        has = ", ".join(names) or "no heading"
        raise DataError(f"{path}: which column is the {role}? it has {has}; say data.{role}=COLUMN")
    return found


def optional_column(path: str | Path, names: Sequence[str], given: str | None, usual: Collection[str]) -> str | None:
    """As `find_column`, for a role that a table may lack: None where nobody named it and no usual name is there.

    Raises:
        DataError: the given column is not there.
    """
    if given is not None:
        if given not in names:
            raise DataError(f"{path}: has no column {given!r}; {did_you_mean(given, names)}")
        return given
    folded = {re.sub(r"[\s-]+", "_", name.strip().lower().rstrip("? ")): name for name in names}
    folded |= {name.strip().lower(): name for name in names}
    return next((folded[name] for name in usual if name in folded), None)


def split_in(name: str) -> str | None:
    """The split that a folder's name says, also with other words around it: `seg_train`, `test_images`; None: none or several."""
    found = {SPLIT_NAMES[word] for word in re.split(r"[^a-z]+", name.lower()) if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def split_named(where: str, column: str, word: str) -> str:
    """`train`, `val` or `test`.

    Raises:
        DataError: the word names none of them.
    """
    name = word.strip().lower()
    if name not in SPLIT_NAMES:
        raise DataError(f"{where}: column {column!r} says {word!r}; it should say train, val or test")
    return SPLIT_NAMES[name]


PATH_NAMES = ("path", "file", "filename", "file_name", "file_path", "filepath")
"""What the column with a file's path is usually called, whatever the kind of file."""

LABEL_NAMES = ("label", "class", "category", "target")
"""What the column with the class is usually called."""

SPLIT_COLUMNS = ("split", "set", "subset", "partition")
"""What the column that says train, val or test is usually called."""


def find_split(
    path: str | Path, names: Sequence[str], given: str | None, values: Callable[[str], Sequence[Any]]
) -> str | None:
    """The column that says train, val or test of each row; None where there is none.

    A column that nobody named and that is only usually called so counts if all its values name splits. One that is called `split`
    counts in any case, so that a slip in it is found.

    Args:
        path: of the table
        names: its columns
        given: what the setting `data.split` says; `none`: there is none
        values: gives a column's values

    Raises:
        DataError: the given column is not there.
    """
    if given == "none":
        return None
    if given is not None:
        return optional_column(path, names, given, ())
    folded = {name.strip().lower(): name for name in names}
    for usual in SPLIT_COLUMNS:
        if usual in folded:
            found = folded[usual]
            if usual == "split" or all(str(value).strip().lower() in SPLIT_NAMES for value in values(found)):
                return found
    return None
