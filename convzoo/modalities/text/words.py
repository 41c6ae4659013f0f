"""How text is cut into words, for encoders and for the opponents that they are compared with."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from convzoo.modalities.text.scripts import CHARACTER, LETTERS, MARKS, is_unspaced

_PLAIN = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
"""The same as `_WORD` for ASCII, in half the time."""

_BEFORE = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
"""How runs were made that do not say how: combining marks are no part of words."""


# Joiners that are not seen stand inside words of Persian and of Indian scripts.
_LETTER = rf"[^\W{LETTERS}](?:[{MARKS}]|[\u200c\u200d](?=\w))*"
_WORD = re.compile(rf"{CHARACTER}|(?:{_LETTER})+(?:['’׳״·](?:{_LETTER})+)*|[^\w\s][{MARKS}]*")


def normal(text: str) -> str:
    """A text in Unicode's NFC: `é` is one character, whether it was written as one or as a letter and an accent."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def split_words(text: str) -> list[str]:
    """Words, with the apostrophes inside them, and single punctuation marks, each with its combining marks, in NFC. Of scripts
    that put no spaces between words (Chinese, Japanese, Thai and others), each written character with its marks is one."""
    return _PLAIN.findall(text) if text.isascii() else _WORD.findall(normal(text))


def split_as_before(text: str) -> list[str]:
    """Words as runs of former versions have them, whose vocabularies are kept."""
    return _BEFORE.findall(text)


def joining_words(texts: Iterable[str]) -> tuple[set[str], set[str]]:
    """The marks that mostly have no space before them (a full stop), and those that mostly have none after them (a bracket)."""
    count, before, after = Counter[str](), Counter[str](), Counter[str]()
    for text in texts:
        last, end = "", -1
        for match in _WORD.finditer(text):
            word = match.group()
            count[word] += 1
            if match.start() == end:
                before[word] += 1
                after[last] += 1
            last, end = word, match.end()
    # Only marks: a name that always has a full stop after it should not be joined to any word that follows.
    marks = {word for word in count if not any(letter.isalnum() for letter in word)}
    return {word for word in marks if 2 * before[word] > count[word]}, {
        word for word in marks if 2 * after[word] > count[word]
    }


def join_words(words: Sequence[str], before: set[str], after: set[str]) -> str:
    """Words as a text, with spaces between them, but not before the marks in `before` or after those in `after`, and not between
    characters of scripts that have none."""
    text = ""
    last = None
    for word in words:
        joined = last is None or word in before or last in after or (is_unspaced(word) and is_unspaced(last))
        text += word if joined else f" {word}"
        last = word
    return text


def fingerprint(text: str) -> str:
    """A string that is equal for texts that differ only in case, in spaces and in the way that Unicode writes an accent."""
    return hashlib.sha256(" ".join(normal(text).lower().split()).encode()).hexdigest()[:16]
