"""A table of interactions (which user had which item), and users as references into it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from convzoo.core.references import References


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

    def without(self, other: "Rows") -> "Rows":
        """The items that are not in the other, for each user."""
        width = 1 + max(int(self.items.max(initial=0)), int(other.items.max(initial=0)))
        mine, others = (rows.users().astype(np.int64) * width + rows.items for rows in (self, other))
        kept = ~np.isin(mine, others)
        return Rows.of(self.users()[kept], self.items[kept], len(self.pointers) - 1)

    @classmethod
    def none(cls, count: int) -> "Rows":
        """No items, for `count` users."""
        return cls(np.zeros(count + 1, np.int64), np.zeros(0, np.int32))


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The users and items that a table of interactions names, in the order of their numbers.

    Attributes:
        users: the users' ids
        items: the items' ids
        validated: what users had in the validation split, which is not learnt from; None: nothing is known of it
        tested: the same of the test split
        titles: what items are called, by their ids; of some, or of none
    """

    users: Sequence[str]
    items: Sequence[str]
    validated: Rows | None = None
    tested: Rows | None = None
    titles: Mapping[str, str] = field(default_factory=dict)

    def shown(self, item: str) -> str:
        """An item as a person reads it: its title where it has one."""
        return self.titles.get(item, item)


@dataclass(frozen=True, slots=True)
class User:
    """A user: the items that it had, and the items that should be recommended.

    Attributes:
        catalogue: of all users and items
        index: the user's number; -1 for one that is not in the catalogue
        seen: items that it had before; they are never recommended again
        wanted: items that it had afterwards, which a ranking is compared with; in training, the items to learn from
        given: where nothing was learnt of the user, the items that it is recommended from; None: its own vector is used
        fallback: what its recommendations come from where nothing was learnt of it, in words
        alike: whether items that are like `given` are asked for, and no user
        name: of a user that is not in the catalogue
    """

    catalogue: Catalogue
    index: int
    seen: np.ndarray
    wanted: np.ndarray
    given: np.ndarray | None = None
    fallback: str = ""
    alike: bool = False
    name: str = ""
    sample_input: ClassVar[str] = "--user ID --top 10"

    @property
    def source(self) -> str:
        """The user's id."""
        return self.name or self.catalogue.users[self.index]

    @property
    def shown(self) -> str:
        """What the terminal shows."""
        return f"like item {self.source}" if self.alike else f"user {self.source}"


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

    def record(self) -> Iterator[dict[str, str]]:
        """The pairs of a user and an item that are learnt from, or that are asked for: what a run writes into `split.csv`."""
        for user in self.indices.tolist():
            for item in self.wanted[user].tolist():
                yield {"source": self.catalogue.users[user], "item": self.catalogue.items[item]}


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
