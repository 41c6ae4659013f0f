"""Tables of texts of one's own."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.arguments import Copies, Count, Decimal, Fraction, FromData, LabelType, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.inputs import Given
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.words import fingerprint
from convzoo.reading.columns import LABEL_NAMES, SPLIT_NAMES
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import refuse_twice, visible
from convzoo.reading.lines import plain_name, plain_suffix
from convzoo.reading.manifest import Roles, columns_in_words, label_hints, split_rows, taken_columns, unused_columns
from convzoo.reading.splitting import as_given
from convzoo.reading.tables import Table, beginning, dialect_of, is_table, read_table, records

LABELS = (*LABEL_NAMES, "sentiment", "topic")
TEXT_NAMES = ("text", "sentence", "review", "message", "question", "content", "tweet", "title")


class TextTable(Reader):
    """Texts and classes from a table, or from a folder of tables named train, val (or valid, dev) and test.

    Without a split column or files, the split is made by group and stratified by class. Equal texts are one group, so that a
    copy of a training text is never tested on. In a split that is given, texts that are tested on are left out of training.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file, or a folder with train.*, optionally val.*, and test.*
        text: the column with the text; by default one named text, sentence, review, message, question, content or title
        label: the column with the class, or with the number or the classes that the task learns; by default one named label,
            class, category, target, sentiment or topic; or a list of columns that stand for a class each and hold 0 and 1,
            which are also found where there is no such column
        group: a column whose values must not be split (an author, a document)
        split: the column that says train, val or test; by default one named split, set or subset; `none`: there is none
        columns: names of the columns, for a CSV or TSV file without a heading
        separator: between the fields of a CSV file; by default found
        quotes: whether quotation marks enclose fields; by default yes, but with tabs only where the file is written so
        encoding: of the file; by default found
        decimal: what stands before the decimals of numbers; by default found
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a text in two parts of a given split: drop them from training; refuse them; or keep them
        seed: of a split that is made here
        skip_damaged: leave rows that cannot be read out, and say which; by default they are refused
    """

    example = Text
    reads_inputs = True
    formats: ClassVar[str] = "a table of texts (.csv, .tsv, .jsonl, .parquet), or a folder with train.csv and test.csv"

    def __init__(
        self,
        path: str,
        text: str | None = None,
        label: str | list[str] | None = None,
        group: str | None = None,
        split: str | None = None,
        columns: list[str] | None = None,
        separator: str | None = None,
        quotes: bool | None = None,
        encoding: str | None = None,
        decimal: Decimal | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "drop",
        seed: Count = 0,
        label_type: FromData[LabelType] = "class",
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.text = text
        self.label = label
        self.group = group
        self.split = split
        self.columns = columns
        self.separator = separator
        self.quotes = quotes
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

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, or a folder that holds a training table."""
        if path.is_dir():
            return any(_part(file) is not None for file in visible(path))
        return is_table(path)

    def examples(self) -> list[Text]:
        """All rows of the table or tables."""
        self.damaged = Damaged(self.skip_damaged, "rows")
        files = self._files() if self.path.is_dir() else [self.path]
        found = [example for file in files for example in self._examples(self._table(file))[0]]
        self.damaged.settle()
        return [example for example in found if example is not None]

    def inputs(self) -> list[Given]:
        """The rows of a table for `predict`. The text is in the column that the run's data had, else in one with a usual name,
        else in the only column.

        Raises:
            DataError: the table cannot be read, or it is not clear which column has the text.
        """
        self.damaged = Damaged(True, "rows")
        table = read_table(self.path, self._input_heading(), self.separator, self.quotes, self.encoding, self.damaged)
        text = self._input_column(table)

        def example(row: int) -> Text:
            return Text(_text_in(table, row, text), source=table.place(row))

        return table.inputs(example, f"the text is column {text!r}")

    def _input_heading(self) -> list[str] | None:
        """The names of the columns, where the file has none; without that of the label, where a row has a field less."""
        if self.columns is None or plain_suffix(self.path) not in (".csv", ".tsv"):
            return self.columns
        text, _ = beginning(self.path, self.encoding)
        dialect = dialect_of(text, plain_suffix(self.path), self.separator, self.quotes)
        first: list[str] = next((fields for fields in records(text, dialect, strict=False) if fields), [])
        given = [self.label] if isinstance(self.label, str) else self.label
        labels = set(given or LABELS)
        others = [name for name in self.columns if name.lower() not in labels]
        return others if len(first) == len(others) else self.columns

    def _input_column(self, table: Table) -> str:
        names = list(table.columns)
        if self.text in names:
            return str(self.text)
        found = table.find("text", None, TEXT_NAMES, needed=False)
        if found is None and len(names) == 1 and len(names[0].split()) == 1:
            found = names[0]
        if found is None:
            usual = self.text or "text"
            raise DataError(
                f"{self.path}: which column is the text? it has {', '.join(names)}; call that column {usual!r} in the heading"
            )
        return found

    def read(self) -> Splits:
        """Read the table or tables.

        Raises:
            DataError: no such file, column or class; a damaged row; too few examples to split.
        """
        self.damaged = Damaged(self.skip_damaged, "rows")
        if self.path.is_dir():
            return self._read_folder()
        table = self._table(self.path)
        if not len(table):
            raise DataError(f"{self.path}: holds no rows")
        found, roles = self._examples(table)
        homes = table.splits(self.split)
        notes = [*taken_columns(table, roles), *self._hints(table, roles)]
        roles["split"] = homes[1] if homes else None
        notes += unused_columns(table, list(roles.values()))
        splits = split_rows(self, self.path, found, homes, content_of, notes)
        return splits.with_described(columns=columns_in_words(table, roles))

    def _read_folder(self) -> Splits:
        parts: dict[str, list[Text]] = {"train": [], "val": [], "test": []}
        files: dict[str, Any] = {}
        notes: list[str] = []
        columns: dict[str, str] = {}
        for file in self._files():
            table = self._table(file)
            found, roles = self._examples(table)
            parts[str(_part(file))] += [example for example in found if example is not None]
            files[str(file)] = {"sha256": sha256_of(file)}
            notes += [*unused_columns(table, list(roles.values())), *self._hints(table, roles)]
            columns[file.name] = columns_in_words(table, roles)
        self.damaged.settle()
        # Without such a file nothing is tested; an empty one is a mistake.
        for name in {str(_part(file)) for file in self._files()}:
            if not parts[name]:
                raise DataError(f"{self.path}: the {name} split has no examples")
        splits = as_given(str(self.path), parts, self.val, self.seed, files, content_of, self.copies, notes, self.fold)
        # The tables of a split nearly always have the same columns: then they are said once.
        same = len(set(columns.values())) == 1
        said = next(iter(columns.values())) if same else "; ".join(f"{name}: {each}" for name, each in columns.items())
        return replace(splits.with_described(columns=said), skipped=self.damaged.skipped)

    def _hints(self, table: Table, roles: Roles) -> list[str]:
        return [*label_hints(table, roles.get("label"), self.label_type), *_oddities(table, roles)]

    def _files(self) -> list[Path]:
        files = [file for file in visible(self.path) if _part(file) is not None]
        refuse_twice(self.path, [(str(_part(file)), file) for file in files])
        return files

    def _table(self, path: Path) -> Table:
        table = read_table(path, self.columns, self.separator, self.quotes, self.encoding, self.damaged)
        table.decimal = self.decimal
        return table

    def _examples(self, table: Table) -> tuple[list[Text | None], Roles]:
        """The texts in the order of the rows, None where one is damaged, and the column of each role, None where there is
        none."""
        if not len(table):
            return [], {}
        text = str(table.find("text", self.text, TEXT_NAMES))
        group = table.find("group", self.group, (), needed=False)
        label = table.label_columns(self.label, LABELS, self.label_type, (text, group, self.split))
        groups, label_of = table.optional_ids(group), table.label_reader(label, self.label_type)

        def example(row: int) -> Text:
            return Text(_text_in(table, row, text), label_of(row), groups[row], table.place(row))

        found = [self.damaged.sound(partial(example, row), table.place(row)) for row in range(len(table))]
        return found, {"text": text, "label": label, "group": group}


def _text_in(table: Table, row: int, name: str) -> str:
    value = table.columns[name][row]
    if isinstance(value, list | dict):
        raise DataError(f"{table.place(row)}: column {name!r} holds {type(value).__name__}, not a text")
    if value is None or not str(value).strip():
        raise DataError(f"{table.place(row)}: column {name!r} is empty; fill it or delete the row")
    return str(value)


def content_of(example: Text) -> str:
    """A fingerprint of the text: copies differ in case and spaces at most."""
    return fingerprint(example.text)


def _part(file: Path) -> str | None:
    """The split that a table's name says: train, val or test."""
    return SPLIT_NAMES.get(plain_name(file).stem.lower()) if is_table(file) else None


def _oddities(table: Table, roles: Roles) -> list[str]:
    """Notes on texts that a machine may have damaged: NUL characters, and rows that a stray quotation mark put into a text."""
    text, label = roles.get("text"), roles.get("label")
    if not isinstance(text, str):
        return []
    texts = table.columns[text]
    found = []
    zeros = [row for row, value in enumerate(texts) if isinstance(value, str) and "\0" in value]
    if zeros:
        found.append(
            f"{len(zeros):,} texts hold NUL characters (the first is {table.place(zeros[0])}), which are read as spaces: "
            "the file may be damaged, or in UTF-16 (data.encoding=utf-16-le)"
        )
    if table.separator and isinstance(label, str):
        labels, width, at = set(table.columns[label]), len(table.columns), list(table.columns).index(label)

        def like_a_row(line: str) -> bool:
            fields = line.rstrip("\r").split(table.separator)
            return len(fields) == width and fields[at].strip().strip('"') in labels

        for row, value in enumerate(texts):
            if isinstance(value, str) and "\n" in value:
                inside = sum(map(like_a_row, value.split("\n")))
                if inside:
                    found.append(
                        f"{table.place(row)}: the text holds {inside} lines that look like rows of their own; if a "
                        "quotation mark there is stray, remove it or say data.quotes=false"
                    )
                    break
    return found
