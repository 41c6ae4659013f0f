"""Folders of e-mails or text files of one's own, a folder a class."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from convzoo.core.arguments import Copies, Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.splits import Splits
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.letters import SUFFIXES, Letter, read_letter
from convzoo.modalities.text.words import fingerprint
from convzoo.reading.files import files_below
from convzoo.reading.folder import ClassFolders, given_folders
from convzoo.reading.splitting import joined

_NUMBERED = re.compile(r"\.[0-9a-f]{16,}|\.?\d*")
"""The end of a name that old collections of mail have: a number, or a fingerprint."""


@dataclass(frozen=True, slots=True)
class TextFile(Text):
    """A text with a file of its own.

    Attributes:
        path: of the file
    """

    path: Path | None = None


class MailFolder(ClassFolders):
    """`<class>/<file>`, or `train/<class>/<file>` with `test/` and, optionally, `val/` beside it: a message a file.

    `.eml` files, and files whose names end with a number or without a suffix, are e-mails: their subject and body are read, in
    whatever encoding they have, of several forms the plain one, without markup and attachments. `.txt` files are plain text.

    Where the split is made here, e-mails of one sender and of one thread stay together, and so do copies. In a given split,
    copies of what is tested are left out of training.

    Args:
        path: the folder
        classes: only these; by default all
        group: what stays together: `sender` (with the thread), `thread`, `folder` (the files of one folder inside a class) or
            `none`; by default `sender` where the split is made here, else `none`
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a message in two parts of a given split: drop them from training; refuse them; or keep them
        seed: of a split that is made here
        skip_damaged: leave files that cannot be read out, and say which; by default they are refused
    """

    example = Text
    formats: ClassVar[str] = "a folder of e-mails or text files (.eml, .txt), one folder a class"
    what: ClassVar[str] = "message"
    suffixes: ClassVar[Collection[str]] = SUFFIXES

    def __init__(
        self,
        path: str,
        classes: list[str] | None = None,
        group: Literal["sender", "thread", "folder", "none"] | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "drop",
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        by_folder: Any = "folder" if group == "folder" else "none"
        super().__init__(path, classes, by_folder, val, test, fold, folds, copies, seed, skip_damaged)
        self.kept_together = group
        self.letters: dict[Path, Letter] = {}
        self.errors: dict[Path, DataError] = {}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with folders, some of which hold messages."""
        return super().recognises(path) and any(_is_message(file) for file in files_below(path))

    @classmethod
    def files(cls, folder: Path) -> list[Path]:
        """The messages below a folder."""
        return sorted(path for path in files_below(folder) if _is_message(path) and path.is_file())

    @classmethod
    def make(cls, path: Path, label: str, group: str | None, source: str) -> TextFile:
        """A message that is not read yet."""
        return TextFile("", label, group, source, path)

    @classmethod
    def content(cls, example: Any) -> str:
        """A fingerprint of the text: copies differ in case and spaces at most."""
        return fingerprint(example.text)

    def check(self, example: Any) -> None:
        """Say what was wrong when the file was read.

        Raises:
            DataError: it cannot be read.
        """
        if example.path in self.errors:
            raise self.errors[example.path]

    def _parts(self, folder: Path) -> dict[str, list[Any]]:
        parts = super()._parts(folder)
        self.errors = {}
        read = {name: [self._read(example) for example in part] for name, part in parts.items()}
        kept = self.kept_together or ("none" if given_folders(folder) else "sender")
        if kept not in ("sender", "thread"):
            return read
        everything = [example for part in read.values() for example in part]
        letters = [self.letters.get(example.path or Path(), Letter("")) for example in everything]
        threads = [letter.thread or None for letter in letters]
        senders = [letter.sender or None if kept == "sender" else None for letter in letters]
        names = _group_names(threads, senders)
        groups = dict(zip((example.path for example in everything), names, strict=True))
        return {name: [replace(example, group=groups[example.path]) for example in part] for name, part in read.items()}

    def _read(self, example: TextFile) -> TextFile:
        assert example.path is not None
        try:
            letter = read_letter(example.path)
        except DataError as error:
            self.errors[example.path] = error
            return example
        self.letters[example.path] = letter
        return replace(example, text=letter.text)

    def read(self) -> Splits:
        """List the files and read each once.

        Raises:
            DataError: no such folder, no class or one only, a class with too few files, files that cannot be read, or a group in
                two parts of a split.
        """
        splits = super().read()
        grouped = any(example.group is not None for example in (*splits.train, *splits.val, *splits.test))
        words = {"thread": "by thread", "folder": "the folder inside"}
        group = words.get(self.kept_together or "", "by sender and thread") if grouped else "none"
        files = f"label: the name of the folder; group: {group}"
        return replace(splits, described={**splits.described, "files": files})


def _group_names(threads: Sequence[str | None], senders: Sequence[str | None]) -> list[str | None]:
    """One name for all that share a sender or a thread, directly or through others; None for what shares nothing."""
    roots = joined(threads, senders)
    return [
        (senders[int(root)] or threads[int(root)] or str(root)) if sender or thread else None  # type: ignore[call-overload]
        for root, sender, thread in zip(roots, senders, threads, strict=True)
    ]


def _is_message(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or _NUMBERED.fullmatch(path.suffix.lower()) is not None
