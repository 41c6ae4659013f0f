"""Writing to disk so that a file is either complete or does not exist."""

import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from convzoo.core.errors import DataError
from convzoo.core.text import nearest


@contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; on success flush it to disk and rename it over `path`.

    Raises:
        DataError: the disk is full or the folder cannot be written; `path` then keeps its old content.
    """
    path = Path(path)
    temporary = None
    try:
        if is_special(path):  # a device or a pipe, such as /dev/stdout, is written as it is
            with path.open(mode, encoding=None if "b" in mode else "utf-8") as file:
                yield file
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(
            handle, mode, encoding=None if "b" in mode else "utf-8", newline=None if "b" in mode else "\n",
            # A file name that is not UTF-8 has characters that UTF-8 cannot write; as `\\udcff` JSON reads the same again.
            errors=None if "b" in mode else "backslashreplace",
        ) as file:  # fmt: skip
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {explain(error)}") from error
    except ValueError as error:
        if temporary is not None:
            raise
        raise DataError(f"{path}: cannot be written: {error}") from error  # a NUL byte
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """The name of a temporary file beside `path`, for libraries that write a file by its name; on success it is renamed.

    Raises:
        DataError: as `atomic_write`.
    """
    temporary = None
    if is_special(path):  # renaming a file over a device would remove the device
        raise DataError(f"{path}: cannot be written: it is a device; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
        yield temporary / path.name
        for written in temporary.iterdir():  # a large model has a second file
            os.replace(written, path.parent / written.name)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {explain(error)}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` atomically as UTF-8."""
    with atomic_write(path, "w") as file:
        file.write(text)


def json_text(value: Any) -> str:
    """A value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


def null_for_nan(value: Any) -> Any:
    """The same value with None for each NaN: JSON has no word for it but null."""
    if isinstance(value, Mapping):
        return {key: null_for_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [null_for_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` atomically as indented JSON."""
    write_text(path, json_text(value))


def read_json(path: str | Path, shape: Any = Any) -> Any:
    """Read a JSON file.

    Args:
        path: of the file
        shape: the type of its content, such as `dict[str, float]` or a pydantic model; keys that it does not name are allowed

    Raises:
        DataError: the file does not exist, is not JSON, or has another shape.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {explain(error)}") from error
    except RecursionError:
        raise DataError(f"{path}: is not valid JSON (it is nested too deeply)") from None
    except ValueError as error:
        raise DataError(f"{path}: is not valid JSON ({error!s:.200})") from error
    if shape is not Any:
        _check_shape(path, value, shape)
    return value


def _check_shape(path: str | Path, value: Any, shape: Any) -> None:
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(shape).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise DataError(f"{path}: has no {where!r}") from None
        found = json.dumps(first["input"], ensure_ascii=False)
        found = found if len(found) <= 60 else f"{found[:60]}…"
        # What Python calls a dictionary is an object in JSON.
        wanted = first["msg"].removeprefix("Input should be ").partition(" or instance of ")[0]
        wanted = wanted.replace("dictionary", "object")
        raise DataError(f"{path}: {where or 'the content'} is {found}, and should be {wanted}") from None


def sha256_of(path: Path) -> str:
    """The hash of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_archive(path: Path) -> None:
    """Compare every part of a zip file, such as a checkpoint of torch, with its checksum, which torch does not do.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a part is damaged.
        zipfile.BadZipFile: it is no zip file, or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")


def link(source: Path, target: Path) -> None:
    """Replace `target` atomically by a hard link to `source`, or by a copy if the disk has no links."""
    temporary = target.with_name(f".{target.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    temporary.replace(target)


@contextmanager
def possible_names() -> Iterator[None]:
    """Inside this context, a path that no disk can hold is an error in one line; also usable as a decorator.

    Raises:
        DataError: a name is too long, has a NUL byte, or is not UTF-8 where a library needs that.
    """
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        name = str(error.filename)
        shown = name if len(name) <= 100 else f"{name[:60]}…{name[-30:]}"
        raise DataError(f"{shown}: is too long for the name of a file ({len(name):,} characters)") from None
    except UnicodeEncodeError as error:
        raise DataError(f"{error.object!r:.200}: is not UTF-8; give the file another name") from None
    except ValueError as error:
        if "null byte" not in str(error) and "null character" not in str(error):
            raise
        raise DataError("a path has a NUL byte, which no name of a file can have") from None


def is_file(path: Path) -> bool:
    """Whether this file exists; False also for a text that cannot be a file name: it is too long or has a NUL byte."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def no_such(path: str | Path, what: str = "file or folder") -> DataError:
    """The error about a path that does not exist, with the nearest name in its folder.

    Args:
        path: as the person wrote it
        what: what it should be: `image file`
    """
    near = nearest_path(Path(path))
    return DataError(f"{path}: no such {what}" + (f"; did you mean {str(near)!r}?" if near is not None else ""))


def nearest_path(path: Path) -> Path | None:
    """The path that a mistyped one probably means: the folders that exist are followed, and of the first name that does not
    exist the nearest is taken. None where nothing is similar."""
    try:
        parts = path.parts
        at = Path(parts[0]) if path.is_absolute() else Path()
        for part in parts[1:] if path.is_absolute() else parts:
            if not (at / part).exists():
                found = nearest(part, sorted(child.name for child in at.iterdir()))
                return at / found if found is not None else None
            at /= part
    except (OSError, ValueError):
        return None
    return None


def is_special(path: Path) -> bool:
    """Whether this is a device, a pipe or a socket."""
    return path.exists() and not path.is_file() and not path.is_dir()


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; False for what can be no name."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def explain(error: OSError) -> str:
    """An OSError in words that tell the user what to do."""
    if error.errno == errno.ENOSPC:
        return "no space is left on the disk; free some, then do it again (a run goes on with --resume)"
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return "no permission to write there; choose another folder"
    return error.strerror or str(error)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
