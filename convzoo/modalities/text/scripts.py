"""Scripts that put no spaces between words: which characters are theirs, and how a text is cut where it has no spaces."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

SCRIPTS = {
    "Chinese characters": ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3134F)),
    "Japanese kana": ((0x3041, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)),
    "Thai": ((0x0E01, 0x0E3A), (0x0E40, 0x0E4E)),
    "Lao": ((0x0E81, 0x0EBD), (0x0EC0, 0x0ECE), (0x0EDC, 0x0EDF)),
    "Khmer": ((0x1780, 0x17D3), (0x17DC, 0x17DD)),
    "Burmese": ((0x1000, 0x103F), (0x104C, 0x109D), (0xA9E0, 0xA9EF), (0xA9FA, 0xA9FE), (0xAA60, 0xAA7F)),
}
"""The letters and marks of each script, from the first to the last number. Digits are left out: numbers are words everywhere."""

_MARKED = range(0x3400)
"""Below this number, and in Burmese's additions, stand all combining marks of these scripts."""


def _class(marks: bool) -> str:
    """The inside of a character class: the combining marks of the scripts, or the letters that marks follow."""
    ranges = [pair for pairs in SCRIPTS.values() for pair in pairs]
    kept = []
    for first, last in ranges:
        if first not in _MARKED and last - first > 100:  # thousands of Chinese characters
            kept += [] if marks else [f"{chr(first)}-{chr(last)}"]
            continue
        for number in range(first, last + 1):
            if unicodedata.category(chr(number)).startswith("M") == marks:
                kept.append(re.escape(chr(number)))
    return "".join(kept)


def _marks() -> str:
    """The inside of a character class of all combining marks: vowels of Indian scripts, points of Hebrew and Arabic, accents."""
    found = [number for number in range(0x300, 0x1E950) if unicodedata.category(chr(number))[0] == "M"]
    firsts = [number for at, number in enumerate(found) if not at or found[at - 1] != number - 1]
    lasts = [number for at, number in enumerate(found) if at + 1 == len(found) or found[at + 1] != number + 1]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(firsts, lasts, strict=True))


MARKS = _marks()
"""The inside of a character class of all combining marks of Unicode."""

# Some signs join the consonant after them to the one before: Khmer's coeng and Burmese's virama.
LETTERS, _MARK, _JOINER = _class(marks=False), _class(marks=True), "\u17d2\u1039"
"""The inside of a character class of the letters of these scripts."""

CHARACTER = rf"[{LETTERS}](?:[{_JOINER}][{LETTERS}]|[{_MARK}\ufe00-\ufe0f])*|[{_MARK}]+"
"""A pattern of one written character of these scripts, with its marks."""

_CHARACTER = re.compile(CHARACTER)
_PART = re.compile(rf"{CHARACTER}|(?:(?![{LETTERS}{_MARK}])\S)+")
_ANY = re.compile(f"[{LETTERS}{_MARK}]")


def is_unspaced(token: str) -> bool:
    """Whether a token is a written character of a script without spaces."""
    return _CHARACTER.fullmatch(token) is not None


def parts_of(text: str) -> list[tuple[int, int]]:
    """Where the parts of a text begin and end that a reader takes one by one: what stands between spaces, and each written
    character where a script has no spaces."""
    return [match.span() for match in _PART.finditer(text)]


def unspaced_share(texts: Iterable[str]) -> tuple[float, str]:
    """The part of all letters that belong to scripts without spaces, and the name of the most frequent of these scripts."""
    found: Counter[str] = Counter()
    letters = 0
    for text in texts:
        if text.isascii():
            letters += sum(map(str.isalpha, text))
            continue
        found.update(_ANY.findall(text))
        letters += sum(letter.isalpha() and not _ANY.match(letter) for letter in text)
    by_script: Counter[str] = Counter()
    for letter, count in found.items():
        by_script[_script(ord(letter))] += count
    whole = letters + sum(by_script.values())
    name = by_script.most_common(1)[0][0] if by_script else ""
    return (sum(by_script.values()) / whole if whole else 0.0), name


def _script(number: int) -> str:
    return next(name for name, pairs in SCRIPTS.items() if any(first <= number <= last for first, last in pairs))
