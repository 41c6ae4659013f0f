"""A piece of text as an example."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from convzoo.core.labels import Label
from convzoo.modalities.text.letters import SUFFIXES, read_letter
from convzoo.reading.files import files_named, text_path
from convzoo.reading.lines import read_lines, without_blank_end


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
        """Texts for prediction: each value is a text, a text file with one a line, an e-mail (`.eml`), or a folder of `.txt` and
        `.eml` files with one a file.

        Blank lines between others are texts, too, as on standard input: text n is line n.

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
            elif path.is_dir() or path.suffix.lower() == ".eml":
                files = files_named(path, SUFFIXES, "text file")
                found += [cls(read_letter(file).text.strip(), source=str(file)) for file in files]
            else:
                lines = without_blank_end(read_lines(path))
                found += [cls(line, source=f"{path}:{number}") for number, line in enumerate(lines, 1)]
        return found
