"""Series with classes of one's own: a table with a row a series, or with a row a step; a folder a class."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.arguments import Copies, Count, Decimal, Fraction, FromData, LabelType, Positive
from convzoo.core.errors import DataError
from convzoo.core.inputs import Given, InputTable
from convzoo.core.labels import Label
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.survey import listed
from convzoo.modalities.series.data.ucr import content_of
from convzoo.modalities.series.labelled import TIME_NAMES, LabelledSeries, cell_value, column_values, names_time
from convzoo.reading.columns import LABEL_NAMES
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import visible
from convzoo.reading.folder import ClassFolders
from convzoo.reading.manifest import columns_in_words, split_rows, unused_columns
from convzoo.reading.roles import counts_rows
from convzoo.reading.tables import SUFFIXES, Table, as_number, is_table, read_table
from convzoo.reading.times import read_time

UNIT_NAMES = (
    "unit", "series", "series_id", "case", "case_id", "instance", "instance_id", "trial", "trial_id", "recording", "recording_id",
    "segment", "segment_id", "window", "window_id", "sample", "sample_id", "id",
)  # fmt: skip
"""What the column is usually called that says which series a row belongs to."""

GROUP_NAMES = (
    "group", "subject", "person", "patient", "machine", "user", "participant", "group_id", "subject_id", "person_id",
    "patient_id", "machine_id", "user_id", "participant_id", "patientid", "maschine", "proband",
)  # fmt: skip
CLASS_NAMES = ("activity", "gesture", "event", "state", "condition", "diagnosis", "y")
"""What the column with the class is called in this field, besides the usual names."""

UNEVEN = 0.1
"""Times are uneven where a distance differs from the usual one by more than this part of it."""

LONGEST_GAP = 20
"""A series may have so many times as many even steps as it has rows."""

_NUMBERED = re.compile(r"(.*?)[ _.\-]?(\d+)")


class LabelledSeriesTable(Reader):
    """Series from a table, in one of two forms.

    A row a series: a column for each step (`t0, t1, …` or any numbers; `x_0, x_1, …, y_0, …` are two channels), or a column whose
    cells are lists, for each channel. Empty cells at the end of a row make a shorter series.

    A row a step: a column says which series a row belongs to (`unit`, `series`, `case`, `id` …), each other column of numbers
    is a channel, and the class is the same in all rows of a series. Rows are in the order of their times, where there is a column
    of these; uneven times are interpolated to even steps of the usual distance.

    Values that are missing inside a series are interpolated by the encoder.

    Args:
        path: a .csv, .tsv, .jsonl, .parquet or .xlsx file with a heading
        label: the column with the class; by default one named label, class, category or target
        unit: of a table with a row a step: the column that says which series a row belongs to; `none`: a row is a series
        time: of a table with a row a step: the column with the times; `none`: there is none
        values: the columns with the values; by default all columns of numbers that nothing else is made of
        group: the column with what must not be split (a person, a machine); by default one named group, subject, person …;
            `none`: there is none
        split: the column that says train, val or test; by default one named split, set or subset; `none`: there is none
        separator: between the fields of a CSV file; by default found
        encoding: of the file; by default found
        decimal: what stands before the decimals of numbers; by default found
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a series in two parts of a given split: refuse them; drop them from training; or keep them
        seed: of a split that is made here
        skip_damaged: leave series that cannot be read out, and say which; by default they are refused
    """

    example = LabelledSeries
    reads_inputs = True
    formats: ClassVar[str] = (
        "a table (.csv, .tsv, .jsonl, .parquet) with a row a series, or a row a step and a column that names the series"
    )

    def __init__(
        self,
        path: str,
        label: str | None = None,
        unit: str | None = None,
        time: str | None = None,
        values: list[str] | None = None,
        group: str | None = None,
        split: str | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        decimal: Decimal | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "refuse",
        seed: Count = 0,
        label_type: FromData[LabelType] = "class",
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.label = label
        self.unit = unit
        self.time = time
        self.values = values
        self.group = group
        self.split = split
        self.separator = separator
        self.encoding = encoding
        self.decimal: Decimal | None = decimal
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.copies: Copies = copies
        self.seed = seed
        self.label_type: LabelType = label_type
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "series")
        self.like: Mapping[str, Any] = {}

    def read_like(self, found: Mapping[str, Any]) -> None:
        """Take the columns that training took, by name, in a table that has some of them and is so of the same form."""
        self.like = found

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending."""
        return path.is_file() and is_table(path)

    def examples(self) -> list[LabelledSeries]:
        """All series of the table."""
        table = self._table()
        found, _, _ = self._examples(table)
        self.damaged.settle()
        return [example for example in found if example is not None]

    def read(self) -> Splits:
        """Read the table.

        Raises:
            DataError: no such file or column, a damaged series, one class only, or too few examples to split.
        """
        table = self._table()
        found, roles, firsts = self._examples(table)
        self.damaged.settle()
        labels = {example.label for example in found if example is not None}
        if self.label_type == "class" and len(labels) < 2:
            raise DataError(f"{self.path}: all {len(found):,} series are of class {next(iter(labels))!r}; 2 are needed")
        homes = table.splits(self.split)
        notes = [*table.numbers_as_classes(str(roles["label"]))] if self.label_type == "class" else []
        if homes is not None:
            roles["split"] = homes[1]
            self._require_constant(table, homes[1], firsts)
            homes = [homes[0][rows[0]] for rows in firsts], homes[1]
        notes += [*self._notes, *unused_columns(table, list(roles.values()))]
        splits = split_rows(self, self.path, found, homes, content_of, notes)
        return splits.with_described(columns=columns_in_words(table, roles))

    def inputs(self) -> list[Given]:
        """The series of a table for `predict`: its rows with all their columns, or its units.

        Raises:
            DataError: the table cannot be read, or has no column of numbers.
        """
        table = self._table()
        roles, units = self._roles(table, needs_label=False)
        if roles["unit"] is None:
            names = roles["values"]
            others = [name for name in table.columns if name not in names and _holds_values(table, name)]
            unused = f"; not used: {listed(others)}" if others else ""
            return table.inputs(
                lambda row: self._wide(table, row, roles, None), f"a row is a series: {listed(names or ())}{unused}"
            )
        said = f"a row is a step of a series named by {roles['unit']!r}: {listed(roles['values'] or ())}"
        facts = InputTable(self.path, (str(roles["unit"]),), said)
        given = []
        for number, (unit, rows) in enumerate(units.items(), 1):
            try:
                example: Any = self._long(table, unit, rows, roles, None)
            except DataError as error:
                example = error
            given.append(Given(example, number, facts, {str(roles["unit"]): unit}))
        return given

    def _table(self) -> Table:
        self.damaged = Damaged(self.skip_damaged, "series")
        self._notes: list[str] = []
        self._uneven: list[str] = []
        table = read_table(self.path, separator=self.separator, encoding=self.encoding, damaged=self.damaged)
        table.decimal = self.decimal
        if len(table.columns) > 2 and all(as_number(name) is not None for name in table.columns):
            self.damaged.settle()
            if not all(re.fullmatch(r"\d+", name) for name in list(table.columns)[1:]):
                raise DataError(
                    f"{self.path}:1: holds numbers, so the table has no heading; add one (label,t0,t1,…), or name the file "
                    "as the UCR archive does, NAME_TRAIN.txt, where the class stands first"
                )
        if not len(table):
            self.damaged.settle()
            raise DataError(f"{self.path}: holds no rows")
        return table

    def _examples(self, table: Table) -> tuple[list[Any], dict[str, Any], list[list[int]]]:
        """The series, None where one is damaged; the column of each role; the rows of each series."""
        roles, units = self._roles(table, needs_label=True)
        read_label = table.label_reader(str(roles["label"]), self.label_type)
        if roles["unit"] is None:
            rows = [[row] for row in range(len(table))]
            found = [
                self.damaged.sound(partial(self._wide, table, row, roles, read_label), table.place(row))
                for row in range(len(table))
            ]
        else:
            rows = list(units.values())
            for name in ("label", "group"):
                if roles[name] is not None:
                    self._require_constant(table, str(roles[name]), rows)
            found = [
                self.damaged.sound(
                    partial(self._long, table, unit, at, roles, read_label), f"{self.path}: series {unit}"
                )
                for unit, at in units.items()
            ]
        if self._uneven:
            self._notes.append(
                f"{len(self._uneven):,} series have uneven times (first: {self._uneven[0]}); their values are "
                f"interpolated to even steps"
            )
        return found, roles, rows

    def _roles(self, table: Table, needs_label: bool) -> tuple[dict[str, Any], dict[str, list[int]]]:
        """The column of each role, and of a table with a row a step the rows of each series."""
        like = self.like if {self.like.get("unit"), *self.like.get("values", ())} & set(table.columns) else {}
        given_unit, given_time = self.unit or like.get("unit"), self.time or like.get("time")
        given_values = self.values or like.get("values")
        label = table.find(
            "label",
            self.label if needs_label or self.label in table.columns else None,
            (*LABEL_NAMES, *CLASS_NAMES),
            needs_label,
        )
        group = self._found(table, "group", self.group, GROUP_NAMES)
        unit = self._found(table, "unit", given_unit, UNIT_NAMES)
        units: dict[str, list[int]] = {}
        if unit is not None:
            for row in range(len(table)):
                units.setdefault(table.id(row, unit), []).append(row)
            if given_unit is None and 2 * len(units) > len(table):  # a number for each row, some of them twice
                used, unit, units = unit, None, {}
            else:
                used = unit
        else:
            used = None
        times = sorted((TIME_NAMES.index(plain), name) for name in table.columns if (plain := names_time(name)))
        usual = [name.strip().lower() for _, name in times]
        time = self._found(table, "time", given_time, usual) if unit is not None else None
        homes = table.splits(self.split)
        taken = {label, group, used, time, homes[1] if homes else None}
        if given_values is not None:
            names = [str(table.find("values", name, ())) for name in given_values]
        else:
            names = [name for name in table.columns if name not in taken and _holds_values(table, name)]
            counters = [name for name in names if unit is None and _counts(table, name)]
            names = [name for name in names if name not in counters]
            if counters:
                self._notes.append(
                    f"{self.path.name}: {listed(counters)} counts the rows, and is no step of the series"
                )
            beside = _beside_steps(names) if unit is None else []
            if beside:
                names = [name for name in names if name not in beside]
                self._notes.append(
                    f"{self.path.name}: {listed(beside)}: not numbered as the steps are ({names[0]}, {names[1]} …), so no steps; "
                    "data.values=[…] takes them"
                )
        if not names:
            raise DataError(
                f"{self.path}: has no column of values; it has {listed(list(table.columns))}; name them with data.values=[…]"
            )
        return {"label": label, "unit": unit, "time": time, "values": names, "group": group}, units

    @staticmethod
    def _found(table: Table, role: str, given: str | None, usual: Sequence[str]) -> str | None:
        return None if given == "none" else table.find(role, given, usual, needed=False)

    def _require_constant(self, table: Table, name: str, units: Sequence[Sequence[int]]) -> None:
        """Refuse a series whose rows do not agree."""
        values = table.columns[name]
        for rows in units:
            first = rows[0]
            other = next((row for row in rows if str(values[row]) != str(values[first])), None)
            if other is not None:
                raise DataError(
                    f"{table.place(other)}: column {name!r} says {str(values[other])[:40]!r}, and "
                    f"{str(values[first])[:40]!r} in the "
                    "first row of the same series; it should say one thing of a whole series"
                )

    def _wide(self, table: Table, row: int, roles: Mapping[str, Any], read_label: Any) -> LabelledSeries:
        """The series of a row.

        Raises:
            DataError: a cell is no number, the label is missing, or there is no value.
        """
        names: list[str] = roles["values"]
        lists = [name for name in names if isinstance(table.columns[name][row], list | np.ndarray)]
        if lists:
            channels = [_as_values(table, row, name) for name in lists]
            if len({len(values) for values in channels}) > 1:
                raise DataError(f"{table.place(row)}: the lists of {listed(lists)} have different lengths")
            values, titles = np.stack(channels), tuple(lists)
        else:
            grouped = channels_of(names)
            values = np.array(
                [[cell_value(table, row, name) for name in steps] for steps in grouped.values()], dtype=np.float32
            )
            titles = tuple(grouped) if len(grouped) > 1 else ()
        known = np.flatnonzero(np.isfinite(values).any(axis=0))
        if not len(known):
            raise DataError(f"{table.place(row)}: holds no value: all are missing")
        return self._made(table, row, values[:, : known[-1] + 1], titles, roles, read_label, table.place(row))

    def _long(
        self, table: Table, unit: str, rows: Sequence[int], roles: Mapping[str, Any], read_label: Any
    ) -> LabelledSeries:
        """The series of some rows.

        Raises:
            DataError: a cell is no number, two rows have one time, the label is missing, or there is no value.
        """
        values = column_values(table, roles["values"], rows)
        if roles["time"] is not None:
            values = self._in_time(table, unit, rows, str(roles["time"]), values)
        if not np.isfinite(values).any():
            raise DataError(f"{table.place(rows[0])}: series {unit} holds no value: all are missing")
        source = f"{self.path.name}: {unit}"
        return self._made(table, rows[0], values, tuple(roles["values"]), roles, read_label, source)

    def _in_time(self, table: Table, unit: str, rows: Sequence[int], name: str, values: np.ndarray) -> np.ndarray:
        times = times_of(table, rows, name)
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[:, order]
        steps = np.diff(times)
        if len(steps) and (steps <= 0).any():
            at = int((steps <= 0).argmax())
            raise DataError(f"{table.place(rows[int(order[at + 1])])}: series {unit} has two rows with one time")
        usual = float(np.median(steps)) if len(steps) else 1.0
        if not len(steps) or (np.abs(steps - usual) <= UNEVEN * usual).all():
            return values
        count = round((times[-1] - times[0]) / usual) + 1
        if count > LONGEST_GAP * len(rows):
            raise DataError(
                f"{table.place(rows[0])}: series {unit} has {len(rows):,} rows, and its times span {count:,} usual "
                f"steps; cut it where "
                "it stops, or say data.time=none to take its rows one after another"
            )
        self._uneven.append(unit)
        even = times[0] + usual * np.arange(count)
        resampled = [
            np.interp(even, times[known], row[known]) if (known := np.isfinite(row)).any() else np.full(count, np.nan)
            for row in values
        ]
        return np.array(resampled, dtype=np.float32)

    def _made(
        self,
        table: Table,
        row: int,
        values: np.ndarray,
        channels: tuple[str, ...],
        roles: Mapping[str, Any],
        read_label: Any,
        source: str,
    ) -> LabelledSeries:
        if np.isinf(values).any():
            raise DataError(f"{source}: holds an infinite value")
        label: Label | None = read_label(row) if read_label is not None else None
        group = table.id(row, roles["group"]) if roles["group"] is not None and read_label is not None else None
        columns = {
            "values": list(roles["values"]), "unit": roles["unit"] or "none", "time": roles["time"] or "none",
        }  # fmt: skip
        return LabelledSeries(values, None, label, group, source, channels, columns)


class LabelledSeriesFolder(ClassFolders):
    """Series as `<class>/<file>`, or `train/<class>/<file>` with `test/` and, optionally, `val/` beside it. A file is a table
    with a row a step and a column a channel; a column of times is left out.
    """

    example = LabelledSeries
    reads_inputs = True
    formats: ClassVar[str] = "a folder of tables, one folder a class (or train/, val/ and test/ with such folders)"
    what = "series"
    suffixes = tuple(suffix for suffix in SUFFIXES if suffix != ".json")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with folders; for `predict` a table."""
        return (path.is_file() and is_table(path)) or (path.is_dir() and any(child.is_dir() for child in visible(path)))

    def check(self, example: LabelledSeries) -> None:
        """Read the file, and keep what it holds: text is slow to read again.

        Raises:
            DataError: it cannot be read.
        """
        assert example.path is not None, "it lies in a folder"
        self._read[example.path] = example.loaded()

    def _sound(self, folder: Path, parts: dict[str, list[Any]]) -> dict[str, list[Any]]:
        self._read: dict[Path, tuple[np.ndarray, tuple[str, ...]]] = {}
        kept = super()._sound(folder, parts)
        found = {
            name: [
                replace(each, values=self._read[each.path][0], channels=self._read[each.path][1]) for each in examples
            ]
            for name, examples in kept.items()
        }
        self._read = {}
        return found

    def inputs(self) -> list[Given]:
        """The one series of a file."""
        return [Given(LabelledSeries(path=self.path, source=str(self.path)))]


def channels_of(names: Sequence[str]) -> dict[str, list[str]]:
    """The columns of each channel in a table with a row a series: `x_0, x_1, y_0, y_1` are two channels with two steps. Columns
    whose names do not say so are the steps of one channel, in the order of the table; those that are named by a number, such as
    the time (`0.00`, `0.02`), are in the order of these."""
    at = [as_number(name) for name in names]
    if len(set(at)) == len(names) and all(number is not None for number in at):
        return {"": [name for _, name in sorted(zip(at, names, strict=True), key=lambda each: each[0] or 0.0)]}
    found: dict[str, dict[int, str]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name.strip())
        if match is None or int(match[2]) in found.get(match[1], {}):
            return {"": list(names)}
        found.setdefault(match[1], {})[int(match[2])] = name
    steps = {tuple(sorted(each)) for each in found.values()}
    if len(steps) > 1 or (len(found) > 1 and len(next(iter(steps))) < 2):
        return {"": list(names)}
    return {channel: [each[step] for step in sorted(each)] for channel, each in found.items()}


def times_of(table: Table, rows: Sequence[int], name: str) -> np.ndarray:
    """Times as numbers: those of the column, or seconds of its dates.

    Raises:
        DataError: a cell is neither.
    """
    found = []
    for row in rows:
        value = table.columns[name][row]
        number = as_number(value, table.decimal_commas)
        if number is not None and np.isfinite(number):
            found.append(number)
            continue
        text = str(value).strip()
        date = read_time(text)
        if date is not None:
            found.append(float(date.astype("datetime64[us]").astype(np.int64)) / 1e6)
        else:
            raise DataError(
                f"{table.place(row)}: column {name!r} says {str(value)[:40]!r}; it should be a number or a date such "
                f"as 2024-01-31 12:00:00; "
                "data.time=none takes the rows one after another"
            )
    return np.array(found, dtype=np.float64)


def _beside_steps(names: Sequence[str]) -> list[str]:
    """Columns of numbers that are no steps: nine in ten of the columns are numbered, and these are not (`age`, `pressure`)."""
    plain = [name for name in names if _NUMBERED.fullmatch(name.strip()) is None and as_number(name) is None]
    return plain if len(names) >= 10 and len(plain) <= len(names) / 10 else []


def _holds_values(table: Table, name: str) -> bool:
    """Whether a column holds numbers, or lists of them."""
    first = next((value for value in table.columns[name] if value is not None), None)
    if isinstance(first, list | np.ndarray):
        return len(first) > 0 and isinstance(first[0], int | float | np.number)
    return table.is_numeric(name)


def _counts(table: Table, name: str) -> bool:
    """Whether a column numbers the rows, from 0 or 1 or further on."""
    if isinstance(table.columns[name][0], list | np.ndarray):
        return False
    try:
        return counts_rows(table.numbers(name))
    except DataError:  # a cell is empty, so it counts nothing
        return False


def _as_values(table: Table, row: int, name: str) -> np.ndarray:
    try:
        return np.array(table.columns[name][row], dtype=np.float32)
    except (TypeError, ValueError):
        raise DataError(f"{table.place(row)}: column {name!r} should hold a list of numbers") from None
