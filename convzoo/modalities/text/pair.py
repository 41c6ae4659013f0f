"""A sentence with its translation, and the lines of text files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.errors import DataError
from convzoo.core.files import is_file
from convzoo.reading.lines import read_lines


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and its translation.

    Attributes:
        text: the sentence
        translation: its translation; None if it is not known
        group: pairs of one group stay in one split; for example a document
        source: where it comes from (`file:line`)
    """

    text: str
    translation: str | None = None
    group: str | None = None
    source: str = ""
    label: ClassVar[None] = None
    sample_input: ClassVar[str] = "'a sentence'"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Pair]":
        """Sentences from lines of standard input. Empty lines are kept, so that line n of the output translates line n."""
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
                lines = read_lines(path)
                found += [cls(line, source=f"{path}:{number}") for number, line in enumerate(lines, 1)]
            elif isinstance(value, Path):
                raise DataError(f"{value}: no such file")
            else:
                found.append(cls(str(value)))
        return found
