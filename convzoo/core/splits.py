"""What readers give: plain examples without tensors. Each kind of input has its own type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

ExampleType = TypeVar("ExampleType")


@dataclass(frozen=True)
class Splits(Generic[ExampleType]):
    """The examples of a data set in their three parts.

    Attributes:
        train: the examples to learn from
        val: the examples that choose the best checkpoint and calibrate the task
        test: the examples that are scored at the end
        ceiling: for generated data, the best score that any method can reach, by name of the score (`test/accuracy`).
        origin: how the split was made, in words; it is written into the run.
        files: the files that were read, with their sha256 if known; they are written into the run.
        notes: what the user should know about the data, a sentence each: files and columns that were left out, copies.
        described: what the reader took for what, a phrase for each topic: `{"columns": "text: review; label: stars"}`. It is
            shown by `convzoo check` and in the report. Topics have at most nine letters.
    """

    train: Sequence[ExampleType]
    val: Sequence[ExampleType]
    test: Sequence[ExampleType]
    ceiling: Mapping[str, float] = field(default_factory=dict)
    origin: str = ""
    files: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    described: Mapping[str, str] = field(default_factory=dict)

    def with_described(self, **phrases: str) -> "Splits[ExampleType]":
        """The same splits, with more phrases of what was taken for what."""
        return replace(self, described={**phrases, **self.described})

    def __iter__(self) -> Any:
        return iter((("train", self.train), ("val", self.val), ("test", self.test)))
