"""What readers give: plain examples without tensors. Each kind of input has its own type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

ExampleType = TypeVar("ExampleType")

SHOWN = 10
"""Number of damaged files or rows that are listed; the others are counted."""


@dataclass(frozen=True)
class Skipped:
    """What was left out of a data set because it is damaged.

    Attributes:
        reasons: what is wrong, by file or row (`file:line`)
        count: number of files or rows that there were, damaged ones included
        what: what is counted: `files`, `rows`
    """

    reasons: Mapping[str, str] = field(default_factory=dict)
    count: int = 0
    what: str = "files"

    def lines(self) -> list[str]:
        """A line for each, at most ten; then how many more there are."""
        found = [f"{place}: {reason}" if reason else place for place, reason in self.reasons.items()]
        return found[:SHOWN] + ([f"… and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else [])

    def in_words(self) -> str:
        """How many were left out, and why."""
        return f"{len(self.reasons):,} of {self.count:,} {self.what} left out: data.skip_damaged=true"


@dataclass(frozen=True)
class Splits(Generic[ExampleType]):
    """The examples of a data set in their three parts.

    Attributes:
        train: the examples to learn from
        val: the examples that choose the best checkpoint and calibrate the task
        test: the examples that are scored at the end; empty where nothing is tested
        ceiling: for generated data, the best score that any method can reach, by name of the score (`test/accuracy`).
        origin: how the split was made, in words; it is written into the run.
        files: the files that were read, with their sha256 if known; they are written into the run.
        notes: what the user should know about the data, a sentence each: files and columns that were left out, copies.
        described: what the reader took for what, a phrase for each topic: `{"columns": "text: review; label: stars"}`. It is
            shown by `convzoo check` and in the report. Topics have at most nine letters.
        skipped: what was left out because it is damaged; it is written into the run.
    """

    train: Sequence[ExampleType]
    val: Sequence[ExampleType]
    test: Sequence[ExampleType]
    ceiling: Mapping[str, float] = field(default_factory=dict)
    origin: str = ""
    files: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    described: Mapping[str, str] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)

    def with_described(self, **phrases: str) -> "Splits[ExampleType]":
        """The same splits, with more phrases of what was taken for what."""
        return replace(self, described={**phrases, **self.described})

    @property
    def scored(self) -> str:
        """The split whose scores are reported: `test`; `val` where nothing is tested."""
        return "test" if len(self.test) else "val"

    @property
    def shown(self) -> Sequence[ExampleType]:
        """The examples of the split whose scores are reported."""
        return self.test if len(self.test) else self.val

    def __iter__(self) -> Any:
        return iter((("train", self.train), ("val", self.val), ("test", self.test)))
