"""What an encoder finds in a split before the first step, and how lists, counts and lengths are said in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

MOST = 10
"""Names that are listed; of longer lists the rest is counted."""


@dataclass(frozen=True)
class Survey:
    """What an encoder says of one split.

    Attributes:
        facts: what was taken for what and how large it is, a phrase for each topic: `{"tokens": "median 12, longest 90"}`. Topics
            have at most nine letters
        notes: what a person should know, a sentence each: examples that hold nothing the network could see
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def listed(names: Iterable[str], most: int = MOST) -> str:
    """The first names, and how many there are in all where some are left out."""
    names = list(names)
    return ", ".join(names[:most]) + (f", … ({len(names):,} in all)" if len(names) > most else "")


def counted(counts: Mapping[str, int], most: int = MOST) -> str:
    """`good 61, bad 59`: names with their counts, as `listed`."""
    return listed((f"{name} {count:,}" for name, count in counts.items()), most)


def lengths_in_words(lengths: Sequence[float], cut: int = 0) -> str:
    """`median 12, longest 90, 3 are cut`.

    Args:
        lengths: of the examples, at least one
        cut: how many were longer than what the network is given
    """
    ordered = sorted(lengths)
    middle, longest = (
        f"{size:,.0f}" if size >= 1000 else f"{size:.4g}" for size in (ordered[len(ordered) // 2], ordered[-1])
    )
    said = f"median {middle}, longest {longest}"
    return said + (f", {cut:,} {'is' if cut == 1 else 'are'} cut" if cut else "")


def some_of(found: Sequence[str], whole: int, what: str, first: str = "the first is") -> str:
    """`3 of 40 texts (the first is reviews.csv:7)`: the beginning of a sentence about some examples of a split.

    Args:
        found: where the examples come from, at least one
        whole: how many examples there are
        what: what several of them are called
        first: how the first one is introduced
    """
    return (
        f"{len(found):,} of {whole:,} {what} ({first} {found[0]})"
        if found[0]
        else f"{len(found):,} of {whole:,} {what}"
    )
