"""Damaged files and rows: all of them are found while the data are read; they are refused together, or left out."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from convzoo.core.errors import DataError
from convzoo.core.splits import Skipped

T = TypeVar("T")


class Damaged:
    """What is damaged in the data of one reading.

    Args:
        skip: leave damaged things out (`data.skip_damaged`); else they are refused together
        what: what is counted: `files`, `rows`
    """

    def __init__(self, skip: bool = False, what: str = "files") -> None:
        self.skip = skip
        self.what = what
        self.reasons: dict[str, str] = {}
        self.count = 0

    def sound(self, work: Callable[[], T], place: str = "") -> T | None:
        """What `work` gives for one file or row; None if it raises a DataError, which is noted.

        Args:
            work: reads the file or row
            place: the file or row; empty: the error says it, before its first colon
        """
        self.count += 1
        try:
            return work()
        except DataError as error:
            self.note(str(error), place)
            return None

    def kept(self, examples: Iterable[T], check: Callable[[T], Any], place: Callable[[T], str]) -> list[T]:
        """The examples that `check` raises no DataError for."""

        def checked(example: T) -> T:
            check(example)
            return example

        found = (self.sound(lambda: checked(example), place(example)) for example in examples)  # noqa: B023 (called at once)
        return [example for example in found if example is not None]

    def note(self, message: str, place: str = "") -> None:
        """Note a damaged file or row by the message of its error."""
        place = place or message.partition(": ")[0]
        self.reasons.setdefault(place, message.removeprefix(f"{place}: "))

    def settle(self) -> None:
        """Call this when everything was looked at.

        Raises:
            DataError: something is damaged and should not be left out, or nothing else is there.
        """
        if not self.reasons:
            return
        lines = self.skipped.lines()
        if len(self.reasons) >= self.count:  # the fault is one of the whole: of its separator, its kind of file
            every = f"; none of the {self.count:,} {self.what} can be read" if self.count > 1 else ""
            raise DataError(f"{lines[0]}{every}")
        if not self.skip and len(lines) == 1:
            raise DataError(f"{lines[0]}; data.skip_damaged=true leaves it out")
        if not self.skip:
            raise DataError("\n".join([*lines, "data.skip_damaged=true leaves them out"]))

    @property
    def skipped(self) -> Skipped:
        """What was left out."""
        return Skipped(dict(self.reasons), self.count, self.what)
