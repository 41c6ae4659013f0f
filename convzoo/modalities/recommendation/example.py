"""A table of interactions (which user had which item), and users as references into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.references import References
from convzoo.core.text import nearest


@dataclass(frozen=True)
class Rows:
    """A list of item numbers for each user, in compressed rows.

    Attributes:
        pointers: (users + 1,), where each user's items begin
        items: the items, sorted within a user
    """

    pointers: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, users: np.ndarray, items: np.ndarray, count: int) -> "Rows":
        """From pairs in any order, for `count` users; a duplicate pair counts once."""
        order = np.lexsort((items, users))
        users, items = users[order], items[order]
        if len(users):
            new = np.r_[True, (users[1:] != users[:-1]) | (items[1:] != items[:-1])]
            users, items = users[new], items[new]
        pointers = np.zeros(count + 1, np.int64)
        np.cumsum(np.bincount(users, minlength=count), out=pointers[1:])
        return cls(pointers, items.astype(np.int32))

    def __getitem__(self, user: int | np.integer) -> np.ndarray:
        return self.items[self.pointers[user] : self.pointers[user + 1]]

    def counts(self) -> np.ndarray:
        """(users,): how many items each has."""
        return np.diff(self.pointers)

    def users(self) -> np.ndarray:
        """(pairs,): the user of each pair."""
        return np.repeat(np.arange(len(self.pointers) - 1, dtype=np.int32), self.counts())

    def of_users(self, chosen: np.ndarray) -> "Rows":
        """The rows of some users, in their order."""
        counts = self.counts()[chosen]
        pointers = np.r_[0, np.cumsum(counts)]
        at = np.arange(pointers[-1]) + np.repeat(self.pointers[chosen] - pointers[:-1], counts)
        return Rows(pointers, self.items[at])

    def joined(self, other: "Rows") -> "Rows":
        """The items of both, for each user."""
        users = np.r_[self.users(), other.users()]
        return Rows.of(users, np.r_[self.items, other.items], len(self.pointers) - 1)


@dataclass(frozen=True)
class Catalogue:
    """The users and items that a table of interactions names, in the order of their numbers.

    Attributes:
        users: the users' ids
        items: the items' ids
    """

    users: Sequence[str]
    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class User:
    """A user: the items that it had, and the items that should be recommended.

    Attributes:
        catalogue: of all users and items
        index: the user's number
        seen: items that it had before; they are never recommended again
        wanted: items that it had afterwards, which a ranking is compared with; in training, the items to learn from
    """

    catalogue: Catalogue
    index: int
    seen: np.ndarray
    wanted: np.ndarray
    sample_input: ClassVar[str] = "--user ID --top 10"

    @property
    def source(self) -> str:
        """The user's id."""
        return self.catalogue.users[self.index]

    @property
    def shown(self) -> str:
        """What the terminal shows."""
        return f"user {self.source}"


class Users(References[User]):
    """Some users of a catalogue: a million interactions are two arrays, not a million objects.

    Args:
        catalogue: of all users and items
        indices: (users,), the numbers of those who are here
        seen: for all users of the catalogue
        wanted: for all users of the catalogue
    """

    def __init__(self, catalogue: Catalogue, indices: np.ndarray, seen: Rows, wanted: Rows) -> None:
        self.catalogue = catalogue
        self.indices = indices
        self.seen = seen
        self.wanted = wanted

    def __len__(self) -> int:
        return len(self.indices)

    def reference(self, index: int) -> User:
        """A user with its items."""
        number = int(self.indices[index])
        return User(self.catalogue, number, self.seen[number], self.wanted[number])

    def part(self, chosen: slice) -> "Users":
        """Some of them."""
        return Users(self.catalogue, self.indices[chosen], self.seen, self.wanted)


class Pairs(References[tuple[int, int]]):
    """The pairs (user, item) of a training split: what its steps are made of."""

    def __init__(self, rows: Rows) -> None:
        self.users = rows.users()
        self.items = rows.items

    def __len__(self) -> int:
        return len(self.items)

    def reference(self, index: int) -> tuple[int, int]:
        """A user's number and an item's."""
        return int(self.users[index]), int(self.items[index])


def number_of(name: str, names: Sequence[str], index: dict[str, int], kind: str) -> int:
    """The number of a user or an item.

    Raises:
        DataError: training had none with this name.
    """
    if name not in index:
        near = nearest(name, names[:20_000])
        hint = f"; did you mean {near!r}?" if near else "."
        raise DataError(
            f"{kind} {name!r} is not one of the {len(names):,} in training{hint} Vectors are learnt for each {kind}: "
            f"train again with its interactions"
        )
    return index[name]
