"""Texts with named entities of one's own."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.arguments import Copies, Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.inputs import Given
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.data.tagging import (
    TABLES,
    TEXT_NAMES,
    Found,
    Overlapping,
    Settings,
    Units,
    is_tagged,
    notes_of,
    read_file,
    scheme_in_words,
)
from convzoo.modalities.text.tagged import TaggedText
from convzoo.modalities.text.words import fingerprint
from convzoo.reading.columns import SPLIT_NAMES, split_in
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import visible
from convzoo.reading.lines import plain_name, plain_suffix, read_lines
from convzoo.reading.splitting import as_given, made_here
from convzoo.reading.tables import Table, read_table


class TaggedTexts(Reader):
    """Texts with named entities, in the formats that annotators and data sets have.

    * columns of tokens and tags (CoNLL), in any order, with tabs or spaces between; an empty line ends a sentence, `-DOCSTART-`
      and `# newdoc` begin a document. Tags may be in IO, IOB1, IOB2, BIOES or BILOU;
    * JSON lines or a JSON list: a text with spans of characters, as `[start, end, "TYPE"]` or `{"start", "end", "label"}`, also
      spaCy's `["text", {"entities": […]}]`; or a list of tokens with a list of tags;
    * a table with a token a row and a column that says which sentence it is of, or with a text a row and spans as JSON;
    * brat: a folder of `.txt` files with an `.ann` file beside each;
    * a folder of these, named `train.*`, `test.*`, and perhaps `val.*` (also `dev`, `valid`).

    An I without a B before it is read as a beginning, and counted. Spans that begin or end inside a token are widened to its
    borders. Without a split of its own one is made, by document where documents are known; equal texts stay together.

    Args:
        path: the file or folder
        token: the column of tokens: its number from 1, from the end -1, or its name
        tag: the column of tags
        sentence: of a table, the column that says where a sentence begins
        text: the field of the text
        entities: the field of the entities
        group: the field of what must not be split (a document)
        separator: between the columns; by default a tab where there are tabs, else spaces
        encoding: of the files; by default found
        offsets: what spans count: characters, bytes of UTF-8 or UTF-16 units; `auto`: characters, unless another unit fits words
            better
        overlapping: entities that overlap: refuse them, or keep the longest
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a text in two parts of a given split: drop them from training; refuse them; or keep them
        seed: of a split that is made here
        skip_damaged: leave sentences that cannot be read out, and say which; by default they are refused
    """

    example = TaggedText
    reads_inputs: ClassVar[bool] = True
    formats: ClassVar[str] = (
        "texts with named entities: columns of tokens and tags (CoNLL), .jsonl or .json with spans, a .csv with a token a row, a "
        "folder of brat's .txt and .ann, or a folder with train.* and test.* of these"
    )

    def __init__(
        self,
        path: str,
        token: str | int | None = None,
        tag: str | int | None = None,
        sentence: str | None = None,
        text: str | None = None,
        entities: str | None = None,
        group: str | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        offsets: Units = "auto",
        overlapping: Overlapping = "refuse",
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "drop",
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        token, tag = (None if column is None else str(column) for column in (token, tag))
        self.settings = Settings(token, tag, sentence, text, entities, group, separator, encoding, offsets, overlapping)
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.copies: Copies = copies
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "texts")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A file whose lines end with tags, a `.jsonl`, `.json` or `.csv`, or a folder with `.ann` files or a training file."""
        return bool(_files_of_splits(path)) or is_tagged(path)

    def inputs(self) -> list[Given]:
        """The texts of a file for `predict`; of a table with a text a row also the person's columns.

        Raises:
            DataError: the file cannot be read.
        """
        settings = replace(self.settings, labelled=False)
        if plain_suffix(self.path) in TABLES:
            table = read_table(self.path, None, settings.separator, None, settings.encoding, Damaged(True, "rows"))
            text = table.find("text", settings.text, TEXT_NAMES[:1], needed=False)
            if text is not None:
                return table.inputs(partial(_text_in, table, text), f"the text is column {text!r}")
        return [Given(text) for text in read_unlabelled(self.path, settings)]

    def examples(self) -> list[TaggedText]:
        """All texts of the file or files."""
        self.damaged = Damaged(self.skip_damaged, "texts")
        found = Found()
        texts = [text for file in self._files() for text in read_file(file, self.settings, self.damaged, found)]
        self.damaged.settle()
        return texts

    def read(self) -> Splits:
        """Read everything.

        Raises:
            DataError: a file or column is absent, sentences are damaged, entities overlap, or there are too few texts to split.
        """
        self.damaged = Damaged(self.skip_damaged, "texts")
        found = Found()
        parts: dict[str, list[TaggedText]] = {"train": [], "val": [], "test": []}
        files: dict[str, Any] = {}
        read = self._files()
        given = read != [self.path]
        for file in read:
            home = _part(file) if given else None
            parts[home or "train"] += read_file(file, self.settings, self.damaged, found)
            for each in [file] if file.is_file() else visible(file):
                files[str(each)] = {"sha256": sha256_of(each)} if each.is_file() else {}
        self.damaged.settle()
        texts = [text for part in parts.values() for text in part]
        if not texts:
            raise DataError(f"{self.path}: holds no texts")
        unlabelled = sum(text.label is None for text in texts)
        for name, part in parts.items():
            parts[name] = [text for text in part if text.label is not None]
        notes = notes_of(found, texts)
        if unlabelled:
            notes.append(f"{unlabelled:,} of {len(texts):,} texts have no labels and are left out")
        if given:
            splits = as_given(
                str(self.path), parts, self.val, self.seed, files, content_of, self.copies, notes, self.fold
            )
        else:
            documents = {text.group for text in parts["train"]} - {None}
            if self.settings.group is None and 0 < len(documents) < 3:
                few = "1 document" if len(documents) == 1 else f"{len(documents)} documents"
                notes.append(f"{few} cannot be divided into three splits: sentences of one document stand in several")
                parts["train"] = [replace(text, group=None) for text in parts["train"]]
            splits = made_here(
                parts["train"],
                self.val,
                self.test,
                self.seed,
                files,
                content_of,
                self.fold,
                self.folds,
                notes,
                str(self.path),
            )
        columns = "; ".join(phrase for each in found.taken.items() for phrase in each if phrase)
        described = {"columns": columns, "scheme": scheme_in_words(found)}
        splits = splits.with_described(**{topic: phrase for topic, phrase in described.items() if phrase})
        return replace(splits, skipped=self.damaged.skipped)

    def _files(self) -> list[Path]:
        """The file; of a folder those of its splits, or the folder itself, which is brat's."""
        if not self.path.exists():
            raise DataError(f"{self.path}: no such file")
        if not self.path.is_dir():
            return [self.path]
        return _files_of_splits(self.path) or [self.path]


def _files_of_splits(path: Path) -> list[Path]:
    """The files of a folder that have a split in their names, where one is of training; a folder of brat's has none."""
    if not path.is_dir() or is_tagged(path):
        return []
    named = [file for file in visible(path) if _part(file) is not None]
    return sorted(named) if any(_part(file) == "train" for file in named) else []


def content_of(example: TaggedText) -> str:
    """A fingerprint of the text: copies differ in case and spaces at most."""
    return fingerprint(example.text)


def _part(path: Path) -> str | None:
    """The split that a file's name says, as a word of it (`NER-de-train.tsv`, `eng.testa`, `wnut17train.conll`); None: none."""
    if path.is_dir() or not path.suffix or path.suffix.lower() in (".ann", ".md", ".py"):
        return None
    name = plain_name(path)
    if name.stem.lower() in SPLIT_NAMES:
        return SPLIT_NAMES[name.stem.lower()]
    word = re.search(r"(?<![a-z])(?:\w*\d)?(train|testa|testb)(?![a-z])", name.name.lower())
    return {"train": "train", "testa": "val", "testb": "test"}[word.group(1)] if word else split_in(name.name)


def _text_in(table: Table, column: str, row: int) -> TaggedText:
    value = table.columns[column][row]
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{table.place(row)}: column {column!r} holds no text")
    return TaggedText.of(value, table.place(row))


def read_unlabelled(path: Path, settings: Settings | None = None) -> list[TaggedText]:
    """Texts for prediction from a file: of one text a line (`.txt`), or any format of `TaggedTexts`, whose labels are not needed.

    Raises:
        DataError: the file cannot be read.
    """
    if path.is_file() and plain_suffix(path) in ("", ".txt", ".text", ".md") and not is_tagged(path):
        lines = read_lines(path)
        return [TaggedText.of(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]
    damaged = Damaged(False, "texts")
    texts = read_file(path, settings or Settings(labelled=False), damaged, Found())
    damaged.settle()
    return texts
