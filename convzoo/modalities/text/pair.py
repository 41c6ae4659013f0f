"""A sentence with its translation, and the lines of text files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from convzoo.reading.files import files_named, text_path
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
        """Sentences for prediction: each value is one, a text file (also gzip) whose lines are taken, or a folder of these.

        Empty lines are kept, so that line n of the output translates line n.

        Raises:
            DataError: a file is not text, a folder holds none, or a value looks like a path and does not exist.
        """
        found = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
                continue
            path = text_path(value)
            if path is None:
                found.append(cls(str(value)))
                continue
            for file in files_named(path, (".txt",), "text file"):
                lines = enumerate(read_lines(file), 1)
                found += [cls(line, source=f"{file}:{number}") for number, line in lines]
        return found
