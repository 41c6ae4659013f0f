"""N-gram models of words: learnt from texts, or read in ARPA's format, as SRILM, KenLM and IRSTLM write it."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from convzoo.core.errors import DataError
from convzoo.reading.lines import read_lines

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_ABSENT = -99.0
"""The log-probability (base 10) that stands for none."""


class NGrams:
    r"""An n-gram model with back-off: $p(w \mid h) = p^*(hw)$ where the model has hw, else $b(h) p(w \mid h')$, with h' the
    history without its first word (Katz 1987, doi:10.1109/TASSP.1987.1165125).

    Args:
        entries: for each n-gram its log-probability and its back-off weight, both to base 10

    Attributes:
        order: of the longest n-grams
    """

    def __init__(self, entries: dict[tuple[str, ...], tuple[float, float]]) -> None:
        self.entries = entries
        self.order = max(map(len, entries), default=1)
        self.unknown = UNKNOWN if (UNKNOWN,) in entries else "<UNK>" if ("<UNK>",) in entries else None

    @classmethod
    def read(cls, path: Path) -> "NGrams":
        """Read an `.arpa` file, which may be compressed by gzip.

        Raises:
            DataError: it is not in this format, or is cut off.
        """
        entries: dict[tuple[str, ...], tuple[float, float]] = {}
        announced: dict[int, int] = {}
        order, ended, begun = 0, False, False
        for number, line in enumerate(read_lines(path), 1):
            line = line.strip()
            if not line or not (begun or line == "\\data\\"):
                continue
            begun = True
            if line == "\\end\\":
                ended = True
                break
            if match := re.fullmatch(r"ngram\s+(\d+)\s*=\s*(\d+)", line):
                announced[int(match.group(1))] = int(match.group(2))
            elif match := re.fullmatch(r"\\(\d+)-grams:", line):
                order = int(match.group(1))
            elif line != "\\data\\":
                fields = line.split()
                if order == 0 or not order + 1 <= len(fields) <= order + 2:
                    raise DataError(
                        f"{path}:{number}: should be a log-probability, {order or 'n'} words, and perhaps a back-off weight"
                    )
                try:
                    values = float(fields[0]), float(fields[order + 1]) if len(fields) == order + 2 else 0.0
                except ValueError:
                    raise DataError(f"{path}:{number}: {fields[0]!r} is no log-probability") from None
                entries[tuple(fields[1 : order + 1])] = values
        if not begun:
            raise DataError(f"{path}: is no n-gram model in ARPA's format (it has no line \\data\\)")
        found = {size: sum(len(entry) == size for entry in entries) for size in announced}
        if not ended or found != announced:
            size = next((size for size in announced if found[size] != announced[size]), 0)
            counts = f": it announces {announced[size]:,} {size}-grams, and {found[size]:,} are there" if size else ""
            raise DataError(f"{path}: is cut off{counts}")
        return cls(entries)

    @classmethod
    def learn(cls, texts: Iterable[Sequence[str]], most: int = 200_000) -> "NGrams":
        r"""A bigram model with Witten and Bell's smoothing (1991, doi:10.1109/18.87000): after a history that was seen N times
        with T different words, the share T / (N + T) is for words that were not seen there.

        Args:
            texts: each a sequence of words
            most: so many pairs of words are kept, the most frequent ones
        """
        words: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for text in texts:
            line = [BEGIN, *text, END]
            words.update(line[1:])
            pairs.update(pairwise(line))
        total, kinds = words.total(), len(words)
        entries: dict[tuple[str, ...], tuple[float, float]] = {(UNKNOWN,): (math.log10(kinds / (total + kinds)), 0.0)}
        single = {word: count / (total + kinds) for word, count in words.items()}
        kept = dict(pairs.most_common(most))
        seen: Counter[str] = Counter()
        different: Counter[str] = Counter()
        for (first, _), count in kept.items():
            seen[first] += count
            different[first] += 1
        for word in [BEGIN, *words]:
            weight = different[word] / (seen[word] + different[word]) if seen[word] else 1.0
            entries[(word,)] = (math.log10(single[word]) if word in single else _ABSENT, math.log10(weight))
        for (first, second), count in kept.items():
            share = (count + different[first] * single[second]) / (seen[first] + different[first])
            entries[first, second] = (math.log10(share), 0.0)
        return cls(entries)

    def start(self) -> tuple[str, ...]:
        """The history before the first word."""
        return (BEGIN,) if (BEGIN,) in self.entries and self.order > 1 else ()

    def knows(self, word: str) -> bool:
        """Whether the model has the word."""
        return (word,) in self.entries

    def after(self, history: tuple[str, ...], word: str) -> tuple[tuple[str, ...], float]:
        """The history after one more word, and the natural logarithm of the word's probability."""
        if (word,) not in self.entries:
            if self.unknown is None:
                return (), _ABSENT * math.log(10)
            word = self.unknown
        gram, weight = (*history, word), 0.0
        while gram not in self.entries:
            weight += self.entries.get(gram[:-1], (0.0, 0.0))[1]
            gram = gram[1:]
        score = self.entries[gram][0] + weight
        return (*history, word)[-(self.order - 1) :] if self.order > 1 else (), score * math.log(10)

    def score(self, words: Sequence[str]) -> float:
        """The natural logarithm of a sentence's probability, its end included."""
        history, total = self.start(), 0.0
        for word in [*words, *([END] if self.knows(END) else [])]:
            history, value = self.after(history, word)
            total += value
        return total
