"""What a label may be, and class names to numbers."""

import re
from collections.abc import Iterable

from convzoo.core.errors import DataError
from convzoo.core.text import nearest

UNLABELLED = -1


class Tags(tuple[str, ...]):
    """A sequence of tags: one for each token of a text, in their order."""

    __slots__ = ()


Label = str | float | tuple[str, ...]
"""The label of an example: a class, a number, the names of several classes at once, or a sequence of tags (`Tags`). Whole
numbers are floats, too."""


class Labels:
    """The classes of the training split, in sorted order (numbers in numeric order)."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = tuple(names)
        self._index = {name: index for index, name in enumerate(self.names)}

    @classmethod
    def of(cls, labels: Iterable[str | None]) -> "Labels":
        """The classes of a training split.

        Raises:
            DataError: there are fewer than two.
        """
        found = {label for label in labels if label is not None}
        if len(found) < 2:
            raise DataError(
                f"the training split has {len(found)} class{'' if len(found) == 1 else 'es'}"
                f"{' (' + next(iter(found)) + ')' if found else ''}; a classifier needs at least 2"
            )
        numeric = all(re.fullmatch(r"-?[0-9]+", label) for label in found)
        return cls(sorted(found, key=int if numeric else None))  # type: ignore[arg-type]

    def number(self, label: str | None, source: str) -> int:
        """The number of a class; UNLABELLED if `label` is None.

        Raises:
            DataError: the training split does not have this class.
        """
        if label is None:
            return UNLABELLED
        if label not in self._index:
            near = nearest(label, self.names)
            hint = f"did you mean {near!r}? " if near else ""
            raise DataError(
                f"{source}: class {label!r} is not in the training split; {hint}it has: {', '.join(self.names)}"
            )
        return self._index[label]

    def __len__(self) -> int:
        return len(self.names)
