"""A person's own units that ran until they failed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.splits import Splits
from convzoo.modalities.series.data.lives import cut_at_random
from convzoo.modalities.series.data.own_units import UnitTable
from convzoo.modalities.series.history import History, UnitRows

HOUR = np.timedelta64(1, "h")


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
        "rul", "remaining_life", "remaining_useful_life", "time_to_failure", "ttf", "cycles_left", "hours_left", "life_left",
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
            return found, notes
        unit = "hours" if found.times is not None and found.times.dtype.kind == "M" else "the unit of the time"
        unit = "rows" if found.times is None else unit
        words = f"life: until the last row of its unit, where it fails, in {unit}"
        return replace(found, targets=until_the_end(found), columns=f"{found.columns}; {words}"), notes

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
