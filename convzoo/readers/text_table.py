"""Tables of texts: CSV, TSV, JSONL and Parquet."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.examples import Splits, Text
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.text import first_line
from convzoo.ops.columns import SPLIT_NAMES, find_column, optional_column, split_named
from convzoo.ops.splitting import carve_validation, splits_of
from convzoo.ops.words import fingerprint

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
TEXT_COLUMNS = ("text", "sentence", "review", "message", "question", "content", "tweet", "title")
LABEL_COLUMNS = ("label", "class", "category", "target", "sentiment", "topic")
Row = tuple[str, dict[str, Any]]


class TextTable(Reader):
    """Texts and classes from a table, or from a folder of tables named train, val (or valid, dev) and test.

    Without a split column or files, the split is made by group and stratified by class. Equal texts are one group, so that a
    copy of a training text is never tested on.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file, or a folder with train.*, optionally val.*, and test.*
        text: the column with the text; by default one named text, sentence, review, message, question, content or title
        label: the column with the class; by default one named label, class, category, target, sentiment or topic
        group: a column whose values must not be split (an author, a document)
        split: a column that says train, val or test
        columns: names of the columns, for a CSV or TSV file without a heading
        quotes: whether quotation marks enclose fields; by default in CSV yes, in TSV no
        encoding: of the file
        val: part for validation, where the split is made here
        test: part for testing, where the split is made here
        seed: of the split
    """

    example = Text
    formats: ClassVar[str] = "a table of texts (.csv, .tsv, .jsonl, .parquet), or a folder with train.csv and test.csv"

    def __init__(
        self,
        path: str,
        text: str | None = None,
        label: str | None = None,
        group: str | None = None,
        split: str | None = None,
        columns: list[str] | None = None,
        quotes: bool | None = None,
        encoding: str = "utf-8",
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        seed: Count = 0,
    ) -> None:
        self.path = Path(path)
        self.text = text
        self.label = label
        self.group = group
        self.split = split
        self.columns = columns
        self.quotes = quotes
        self.encoding = encoding
        self.val = val
        self.test = test
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, or a folder that holds a training table."""
        if path.is_dir():
            return any(file.suffix.lower() in SUFFIXES and file.stem in SPLIT_NAMES for file in path.iterdir())
        return path.suffix.lower() in SUFFIXES

    def examples(self) -> list[Text]:
        """All rows of the table or tables."""
        if self.path.is_dir():
            return super().examples()
        return self._examples(self.path, list(self._rows(self.path)))

    def read(self) -> Splits:
        """Read the table or tables.

        Raises:
            DataError: no such file, column or class; a damaged row; too few examples to split.
        """
        if self.path.is_dir():
            return self._read_folder()
        rows = list(self._rows(self.path))
        if not rows:
            raise DataError(f"{self.path}: holds no rows")
        files = {str(self.path): {"sha256": sha256_of(self.path)}}
        if self.split is None:
            examples = self._examples(self.path, rows)
            prints = [fingerprint(example.text) for example in examples]
            return splits_of(examples, self.val, self.test, self.seed, files, prints)
        find_column(self.path, "split", list(rows[0][1]), self.split, ())
        parts: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
        for source, row in rows:
            parts[split_named(source, self.split, str(row.get(self.split)))].append((source, row))
        return self._finish({name: self._examples(self.path, part) for name, part in parts.items()}, files)

    def _read_folder(self) -> Splits:
        parts: dict[str, list[Text]] = {"train": [], "val": [], "test": []}
        files = {}
        for file in sorted(self.path.iterdir()):
            if file.suffix.lower() in SUFFIXES and file.stem in SPLIT_NAMES:
                parts[SPLIT_NAMES[file.stem]] += self._examples(file, list(self._rows(file)))
                files[str(file)] = {"sha256": sha256_of(file)}
        return self._finish(parts, files)

    def _finish(self, parts: dict[str, list[Text]], files: dict[str, Any]) -> Splits:
        for name in ("train", "test"):
            if not parts[name]:
                raise DataError(f"{self.path}: the {name} split has no examples")
        given = Splits(parts["train"], parts["val"], parts["test"], origin="as given", files=files)
        if not given.val:
            prints = [fingerprint(example.text) for example in given.train]
            given = carve_validation(given, self.val, self.seed, prints)
        return given

    def _examples(self, path: Path, rows: Sequence[Row]) -> list[Text]:
        if not rows:
            return []
        names = list(rows[0][1])
        text = find_column(path, "text", names, self.text, TEXT_COLUMNS)
        label = find_column(path, "label", names, self.label, LABEL_COLUMNS)
        optional_column(path, names, self.group, ())
        found = []
        for source, row in rows:
            if row.get(text) is None or row.get(label) in (None, ""):
                missing = text if row.get(text) is None else label
                raise DataError(f"{source}: column {missing!r} is empty; fill it or delete the row")
            words = str(row[text])
            group = str(row.get(self.group)) if self.group and row.get(self.group) not in (None, "") else None
            found.append(Text(words, str(row[label]), group, source))
        return found

    def _rows(self, path: Path) -> Iterator[Row]:
        suffix = path.suffix.lower()
        if suffix == ".parquet":
            return self._parquet_rows(path)
        try:
            text = path.read_bytes().decode(self.encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise DataError(
                f"{path}:{line}: is not {self.encoding} text (byte {error.object[error.start]:#04x}); say data.encoding=latin-1"
            ) from None
        except LookupError:
            raise DataError(
                f"data.encoding: there is no encoding {self.encoding!r}; utf-8 and latin-1 are usual"
            ) from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        return self._json_rows(path, text) if suffix in (".jsonl", ".ndjson") else self._csv_rows(path, text)

    def _csv_rows(self, path: Path, text: str) -> Iterator[Row]:
        tabs = path.suffix.lower() == ".tsv"
        quotes = self.quotes if self.quotes is not None else not tabs
        quoting: Any = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
        csv.field_size_limit(2**31 - 1)
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter="\t" if tabs else ",", quoting=quoting, strict=True
        )
        heading = self.columns
        try:
            for fields in reader:
                if heading is None:
                    heading = fields
                    twice = next((name for name in fields if fields.count(name) > 1), None)
                    if twice is not None:
                        raise DataError(f"{path}:{reader.line_num}: the heading has the column {twice!r} twice")
                    continue
                if not fields:
                    continue
                if len(fields) != len(heading):
                    raise DataError(f"{path}:{reader.line_num}: has {len(fields)} fields, the heading {len(heading)}")
                yield f"{path}:{reader.line_num}", dict(zip(heading, fields, strict=True))
        except csv.Error as error:
            raise DataError(f"{path}:{reader.line_num}: is not valid CSV ({error}); try data.quotes=false") from None

    def _json_rows(self, path: Path, text: str) -> Iterator[Row]:
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}:{number}: is not JSON ({error})") from None
            if not isinstance(row, dict):
                raise DataError(f'{path}:{number}: should be an object such as {{"text": …, "label": …}}')
            yield f"{path}:{number}", row

    def _parquet_rows(self, path: Path) -> Iterator[Row]:
        import pyarrow
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.read_table(path)
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(f"{path}: cannot be read as Parquet ({first_line(error)})") from None
        for number, row in enumerate(table.to_pylist(), start=1):
            yield f"{path}:{number}", row
