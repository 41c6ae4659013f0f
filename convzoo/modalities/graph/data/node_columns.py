"""The columns of a table of nodes as features: numbers, categories, lists, and what is missing."""

import ast
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from convzoo.core.errors import DataError
from convzoo.core.survey import listed
from convzoo.reading.tables import Table, as_number

MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", "?"})
"""What people write where a value is not known, in lower case."""

UNLABELLED = MISSING | {"unknown", "unlabelled", "unlabeled"}
"""What people write where a class is not known, in lower case."""

MOST_VALUES = 100
"""A text column with more different values than this is an address or a name, not a kind: it tells nothing about others."""

_LARGEST = float(np.finfo(np.float32).max)
_FEW = 10
"""A text column with at most so many different values is a kind, however few rows there are."""


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: it is empty, or says NA, nan, null, none or ?."""
    if isinstance(value, float):
        return value != value
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def node_features(table: Table, names: Sequence[str], chosen: bool = False) -> tuple[Any, list[str], list[str]]:
    """(rows, features) of float32, the features' names, and what was done, a sentence each.

    * A column of numbers is one feature. Numbers that are missing are the column's median, and a further feature
      `age=missing` says where.
    * A column of text is one feature a value, `colour=red`; where the value is missing, all of them are 0. A column whose
      values are nearly all different, or more than 100, tells nothing of other nodes: it is left out.
    * A column of lists of one length is as many features, `vector 1`, `vector 2` …; lists of different lengths are sets, and
      each value in them is one feature, `words=17`.

    Args:
        table: of the nodes
        names: the columns
        chosen: whether a person named these columns: then none is left out

    Raises:
        DataError: a number is not finite or too large; a column that a person named has too many values to be a kind.
    """
    blocks: list[Any] = []
    found: list[str] = []
    notes: list[str] = []
    for name in names:
        kind = kind_of(table, name)
        if kind == "nothing":
            notes.append(f"{table.path.name}: column {name!r} holds nothing and is not used")
            continue
        made = {"number": _numbers, "list": _lists, "text": _kinds}[kind](table, name, chosen)
        if made is not None:
            blocks.append(made[0])
            found += made[1]
        notes += _said(table, name, kind, made)
    if not blocks:
        return np.zeros((len(table), 0), np.float32), [], notes
    joined = scipy.sparse.hstack(blocks, format="csr")
    return (joined if joined.nnz < 0.1 * np.prod(joined.shape) else np.asarray(joined.todense())), found, notes


def kind_of(table: Table, name: str) -> str:
    """`number`, `list` or `text`, by nine in ten of the cells that are not missing; `nothing` where all are."""
    values = [value for value in table.columns[name] if not is_missing(value)]
    if not values:
        return "nothing"
    if sum(as_list(value) is not None for value in values) >= 0.9 * len(values):
        return "list"
    numbers = sum(as_number(value, table.decimal_commas) is not None for value in values)
    return "number" if numbers >= 0.9 * len(values) else "text"


def number_or_nan(table: Table, row: int, name: str) -> float:
    """A number in a row, NaN where it is missing.

    Raises:
        DataError: it is no number, infinite, or too large for the network's numbers.
    """
    if is_missing(table.columns[name][row]):
        return np.nan
    found = table.number(row, name)
    if abs(found) > _LARGEST:
        raise DataError(f"{table.place(row)}: column {name!r} says {found:g}; it should be at most {_LARGEST:.3g}")
    return found


def as_list(value: Any) -> list[Any] | None:
    """A cell that holds a list, also as JSON or Python writes it; None where it holds none."""
    if isinstance(value, list | tuple | np.ndarray):
        return list(value)
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else None
    return None


def _numbers(table: Table, name: str, chosen: bool) -> tuple[Any, list[str]]:
    values = np.array([number_or_nan(table, row, name) for row in range(len(table))])
    gone = np.isnan(values)
    filled = np.where(gone, np.median(values[~gone]), values)
    block = np.column_stack([filled, gone]) if gone.any() else filled[:, None]
    return scipy.sparse.csr_matrix(block.astype(np.float32)), [name, f"{name}=missing"][: block.shape[1]]


def _kinds(table: Table, name: str, chosen: bool) -> tuple[Any, list[str]] | None:
    values = [None if is_missing(value) else str(value).strip() for value in table.columns[name]]
    kinds = sorted({value for value in values if value is not None})
    filled = sum(value is not None for value in values)
    if len(kinds) > MOST_VALUES or (not chosen and len(kinds) > max(_FEW, filled / 2)):
        if chosen:
            raise DataError(
                f"{table.path}: text column {name!r} has {len(kinds)} different values, too many for a kind; leave it out with "
                "data.features=[…]"
            )
        return None
    return _ones(table, name, [[] if value is None else [value] for value in values], kinds)


def _lists(table: Table, name: str, chosen: bool) -> tuple[Any, list[str]]:
    lists = [None if is_missing(value) else as_list(value) for value in table.columns[name]]
    lengths = {len(value) for value in lists if value is not None}
    known = [value for value in lists if value is not None]
    for row, value in enumerate(lists):
        if value is None and not is_missing(table.columns[name][row]):
            raise DataError(
                f"{table.place(row)}: column {name!r} says {str(table.columns[name][row])[:40]!r}; it should be a list"
            )
    numbers = [[as_number(each) for each in value] for value in known]
    if (
        len(lengths) == 1
        and len(known) > 1
        and lengths != {0}
        and all(each is not None for row in numbers for each in row)
    ):
        width = lengths.pop()
        vectors = np.array([[0.0] * width if value is None else [float(each) for each in value] for value in lists])
        if not (np.abs(vectors) <= _LARGEST).all():
            at = int(np.flatnonzero(~(np.abs(vectors) <= _LARGEST).all(axis=1))[0])
            raise DataError(f"{table.place(at)}: column {name!r} holds a number that is not finite or too large")
        return scipy.sparse.csr_matrix(vectors.astype(np.float32)), [f"{name} {at}" for at in range(1, width + 1)]
    sets = [[] if value is None else [str(each) for each in dict.fromkeys(map(str, value))] for value in lists]
    kinds = sorted({each for value in sets for each in value}, key=lambda each: (len(each), each))
    return _ones(table, name, sets, kinds)


def _ones(table: Table, name: str, sets: Sequence[Sequence[str]], kinds: Sequence[str]) -> tuple[Any, list[str]]:
    """A feature a kind, 1 where a row has it."""
    place = {kind: at for at, kind in enumerate(kinds)}
    rows = np.repeat(np.arange(len(sets)), [len(value) for value in sets])
    columns = np.array([place[each] for value in sets for each in value], np.int64)
    block = scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(table), len(kinds)))
    return block, [f"{name}={kind}" for kind in kinds]


def _said(table: Table, name: str, kind: str, made: tuple[Any, list[str]] | None) -> list[str]:
    """What a person should know of a column."""
    gone = sum(is_missing(value) for value in table.columns[name])
    where = f"{table.path.name}: column {name!r}"
    if made is None:
        different = len({str(value).strip() for value in table.columns[name]})
        return [
            f"{where} is text with {different:,} different values, which tell nothing of other nodes: it is not used"
        ]
    if kind == "number" and gone:
        middle = float(made[0][:, 0].toarray().ravel()[[is_missing(value) for value in table.columns[name]]][0])
        return [
            f"{where}: {gone:,} missing numbers are its median, {middle:g}, and the feature '{name}=missing' says where"
        ]
    if kind == "list":
        same = not made[1] or not made[1][0].startswith(f"{name}=")
        return [f"{where} holds {'vectors' if same else 'sets'}: {len(made[1]):,} features ({listed(made[1], 3)})"]
    return (
        [f"{where}: {gone:,} missing values are none of the {len(made[1]):,} features"]
        if kind == "text" and gone
        else []
    )
