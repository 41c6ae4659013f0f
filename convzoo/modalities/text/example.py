"""A piece of text as an example."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.errors import DataError
from convzoo.core.files import is_file
from convzoo.core.labels import Label
from convzoo.reading.lines import read_lines


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text with its label.

    Attributes:
        text: the text itself
        label: its class, a number, or several classes; None if unlabelled
        group: texts of one group stay in one split; for example an author
        source: where it comes from (`file:line`)
    """

    text: str
    label: Label | None = None
    group: str | None = None
    source: str = ""
    sample_input: ClassVar[str] = "'a text'"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Text]":
        """Texts from lines of standard input, as they are."""
        return [cls(line) for line in lines]

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Text]":
        """Texts for prediction: each value is a text, or a text file whose lines are taken.

        Raises:
            DataError: a file is not UTF-8 text.
        """
        found = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
                continue
            path = (
                Path(value) if isinstance(value, Path) or (len(str(value)) < 1000 and "\n" not in str(value)) else None
            )
            if path is not None and is_file(path):
                lines = read_lines(path)
                found.extend(
                    cls(line, source=f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()
                )
            elif isinstance(value, Path):
                raise DataError(f"{value}: no such file")
            else:
                found.append(cls(str(value)))
        return found
