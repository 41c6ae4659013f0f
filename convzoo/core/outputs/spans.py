"""Named parts of a text (entities): as spans of tokens, as tags of tokens, and as what a task and its opponents give."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

OUTSIDE = "O"

Scheme = Literal["iob2", "bioes"]


class Span(NamedTuple):
    """An entity: tokens `start` to `end` (not included), and its type."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Spans:
    """What was found in some texts. Indexing it with a list of indices selects some of them.

    Attributes:
        found: for each text its entities, in their order
        scores: for each text the probability of each entity; None where there is none
        texts: the examples, with `text` and the `places` of their tokens; None where only scores are wanted
    """

    found: list[list[Span]]
    scores: list[list[float]] | None = None
    texts: Sequence[Any] | None = None

    def __getitem__(self, indices: Sequence[int]) -> "Spans":
        scores = None if self.scores is None else [self.scores[index] for index in indices]
        texts = None if self.texts is None else [self.texts[index] for index in indices]
        return Spans([self.found[index] for index in indices], scores, texts)

    def __len__(self) -> int:
        return len(self.found)


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The entities that tags say, by the rules of conlleval, which reads all schemes: IO, IOB1, IOB2, BIOES (also with M for I)
    and BILOU.

    An entity begins at B, S and U, where the type changes, and at an I, E or L that continues nothing. It ends after E, S, L and
    U, and where the next token does not continue it.
    """
    found: list[Span] = []
    start: int | None = None
    before, kind = OUTSIDE, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, label = split_tag(tag)
        begins = prefix in "BSU" or label != kind or before in "OESLU"
        if start is not None and (prefix == OUTSIDE or begins):
            found.append(Span(start, place, kind))
            start = None
        if prefix != OUTSIDE and begins:
            start = place
        before, kind = prefix, label
    return found


def split_tag(tag: str) -> tuple[str, str]:
    """`B-PER` as its prefix and its type."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, _, label = tag.partition("-")
    return prefix, label


def tags_of(spans: Iterable[Span], length: int, scheme: Scheme = "iob2") -> list[str]:
    """Tags of `length` tokens that say these entities, which do not overlap."""
    tags = [OUTSIDE] * length
    for start, end, label in spans:
        inside = [f"I-{label}"] * (end - start)
        inside[0] = f"B-{label}"
        if scheme == "bioes":
            inside[-1] = f"S-{label}" if end - start == 1 else f"E-{label}"
        tags[start:end] = inside
    return tags


def all_tags(labels: Iterable[str], scheme: Scheme) -> list[str]:
    """O, and every tag of these types."""
    prefixes = "BIES" if scheme == "bioes" else "BI"
    return [OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in prefixes)]


def may_follow(before: str | None, after: str | None) -> bool:
    """Whether a tag may stand behind another in IOB2 or BIOES; None is the border of the text."""
    first, kind = split_tag(before or OUTSIDE)
    second, label = split_tag(after or OUTSIDE)
    if second in "IE":  # the inside and the end continue something of their own type
        return first in "BI" and kind == label
    return True


def complete(before: str | None, after: str | None) -> bool:
    """Whether a BIOES entity that is open at `before` goes on at `after`, or none is open."""
    first, kind = split_tag(before or OUTSIDE)
    second, label = split_tag(after or OUTSIDE)
    return first not in "BI" or (second in "IE" and kind == label)


def as_dict(span: Span, places: Sequence[tuple[int, int]], text: str, score: float | None = None) -> dict[str, Any]:
    """An entity with its place in the text.

    Args:
        span: in tokens
        places: of each token its first character and the one behind its last
        text: the whole text
        score: its probability
    """
    start, end = places[span.start][0], places[span.end - 1][1]
    found: dict[str, Any] = {"start": start, "end": end, "label": span.label, "text": text[start:end]}
    return found if score is None else found | {"probability": round(score, 4)}
