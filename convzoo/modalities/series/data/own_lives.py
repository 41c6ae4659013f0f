"""A person's own units that ran until they failed."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.splits import Splits
from convzoo.core.survey import listed
from convzoo.modalities.series.data.lives import cut_at_random
from convzoo.modalities.series.data.own_units import UnitTable
from convzoo.modalities.series.history import History, UnitRows

HOUR = np.timedelta64(1, "h")

ANSWERING = re.compile(
    r"(?:^|[\W_])(?:rul|ttf)(?:[\W_]|$)|remaining[\W_]*(?:useful[\W_]*)?(?:life|lifetime|time|cycles|hours|days)"
    r"|(?:to|until|till|before)[\W_]*(?:failure|fail|breakdown)|(?:hours|days|cycles|time|life)[\W_]*left",
    re.IGNORECASE,
)
"""A column with such a name says how long a unit still lasts, which nobody knows in use."""

FAILING = re.compile(r"fail|breakdown|broken", re.IGNORECASE)
BEFORE = re.compile(r"since|last|prev|past|after", re.IGNORECASE)
"""A column of marks or texts whose name says failure is of this one, unless it also says that it is of an earlier one."""

ALIKE = 0.9999
"""A column that falls with the life, correlated as closely as this, is the life in another unit."""

LEAST_ROWS = 20


class LifeTable(UnitTable):
    """Tables of units that ran until they failed: a row for each time step of each unit.

    Without a column of remaining lives every unit is taken to fail at its last row, and the life at a row is the time until
    then: in hours where times are dates, in the unit of the time where these are numbers, else in rows. With such a column
    (`RUL`, `remaining_life`, …) units may end before they fail, and lives may be unknown at some rows.

    The split is made by unit. A unit that validates or is tested is seen until some row before its end, as machines in use
    are, and only its life at that row is scored; this is done `cuts` times for each. In a folder whose tables or folders say
    `train` and `test`, units of the test part that have a column of lives are scored at their last row.

    Args:
        path: a .csv, .tsv, .jsonl, .parquet or .xlsx file, or a folder of them: of tables of many units, or of one unit each
        unit: the column that names the unit; by default one that is usually called so; `none`: each file is a unit
        time: the column with the time, a number or a date; by default one that is usually called so; `none`: rows are in order
        target: the column with the remaining life; by default one that is usually called so; `end`: every unit fails at its last
            row, whatever the columns are called
        channels: the columns with numbers; by default all others that hold numbers
        categories: the columns with categories; by default all others that hold text, and whole numbers that are named as codes
        ignore: columns that are left out
        duplicates: several rows of one unit and time: refuse, keep the first, the last, or keep all
        day_first: 03/04/2024 is in April
        separator: between the cells of a CSV file; by default found
        encoding: of the files; by default found
        cuts: rows at which each unit is judged that validates or is tested
        val: part of the units that validates
        test: part of the units that is tested; 0: nothing is tested
        seed: of the split and of the rows at which units are judged
        skip_damaged: leave rows that cannot be read out, and say which; by default they are refused
    """

    formats: ClassVar[str] = (
        "a table of units that ran until they failed, with a row for each time step (.csv, .tsv, .jsonl, .parquet), or a folder "
        "of such tables"
    )
    why_no_folds: ClassVar[str] = "is split once, by unit, and makes no folds"
    target_names: ClassVar[Sequence[str]] = (
        "rul", "remaining_life", "remaining_useful_life", "time_to_failure", "ttf", "cycles_left", "hours_left", "days_left",
        "life_left",
        "rul_days", "rul_hours", "rul_cycles", "hours_to_failure", "days_to_failure", "cycles_to_failure", "remaining_hours",
        "remaining_days", "remaining_cycles",
    )  # fmt: skip

    def __init__(
        self,
        path: str,
        unit: str | None = None,
        time: str | None = None,
        target: str | None = None,
        channels: list[str] | None = None,
        categories: list[str] | None = None,
        ignore: list[str] = [],  # noqa: B006 (read only: what a recipe writes)
        duplicates: Literal["refuse", "first", "last", "keep"] = "refuse",
        day_first: bool = False,
        separator: str | None = None,
        encoding: str | None = None,
        cuts: Positive = 5,
        val: Fraction = 0.2,
        test: Fraction = 0.2,
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        super().__init__(
            path, unit, time, "none" if target == "end" else target, channels, categories, ignore, duplicates, day_first,
            separator, encoding, val, test, seed, skip_damaged,
        )  # fmt: skip
        self.cuts = cuts

    def table(self, files: Sequence[Path], name: str, like: UnitRows | None = None) -> tuple[UnitRows, list[str]]:
        """The rows of some tables, with the life at each row.

        Raises:
            DataError: as for `UnitTable`; or lives that rise, or fall by something else than the time that has passed.
        """
        found, notes = super().table(files, name, like)
        if found.targets is not None:
            _check(found)
            return self._without_answers(found, notes, like)
        unit = "hours" if found.times is not None and found.times.dtype.kind == "M" else "the unit of the time"
        unit = "rows" if found.times is None else unit
        words = f"life: until the last row of its unit, where it fails, in {unit}"
        found = replace(found, targets=until_the_end(found), columns=f"{found.columns}; {words}")
        return self._without_answers(found, notes, like)

    def _without_answers(self, table: UnitRows, notes: list[str], like: UnitRows | None) -> tuple[UnitRows, list[str]]:
        """Without the columns that say when a unit fails, by their name or because they count down with its life."""
        if like is not None:
            return table, notes
        chosen = {*(self.roles.channels or ()), *(self.roles.categories or ())}
        lives = np.asarray(table.targets, dtype=np.float64)
        told = [
            name
            for name, values in zip(table.number_names, table.numbers.T, strict=True)
            if name not in chosen
            and (ANSWERING.search(name) or _marks_failure(name, values) or _counts_down(values, lives))
        ]
        told += [
            name
            for name in table.category_names
            if name not in chosen and FAILING.search(name) and not BEFORE.search(name)
        ]
        if not told:
            return table, notes
        numbers = [at for at, name in enumerate(table.number_names) if name not in told]
        categories = [at for at, name in enumerate(table.category_names) if name not in told]
        left = replace(
            table,
            numbers=table.numbers[:, numbers],
            number_names=tuple(table.number_names[at] for at in numbers),
            categories=table.categories[:, categories],
            category_names=tuple(table.category_names[at] for at in categories),
            category_values=tuple(table.category_values[at] for at in categories),
        )
        columns = table.columns.replace(
            f"numbers: {listed(table.number_names) or 'none'}; categories: {listed(table.category_names) or 'none'}",
            f"numbers: {listed(left.number_names) or 'none'}; categories: {listed(left.category_names) or 'none'}; "
            f"not learnt from: {listed(told)}",
        )
        said = (
            f"not learnt from, since it says when a unit fails: {listed(told)}; data.target=COLUMN takes one as the life, "
            "data.channels or data.categories as one to learn from"
        )
        return replace(left, columns=columns), [*notes, said]

    def split(self, table: UnitRows) -> Splits:
        """By unit; units that validate or are tested are judged at some rows."""
        made = super().split(table)
        random = np.random.default_rng(self.seed)
        val, test = ([cut for whole in part for cut in self._judged(whole, random)] for part in (made.val, made.test))
        return replace(
            made, val=val, test=test, origin=f"{made.origin}; judged at {self.cuts} random rows of each unit"
        )

    def _judged(self, whole: History, random: np.random.Generator) -> list[History]:
        """A unit at the rows where it is judged; all rows of a unit of one row."""
        return cut_at_random(whole, min(self.cuts, len(whole) - 1), random) if len(whole) > 1 else [whole]

    def tested(self, table: UnitRows) -> list[History]:
        """The units of a given test part: at their last row where their lives are known, else at random rows."""
        units = super().tested(table)
        if table.form is not None and table.form.target is None:
            random = np.random.default_rng(self.seed)
            return [cut for whole in units for cut in self._judged(whole, random)]
        return [History(each.table, each.unit, each.start, each.stop, each.stop - 1) for each in units]


def until_the_end(table: UnitRows) -> np.ndarray:
    """(rows,) the time from each row to the last of its unit: in hours, in the unit of numbers, or in rows."""
    lengths = np.diff(table.starts)
    last = np.repeat(table.starts[1:] - 1, lengths)
    if table.times is None:
        return (last - np.arange(len(table))).astype(np.float64)
    left = table.times[last] - table.times
    return np.asarray(left / HOUR if left.dtype.kind == "m" else left, dtype=np.float64)


def _marks_failure(name: str, values: np.ndarray) -> bool:
    """Whether a column of 0 and 1 is named as a failure, and not as an earlier one."""
    there = values[~np.isnan(values)]
    return bool(FAILING.search(name) and not BEFORE.search(name) and np.isin(there, (0.0, 1.0)).all())


def _counts_down(values: np.ndarray, lives: np.ndarray) -> bool:
    """Whether a column falls in proportion to the life; lives at their largest, where they may be capped, do not count."""
    known = ~(np.isnan(values) | np.isnan(lives))
    known &= lives < np.max(lives, initial=0.0, where=known)
    if known.sum() < LEAST_ROWS:
        return False
    column, life = values[known].astype(np.float64), lives[known]
    if not column.std() or not life.std():
        return False
    return bool(np.corrcoef(column, life)[0, 1] > ALIKE)


def _check(table: UnitRows) -> None:
    """Refuse lives that rise within a unit: a column that only looks like remaining lives.

    Raises:
        DataError: a life is negative or rises.
    """
    lives = np.asarray(table.targets, dtype=np.float64)
    column = table.form.target if table.form is not None else "the life"
    known = np.flatnonzero(~np.isnan(lives))
    if len(known) and (lives[known] < 0).any():
        row = int(known[np.argmax(lives[known] < 0)])
        raise DataError(f"{table.place(row)}: column {column!r} says {lives[row]:g}; a remaining life is 0 or more")
    home = np.searchsorted(table.starts, known, side="right")
    rises = np.flatnonzero((home[1:] == home[:-1]) & (np.diff(lives[known]) > 0))
    if len(rises):
        row, before = int(known[rises[0] + 1]), lives[known[rises[0]]]
        raise DataError(
            f"{table.place(row)}: column {column!r} rises from {before:g} to {lives[row]:g}; the remaining life of a unit should "
            "fall. If a unit was repaired, give it a new name from there on; if the column is no life, set data.target=COLUMN or "
            "data.target=end"
        )
