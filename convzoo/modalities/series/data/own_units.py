"""A person's own tables of units: the base of the readers of lives and of transactions."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.series.data.units import Roles, read_units
from convzoo.modalities.series.history import History, UnitRows
from convzoo.reading.columns import split_in
from convzoo.reading.damaged import Damaged
from convzoo.reading.splitting import split_by_group
from convzoo.reading.tables import SUFFIXES, is_table, tables_below

UNIT_NAMES = (
    "unit", "unit_id", "unit_number", "unit_nr", "engine", "engine_id", "machine", "machine_id", "machineid", "asset", "asset_id",
    "device", "device_id", "equipment", "equipment_id", "equipment_number", "pump", "pump_id", "turbine", "turbine_id", "battery",
    "battery_id", "serial_number", "vehicle_id", "pumpe", "maschine", "anlage", "id",
)  # fmt: skip
TIME_NAMES = (
    "time",
    "timestamp",
    "datetime",
    "date_time",
    "date",
    "ts",
    "reading_time",
    "event_time",
    "recorded_at",
    "measured_at",
    "zeitstempel",
    "datum",
    "zeit",
    "cycle",
    "cycles",
    "time_cycles",
    "time_in_cycles",
    "step",
    "hour",
)


class UnitTable(Reader):
    """Tables with a row for each time step of each unit, in one file, in several, or in a file for each unit.

    The split is made by unit, so that no unit stands in two parts. In a folder with tables or folders that say `train` and
    `test`, those are the split, and units of training validate. A subclass says what units and answers are called, and how its
    data are split where that is not by unit.

    Args:
        path: a .csv, .tsv, .jsonl, .parquet or .xlsx file, or a folder of them
        unit: the column that names the unit; by default one that is usually called so; `none`: each file is a unit
        time: the column with the time, a number or a date; by default one that is usually called so; `none`: rows are in order
        target: the column with the answer; by default one that is usually called so; `none`: there is none
        channels: the columns with numbers; by default all others that hold numbers
        categories: the columns with categories; by default all others that hold text, and whole numbers that are named as codes
        ignore: columns that are left out
        duplicates: several rows of one unit and time: refuse, keep the first, the last, or keep all
        day_first: 03/04/2024 is in April
        separator: between the cells of a CSV file; by default found
        encoding: of the files; by default found
        val: part of the units that validates
        test: part of the units that is tested; 0: nothing is tested
        seed: of the split
        skip_damaged: leave rows that cannot be read out, and say which; by default they are refused

    Attributes:
        unit_names, time_names, target_names: what such columns are usually called
        flags: whether the answer marks rows with yes and no; else it is a number
        what: what several units are called
    """

    example = History
    formats: ClassVar[str] = (
        "a table with a row for each time step of each unit (.csv, .tsv, .jsonl, .parquet), or a folder of them"
    )
    why_no_folds: ClassVar[str] = "is split once, by unit"
    unit_names: ClassVar[Sequence[str]] = UNIT_NAMES
    time_names: ClassVar[Sequence[str]] = TIME_NAMES
    target_names: ClassVar[Sequence[str]] = ("target", "label", "y")
    flags: ClassVar[bool] = False
    what: ClassVar[str] = "units"

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
        val: Fraction = 0.2,
        test: Fraction = 0.2,
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.roles = Roles(
            unit, time, target, channels, categories, ignore, {}, self.unit_names, self.time_names, self.target_names,
            self.flags, day_first, duplicates, separator, encoding,
        )  # fmt: skip
        self.val = val
        self.test = test
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "rows")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, or a folder that holds one at some depth."""
        return is_table(path) if path.is_file() else bool(tables_below(path))

    def examples(self) -> list[History]:
        """All rows of all units, whatever the split."""
        table, _ = self.table(self._files(self.path), str(self.path))
        return [History.whole(table, unit) for unit in range(len(table.units))]

    def read(self) -> Splits:
        """Read the tables, and split them.

        Raises:
            DataError: no such file or column, rows that cannot be read, or too few units.
        """
        files = self._files(self.path)
        given = self._given(files)
        if given is not None:
            return self._as_given(given)
        table, notes = self.table(files, str(self.path))
        splits = self.split(table)
        return replace(splits, **self._facts(files, table, [*notes, *splits.notes]))

    def split(self, table: UnitRows) -> Splits:
        """The three parts of a table: by unit.

        Raises:
            DataError: there are too few units.
        """
        parts = self.by_unit(table, self.val, self.test)
        origin = f"made here: by unit, val {self.val:g}, test {self.test:g}, seed {self.seed}"
        train, val, test = ([History.whole(table, unit) for unit in units] for units in parts)
        return Splits(train, val, test, origin=origin)

    def by_unit(self, table: UnitRows, val: float, test: float) -> tuple[list[int], list[int], list[int]]:
        """The numbers of the units in train, val and test.

        Raises:
            DataError: there are fewer than three, or two where nothing is tested.
        """
        least = 3 if test else 2
        if len(table.units) < least:
            names = listed_units(table.units)
            raise DataError(
                f"{table.name}: has {len(table.units)} {self.what if len(table.units) != 1 else self.what.removesuffix('s')} "
                f"({names}), and the split is made by unit, so at least {least} are needed; if a column names the units, set "
                "data.unit=COLUMN"
            )
        home = split_by_group([None] * len(table.units), list(table.units), val, test, self.seed, table.name)
        return tuple(np.flatnonzero(home == part).tolist() for part in range(3))  # type: ignore[return-value]

    def table(self, files: Sequence[Path], name: str, like: UnitRows | None = None) -> tuple[UnitRows, list[str]]:
        """The rows of some tables, and notes on them. A subclass adds what its answers need.

        Raises:
            DataError: as for `read_units`.
        """
        self.damaged = Damaged(self.skip_damaged, "rows")
        return read_units(files, self.roles, self.damaged, name, like)

    def _files(self, path: Path) -> list[Path]:
        if not path.exists():
            raise no_such(path)
        files = [path] if path.is_file() else tables_below(path)
        if not files:
            raise DataError(f"{path}: holds no table ({', '.join(SUFFIXES)})")
        return files

    def _given(self, files: Sequence[Path]) -> dict[str, list[Path]] | None:
        """The files of a split that folders or names of files say; None where they say none."""
        if self.path.is_file():
            return None
        homes: dict[str, list[Path]] = {"train": [], "val": [], "test": []}
        for file in files:
            first = file.relative_to(self.path).parts[0]
            home = split_in(Path(first).stem)
            if home is None:
                return None
            homes[home].append(file)
        return homes if homes["train"] and homes["test"] else None

    def _as_given(self, given: dict[str, list[Path]]) -> Splits:
        learnt, notes = self.table(given["train"], str(self.path / "train"))
        tested, more = self.table(given["test"], str(self.path / "test"), learnt)
        notes += more
        test = self.tested(tested)
        if given["val"]:
            held_out, more = self.table(given["val"], str(self.path / "val"), learnt)
            notes += more
            val = [History.whole(held_out, unit) for unit in range(len(held_out.units))]
            train = [History.whole(learnt, unit) for unit in range(len(learnt.units))]
            origin = "as given"
        else:
            first, second, _ = self.by_unit(learnt, self.val, 0)
            train, val = ([History.whole(learnt, unit) for unit in units] for units in (first, second))
            origin = f"as given; val made here: {self.val:g} of train, by unit, seed {self.seed}"
        files = [file for each in given.values() for file in each]
        return Splits(train, val, test, origin=origin, **self._facts(files, learnt, notes))

    def tested(self, table: UnitRows) -> list[History]:
        """The histories of a given test table: all rows of each unit."""
        return [History.whole(table, unit) for unit in range(len(table.units))]

    def _facts(self, files: Sequence[Path], table: UnitRows, notes: Sequence[str]) -> dict[str, Any]:
        return {
            "files": {str(file): {"sha256": sha256_of(file)} for file in files},
            "described": {"columns": table.columns},
            "notes": tuple(dict.fromkeys(notes)),
            "skipped": self.damaged.skipped,
        }


def listed_units(names: Sequence[str]) -> str:
    """The first names of units."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
