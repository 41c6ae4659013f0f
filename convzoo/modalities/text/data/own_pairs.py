"""Parallel texts: two files line by line, tables and JSON lines with two columns, or a folder of these by split."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from convzoo.core.arguments import Copies, Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.inputs import Given
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import did_you_mean
from convzoo.modalities.text.data.own import TEXT_NAMES
from convzoo.modalities.text.pair import Pair
from convzoo.modalities.text.words import fingerprint
from convzoo.reading.columns import LABEL_NAMES, SPLIT_NAMES, find_column
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import refuse_twice, visible
from convzoo.reading.lines import plain_name, plain_suffix, read_lines
from convzoo.reading.splitting import as_given, made_here
from convzoo.reading.tables import Table, beginning, dialect_of, read_table, records

TABLES = (".tsv", ".jsonl", ".ndjson", ".csv", ".json", ".parquet", ".xlsx")
_IN_LINES = (".jsonl", ".ndjson")
_SHEETS = (".csv", ".json", ".parquet", ".xlsx")
_LOOKED_AT = 200
SOURCES = ("source", "src", "input")
TARGETS = ("target", "tgt", "translation", "output")
_NAMES_OF_LANGUAGES = """
ar arabic bg bulgarian ca catalan cs czech da danish de deu german deutsch el greek en eng english es spa
spanish et estonian fa persian fi finnish fr fra fre french he hebrew hi hindi hr croatian hu hungarian id
indonesian it ita italian ja jpn japanese ko korean lt lithuanian lv latvian nl nld dutch no norwegian pl pol
polish pt por portuguese ro romanian ru rus russian sk slovak sl slovenian sr serbian sv swe swedish th thai
tr tur turkish uk ukrainian vi vietnamese zh zho chinese
"""
LANGUAGES = frozenset(_NAMES_OF_LANGUAGES.split())
"""Names and codes of languages, as headings of columns have them."""
_NO_SENTENCE = re.compile(r"\d*|.*CC[- ]BY.*")
"""What columns beside the sentences hold in files of Tatoeba: numbers, or the licence and the authors."""


class ParallelText(Reader):
    """Sentences and their translations. Line n of the one file is the translation of line n of the other.

    Without a split of its own, one is made; equal sources stay together, so that no test sentence was learnt. In a split that is
    given, sentences that are tested on are left out of training.

    Args:
        path: a text file that has another of the same name beside it (`corpus.de`, `corpus.en`); a table with two columns
            (`.tsv`, a `.txt` with tabs as Tatoeba has it, `.csv`, `.jsonl`, `.json`, `.parquet`, `.xlsx`); text forms also as
            `.gz`; or a folder with `train.*`, optionally `val.*`, and `test.*` of these
        source: the language that is translated (the files' ending: `de`), or the name of its column or field
        target: the language that it is translated into, or its column or field; for a text file, another file's path, too
        empty: what to do with a pair of which a side is empty: `refuse`, saying which, or `skip` it
        encoding: of the files; by default found
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a sentence in two parts of a given split: drop them from training; refuse them; or keep them
        seed: of a split that is made here
        skip_damaged: leave lines that cannot be read out, and say which; by default they are refused
    """

    example = Pair
    reads_inputs = True
    formats: ClassVar[str] = (
        "two parallel text files (give the source's: its twin, corpus.en beside corpus.de, is found), a table (.tsv, .csv, "
        ".jsonl, .json, .parquet, .xlsx, .txt with tabs) with two columns, or a folder with train.de, train.en, test.de, test.en"
    )

    def __init__(
        self,
        path: str,
        source: str | None = None,
        target: str | None = None,
        empty: Literal["refuse", "skip"] = "refuse",
        encoding: str | None = None,
        val: Fraction = 0.1,
        test: Fraction = 0.1,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "drop",
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.source = source
        self.target = target
        self.empty = empty
        self.encoding = encoding
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.copies: Copies = copies
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "pairs")
        self.taken = ""  # what was taken for the source and the target, once files are read

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, a text file with a twin, or a folder with a training file."""
        if path.is_dir():
            return any(_stem(file) in SPLIT_NAMES for file in visible(path))
        return _is_table(path) or bool(_twins(path))

    def examples(self) -> list[Pair]:
        """All pairs of the file or files."""
        if self.path.is_dir():
            return super().examples()
        self.damaged = Damaged(self.skip_damaged, "pairs")
        pairs, _ = self._pairs(self.path)
        self.damaged.settle()
        return pairs

    def read(self) -> Splits:
        """Read everything.

        Raises:
            DataError: a file or column is absent or damaged, files differ in length, a side is empty, too few pairs to split.
        """
        self.damaged = Damaged(self.skip_damaged, "pairs")
        if self.path.is_dir():
            return self._read_folder()
        pairs, files = self._pairs(self.path)
        self.damaged.settle()
        if not pairs:
            raise DataError(f"{self.path}: holds no pairs")
        splits = made_here(
            pairs, self.val, self.test, self.seed, files, content_of, self.fold, self.folds, where=str(self.path)
        )
        return replace(splits.with_described(columns=self.taken), skipped=self.damaged.skipped)

    def _read_folder(self) -> Splits:
        parts: dict[str, list[Pair]] = {"train": [], "val": [], "test": []}
        files: dict[str, Any] = {}
        found = sorted(file for file in visible(self.path) if file.is_file() and _stem(file) in SPLIT_NAMES)
        languages = sorted({plain_suffix(file).removeprefix(".") for file in found if not _is_table(file)})
        source = self._language(languages) if languages else None
        refuse_twice(self.path, [(f"{SPLIT_NAMES[_stem(file)]} {plain_suffix(file)}", file) for file in found])
        for file in found:
            if _is_table(file) or plain_suffix(file) == f".{source}":
                pairs, facts = self._pairs(file)
                parts[SPLIT_NAMES[_stem(file)]] += pairs
                files |= facts
        self.damaged.settle()
        for name in ("train", "test"):
            if not parts[name] and not (name == "test" and parts["val"]):
                raise DataError(f"{self.path}: the {name} split has no pairs; it should be in a file named {name}.*")
        splits = as_given(str(self.path), parts, self.val, self.seed, files, content_of, self.copies, fold=self.fold)
        return replace(splits.with_described(columns=self.taken), skipped=self.damaged.skipped)

    def _language(self, languages: Sequence[str]) -> str:
        """The source's; the target's is the other, and may have to be named too."""
        for name in (self.source, self.target):
            if name is not None and name not in languages:
                raise DataError(f"{self.path}: has no file train.{name}; {did_you_mean(name, languages)}")
        if self.source is None:
            others = [language for language in languages if language != self.target]
            if self.target is None or len(others) != 1:
                raise DataError(
                    f"{self.path}: holds {', '.join(languages)}: which is translated into which? say data.source="
                    f"{languages[0]} data.target={languages[-1]}"
                )
            return others[0]
        return self.source

    def _pairs(self, path: Path) -> tuple[list[Pair], dict[str, Any]]:
        if not path.is_file():
            raise no_such(path, "file")
        files = {str(path): {"sha256": sha256_of(path)}}
        rows: Iterable[tuple[str, Callable[[], tuple[str, str]]]]
        if plain_suffix(path) in _SHEETS:
            rows = self._sheet_rows(path)
        elif _is_table(path):
            lines = read_lines(path, self.encoding, setting=True)
            in_lines = plain_suffix(path) in _IN_LINES
            rows = self._json_rows(path, lines) if in_lines else self._tsv_rows(path, lines)
        else:
            twin = self._twin(path)
            self.taken = f"source: {path.name}; target: {twin.name}"
            files[str(twin)] = {"sha256": sha256_of(twin)}
            sources, targets = (read_lines(file, self.encoding, setting=True) for file in (path, twin))
            if len(sources) != len(targets):
                raise DataError(
                    f"{path} has {len(sources):,} lines and {twin} has {len(targets):,}; line n of the one should be the "
                    "translation of line n of the other"
                )
            rows = (
                (f"{path}:{number}", partial(_as_they_are, pair))
                for number, pair in enumerate(zip(sources, targets, strict=True), 1)
            )
        found = [self.damaged.sound(partial(self._pair, where, read), where) for where, read in rows]
        return [pair for pair in found if pair is not None and pair.text], files

    def _pair(self, where: str, read: Callable[[], tuple[str, str]]) -> Pair:
        """One pair; without a text where a side is empty and such pairs are left out."""
        text, translation = (side.strip() for side in read())
        if text and translation:
            return Pair(text, translation, source=where)
        if self.empty == "refuse":
            side = "both sides are" if not text + translation else f"the {'target' if text else 'source'} is"
            raise DataError(f"{where}: {side} empty; fill or delete the pair, or say data.empty=skip")
        return Pair("")

    def _twin(self, path: Path) -> Path:
        """The target's file."""
        twins = _twins(path)
        if self.target is not None:
            chosen = [twin for twin in twins if plain_suffix(twin) == f".{self.target}"]
            if not chosen and Path(self.target).is_file():
                return Path(self.target)
            if not chosen:
                names = [plain_suffix(twin).removeprefix(".") for twin in twins]
                raise DataError(
                    f"{path}: has no twin for data.target={self.target}; {did_you_mean(self.target, names)}"
                )
            return chosen[0]
        if len(twins) != 1:
            found = ", ".join(twin.name for twin in twins) or "none"
            raise DataError(f"{path}: which file is its translation ({found})? say data.target=en, or the file's path")
        return twins[0]

    def _tsv_rows(self, path: Path, lines: Sequence[str]) -> Iterator[tuple[str, Callable[[], tuple[str, str]]]]:
        """Where each row is, and what reads it: two columns by place, or by name where the first line names them. Quotation
        marks are text."""
        heading = lines[0].split("\t") if lines else []
        named = self._is_heading(heading)
        cut = [line.split("\t") for line in lines[:_LOOKED_AT]]
        sentences = (0, 1) if named else _sentences(cut)
        first, second = self._columns(path, heading) if named else sentences
        self.taken = (
            f"source: {heading[first]}; target: {heading[second]}" if named
            else f"source: column {first + 1}; target: column {second + 1}"
        )  # fmt: skip
        width = max(map(len, cut), default=0) if _clear(cut) else 2

        def row(where: str, line: str) -> tuple[str, str]:
            fields = line.split("\t")
            if not named and len(fields) > width:
                raise DataError(
                    f"{where}: has {len(fields)} columns: which two are the sentences? keep two, or name them in the "
                    "first line and say data.source=COLUMN data.target=COLUMN"
                )
            if len(fields) <= max(first, second):
                raise DataError(f"{where}: has {len(fields)} column, not a source and a target with a tab between")
            return fields[first], fields[second]

        for number, line in enumerate(lines[named:], 1 + named):
            yield f"{path}:{number}", partial(row, f"{path}:{number}", line)

    def _is_heading(self, fields: Sequence[str]) -> bool:
        """Whether the first line names the columns: as the settings do, as is usual, or by two languages."""
        names = [name.strip().lower() for name in fields]
        given = self.source is not None or self.target is not None
        classes = {*LABEL_NAMES} & {*names}
        if not given and classes and {*TEXT_NAMES} & {*names}:
            raise DataError(
                f"{self.path}: column {classes.pop()!r} holds classes by its name, and no column a translation; say "
                "data.source=COLUMN data.target=COLUMN, or take a recipe for classes, such as sentiment_cnn1d"
            )
        return given or bool({*SOURCES} & {*names}) or len(_languages(fields)) >= 2

    def _sheet_rows(self, path: Path) -> Iterator[tuple[str, Callable[[], tuple[str, str]]]]:
        """As `_tsv_rows`, of a table whose fields may be in quotation marks, or that is no text."""
        table = self._sheet(path)
        names = list(table.columns)
        nested = [name for name in names if any(isinstance(value, dict) for value in table.columns[name][:1])]
        if "translation" in nested:  # as the hub of Hugging Face has them: {"translation": {"de": …, "en": …}}
            values = [value if isinstance(value, dict) else {} for value in table.columns["translation"]]
            names = list(dict.fromkeys(key for value in values for key in value))
            columns = {name: [value.get(name) for value in values] for name in names}
            table = Table(path, columns, table.lines)
        if self._is_heading(names):
            first, second = (names[at] for at in self._columns(path, names))
        else:
            rows = [
                ["" if cell is None else str(cell) for cell in table.cells(row).values()] for row in range(len(table))
            ]
            if len(names) < 2 or not _clear(rows[:_LOOKED_AT]):
                raise DataError(
                    f"{path}: which two columns are the sentences? it has {', '.join(names)}; say data.source=COLUMN "
                    "data.target=COLUMN"
                )
            first, second = (names[at] for at in _sentences(rows[:_LOOKED_AT]))
        self.taken = f"source: {first}; target: {second}"

        def read(row: int) -> tuple[str, str]:
            for role, name in (("source", first), ("target", second)):
                value = table.columns[name][row]
                if value is not None and not isinstance(value, str):
                    raise DataError(f"{table.place(row)}: the {role} should be a text, not {type(value).__name__}")
            return table.columns[first][row] or "", table.columns[second][row] or ""

        for row in range(len(table)):
            yield table.place(row), partial(read, row)

    def _sheet(self, path: Path, inputs: bool = False) -> Table:
        """A table, with numbered columns where it has no heading."""
        suffix = plain_suffix(path)
        separator = "\t" if suffix in (".tsv", ".txt") else None
        heading = None
        if suffix in (".csv", ".tsv", ".txt"):
            text, _ = beginning(path, self.encoding)
            dialect = dialect_of(text, suffix, separator, None if suffix == ".csv" else False)
            fields: list[str] = next((found for found in records(text, dialect, strict=False) if found), [])
            named = self._is_heading(fields) if suffix == ".txt" or not inputs else self._names_source(fields)
            heading = None if named else [f"column {number}" for number in range(1, len(fields) + 1)]
        quotes = None if suffix == ".csv" else False
        return read_table(path, heading, separator, quotes, self.encoding, self.damaged)

    def _names_source(self, fields: Sequence[str]) -> bool:
        names = {name.strip().lower() for name in fields}
        return self.source in fields or bool(names & {*SOURCES, *TEXT_NAMES, *LANGUAGES})

    def inputs(self) -> list[Given]:
        """The rows of a table for `predict`: the source is in the column that the run's data had, else in one with a usual name,
        else in the first with the name of a language, else in the first. The lines of a file that is no table.

        Raises:
            DataError: the file cannot be read.
        """
        self.damaged = Damaged(True, "rows")
        if not _is_table(self.path):
            return list(map(Given, Pair.from_inputs([self.path])))
        table = self._sheet(self.path, inputs=True)
        names = list(table.columns)
        usual = table.find("source", None, (*SOURCES, *TEXT_NAMES), needed=False)
        languages = _languages(names)
        source = self.source if self.source in names else usual or (languages[0] if languages else names[0])

        def example(row: int) -> Pair:
            value = table.columns[str(source)][row]
            if not isinstance(value, str) or not value.strip():
                raise DataError(f"{table.place(row)}: column {source!r} is empty; fill it or delete the row")
            return Pair(value.strip(), source=table.place(row))

        return table.inputs(example, f"the source is column {source!r}")

    def _columns(self, path: Path, heading: Sequence[str]) -> tuple[int, int]:
        languages = _languages(heading)
        given = self.source is not None or self.target is not None
        if not given and len(languages) >= 2 and not {*SOURCES} & {name.strip().lower() for name in heading}:
            return heading.index(languages[0]), heading.index(languages[1])
        return tuple(heading.index(self._field(path, heading, role)) for role in ("source", "target"))  # type: ignore[return-value]

    def _json_rows(self, path: Path, lines: Sequence[str]) -> Iterator[tuple[str, Callable[[], tuple[str, str]]]]:
        """Where each row is, and what reads it: an object a line, whose fields are named, also inside a field `translation` as
        in {"translation": {"de": …}}."""
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield f"{path}:{number}", partial(self._json_row, f"{path}:{number}", line)

    def _json_row(self, where: str, line: str) -> tuple[str, str]:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: is not JSON ({error})") from None
        if isinstance(row, dict) and isinstance(row.get("translation"), dict):
            row = row["translation"]
        if not isinstance(row, dict):
            raise DataError(f'{where}: should be an object such as {{"source": "…", "target": "…"}}')
        texts = []
        names = [self._field(Path(where), list(row), role) for role in ("source", "target")]
        self.taken = f"source: {names[0]}; target: {names[1]}"
        for role, name in zip(("source", "target"), names, strict=True):
            value = row[name]
            if not isinstance(value, str):
                raise DataError(f"{where}: the {role} should be a text, not {type(value).__name__}")
            texts.append(value)
        return texts[0], texts[1]

    def _field(self, path: Path, names: Sequence[str], role: str) -> str:
        given, usual = (self.source, SOURCES) if role == "source" else (self.target, TARGETS)
        return find_column(path, role, names, given, usual)


def _languages(fields: Sequence[str]) -> list[str]:
    """The fields that are names of languages."""
    return [name for name in fields if name.strip().lower() in LANGUAGES]


def _kept(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns that may hold sentences: not numbers or licences only."""
    width = max(map(len, rows), default=0)
    return [
        at for at in range(width) if not all(len(row) <= at or _NO_SENTENCE.fullmatch(row[at].strip()) for row in rows)
    ]


def _clear(rows: Sequence[Sequence[str]]) -> bool:
    """Whether exactly two columns hold sentences."""
    return len(_kept(rows)) == 2


def _sentences(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """The two columns of sentences; the first two where that is not clear."""
    kept = _kept(rows)
    return (kept[0], kept[1]) if len(kept) == 2 else (0, 1)


def _is_table(path: Path) -> bool:
    """Whether a file is a table by its ending, or a `.txt` file with tabs in its first lines."""
    if plain_suffix(path) in TABLES:
        return True
    if plain_suffix(path) != ".txt" or not path.is_file():
        return False
    try:
        lines = [line for line in beginning(path)[0].split("\n")[:20] if line.strip()]
    except DataError:
        return False
    return bool(lines) and all("\t" in line for line in lines)


def _as_they_are(pair: tuple[str, str]) -> tuple[str, str]:
    return pair


def content_of(pair: Pair) -> str:
    """A fingerprint of the source: copies differ in case and spaces at most."""
    return fingerprint(pair.text)


def _stem(path: Path) -> str:
    return plain_name(path).stem.lower()


def _twins(path: Path) -> list[Path]:
    """Files beside a text file that have its name and another ending."""
    if not path.parent.is_dir() or not plain_suffix(path):
        return []
    others = [
        file for file in visible(path.parent) if file.is_file() and plain_name(file).stem == plain_name(path).stem
    ]
    return [file for file in others if plain_suffix(file) not in ("", plain_suffix(path), *TABLES)]
