"""Text files as text: their encoding is found, and lines end at line feeds only."""

import codecs
import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

from convzoo.core.errors import DataError
from convzoo.core.files import no_such

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def plain_suffix(path: Path) -> str:
    """The suffix in lower case, that of the content for a file compressed by gzip: `.csv` of `a.csv.gz`."""
    return plain_name(path).suffix.lower()


def plain_name(path: Path) -> Path:
    """The path without `.gz`."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def read_bytes(path: Path) -> bytes:
    """The content of a file, decompressed where its name ends with `.gz`.

    Raises:
        DataError: the file is absent, cannot be read, or is no whole gzip file.
    """
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix.lower() == ".gz" else content
    except FileNotFoundError:
        raise no_such(path) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: is no whole gzip file ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def encoding_of(content: bytes) -> str:
    """The encoding that the beginning of a text shows: by its byte order mark, UTF-16 also by its zero bytes, else UTF-8."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    head = content[:1000]
    zeros = (head[0::2].count(0), head[1::2].count(0))
    if max(zeros) > len(head) // 8:  # every second byte of Latin text in UTF-16
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return "utf-8"


def read_text(path: Path, encoding: str | None = None, setting: bool = True) -> str:
    """The text of a file, without a byte order mark; gzip is decompressed.

    Args:
        path: of the file
        encoding: its encoding; None: found by its first bytes (UTF-8, UTF-16 and UTF-32 are told apart)
        setting: whether the error about another encoding names the setting `data.encoding`

    Raises:
        DataError: the file cannot be read, or is not text in that encoding; with the line of the first wrong byte.
    """
    content = read_bytes(path)
    chosen = encoding or encoding_of(content)
    if chosen.lower().replace("_", "-") in ("utf-8", "utf8"):
        chosen = "utf-8-sig"  # a mark is no part of the text
    try:
        return content.decode(chosen)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        name = "utf-8" if chosen == "utf-8-sig" else chosen
        advice = "; say data.encoding=latin-1, or whatever it is (cp1252, cp1251, gb18030)"
        if encoding is None and name != "utf-8":  # its first bytes say what it is
            advice = "; its first bytes are those of this encoding, so it is cut off or mixed: save it as UTF-8"
        raise DataError(
            f"{path}:{line}: is not {name} text (byte {error.object[error.start]:#04x}){advice if setting else ''}"
        ) from None
    except LookupError:
        raise DataError(f"data.encoding: there is no encoding {encoding!r}; utf-8 and cp1252 are usual") from None


def without_blank_end(lines: Sequence[str]) -> list[str]:
    """Lines without the blank ones at the end; those between others stay, so that line n keeps its number."""
    count = len(lines)
    while count and not lines[count - 1].strip():
        count -= 1
    return list(lines[:count])


def read_lines(path: Path, encoding: str | None = None, setting: bool = False) -> list[str]:
    """The lines of a text file, which may be compressed by gzip.

    They are split at line feeds only (with or without a carriage return): some data sets hold other line separators inside a
    line.

    Raises:
        DataError: the file is absent, damaged, or is not text in that encoding.
    """
    lines = [line.removesuffix("\r") for line in read_text(path, encoding, setting).split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines
