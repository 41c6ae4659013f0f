"""A reader knows one file format and its official split, and gives plain examples."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.inputs import Given
from convzoo.core.splits import Skipped, Splits


class Reader(ABC):
    """One file format or benchmark.

    Attributes:
        example: the type of example it gives; `--data PATH` pairs it with an encoder that takes this type.
        formats: what it recognises, in words; empty for a reader of one benchmark only.
        why_no_folds: why a cross-validation is refused, where the reader takes no `fold` and `folds`; read after its name.
        reads_inputs: whether `inputs` reads a table for `predict`.
        reads_folders: whether it reads a folder for `predict`, too: a graph may be one.
    """

    example: ClassVar[type]
    formats: ClassVar[str] = ""
    why_no_folds: ClassVar[str] = "has a split of its own, so no folds are made"
    reads_inputs: ClassVar[bool] = False
    reads_folders: ClassVar[bool] = False

    @abstractmethod
    def read(self) -> Splits:
        """Read everything.

        Raises:
            DataError: a file is missing, damaged, or not what the format says.
        """

    def examples(self) -> list[Any]:
        """All labelled examples, for `convzoo evaluate --data`. Overridden if they can be read without making a split."""
        return [example for _, part in self.read() for example in part]

    def inputs(self) -> list[Given]:
        """The rows of its table for `predict`, damaged ones too. Labels are not needed. For readers that have `reads_inputs`.

        Raises:
            DataError: the table cannot be read, or has no column to predict from.
        """
        raise NotImplementedError(f"{type(self).__name__} reads no inputs of predict")

    def read_like(self, found: Mapping[str, Any]) -> None:
        """Before other data of a run are read: what training found in its own table, as its encoder kept it (`Encoder.reading`).
        By default nothing follows from it."""

    @property
    def skipped(self) -> Skipped:
        """What the last reading left out because it is damaged. A reader that leaves things out notes them in `damaged`."""
        damaged = getattr(self, "damaged", None)
        return Skipped() if damaged is None else damaged.skipped

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether `path` (a file or a folder) looks like this format. A reader of one benchmark need not override it."""
        return False
