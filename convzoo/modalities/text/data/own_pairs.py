"""Parallel texts: two files line by line, tables and JSON lines with two columns, or a folder of these by split."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from convzoo.core.arguments import Copies, Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import did_you_mean
from convzoo.modalities.text.pair import Pair
from convzoo.modalities.text.words import fingerprint
from convzoo.reading.columns import SPLIT_NAMES, find_column
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import refuse_twice, visible
from convzoo.reading.lines import plain_name, plain_suffix, read_lines
from convzoo.reading.splitting import as_given, made_here

TABLES = (".tsv", ".jsonl", ".ndjson")
SOURCES = ("source", "src", "input")
TARGETS = ("target", "tgt", "translation", "output")


class ParallelText(Reader):
    """Sentences and their translations. Line n of the one file is the translation of line n of the other.

    Without a split of its own, one is made; equal sources stay together, so that no test sentence was learnt. In a split that is
    given, sentences that are tested on are left out of training.

    Args:
        path: a text file that has another of the same name beside it (`corpus.de`, `corpus.en`); a `.tsv` with two columns; a
            `.jsonl` with two fields; each also as `.gz`; or a folder with `train.*`, optionally `val.*`, and `test.*` of these
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
    formats: ClassVar[str] = (
        "two parallel text files (give the source's: its twin, corpus.en beside corpus.de, is found), a .tsv or .jsonl with two "
        "columns, all also as .gz, or a folder with train.de, train.en, test.de, test.en"
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
        return plain_suffix(path) in TABLES or bool(_twins(path))

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
        languages = sorted({plain_suffix(file).removeprefix(".") for file in found if plain_suffix(file) not in TABLES})
        source = self._language(languages) if languages else None
        refuse_twice(self.path, [(f"{SPLIT_NAMES[_stem(file)]} {plain_suffix(file)}", file) for file in found])
        for file in found:
            if plain_suffix(file) in TABLES or plain_suffix(file) == f".{source}":
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
        if plain_suffix(path) in TABLES:
            lines = read_lines(path, self.encoding, setting=True)
            rows = self._json_rows(path, lines) if plain_suffix(path) != ".tsv" else self._tsv_rows(path, lines)
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
        named = (
            self.source is not None
            or self.target is not None
            or bool({*SOURCES} & {h.strip().lower() for h in heading})
        )
        first, second = self._columns(path, heading) if named else (0, 1)
        self.taken = (
            f"source: {heading[first]}; target: {heading[second]}" if named else "source: the first; target: the second"
        )

        def row(where: str, line: str) -> tuple[str, str]:
            fields = line.split("\t")
            if not named and len(fields) > 2:
                raise DataError(
                    f"{where}: has {len(fields)} columns: which two are the sentences? keep two, or name them in the "
                    "first line and say data.source=COLUMN data.target=COLUMN"
                )
            if len(fields) <= max(first, second):
                raise DataError(f"{where}: has {len(fields)} column, not a source and a target with a tab between")
            return fields[first], fields[second]

        for number, line in enumerate(lines[named:], 1 + named):
            yield f"{path}:{number}", partial(row, f"{path}:{number}", line)

    def _columns(self, path: Path, heading: Sequence[str]) -> tuple[int, int]:
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
