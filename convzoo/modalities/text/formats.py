"""Files of pre-trained word vectors, read row by row: GloVe, word2vec and fastText, as text and as binary files."""

import gzip
import io
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from convzoo.core.errors import DataError

FASTTEXT = 793_712_314
"""The first number of a binary file of fastText."""
CHUNK = 1 << 22
LONGEST_LINE = 1 << 22
LONGEST_WORD = 1 << 14
MOST_NUMBERS = 1 << 16
"""Limits of a line, of a word and of a vector: larger ones are damage, and would fill the memory."""
_NUMERALS = frozenset(b"0123456789+-.eE \t\r\nnaifNAIF")
_FOREIGN = {
    b"PK": "is a zip archive; unpack it",
    b"\x80": "is a pickle, which may run code; save it with gensim's save_word2vec_format(path, binary=True)",
    b"\x93NUMPY": "holds numbers without words; save them with gensim's save_word2vec_format(path, binary=True)",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
    b"BZh": "is compressed by bzip2; unpack it, or use gzip",
    b"\xfd7zXZ": "is compressed by xz; unpack it, or use gzip",
}


@runtime_checkable
class Wanted(Protocol):
    """Who looks words up: it says which rows are to be kept, and takes them."""

    def wants(self, word: bytes) -> bool:
        """Whether the vector of a word is to be kept."""
        ...

    def give(self, word: bytes, vector: np.ndarray) -> None:
        """The vector of a word that is wanted."""
        ...

    def lacking(self) -> Sequence[str]:
        """The words that no row had so far."""
        ...

    def give_parts(self, word: str, vector: np.ndarray) -> None:
        """A vector that was made of the parts of a word that the file lacks."""
        ...


def scan(path: Path, wanted: Wanted) -> tuple[int, list[str]]:
    """Read a file of word vectors once, from beginning to end. No more is kept than what is wanted.

    Returns:
        the length of a vector, 0 for an empty file; and what a person should know of the file

    Raises:
        DataError: the file is absent, damaged, cut off, or of another format.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                return _scan(path, raw, wanted, packed)
            with io.BufferedReader(gzip.GzipFile(fileobj=raw), CHUNK) as unpacked:  # type: ignore[arg-type]
                return _scan(path, unpacked, wanted, packed)  # type: ignore[arg-type]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: is no whole gzip file, it is cut off or damaged ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # a NUL byte in the name
        raise DataError(f"{path}: cannot be read ({error})") from None


def _scan(path: Path, file: io.BufferedReader, wanted: Wanted, packed: bool) -> tuple[int, list[str]]:
    start = file.read(8)
    for mark, advice in _FOREIGN.items():
        if start.startswith(mark):
            raise DataError(f"{path}: {advice}")
    file.seek(0)
    if len(start) == 8 and struct.unpack("<i", start[:4])[0] == FASTTEXT:
        if packed:
            raise DataError(f"{path}: a binary file of fastText is not read in sequence; unpack it")
        return _FastText(path, file).scan(wanted)
    heading = _heading(file)
    if heading is not None and _is_binary(file, heading[1]):
        _heading(file)
        return _scan_binary(path, file, wanted, *heading)
    return _scan_text(path, file, wanted)


def _heading(file: io.BufferedReader) -> tuple[int, int] | None:
    """The numbers of vectors and of numbers in each, from the first line of word2vec and fastText; None if there is no such
    line. The file is then after it."""
    file.seek(0)
    parts = file.readline(LONGEST_WORD).removeprefix(b"\xef\xbb\xbf").split()
    if len(parts) == 2 and all(part.isdigit() for part in parts):
        return int(parts[0]), int(parts[1])
    return None


def _is_binary(file: io.BufferedReader, size: int) -> bool:
    """Whether the first word is followed by bytes that are no numerals."""
    head = file.read(LONGEST_WORD + 64)
    space = head.find(b" ")
    after = head[space + 1 :][: min(4 * size, 64)]
    odd = [byte for byte in after if byte not in _NUMERALS]
    return space >= 0 and any(byte < 9 or 13 < byte < 32 or byte > 126 for byte in odd)


def _scan_text(path: Path, file: io.BufferedReader, wanted: Wanted) -> tuple[int, list[str]]:
    heading = _heading(file)
    promised, size = heading or (0, 0)
    number = rows = 0
    if heading is None:
        file.seek(0)
    else:
        number = 1
    for line in iter(partial(file.readline, LONGEST_LINE), b""):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) >= LONGEST_LINE:
            raise DataError(
                f"{path}:{number}: is no line of a word and its numbers (it has more than {LONGEST_LINE:,} bytes)"
            )
        whole = line.endswith(b"\n")
        line = line.rstrip(b"\r\n").rstrip(b" ")
        if b"\t" in line:
            line = line.replace(b"\t", b" ")
        # Some tokens of GloVe hold spaces: once the size of a vector is known, its numbers are counted from the end.
        count = line.count(b" ")
        size = size or count
        if count < size or size < 1:
            cut = "" if whole else ": it is the last line, so the file is cut off"
            raise DataError(f"{path}:{number}: has {count} numbers, the lines before {size}{cut}")
        if count == size:
            word = line[: line.find(b" ")]
        else:
            word = line.rsplit(b" ", size)[0]
            if _is_number(word.rpartition(b" ")[2]) and b" " in word:
                raise DataError(f"{path}:{number}: has {count} numbers, the lines before {size}")
        rows += 1
        if not wanted.wants(word):
            continue
        try:
            vector = np.array([float(part) for part in line[len(word) + 1 :].split(b" ")], dtype=np.float32)
        except ValueError as error:
            raise DataError(f"{path}:{number}: is not a token and its numbers ({error})") from None
        if not np.isfinite(vector).all():
            raise DataError(f"{path}:{number}: holds a number that is not finite")
        wanted.give(word, vector)
    if promised > rows:
        return size, [f"its first line promises {promised:,} vectors and it has {rows:,}: is it cut off?"]
    return size, []


def _is_number(part: bytes) -> bool:
    try:
        float(part)
    except ValueError:
        return False
    return any(48 <= byte <= 57 for byte in part) and b"." in part


def _scan_binary(path: Path, file: io.BufferedReader, wanted: Wanted, count: int, size: int) -> tuple[int, list[str]]:
    """word2vec's binary file: after the heading for each word its bytes, a space, its numbers (float32, little-endian), and in
    the files of the original tool a line feed."""
    if not 0 < size <= MOST_NUMBERS:
        raise DataError(f"{path}:1: vectors of {size:,} numbers cannot be; the heading is damaged")
    width = 4 * size
    buffer, at = b"", 0
    for row in range(count):
        space = buffer.find(b" ", at)
        if space < 0 or space + 1 + width > len(buffer):
            buffer, at = buffer[at:] + file.read(CHUNK + width), 0
            space = buffer.find(b" ")
        if space - at > LONGEST_WORD:
            raise DataError(f"{path}: vector {row + 1:,} has no word before it; the file is damaged")
        if space < 0 or space + 1 + width > len(buffer):
            raise DataError(f"{path}: is cut off: it has {row:,} of the {count:,} vectors that its first line promises")
        word = buffer[at:space].lstrip(b"\n")
        at = space + 1 + width
        if wanted.wants(word):
            vector = np.frombuffer(buffer, "<f4", size, space + 1).astype(np.float32)
            if not np.isfinite(vector).all():
                raise DataError(f"{path}: vector {row + 1:,} holds a number that is not finite")
            wanted.give(word, vector)
    return size, []


class _FastText:
    """fastText's binary file: arguments, words, and a matrix with a row for each word and for each bucket of parts of words.

    The vector of a word is the mean of its row and of those of its parts, which are n-grams of its letters with `<` before and
    `>` after it (Bojanowski et al. 2017, arXiv:1607.04606). So a word that the file lacks has a vector too.
    """

    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        self.path = path
        self.file = file
        _, version, self.size, *arguments = self._numbers("<14i")
        if version not in (11, 12):
            raise DataError(f"{path}: is of version {version} of fastText's format; 11 and 12 are read")
        _, _, _, _, _, _, model, self.buckets, self.shortest, self.longest, _ = arguments
        if version == 11 and model == 3:  # supervised models of that version have no parts
            self.longest = 0
        self._numbers("<d")

    def scan(self, wanted: Wanted) -> tuple[int, list[str]]:
        entries, words, _ = self._numbers("<3i")
        _, pruned = self._numbers("<2q")
        if not (0 <= words <= entries and 0 < self.size <= MOST_NUMBERS and self.buckets >= 0):
            raise DataError(
                f"{self.path}: is damaged: its heading says {words:,} words of {entries:,}, {self.size:,} numbers"
            )
        places: dict[bytes, int] = {}
        for row, word in enumerate(self._words(entries)):
            if row < words and wanted.wants(word):
                places.setdefault(word, row)
        kept: Mapping[int, int] | None = None
        if pruned > 0:
            pairs = np.frombuffer(self._read(8 * pruned), "<i4").reshape(-1, 2)
            kept = dict(pairs.tolist())
        (quantised,) = self._numbers("<?")
        if quantised:
            raise DataError(
                f"{self.path}: has quantised vectors (.ftz), which are not read; take the .bin or the .vec file"
            )
        rows, columns = self._numbers("<2q")
        start = self.file.tell()
        there = self.path.stat().st_size - start
        if columns != self.size or rows < words or there < 4 * rows * columns:
            raise DataError(
                f"{self.path}: is cut off or damaged: {there:,} bytes are left for {rows:,} vectors of {columns:,} numbers"
            )
        matrix = (
            np.memmap(self.path, "<f4", "r", start, (rows, columns)) if rows else np.zeros((0, self.size), np.float32)
        )
        for word, row in places.items():
            parts = self._parts(word.decode("utf-8", "surrogateescape"), words, kept, rows)
            wanted.give(word, self._mean(matrix, [row, *parts]))
        for text in wanted.lacking() if self.longest else ():
            if parts := self._parts(text, words, kept, rows):
                wanted.give_parts(text, self._mean(matrix, parts))
        return self.size, []

    def _mean(self, matrix: np.ndarray, rows: Sequence[int]) -> np.ndarray:
        vector = matrix[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
        if not np.isfinite(vector).all():
            raise DataError(f"{self.path}: holds a number that is not finite")
        return vector

    def _parts(self, word: str, words: int, kept: Mapping[int, int] | None, rows: int) -> list[int]:
        """The rows of the n-grams of a word's letters."""
        if word == "</s>" or not self.longest or not self.buckets:
            return []
        marked = f"<{word}>"
        found = []
        for start in range(len(marked)):
            for size in range(max(self.shortest, 1), min(self.longest, len(marked) - start) + 1):
                if size == 1 and start in (0, len(marked) - 1):
                    continue
                bucket = _hash(marked[start : start + size].encode("utf-8", "surrogateescape")) % self.buckets
                if kept is not None:
                    if bucket not in kept:
                        continue
                    bucket = kept[bucket]
                if words + bucket < rows:
                    found.append(words + bucket)
        return found

    def _words(self, count: int) -> Iterator[bytes]:
        """The words, each followed by a zero byte, how often it was seen (8 bytes), and its kind (1 byte)."""
        buffer, at, home = b"", 0, self.file.tell()
        for number in range(count):
            end = buffer.find(b"\0", at)
            if end < 0 or end + 10 > len(buffer):
                home += at
                self.file.seek(home)
                buffer, at = self.file.read(CHUNK), 0
                end = buffer.find(b"\0")
            if end < 0 or end - at > LONGEST_WORD or end + 10 > len(buffer):
                raise DataError(f"{self.path}: is cut off or damaged after {number:,} of its {count:,} words")
            yield buffer[at:end]
            at = end + 10
        self.file.seek(home + at)

    def _numbers(self, kind: str) -> tuple[Any, ...]:
        return struct.unpack(kind, self._read(struct.calcsize(kind)))

    def _read(self, count: int) -> bytes:
        found = self.file.read(min(count, 1 << 30))
        if len(found) < count:
            raise DataError(f"{self.path}: is cut off in its heading")
        return found


def _hash(part: bytes) -> int:
    """FNV-1a with 32 bits, as fastText computes it: bytes are signed numbers."""
    found = 2_166_136_261
    for byte in part:
        found = ((found ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16_777_619) & 0xFFFFFFFF
    return found
