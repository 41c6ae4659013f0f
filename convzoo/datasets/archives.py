"""Reading zip, tar (plain, gz, xz, bz2) and gz files from strangers: every name and every size in them is checked."""

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

from convzoo.core.errors import DataError
from convzoo.core.files import explain
from convzoo.core.text import size_in_words

MAX_BYTES = 20 * 10**9
MAX_FILES = 1_000_000
MAX_RATIO = 250.0

# A few megabytes of zeros have a ratio of a thousand and do no harm, so the ratio is checked only above this many bytes.
RATIO_FROM_BYTES = 16 * 10**6
CHUNK_BYTES = 1 << 20
# tarfile reads a long name or a pax header at once; in a normal archive they are far smaller than this.
MAX_HEADER_BYTES = 4 << 20

TAR_ENDINGS: dict[str, Callable[..., Any]] = {
    ".tar": open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.xz": lzma.open,
    ".txz": lzma.open,
    ".tar.bz2": bz2.open,
    ".tbz2": bz2.open,
}
ENDINGS = (*TAR_ENDINGS, ".zip", ".gz")

# The exceptions that the standard library's decoders raise for damaged bytes. Python documents only some of them.
_DAMAGE = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, IndexError, KeyError, OverflowError, struct.error,
    zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError,
)  # fmt: skip


def extract(
    archive: str | Path,
    folder: str | Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    max_ratio: float = MAX_RATIO,
) -> list[str]:
    """Unpack `archive` into `folder`, which must not exist or must be empty, and return the names of the files in it.

    Everything is written to a temporary folder beside `folder`, which is renamed when it is complete. So an error leaves no
    files behind. Permissions, owners and times in the archive are ignored.

    Args:
        max_bytes: the largest size of all members together, declared and actual.
        max_files: the largest number of members.
        max_ratio: the largest number of unpacked bytes for each byte of the archive, checked above 16 MB.

    Raises:
        DataError: the archive is damaged, encrypted, larger than allowed, or has a member that is a link, a device, a
            duplicate, or outside the folder; or `folder` cannot be written or is not empty.
    """
    archive, folder = Path(archive), Path(folder)
    with _temporary_folder(folder) as temporary:
        names = []
        for member in _members(archive, _Budget(archive, max_bytes, max_files, max_ratio)):
            target = temporary.joinpath(*PurePosixPath(member.name).parts)
            if member.is_folder:
                _make_folder(target, folder)
            else:
                _write_new(target, member, archive, folder)
                names.append(member.name)
    return names


def read_members(
    archive: str | Path,
    suffixes: str | tuple[str, ...] = "",
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    max_ratio: float = MAX_RATIO,
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of every file in `archive` whose name ends in one of `suffixes`, in the archive's order.

    Nothing is written to disk, and only one member at a time is in memory. Upper and lower case are the same in a suffix.
    The limits are those of `extract`; they also count members with other suffixes.

    Raises:
        DataError: as `extract`, when the wrong member is reached; the members before it have already been yielded.
    """
    archive = Path(archive)
    endings = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)
    endings = tuple(ending.lower() for ending in endings)
    for member in _members(archive, _Budget(archive, max_bytes, max_files, max_ratio)):
        if not member.is_folder and member.name.lower().endswith(endings):
            yield member.name, b"".join(member.chunks())


def read_member(archive: str | Path, name: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of the file `name` in `archive`, at most `max_bytes`.

    Raises:
        DataError: as `extract`, with its default limits for the archive; or the file does not exist or is longer.
    """
    archive = Path(archive)
    wanted = _safe_name(archive, name)
    for member in _members(archive, _Budget(archive, MAX_BYTES, MAX_FILES, MAX_RATIO)):
        if member.name == wanted and not member.is_folder:
            return _limited(archive, member, max_bytes)
    raise DataError(f"{archive}: has no member {name!r}")


def _limited(archive: Path, member: "_Member", max_bytes: int) -> bytes:
    content = bytearray()
    for chunk in member.chunks():
        content += chunk
        if len(content) > max_bytes:
            raise DataError(f"{archive}: member {member.name!r} is longer than {size_in_words(max_bytes)}")
    return bytes(content)


@dataclass
class _Budget:
    """Counts members and bytes of an archive, and raises an error above the limits.

    Attributes:
        unpacked: bytes from the decompressor. Headers may be false, so only these show a zip bomb.
    """

    archive: Path
    max_bytes: int
    max_files: int
    max_ratio: float
    members: int = 0
    declared: int = 0
    unpacked: int = 0
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)

    def enter(self, name: str, size: int, is_folder: bool) -> None:
        """Count a member before any of it is read."""
        self.members += 1
        self.declared += size
        if self.members > self.max_files:
            raise DataError(f"{self.archive}: has more than {self.max_files} members, the most that is allowed")
        self._limit(self.declared, name, "declares")
        self._claim(name, is_folder)

    def spend(self, count: int, name: str) -> None:
        """Count bytes that were unpacked."""
        self.unpacked += count
        self._limit(self.unpacked, name, "unpacks to")

    @cached_property
    def _packed(self) -> int:
        return self.archive.stat().st_size

    def _limit(self, total: int, name: str, verb: str) -> None:
        if total <= min(self.max_bytes, RATIO_FROM_BYTES):
            return
        where = f"{self.archive}: member {name!r}: the archive {verb} more than"
        if total > self.max_bytes:
            raise DataError(f"{where} {size_in_words(self.max_bytes)}, the most that is allowed")
        if total > RATIO_FROM_BYTES and total > self.max_ratio * self._packed:
            raise DataError(f"{where} {self.max_ratio:g} times its own size; that is a zip bomb")

    def _claim(self, name: str, is_folder: bool) -> None:
        taken = name in self.files or (not is_folder and name in self.folders)
        parent = name.rpartition("/")[0]
        while parent and parent not in self.folders and not taken:
            taken = parent in self.files
            self.folders.add(parent)
            parent = parent.rpartition("/")[0]
        if taken:
            raise DataError(f"{self.archive}: member {name!r} occurs twice")
        (self.folders if is_folder else self.files).add(name)


@dataclass
class _Member:
    """One safe entry of an archive; `chunks` may be called once, before the next member is read."""

    name: str
    is_folder: bool
    chunks: Callable[[], Iterator[bytes]]


def _members(archive: Path, budget: _Budget) -> Iterator[_Member]:
    if not archive.is_file():
        raise DataError(f"{archive}: no such archive")
    if archive.stat().st_size == 0:
        raise DataError(f"{archive}: is empty (0 bytes); get it again")
    name = archive.name.lower()
    for ending, open_stream in TAR_ENDINGS.items():
        if name.endswith(ending):
            yield from _tar_members(archive, budget, open_stream)
            return
    if name.endswith(".zip"):
        yield from _zip_members(archive, budget)
    elif name.endswith(".gz"):
        yield from _gzip_member(archive, budget)
    else:
        raise DataError(f"{archive}: is not an archive by its name; known endings: {', '.join(ENDINGS)}")


def _zip_members(archive: Path, budget: _Budget) -> Iterator[_Member]:
    with _damage(archive, "the list of members"):
        opened = zipfile.ZipFile(archive)
    with opened:
        infos = opened.infolist()
        # All are checked before the first is unpacked: zip has its list in one place, so this costs nothing.
        names = [_check_zip_info(archive, info, budget) for info in infos]
        for name, info in zip(names, infos, strict=True):
            if name:
                chunks = partial(_zip_chunks, archive, opened, info, name, budget)
                yield _Member(name, _is_zip_folder(info), chunks)


def _check_zip_info(archive: Path, info: zipfile.ZipInfo, budget: _Budget) -> str:
    name = _safe_name(archive, info.filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if stat.S_ISLNK(kind):
        raise DataError(f"{archive}: member {name!r} is a link, which is not allowed")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{archive}: member {name!r} is a device, not a plain file")
    if info.flag_bits & 0x1:
        raise DataError(f"{archive}: member {name!r} is encrypted; unpack it with its password first")
    if name:
        budget.enter(name, info.file_size, _is_zip_folder(info))
    return name


def _is_zip_folder(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a folder. Some programs on Windows write `folder\\` instead of `folder/`."""
    return info.filename.endswith(("/", "\\"))


def _zip_chunks(archive: Path, opened: zipfile.ZipFile, info: Any, name: str, budget: _Budget) -> Iterator[bytes]:
    with _damage(archive, name):
        stream = opened.open(info)
    with stream:
        yield from _chunks(archive, stream, name, budget, info.file_size)


def _tar_members(archive: Path, budget: _Budget, open_stream: Callable[..., Any]) -> Iterator[_Member]:
    with _damage(archive, "the first bytes"):
        stream = open_stream(archive, "rb")
    with stream:
        counted = _Counted(stream, archive, budget)
        with _damage(archive, "the first member"):
            opened = tarfile.open(fileobj=counted, mode="r:")  # noqa: SIM115 - closed by the `with` below
        with opened:
            name = "the first member"
            while True:
                with _damage(archive, f"what follows {name}"):
                    info = opened.next()
                if info is None:
                    break
                name = _check_tar_info(archive, info, budget)
                if name:
                    yield _Member(name, info.isdir(), partial(_tar_chunks, archive, opened, info, name))
            _check_tar_end(archive, counted, name)


def _check_tar_info(archive: Path, info: tarfile.TarInfo, budget: _Budget) -> str:
    name = _safe_name(archive, info.name)
    if info.issym() or info.islnk():
        raise DataError(f"{archive}: member {name!r} is a link, which is not allowed")
    if not (info.isdir() or (info.isreg() and not info.issparse())) or info.size < 0:
        raise DataError(f"{archive}: member {name!r} is a device or a sparse file, not a plain file")
    if name:
        budget.enter(name, info.size, info.isdir())
    return name


def _tar_chunks(archive: Path, opened: tarfile.TarFile, info: tarfile.TarInfo, name: str) -> Iterator[bytes]:
    with _damage(archive, name):
        stream = opened.extractfile(info)
    assert stream is not None, "only plain files come here"
    with stream:
        yield from _chunks(archive, stream, name, None, info.size)


def _check_tar_end(archive: Path, counted: "_Counted", last: str) -> None:
    """Check the block of zeros and the checksum at the end: tarfile treats a cut file or a bad header as the end."""
    if counted.last != bytes(tarfile.BLOCKSIZE):
        raise DataError(f"{archive}: is damaged or incomplete: it ends or breaks off after {last!r}; get it again")
    with _damage(archive, f"what follows {last}"):
        while counted.read(CHUNK_BYTES):
            pass


def _gzip_member(archive: Path, budget: _Budget) -> Iterator[_Member]:
    name = archive.name[: -len(".gz")]
    budget.enter(_safe_name(archive, name), 0, is_folder=False)

    def chunks() -> Iterator[bytes]:
        with gzip.open(archive, "rb") as stream:
            yield from _chunks(archive, stream, name, budget, None)

    yield _Member(name, False, chunks)


def _chunks(archive: Path, stream: Any, name: str, budget: _Budget | None, size: int | None) -> Iterator[bytes]:
    """The stream in pieces. Checks that it has the declared size; `budget` counts it, if the stream does not count itself."""
    received = 0
    while True:
        with _damage(archive, name):
            chunk = stream.read(CHUNK_BYTES)
        if not chunk:
            break
        received += len(chunk)
        if budget is not None:
            budget.spend(len(chunk), name)
        yield chunk
    if size is not None and received != size:
        sizes = f"declares {size} bytes and has {received}"
        raise DataError(f"{archive}: is damaged or incomplete: member {name!r} {sizes}; get it again")


class _Counted(io.RawIOBase):
    """A decompressed stream that counts what is read and refuses huge headers, because tarfile accepts any size."""

    def __init__(self, stream: Any, archive: Path, budget: _Budget) -> None:
        self._stream, self._archive, self._budget = stream, archive, budget
        self._position = self._furthest = 0
        self.last = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Skip by reading, so that the skipped bytes are counted too."""
        assert whence == os.SEEK_SET, "tarfile seeks from the start"
        if offset < self._position:
            self._position = self._stream.seek(offset)
        while self._position < offset and self.read(min(CHUNK_BYTES, offset - self._position)):
            pass
        return self._position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise DataError(
                f"{self._archive}: has a header of {size} bytes; at most {MAX_HEADER_BYTES} are allowed; get it again"
            )
        self.last = self._stream.read(size)
        self._position += len(self.last)
        # tarfile sometimes goes back by a block; only new bytes count.
        if self._position > self._furthest:
            self._budget.spend(self._position - self._furthest, "the stream")
            self._furthest = self._position
        return self.last


def _safe_name(archive: Path, name: str) -> str:
    """`name` with plain separators, or "" for the folder itself.

    Raises:
        DataError: the file would be written outside the folder.
    """
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    has_drive = len(plain) > 1 and plain[1] == ":"
    if plain.startswith("/") or ".." in parts or has_drive or "\0" in plain:
        raise DataError(f"{archive}: member {name!r} would be written outside its folder; the archive is not safe")
    return "/".join(parts)


@contextmanager
def _damage(archive: Path, member: str) -> Iterator[None]:
    """Turn an exception of a decoder into an error of one line."""
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{archive}: is damaged or incomplete at {member!r} ({reason}); get it again") from error


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that becomes `folder` at the end, or is deleted after an error."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder}: already exists and is not an empty folder; delete it or choose another")
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {reason(error)}") from error
    try:
        inside = temporary / "whole"
        inside.mkdir()
        yield inside
        if folder.exists():
            folder.rmdir()
        os.rename(inside, folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {reason(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _make_folder(path: Path, folder: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {reason(error)}") from error


def _write_new(path: Path, member: _Member, archive: Path, folder: Path) -> None:
    """Write a file that must not exist yet: on a disk that ignores upper and lower case, two names may be one file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            for chunk in member.chunks():
                file.write(chunk)
    except FileExistsError:
        raise DataError(
            f"{archive}: member {member.name!r} occurs twice, with different upper and lower case"
        ) from None
    except OSError as error:
        raise DataError(f"{folder}: {member.name!r} cannot be written: {reason(error)}") from error


def reason(error: OSError) -> str:
    """Why a file cannot be written, for files outside a run (nothing to resume)."""
    return "no space is left on the disk" if error.errno == errno.ENOSPC else explain(error)
