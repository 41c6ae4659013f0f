"""Getting the files of a data set from a mirror, the cache or the network. Each file is checked before it is used.

Two environment variables say where files are:

    CONVZOO_DATA     the cache folder; the files are in <cache>/<data set>/<file>
    CONVZOO_MIRROR   a folder or an address that is tried first, for <mirror>/<data set>/<file>; nothing is written there

A mirror that is an address cannot list a folder, so a folder of the card is fetched as <mirror>/<data set>/<archive>.
"""

import glob
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import filelock
import platformdirs

from convzoo.core.errors import DataError
from convzoo.core.files import explain, read_json, write_json
from convzoo.datasets import folders
from convzoo.datasets.archives import MAX_BYTES, read_member
from convzoo.datasets.cards import Card, CardFile, CardFolder, FolderSource, Source, load_card
from convzoo.datasets.transfer import (
    CACHE_VARIABLE,
    PATIENT,
    Expected,
    Network,
    UnavailableError,
    local_path,
    progress_bar,
    transfer_patiently,
    writing,
)

MIRROR_VARIABLE = "CONVZOO_MIRROR"


@dataclass(frozen=True)
class Fetched:
    """Files that exist and match the card.

    Attributes:
        folder: has all the files, under their names on the card. It may be a mirror: do not write there.
        files: name -> {"sha256": ..., "bytes": ...}, of files and of folders, ready for `Splits.files`.
    """

    folder: Path
    files: dict[str, dict[str, Any]]


def fetch(
    dataset: str | Card,
    files: Iterable[str] | None = None,
    *,
    progress: bool | None = None,
    alternative: str = "",
    network: Network = PATIENT,
) -> Fetched:
    """Find or download the files of a data set.

    A mirror folder that has all of them is used directly. Otherwise they are copied into the cache, from the mirror or from
    the sources on the card, in this order. A checked file is not read again until its size or time changes.

    Args:
        dataset: a card's name, or a card.
        files: names of files and folders; None: all on the card.
        progress: draw a bar on standard error; None: only if it is a terminal.
        alternative: the end of an error message, which says what works without these files; if empty, it names the card's
            `embedded` recipe.

    Raises:
        RecipeError: there is no such data set or file.
        DataError: a file is not available, does not match the card, or cannot be written.
    """
    card = load_card(dataset) if isinstance(dataset, str) else dataset
    wanted = card.select(files)
    cache, mirror = cache_folder(), _mirror()
    memory = _Memory(cache / ".verified" / f"{card.name}.json")
    try:
        for folder in (mirror, cache):
            found = _all_right(folder / card.name, wanted, memory) if isinstance(folder, Path) else None
            if found is not None:
                return found
        show = sys.stderr.isatty() if progress is None else progress
        with _locked(cache, card.name, show):
            return _Job(card, cache / card.name, mirror, network, show, alternative, memory).complete(wanted)
    finally:
        memory.save()


def cache_folder() -> Path:
    """`CONVZOO_DATA`, or the operating system's folder for caches."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_cache_dir("convzoo"))


def _mirror() -> Path | str | None:
    """The mirror as a folder, or as an address without the last slash; None if it is not set.

    Raises:
        DataError: the address is of another kind.
    """
    value = os.environ.get(MIRROR_VARIABLE, "")
    if "://" not in value:
        return Path(value).expanduser().absolute() if value else None
    try:
        parts = urlsplit(value)
        scheme, complete = parts.scheme.lower(), bool(parts.hostname) and parts.port != 0
    except ValueError:
        scheme, complete = "", False
    if scheme == "file":
        return local_path(value)
    if scheme in ("http", "https") and complete:
        return value.rstrip("/")
    raise DataError(f"{MIRROR_VARIABLE}={value}: must be a folder or a whole address with http, https or file")


class _Memory:
    """The checksums of files when they were last read, by path. They are valid while size and time stay the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        self._changed = False
        self.load()

    def load(self) -> None:
        """Read what another process may have written in the meantime."""
        with suppress(DataError):
            value = read_json(self._path) if self._path.exists() else {}
            if isinstance(value, dict):
                self._known = {name: entry for name, entry in value.items() if isinstance(entry, dict)} | self._known

    def measure(self, path: Path, expected: Expected) -> dict[str, Any] | None:
        """Size and checksums of a file, from memory if it did not change; None if the file does not exist.

        Raises:
            DataError: the file cannot be read.
        """
        try:
            if not path.is_file():
                return None
            status = path.stat()
            known = self._known.get(str(path), {})
            same = known.get("bytes") == status.st_size and known.get("mtime_ns") == status.st_mtime_ns
            if same and "sha256" in known and (expected.md5 is None or "md5" in known):
                return known
            return self.keep(path, expected.measure(path), status)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {explain(error)}") from error

    def measure_folder(self, path: Path) -> dict[str, Any] | None:
        """Number of files, size and checksum of a folder, from memory if nothing in it changed; None if it does not exist.

        Raises:
            DataError: a file cannot be read.
        """
        try:
            if not path.is_dir():
                return None
            fingerprint, known = folders.fingerprint(path), self._known.get(str(path), {})
            if known.get("fingerprint") != fingerprint or not {"files", "bytes", "sha256"} <= known.keys():
                known = self._known[str(path)] = folders.measure(path) | {"fingerprint": fingerprint}
                self._changed = True
            return known
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {explain(error)}") from error

    def keep(self, path: Path, measured: dict[str, Any], status: os.stat_result) -> dict[str, Any]:
        """Keep what was measured when the file had this `status`."""
        self._known[str(path)] = measured | {"mtime_ns": status.st_mtime_ns}
        self._changed = True
        return measured

    def save(self) -> None:
        """Write the checksums to disk if possible: without them the next run only takes longer."""
        if self._changed:
            with suppress(DataError):
                write_json(self._path, self._known)


def _expected(file: CardFile) -> Expected:
    return Expected(file.bytes, file.sha256, file.md5)


def _all_right(folder: Path, wanted: Iterable[CardFile | CardFolder], memory: _Memory) -> Fetched | None:
    """The files in `folder`; None if one is missing or does not match the card."""
    wanted = list(wanted)
    if not all((folder / entry.name).exists() for entry in wanted):
        return None
    measured = {}
    for entry in wanted:
        found = _as_on_the_card(folder / entry.name, entry, memory)
        if found is None:
            return None
        measured[entry.name] = found
    return _fetched(folder, measured)


def _as_on_the_card(path: Path, entry: CardFile | CardFolder, memory: _Memory) -> dict[str, Any] | None:
    """Size and checksums of a file or a folder; None if it is missing or does not match the card."""
    if isinstance(entry, CardFolder):
        found = memory.measure_folder(path)
        return None if found is None or folders.difference(entry, found) else found
    found = memory.measure(path, _expected(entry))
    return None if found is None or _expected(entry).difference(found) else found


def _fetched(folder: Path, measured: dict[str, dict[str, Any]]) -> Fetched:
    files = {name: {"sha256": each["sha256"], "bytes": each["bytes"]} for name, each in measured.items()}
    return Fetched(folder, files)


@contextmanager
def _locked(cache: Path, name: str, show: bool) -> Iterator[None]:
    """Only one process at a time downloads a data set; the others wait and then find it in the cache."""
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(cache / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if show:
                print(f"{name}: another process is downloading it; waiting", file=sys.stderr)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@dataclass
class _Job:
    """Completes one data set in the cache, in the process that holds the lock.

    Attributes:
        archives: the archives that were downloaded, by address; several files are often members of one archive.
    """

    card: Card
    folder: Path
    mirror: Path | str | None
    network: Network
    show: bool
    alternative: str
    memory: _Memory
    archives: dict[str, Path] = field(default_factory=dict)

    def complete(self, wanted: Iterable[CardFile | CardFolder]) -> Fetched:
        """Get every file that is missing or wrong.

        Raises:
            DataError: a file is not available or cannot be written.
        """
        self.memory.load()
        try:
            return _fetched(self.folder, {entry.name: self._complete(entry) for entry in wanted})
        finally:
            shutil.rmtree(self._archives_folder, ignore_errors=True)

    def _complete(self, file: CardFile | CardFolder) -> dict[str, Any]:
        target = self.folder / file.name
        found = _as_on_the_card(target, file, self.memory)
        if found is None and isinstance(file, CardFolder):
            self._obtain_folder(file, target)
            return self.memory.measure_folder(target) or {}
        if found is None and isinstance(file, CardFile):
            part, found = self._obtain(file, target)
            with writing(target):
                status = _settle(part, target)
            self.memory.keep(target, found, status)
        assert found is not None, "it was there, or it was obtained"
        return found

    def _obtain(self, file: CardFile, target: Path) -> tuple[Path, dict[str, Any]]:
        """Get a checked file beside `target`, from the first source that has it."""
        with writing(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
        problems: dict[str, list[str]] = {}
        for address, source in self._places(file):
            try:
                if source is not None and source.archive is not None:
                    return self._from_archive(source, file, target)
                return self._download(address, target, _expected(file), file.name)
            except UnavailableError as error:
                problems.setdefault(error.why, []).append(error.address)
        raise DataError(self._nowhere(file, target, problems))

    def _obtain_folder(self, folder: CardFolder, target: Path) -> None:
        """Get the whole folder at `target`, from the first source that has it and matches the card."""
        with writing(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
        problems: dict[str, list[str]] = {}
        places: list[FolderSource | Path] = list(folder.sources)
        if isinstance(self.mirror, Path):
            places.insert(0, self.mirror / self.card.name / folder.name)
        elif self.mirror is not None:
            mirrored = [f"{self.mirror}/{self.card.name}/{_file_of(source.address)}" for source in folder.sources]
            known = zip(folder.sources, mirrored, strict=True)
            places[:0] = [source.model_copy(update={"archive": address}) for source, address in known]
        for place in places:
            try:
                return self._folder_from(place, folder, target)
            except UnavailableError as error:
                problems.setdefault(error.why, []).append(error.address)
        raise DataError(self._nowhere(folder, target, problems))

    def _folder_from(self, place: FolderSource | Path, folder: CardFolder, target: Path) -> None:
        address = str(place) if isinstance(place, Path) else place.address
        if isinstance(place, Path):
            if not place.is_dir():
                raise UnavailableError(address, "no such folder")
        elif address not in self.archives:
            self.archives[address] = self._archive(place)
        with writing(target), folders.growing(target) as part:
            if isinstance(place, Path):
                folders.copy(place, part)
            else:
                try:
                    folders.unpack(self.archives[address], place.member, part)
                except DataError as error:
                    why = str(error).removeprefix(f"{self.archives[address]}: ")
                    raise UnavailableError(address, why) from error
            difference = folders.difference(folder, folders.measure(part))
            if difference:
                raise UnavailableError(
                    address, f"is not the folder on the card ({difference}); the download was deleted"
                )

    def _places(self, file: CardFile) -> list[tuple[str, Source | None]]:
        """Addresses in the order in which they are tried, with their source on the card; None for the mirror."""
        mirror: list[tuple[str, Source | None]] = [(self._mirror_place(file), None)] if self.mirror else []
        return mirror + [(source.address, source) for source in file.sources]

    def _mirror_place(self, file: CardFile | CardFolder) -> str:
        """The place of the file on the mirror: an address, or a path if the mirror is a folder."""
        if isinstance(self.mirror, Path):
            return str(self.mirror / self.card.name / file.name)
        return f"{self.mirror}/{self.card.name}/{quote(file.name)}"

    def _from_archive(self, source: Source, file: CardFile, target: Path) -> tuple[Path, dict[str, Any]]:
        archive = self.archives.get(source.address)
        if archive is None:
            archive = self.archives[source.address] = self._archive(source)
        try:
            content = read_member(archive, source.member or "", max_bytes=file.bytes or MAX_BYTES)
        except DataError as error:
            raise UnavailableError(source.address, str(error).removeprefix(f"{archive}: ")) from error
        part = _part(target, source.address)
        with writing(target):
            part.write_bytes(content)
            found = _expected(file).measure(part)
        _refuse_other(part, found, _expected(file), f"{source.address}: member {source.member!r}")
        return part, found

    def _archive(self, source: Source | FolderSource) -> Path:
        expected = Expected(source.bytes, source.sha256)
        name = _file_of(source.address)
        # Beside the files and not in `.archives`, which is deleted, so that the next run can continue an interrupted download.
        part, _ = self._download(source.address, self.folder / name, expected, name)
        with writing(self.folder):
            self._archives_folder.mkdir(exist_ok=True)
            place = self._archives_folder / f"{len(self.archives)}_{name}"
            os.replace(part, place)
        return place

    @property
    def _archives_folder(self) -> Path:
        return self.folder / ".archives"

    def _download(self, address: str, target: Path, expected: Expected, name: str) -> tuple[Path, dict[str, Any]]:
        part = _part(target, address)
        resumed = part.exists()
        with progress_bar(name, expected.bytes, self.show) as bar:
            transfer_patiently(address, part, expected, self.network, bar)
        with writing(part):
            found = expected.measure(part)
        if resumed and expected.difference(found):
            # The part from an earlier run may be wrong, because the file on the server may have changed since.
            part.unlink()
            return self._download(address, target, expected, name)
        _refuse_other(part, found, expected, address)
        return part, found

    def _nowhere(self, file: CardFile | CardFolder, target: Path, problems: dict[str, list[str]]) -> str:
        """One line: what is missing, what was tried, where to put it, and what works without it."""
        tried = [f"{' and '.join(addresses)}: {why}" for why, addresses in problems.items()]
        if not file.sources:
            tried.append("it has no public address" + (f": {self.card.manual}" if self.card.manual else ""))
        if self.mirror is None:
            advice = f"or set {MIRROR_VARIABLE} to a folder or address that has {self.card.name}/{file.name}"
        else:
            advice = f"or on the mirror ({MIRROR_VARIABLE}), at {self._mirror_place(file)}"
        line = f"{self.card.name}: {file.name} is not available: {'; '.join(tried)}; put it at {target}, {advice}"
        embedded = f"{self.card.embedded} runs on embedded data" if self.card.embedded else ""
        return "; ".join(filter(None, [line, self.alternative or embedded]))


def _file_of(address: str) -> str:
    """The file's name in an address."""
    return PurePosixPath(unquote(urlsplit(address).path)).name


def _part(target: Path, address: str) -> Path:
    """The partial file of a download from `address`. Each address has its own, because their bytes may differ."""
    return target.with_name(f"{target.name}.{hashlib.sha256(address.encode()).hexdigest()[:8]}.part")


def _settle(part: Path, target: Path) -> os.stat_result:
    """Move a checked part to `target`, and delete the parts of other addresses."""
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, target)
    for stale in target.parent.glob(f"{glob.escape(target.name)}.????????.part"):
        stale.unlink()
    return target.stat()


def _refuse_other(part: Path, found: dict[str, Any], expected: Expected, origin: str) -> None:
    difference = expected.difference(found)
    if difference:
        part.unlink(missing_ok=True)
        raise UnavailableError(origin, f"is not the file on the card ({difference}); the download was deleted")
