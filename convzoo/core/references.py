"""Sequences of references, each made only when it is needed."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

import numpy as np

T_co = TypeVar("T_co", covariant=True)


class References(Sequence[T_co]):
    """A sequence whose items are references into one large object. A million of them need no memory besides that object.

    A subclass defines `__len__` and `reference`, and also `part` if a slice is again a sequence of this kind.
    """

    @abstractmethod
    def reference(self, index: int) -> T_co:
        """The item at an index from 0 to len(self) - 1."""

    def part(self, chosen: slice) -> Sequence[T_co]:
        """The items of a slice: by default a list of them."""
        return [self.reference(index) for index in range(*chosen.indices(len(self)))]

    @overload
    def __getitem__(self, index: int | np.integer) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...
    def __getitem__(self, index: int | np.integer | slice) -> T_co | Sequence[T_co]:
        """An item, counted from the end where negative, or a part.

        Raises:
            IndexError: there is no such item.
        """
        if isinstance(index, slice):
            return self.part(index)
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.reference(int(index) % len(self))

    def __iter__(self) -> Iterator[T_co]:
        return (self.reference(index) for index in range(len(self)))
