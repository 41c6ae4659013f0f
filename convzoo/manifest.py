"""What a run was made from and what it wrote, with hashes: `manifest.json` in its folder. What was changed since is named."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError
from convzoo.core.files import is_file, sha256_of, write_json
from convzoo.core.splits import SHOWN, Splits

NAME = "manifest.json"
ACCEPT = "--accept-changes"


class Manifest:
    """The manifest of a run's folder.

    Args:
        folder: of a single run, or of a repeated one
        content: `files`, and of a single run `data`: by name, the sha256; a run of a former version has none, and nothing is
            compared
    """

    def __init__(self, folder: Path, content: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.folder = folder
        self.content = content or {}

    @classmethod
    def of(cls, folder: Path) -> "Manifest":
        """Read the manifest of a folder.

        Raises:
            DataError: it is damaged.
        """
        path = folder / NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError, RecursionError) as error:
            content = str(error)
        sections = [content.get("files"), content.get("data", {})] if isinstance(content, dict) else [None]
        if not all(isinstance(each, dict) for each in sections):
            raise DataError(
                f"{path}: is damaged, so nothing can be compared with it; put it back from a copy, or delete it"
            )
        return cls(folder, content)

    def check_file(self, path: Path) -> Path:
        """The file itself, after it was compared with what the run wrote.

        Raises:
            DataError: it was changed or damaged since.
        """
        known = self.content.get("files", {}).get(path.relative_to(self.folder).as_posix())
        if known is not None and path.is_file() and sha256_of(path) != known:
            raise DataError(
                f"{path}: was changed or damaged since the run wrote it (its sha256 is not that in {NAME}); put it back from a "
                f"copy, or take it as it is with {ACCEPT}"
            )
        return path

    def check_data(self, splits: Splits, may_differ: bool = False) -> None:
        """Compare the files of the data with those that the run began with.

        Args:
            splits: the data as they were read now
            may_differ: another choice of files is no change, because the reader's settings are others

        Raises:
            DataError: which files were changed, are new or are gone.
        """
        known = self.content.get("data")
        if known is None:
            return
        now = data_facts(splits)
        if may_differ:
            known, now = ({name: each[name] for name in known if name in now} for each in (known, now))
        changes = list(_changes(known, now))
        if changes:
            raise DataError(f"{self._told(changes)}; put them back, start a new run, or go on with {ACCEPT}")

    @contextmanager
    def blaming(self) -> Iterator[None]:
        """While the data are read again: what the reader cannot read is told as the change that it is.

        Raises:
            DataError: the reader's, with the files that were changed or are gone before it.
        """
        try:
            yield
        except DataError as error:
            if str(error).startswith(f"{self.folder}: "):  # it was compared already
                raise
            # Other names are those of data sets in the cache.
            known = {name: value for name, value in self.content.get("data", {}).items() if Path(name).is_absolute()}
            changes = list(_changes(known, {name: sha256_of(Path(name)) for name in known if is_file(Path(name))}))
            if not changes:
                raise
            raise DataError(f"{self._told(changes)}; put them back, or start a new run ({error})") from None

    def _told(self, changes: Sequence[str]) -> str:
        more = f" and {len(changes) - SHOWN:,} more" if len(changes) > SHOWN else ""
        return f"{self.folder}: the data are not those that the run began with: {', '.join(changes[:SHOWN])}{more}"

    def write(
        self,
        data: Mapping[str, str] | None = None,
        files: Iterable[str] = (),
        to_come: Mapping[str, str] | None = None,
    ) -> None:
        """Write the manifest with the present hashes of some files of the folder.

        Args:
            data: the facts about the data; None: as they are known
            files: names inside the folder; those that do not exist are left out
            to_come: the sha256 of files that are written after the manifest
        """
        known = dict(self.content.get("files", {}))
        known |= {name: sha256_of(self.folder / name) for name in files if (self.folder / name).is_file()}
        known |= to_come or {}
        data = self.content.get("data") if data is None else data
        self.content = {"files": known} if data is None else {"files": known, "data": dict(data)}
        write_json(self.folder / NAME, self.content)


def data_facts(splits: Splits) -> dict[str, str]:
    """The sha256 of each file that the data come from: those that the reader names, and those that the examples name."""
    found = {
        str(name): str(facts["sha256"])
        for name, facts in splits.files.items()
        if isinstance(facts, Mapping) and "sha256" in facts
    }
    for _, examples in splits:
        for path in _files_of(examples):
            if str(path) not in found:
                found[str(path)] = sha256_of(path)
    return found


def _files_of(examples: Sequence[Any]) -> Iterator[Path]:
    """Every file that an example names: its picture, its mask, the slices in its folder."""
    if not len(examples) or not _paths(examples[0]):
        return  # windows of a series, which may be millions, name no files
    for example in examples:
        for path in _paths(example):
            if path.is_dir():
                yield from (child for child in sorted(path.iterdir()) if child.is_file())
            elif path.is_file():
                yield path


def _paths(example: Any) -> list[Path]:
    if not is_dataclass(example):
        return []
    values = (getattr(example, field.name) for field in fields(example))
    return [value for value in values if isinstance(value, Path)]


def _changes(known: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in [*known, *(name for name in now if name not in known)]:
        if name not in now:
            yield f"{name} is gone"
        elif name not in known:
            yield f"{name} is new"
        elif known[name] != now[name]:
            yield f"{name} was changed"
