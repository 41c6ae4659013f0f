"""A person's own interactions: a table of who had what, or MovieLens' files."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.recommendation.data.holding_out import hold_out_items, users_of
from convzoo.modalities.recommendation.example import Catalogue, Rows, User
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import refuse_twice
from convzoo.reading.manifest import columns_in_words
from convzoo.reading.tables import Table, is_table, read_table

USER = ("user", "user_id", "userid", "customer", "customer_id", "reader", "session", "session_id")
ITEM = (
    "item",
    "item_id",
    "itemid",
    "movie",
    "movie_id",
    "movieid",
    "product",
    "product_id",
    "book",
    "book_id",
    "isbn",
    "track",
)
RATING = ("rating", "score", "stars")
TIME = ("time", "timestamp", "date", "datetime", "when")
FILES = ("u.data", "ratings.dat", "ratings.csv", "interactions.csv")
_MOVIELENS = ["user", "item", "rating", "time"]


class InteractionTable(Reader):
    """A table (.csv, .tsv, .jsonl, .parquet) of interactions with a user and an item, optionally a rating and a time; or
    MovieLens' `u.data` and `ratings.dat`, or a folder with one of these.

    An interaction that is there several times counts once, at its last time. Where there is a time, the split is by time: of
    each user the last part tests and the part before it validates, so that nothing later is learnt from. Else it is drawn, for
    each user by itself.

    Args:
        path: of the table
        user: the column of the users' ids
        item: the column of the items' ids
        rating: the column of ratings; by default one named rating, score or stars
        time: the column of times, numbers or ISO dates; by default one named time, timestamp or date
        min_rating: interactions that are rated lower are left out; by default all count
        split: `time` or `user` (drawn within each user); by default by time where there is one
        min_interactions: users and items with fewer interactions are left out (again and again, until all have as many)
        val: part of each user's interactions for validation
        test: part for testing
        seed: of a drawn split
        skip_damaged: leave rows that cannot be read out, and say which; by default they are refused
    """

    example = User
    formats: ClassVar[str] = (
        "a table of interactions (.csv, .tsv, .jsonl, .parquet: user, item, rating, time), u.data or ratings.dat"
    )
    why_no_folds: ClassVar[str] = (
        "tests the last or drawn items of each user, who stands in all splits, so no folds are made"
    )

    def __init__(
        self,
        path: str,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        time: str | None = None,
        min_rating: float | None = None,
        split: Literal["time", "user"] | None = None,
        min_interactions: Positive = 1,
        val: Fraction = 0.1,
        test: Fraction = 0.2,
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.user = user
        self.item = item
        self.rating = rating
        self.time = time
        self.min_rating = min_rating
        self.split = split
        self.min_interactions = min_interactions
        self.val = val
        self.test = test
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "rows")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, MovieLens' files by their names."""
        if path.is_dir():
            return any((path / name).is_file() for name in FILES)
        return is_table(path) or path.name in ("u.data", "ratings.dat")

    def read(self) -> Splits:
        """Read the table and split it.

        Raises:
            DataError: no such file or column, a damaged row, or too few interactions to split.
        """
        path, users, items, times, names, columns = self._read()
        count = len(names.users)
        by_time = self.split == "time" or (self.split is None and times is not None)
        if by_time and times is None:
            raise DataError(f"{path}: has no column of times to split by; say data.time=COLUMN or data.split=user")
        if not 0 < self.val + self.test < 1 or min(self.val, self.test) <= 0:
            raise DataError(f"val={self.val} and test={self.test} should each be above 0 and leave a part for training")
        if by_time:
            assert times is not None
            train, val, test = _by_time(users, items, times, count, self.val, self.test)
            origin = f"made here: by time, of each user the last {self.test:g} tests, {self.val:g} before it validates"
        else:
            rows = Rows.of(users, items, count)
            rest, test = hold_out_items(rows, self.test, self.seed, at_least=3)
            train, val = hold_out_items(rest, self.val / (1 - self.test), self.seed + 1)
            origin = f"made here: drawn within each user, val {self.val:g}, test {self.test:g}, seed {self.seed}"
        splits = users_of(names, train, val, test, origin, {str(path): {"sha256": sha256_of(path)}})
        return replace(splits.with_described(columns=columns), skipped=self.damaged.skipped)

    def _read(self) -> tuple[Path, np.ndarray, np.ndarray, np.ndarray | None, Catalogue, str]:
        path = self._file()
        self.damaged = Damaged(self.skip_damaged, "rows")
        if path.name == "u.data":
            table = read_table(path, list(_MOVIELENS), "\t", damaged=self.damaged)
        elif path.name == "ratings.dat":
            table = read_table(path, list(_MOVIELENS), "::", damaged=self.damaged)
        else:
            table = read_table(path, damaged=self.damaged)
        user, item = table.find("user", self.user, USER), table.find("item", self.item, ITEM)
        rating = table.find("rating", self.rating, RATING, needed=False)
        time = table.find("time", self.time, TIME, needed=False)
        if not len(table):
            raise DataError(f"{path}: holds no interactions")
        if self.min_rating is not None and rating is None:
            raise DataError(f"{path}: has no column of ratings for data.min_rating; say data.rating=COLUMN")
        read_time = _reader_of_times(table, time) if time else None

        def row(at: int) -> tuple[str, str, float, float]:
            rated = 0.0 if self.min_rating is None else table.number(at, str(rating))
            when = 0.0 if read_time is None else read_time(at)
            return table.id(at, str(user)), table.id(at, str(item)), when, rated

        found = [self.damaged.sound(partial(row, at), table.place(at)) for at in range(len(table))]
        self.damaged.settle()
        users, items, moments, ratings = zip(*(values for values in found if values is not None), strict=True)
        times = None if read_time is None else np.array(moments)
        kept = np.ones(len(users), bool) if self.min_rating is None else np.array(ratings) >= self.min_rating
        user_names, user_numbers = np.unique(np.array(users)[kept], return_inverse=True)
        item_names, item_numbers = np.unique(np.array(items)[kept], return_inverse=True)
        times = times[kept] if times is not None else None
        chosen = _frequent(user_numbers, item_numbers, self.min_interactions)
        if not chosen.any():
            raise DataError(
                f"{path}: no interaction is left with data.min_interactions={self.min_interactions} and "
                f"data.min_rating={self.min_rating}"
            )
        user_names, user_numbers = _renumbered(user_names, user_numbers[chosen])
        item_names, item_numbers = _renumbered(item_names, item_numbers[chosen])
        times = times[chosen] if times is not None else None
        columns = columns_in_words(table, {"user": user, "item": item, "rating": rating, "time": time})
        return path, user_numbers, item_numbers, times, Catalogue(user_names.tolist(), item_names.tolist()), columns

    def _file(self) -> Path:
        if self.path.is_dir():
            found = [self.path / name for name in FILES if (self.path / name).is_file()]
            if not found:
                raise DataError(f"{self.path}: holds none of {', '.join(FILES)}")
            refuse_twice(self.path, [("interactions", path) for path in found])
            return found[0]
        return self.path


def _by_time(
    users: np.ndarray, items: np.ndarray, times: np.ndarray, count: int, val: float, test: float
) -> tuple[Rows, Rows, Rows]:
    """Of each user's interactions in order of time the last part tests, the part before it validates.

    Who has three or more is in all three parts; who has fewer trains.
    """
    order = np.lexsort((items, times, users))
    users, items = users[order], items[order]
    # Of an interaction that is there several times, the last counts.
    keys = users.astype(np.int64) * (int(items.max()) + 1) + items
    _, last = np.unique(keys[::-1], return_index=True)
    kept = np.sort(len(keys) - 1 - last)
    users, items = users[kept], items[kept]
    counts = np.bincount(users, minlength=count)
    place = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    enough = counts >= 3
    tested = np.where(enough, np.maximum(1, np.round(test * counts)), 0).astype(np.int64)
    validated = np.where(enough, np.maximum(1, np.round(val * counts)), 0).astype(np.int64)
    tested = np.minimum(tested, np.maximum(counts - 2, 0))
    validated = np.minimum(validated, np.maximum(counts - tested - 1, 0))
    from_end = counts[users] - 1 - place
    is_test = from_end < tested[users]
    is_val = ~is_test & (from_end < (tested + validated)[users])
    parts = (~is_test & ~is_val, is_val, is_test)
    train, held, kept_for_test = (Rows.of(users[part], items[part], count) for part in parts)
    return train, held, kept_for_test


def _reader_of_times(table: Table, column: str) -> Callable[[int], float]:
    """What reads the time of a row: a number, or an ISO date in microseconds."""
    if table.is_numeric(column):
        return lambda row: table.number(row, column)

    def read(row: int) -> float:
        value = table.columns[column][row]
        try:
            moment = np.datetime64(str(value).strip().removesuffix("Z").replace(" ", "T"))
            if np.isnat(moment):
                raise ValueError
        except ValueError:
            raise DataError(
                f"{table.place(row)}: column {column!r} says {str(value)[:40]!r}; it should be a number or an ISO date"
            ) from None
        return float(moment.astype("datetime64[us]").astype(np.int64))

    return read


def _frequent(users: np.ndarray, items: np.ndarray, min_interactions: int) -> np.ndarray:
    """Which interactions are left when users and items with fewer are left out, again and again."""
    kept = np.ones(len(users), bool)
    while min_interactions > 1 and kept.any():
        keys = np.unique(np.stack([users[kept], items[kept]]), axis=1)
        by_user = np.bincount(keys[0], minlength=int(users.max()) + 1)
        by_item = np.bincount(keys[1], minlength=int(items.max()) + 1)
        good = kept & (by_user[users] >= min_interactions) & (by_item[items] >= min_interactions)
        if (good == kept).all():
            break
        kept = good
    return kept


def _renumbered(names: np.ndarray, numbers: np.ndarray) -> tuple[Any, np.ndarray]:
    """The names that are still used, and their new numbers."""
    used, found = np.unique(numbers, return_inverse=True)
    return names[used], found
