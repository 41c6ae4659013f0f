"""Sentences in two languages, and what a translator makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import is_file

PADDING, UNKNOWN, BEGIN, END = 0, 1, 2, 3
"""The first tokens of every vocabulary that a translator writes with."""

UNKNOWN_TEXT = "⁇"
"""How an unknown word is written."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and its translation.

    Attributes:
        text: the sentence
        translation: of it; None where it is to be found
        group: what must not be split, such as the document
        source: where it is from (`file:line`)
    """

    text: str
    translation: str | None = None
    group: str | None = None
    source: str = ""
    label: ClassVar[None] = None
    sample_input: ClassVar[str] = "'a sentence'"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Pair]":
        """Sentences from lines of standard input. An empty line stays, so that line n's translation is line n."""
        return [cls(line.removesuffix("\r")) for line in lines]

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Pair]":
        """Sentences for prediction: each value is one, or a text file (also gzip) whose lines are taken, empty ones too.

        Raises:
            DataError: a file is absent or is not UTF-8 text.
        """
        found = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
                continue
            named = isinstance(value, Path) or (len(str(value)) < 1000 and "\n" not in str(value))
            path = Path(value) if named else None
            if path is not None and is_file(path):
                lines = read_text_lines(path)
                found += [cls(line, source=f"{path}:{number}") for number, line in enumerate(lines, 1)]
            elif isinstance(value, Path):
                raise DataError(f"{value}: no such file")
            else:
                found.append(cls(str(value)))
        return found


@dataclass(frozen=True)
class Translations:
    """What a translator gives for some sentences; a list of indices picks some of them out.

    Attributes:
        texts: for each sentence its translations, the best first
        scores: log-probabilities of these, after the length penalty; None where the translator has none
        losses: (sentences, 3): for each true translation the sum of its tokens' negative log-likelihoods, their number, and how
            many of them were the likeliest; None where there is no true translation, or no probability
    """

    texts: list[list[str]]
    scores: list[list[float]] | None = None
    losses: np.ndarray | None = None

    def __getitem__(self, indices: Sequence[int]) -> "Translations":
        return Translations(
            [self.texts[index] for index in indices],
            [self.scores[index] for index in indices] if self.scores is not None else None,
            self.losses[np.asarray(indices, dtype=np.int64)] if self.losses is not None else None,
        )

    def __len__(self) -> int:
        return len(self.texts)


def read_text_lines(path: Path, encoding: str = "utf-8") -> list[str]:
    """The lines of a text file, which may be compressed by gzip, split at \\n and \\r\\n only.

    Raises:
        DataError: the file is absent, damaged, or is not text in that encoding.
    """
    import gzip
    import zlib

    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: is not {encoding} text (byte {error.object[error.start]:#04x}); say data.encoding=latin-1, "
            "or whatever it is"
        ) from None
    except LookupError:
        raise DataError(f"data.encoding: there is no encoding {encoding!r}; utf-8 and latin-1 are usual") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: is no whole gzip file ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines
