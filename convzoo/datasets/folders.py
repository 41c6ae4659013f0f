"""Folders of many files as one entry of a card: they are measured, compared and copied as a whole."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.datasets.archives import read_members
from convzoo.datasets.cards import CardFolder


def files_in(folder: Path) -> list[tuple[str, os.stat_result]]:
    """The relative names of all files below a folder, sorted, with their sizes and times; hidden ones do not count."""
    found = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if not any(part.startswith(".") for part in name.split("/")) and path.is_file():
            found.append((name, path.stat()))
    return sorted(found)


def fingerprint(folder: Path) -> str:
    """A hash that changes if a file is added, is deleted, or changes its size or time. Then the folder is measured again."""
    lines = (f"{name} {status.st_size} {status.st_mtime_ns}\n" for name, status in files_in(folder))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def measure(folder: Path) -> dict[str, Any]:
    """The number of files in a folder, their bytes, and the sha256 of the list of their checksums."""
    files = files_in(folder)
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name, _ in files]
    digest = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    return {"files": len(files), "bytes": sum(status.st_size for _, status in files), "sha256": digest}


def difference(wanted: CardFolder, found: dict[str, Any]) -> str:
    """What differs from the card, in words; "" if nothing does."""
    for key in ("files", "bytes", "sha256"):
        if found.get(key) != getattr(wanted, key):
            return f"{key} expected {getattr(wanted, key)}, found {found.get(key)}"
    return ""


@contextmanager
def growing(target: Path) -> Iterator[Path]:
    """An empty folder beside `target` that becomes `target` at the end, or is deleted after an error."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        old = target.with_name(f".{target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            os.replace(target, old)
        os.replace(part, target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def unpack(archive: Path, member: str | None, folder: Path) -> None:
    """Write the files below `member` of an archive into `folder`.

    Raises:
        DataError: the archive is damaged or not safe, or has no such folder.
    """
    inside = f"{member}/" if member else ""
    count = 0
    for name, content in read_members(archive):
        if name.startswith(inside):
            path = folder.joinpath(*PurePosixPath(name.removeprefix(inside)).parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            count += 1
    if not count:
        raise DataError(f"{archive}: has no folder {member!r}")


def copy(source: Path, folder: Path) -> None:
    """Copy the files of `source` into `folder`."""
    for name, _ in files_in(source):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
