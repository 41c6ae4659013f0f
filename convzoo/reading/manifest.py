"""One reader of "a table with a row a file", for every kind of file; a kind adds what its columns and files are called."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.arguments import Copies, Count, Decimal, Fraction, FromData, LabelType, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.inputs import Given
from convzoo.core.labels import Label
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.survey import listed
from convzoo.reading.columns import LABEL_NAMES, PATH_NAMES
from convzoo.reading.damaged import Damaged
from convzoo.reading.splitting import as_given, made_here
from convzoo.reading.tables import Table, is_table, read_table

Roles = dict[str, str | Sequence[str] | None]
"""The column of each role, or its columns; None where there is none."""


class Manifest(Reader):
    """A table `path,label[,group][,split]` with a row a file; paths are absolute or relative to the table's folder.

    Without a split column the split is made, by group where there is such a column, stratified by label; files of the same
    content stay together. In a split that is given, no group, no file and no content may stand in two parts.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file with a heading
        file: the column with the path; by default one that is usually called so
        label: the column with the class, or with the number or the classes that the task learns; by default one that is usually
            called so; or a list of columns that stand for a class each and hold 0 and 1, which are also found
        group: the column with what must not be split; by default one that is usually called so; `none`: there is none
        split: the column that says train, val or test; by default one named split, set or subset; `none`: there is none
        separator: between the fields of a CSV file; by default found
        encoding: of the file; by default found
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a file in two parts of a given split: refuse them; drop them from training; or keep them
        seed: of a split that is made here
        skip_damaged: leave rows and files that cannot be read out, and say which; by default they are refused
        decimal: what stands before the decimals of numbers; by default found

    Attributes:
        what: one such file, in words
        file_names: what the column with the path is usually called, besides path, file and filename
        label_names: what the column with the class is usually called, besides label, class, category and target
        group_names: what the column with the group is usually called
    """

    what: ClassVar[str]
    file_names: ClassVar[Sequence[str]] = ()
    label_names: ClassVar[Sequence[str]] = ()
    reads_inputs = True
    group_names: ClassVar[Sequence[str]] = ("group",)

    def __init__(
        self,
        path: str,
        file: str | None = None,
        label: str | list[str] | None = None,
        group: str | None = None,
        split: str | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "refuse",
        seed: Count = 0,
        label_type: FromData[LabelType] = "class",
        skip_damaged: bool = False,
        decimal: Decimal | None = None,
    ) -> None:
        self.path = Path(path)
        self.file = file
        self.label = label
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
        self.damaged = Damaged(skip_damaged, "rows")

    @property
    def home(self) -> Path:
        """The table's file."""
        return self.path

    @classmethod
    def make(cls, path: Path, label: Label | None, group: str | None, source: str) -> Any:
        """One example."""
        return cls.example(path=path, label=label, group=group, source=source)

    @classmethod
    def content(cls, example: Any) -> str:
        """A fingerprint of the file's content."""
        return sha256_of(example.path)[:16]

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending."""
        return path.is_file() and is_table(path)

    def examples(self) -> list[Any]:
        """All rows, whatever the split."""
        found, _ = self._rows(self._table())
        self.damaged.settle()
        return [example for example in found if example is not None]

    def inputs(self) -> list[Given]:
        """The rows of the table for `predict`, a file each. Labels and groups are not looked at.

        Raises:
            DataError: the table cannot be read, or has no column with the file.
        """
        self.skip_damaged = True
        table = self._table()
        column = file_column(table, self.file, self.file_names, self.what)

        def example(row: int) -> Any:
            path = file_in(table, row, table.id(row, column))
            return self.make(path, None, None, str(path))

        return table.inputs(example, f"the file is column {column!r}")

    def read(self) -> Splits:
        """Read the table, and open each file once. Their contents are read again when they are encoded.

        Raises:
            DataError: no such file or column, a row that names no file or another split, files that cannot be read, the same in
                two parts, or too few rows.
        """
        table = self._table()
        found, roles = self._rows(table)
        homes = table.splits(self.split)
        roles["split"] = homes[1] if homes else None
        notes = unused_columns(table, list(roles.values()))
        notes += label_hints(table, roles.get("label"), self.label_type)
        splits = split_rows(self, self.path, found, homes, self.content, notes)
        return splits.with_described(columns=columns_in_words(table, roles))

    def _table(self) -> Table:
        self.damaged = Damaged(self.skip_damaged, "rows")
        table = read_table(self.home, separator=self.separator, encoding=self.encoding, damaged=self.damaged)
        if not len(table):
            raise DataError(f"{self.home}: holds no rows")
        table.decimal = self.decimal
        return table

    def _label(self, table: Table, used: Sequence[str | None]) -> str | list[str]:
        """The column with the label, or the columns that stand for a class each."""
        usual = (*LABEL_NAMES, *self.label_names)
        return table.label_columns(self.label, usual, self.label_type, [*used, self.split])

    def _one_label(self) -> str | None:
        """The setting `label`, for kinds of file whose label stands in one column.

        Raises:
            DataError: it names several columns.
        """
        if self.label is None or isinstance(self.label, str):
            return self.label
        raise DataError(
            f"data.label: names {len(self.label)} columns, {listed(self.label)}; for {self.what} files it is one"
        )

    def _rows(self, table: Table) -> tuple[list[Any], Roles]:
        """The examples in the order of the rows, None where one is damaged, and the column of each role, None where there is
        none."""
        file = file_column(table, self.file, self.file_names, self.what)
        group = None if self.group == "none" else table.find("group", self.group, self.group_names, needed=False)
        label = self._label(table, (file, group))
        groups, label_of = table.optional_ids(group), table.label_reader(label, self.label_type)

        def example(row: int) -> Any:
            path = file_in(table, row, table.id(row, file))
            made = self.make(path, label_of(row), groups[row], table.place(row))
            made.check()
            return made

        examples = [self.damaged.sound(partial(example, row), table.place(row)) for row in range(len(table))]
        return examples, {"file": file, "label": label, "group": group}


def file_in(table: Table, row: int, name: str, folders: bool = False) -> Path:
    """The file that a row names: absolute or relative to the table's folder. Backslashes of Windows are understood.

    Args:
        table: that names it
        row: of the table
        name: what the row says
        folders: whether a folder will do, too

    Raises:
        DataError: it is not there, is empty, or is a folder.
    """
    path = table.path.parent / name
    if not path.exists() and "\\" in name:
        path = table.path.parent / name.replace("\\", "/")
    if not path.exists():
        raise DataError(
            f"{table.place(row)}: {name!r} is not there (looked for {path}); paths are absolute, or relative "
            f"to {table.path.parent}"
        )
    if path.is_dir() and not folders:
        raise DataError(f"{table.place(row)}: {name!r} is a folder, not a file")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{table.place(row)}: {name!r} is empty (0 bytes); delete the row or replace the file")
    return path


def label_hints(table: Table, label: str | Sequence[str] | None, label_type: LabelType) -> list[str]:
    """Notes on a column of labels that may be meant otherwise: numbers as classes, points that may mark thousands."""
    if not isinstance(label, str):
        return []
    return {"class": table.numbers_as_classes, "number": table.points_in}.get(label_type, lambda name: [])(label)


def taken_columns(table: Table, roles: Roles) -> list[str]:
    """A note on which column was taken for what, where its name does not say so itself; empty where all do."""
    taken = [
        f"{role} is {name!r}" if isinstance(name, str) else f"each of {listed(map(repr, name))} is a class"
        for role, name in roles.items()
        if name is not None and (not isinstance(name, str) or name.strip().lower() != role)
    ]
    return [f"{table.path.name}: {', '.join(taken)}"] if taken else []


def columns_in_words(table: Table, roles: Mapping[str, str | Sequence[str] | None]) -> str:
    """`text: review; label: stars; group: none; not used: id, date`: which column was taken for what.

    Args:
        table: that was read
        roles: the column of each role, or its columns; None where there is none
    """
    columns = {role: [found] if isinstance(found, str) else list(found or ()) for role, found in roles.items()}
    used = {name for names in columns.values() for name in names}
    words = [f"{role}: {listed(names) or 'none'}" for role, names in columns.items()]
    others = [name for name in table.columns if name not in used]
    return "; ".join([*words, *([f"not used: {listed(others)}"] if others else [])])


def unused_columns(table: Table, used: Sequence[str | Sequence[str] | None]) -> list[str]:
    """A note on the columns that nothing was made of; empty where all were used."""
    taken = {name for names in used if names is not None for name in ([names] if isinstance(names, str) else names)}
    others = [name for name in table.columns if name not in taken]
    if not others:
        return []
    return [f"{table.path.name}: columns that are not used: {listed(others)}"]


def split_rows(
    reader: Any,
    where: Path,
    examples: Sequence[Any],
    homes: tuple[list[str], str] | None,
    content: Callable[[Any], str],
    notes: Sequence[str] = (),
) -> Splits:
    """The rows of one table in their splits: as its column says, else made here.

    Args:
        reader: with `val`, `test`, `fold`, `folds`, `seed`, `copies` and `damaged`
        where: the table
        examples: in the order of the rows; None where a row is damaged
        homes: the split of each row and the column that says so; None where there is no such column
        content: a fingerprint of an example's content
        notes: what was found out while reading
    """
    reader.damaged.settle()
    files = {str(where): {"sha256": sha256_of(where)}}
    if homes is None:
        kept = [example for example in examples if example is not None]
        splits = made_here(
            kept, reader.val, reader.test, reader.seed, files, content, reader.fold, reader.folds, notes, str(where)
        )
    else:
        parts: dict[str, list[Any]] = {"train": [], "val": [], "test": []}
        for home, example in zip(homes[0], examples, strict=True):
            if example is not None:
                parts[home].append(example)
        splits = as_given(str(where), parts, reader.val, reader.seed, files, content, reader.copies, notes, reader.fold)
    return replace(splits, skipped=reader.damaged.skipped)


def file_column(table: Table, given: str | None, usual: Sequence[str], what: str) -> str:
    """The column with the paths of the files: as given, else one that is usually called so.

    Args:
        table: with a row for each file
        given: the setting `data.file`
        usual: what such a column is called for this kind of file, besides path, file and filename
        what: one such file, in words

    Raises:
        DataError: there is none. Where no cell looks like a path, it is another kind of table, which the error says.
    """
    try:
        found = table.find("file", given, (*PATH_NAMES, *usual))
    except DataError:
        looked = [str(value) for values in table.columns.values() for value in list(values)[:100]]
        if given is not None or any(re.search(r"[^\s.]\.[A-Za-z]\w{0,5}$", value) for value in looked):
            raise
        raise DataError(
            f"{table.path}: names no {what} files: this recipe takes a table with a row for each {what} file, its path in a "
            f"column 'path' and its class in a column 'label', and this one has {listed(list(table.columns))}; if a column does "
            "hold the paths, say data.file=COLUMN"
        ) from None
    assert found is not None, "a needed column is found"
    return found
