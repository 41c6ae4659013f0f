"""A text with the named entities in it, and how a text is cut into the tokens that are tagged."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from convzoo.core.labels import Tags
from convzoo.core.outputs.spans import Span, spans_of
from convzoo.modalities.text.scripts import CHARACTER, LETTERS, MARKS

Place = tuple[int, int]


@dataclass(frozen=True)
class TaggedText:
    """A text, its tokens, and their tags.

    Attributes:
        text: the text itself
        places: of each token its first character and the one behind its last, in their order, without overlaps
        label: a tag for each token in IOB2 (`B-PER`, `I-PER`, `O`); None if unlabelled
        group: texts of one group stay in one split; for example a document
        source: where it comes from (`file:line`)
    """

    text: str
    places: tuple[Place, ...]
    label: Tags | None = None
    group: str | None = None
    source: str = ""
    sample_input: ClassVar[str] = "'a sentence'"

    @classmethod
    def of(cls, text: str, source: str = "", group: str | None = None) -> "TaggedText":
        """An unlabelled text, cut into tokens here."""
        return cls(text, tuple(token_places(text)), None, group, source)

    @classmethod
    def of_tokens(
        cls, tokens: Sequence[str], tags: Sequence[str] | None = None, group: str | None = None, source: str = ""
    ) -> "TaggedText":
        """A text of given tokens, with a space between them."""
        places, at = [], 0
        for token in tokens:
            places.append((at, at + len(token)))
            at += len(token) + 1
        return cls(" ".join(tokens), tuple(places), Tags(tags) if tags is not None else None, group, source)

    @property
    def tokens(self) -> list[str]:
        """The tokens, as they are written."""
        return [self.text[start:end] for start, end in self.places]

    @cached_property
    def spans(self) -> list[Span]:
        """The true entities; none if unlabelled."""
        return spans_of(self.label) if self.label is not None else []

    def spans_at(self, entities: Iterable[Mapping[str, Any]]) -> list[Span]:
        """Entities with `start` and `end` in characters, as they are predicted, in tokens."""
        starts = {start: at for at, (start, _) in enumerate(self.places)}
        ends = {end: at for at, (_, end) in enumerate(self.places, 1)}
        return [Span(starts[each["start"]], ends[each["end"]], each["label"]) for each in entities]

    def written(self, span: Span) -> str:
        """An entity as it stands in the text."""
        return self.text[self.places[span.start][0] : self.places[span.end - 1][1]]

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[TaggedText]":
        """Texts from lines of standard input. Empty lines are kept, so that line n of the output is for line n."""
        return [cls.of(line.removesuffix("\r")) for line in lines]


_HIDDEN = (
    r"\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef"
)
"""The inside of a character class of what nobody sees: control characters, spaces without a width, variants of a sign."""

_LETTER = rf"(?:[^\W{LETTERS}]|(?![\ufe00-\ufe0f])[{MARKS}])"
_WORD = rf"{_LETTER}+(?:[\u200c\u200d\xad]+{_LETTER}+)*"  # Persian and Indic words have joiners and non-joiners inside
_TOKEN = re.compile(rf"{CHARACTER}|\d+(?:[.,:]\d+)*(?!{_LETTER})|[@#]{_WORD}|{_WORD}|[^\w\s{_HIDDEN}]")


def token_places(text: str) -> list[Place]:
    """Where the tokens of a text are: words with their combining marks, numbers, handles and hashtags, single other marks, and
    single characters of scripts without spaces. Invisible characters between words are no tokens."""
    return [match.span() for match in _TOKEN.finditer(text)]
