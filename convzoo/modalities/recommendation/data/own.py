"""A person's own interactions: a table of who had what, MovieLens' files, or RecBole's."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.recommendation.data.holding_out import everything, hold_out_items, users_of
from convzoo.modalities.recommendation.data.titles import TITLE, read_titles, titles_beside
from convzoo.modalities.recommendation.example import Catalogue, Rows, User
from convzoo.reading.columns import find_split, split_named
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import refuse_twice
from convzoo.reading.headings import no_heading_hint, read_with_heading
from convzoo.reading.manifest import columns_in_words
from convzoo.reading.splitting import NAMES
from convzoo.reading.tables import Table, as_number, is_table, read_table

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
_USUAL = {*USER, *ITEM, *RATING, *TIME}


@dataclass(frozen=True)
class _Interactions:
    """What was read: one entry a row that counts.

    Attributes:
        path: of the table
        users: (rows,), the users' numbers
        items: (rows,), the items' numbers
        times: (rows,); None where the table has none
        homes: (rows,), the split of each as 0, 1 or 2; None where the table names none
        split: the column that names it
        catalogue: of the users and items
        columns: what was taken for what
        notes: what a person should know
        files: that were read
    """

    path: Path
    users: np.ndarray
    items: np.ndarray
    times: np.ndarray | None
    homes: np.ndarray | None
    split: str | None
    catalogue: Catalogue
    columns: str
    notes: tuple[str, ...]
    files: tuple[Path, ...]


class InteractionTable(Reader):
    """A table (.csv, .tsv, .jsonl, .parquet) of interactions with a user and an item, optionally a rating and a time; RecBole's
    `.inter`; MovieLens' `u.data` and `ratings.dat`; or a folder with one of these. A table without a heading is read as user,
    item, rating, time.

    An interaction that is there several times counts once, at its last time. A column named split is kept to. Else, where there
    is a time, the split is by time: of each user the last part tests and the part before it validates, so that nothing later
    is learnt from. Else it is drawn, for each user by itself.

    Each row is an interaction, whatever its rating, with two exceptions: rows that are rated below 0, and the zeros of a column
    of 0 and 1, are no likes and are left out. `min_rating` says it otherwise.

    Args:
        path: of the table
        user: the column of the users' ids
        item: the column of the items' ids
        rating: the column of ratings; by default one named rating, score or stars
        time: the column of times, numbers or ISO dates; by default one named time, timestamp or date
        titles: a table of what items are called (an item and a title, u.item, movies.dat); by default one that lies beside the
            interactions, or their column named title
        heading: the names of all columns, where the table has no heading
        min_rating: interactions that are rated lower are left out
        split: `time` (of each user the last), `global_time` (what comes after one moment, for all users), `user` (drawn within
            each user), or the column that says train, val or test; by default one named split, else by time where there is one;
            `none`: by none of the columns
        min_interactions: users and items with fewer interactions are left out (again and again, until all have as many)
        val: part of each user's interactions for validation; 0: nothing is held out for it
        test: part for testing; 0: nothing is tested
        seed: of a drawn split
        skip_damaged: leave rows that cannot be read out, and say which; by default they are refused
    """

    example = User
    formats: ClassVar[str] = (
        "a table of interactions (.csv, .tsv, .jsonl, .parquet, .inter: user, item, rating, time), u.data or ratings.dat"
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
        titles: str | None = None,
        heading: list[str] | None = None,
        min_rating: float | None = None,
        split: str | None = None,
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
        self.titles = titles
        self.heading = heading
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
        """A table by its ending, MovieLens' and RecBole's files by their names."""
        if path.is_dir():
            return any((path / name).is_file() for name in FILES) or len(list(path.glob("*.inter"))) == 1
        return is_table(path) or path.suffix == ".inter" or path.name in ("u.data", "ratings.dat")

    def read(self) -> Splits:
        """Read the table and split it.

        Raises:
            DataError: no such file or column, a damaged row, or too few interactions to split.
        """
        found = self._read()
        if self.val + self.test >= 1:
            raise DataError(f"val={self.val} and test={self.test} should leave a part for training")
        train, val, test, origin = self._divided(found)
        files = {str(path): {"sha256": sha256_of(path)} for path in found.files}
        tested = self.test > 0 if found.homes is None else bool((found.homes == NAMES.index("test")).any())
        held = [*(["val"] if self.val else []), *(["test"] if tested else [])]
        splits = users_of(found.catalogue, train, val, test, origin, files, held)
        return replace(
            splits.with_described(columns=found.columns),
            skipped=self.damaged.skipped, notes=(*found.notes, *splits.notes),
        )  # fmt: skip

    def examples(self) -> list[Any]:
        """All users with everything that the table says they had."""
        found = self._read()
        return everything(found.catalogue, Rows.of(found.users, found.items, len(found.catalogue.users)))

    def _divided(self, found: _Interactions) -> tuple[Rows, Rows, Rows, str]:
        """What trains, validates and tests, and how it was divided."""
        users, items, times, count = found.users, found.items, found.times, len(found.catalogue.users)
        if found.homes is not None:
            given = [Rows.of(users[found.homes == at], items[found.homes == at], count) for at in range(3)]
            origin = f"as given in column {found.split!r}"
            if len(given[1].items) or not self.val:
                return given[0], given[1], given[2], origin
            train, val = hold_out_items(given[0], self.val, self.seed, at_least=3)
            return (
                train,
                val,
                given[2],
                f"{origin}; val made here: {self.val:g} of each user's training items, seed {self.seed}",
            )
        how = self.split if self.split in ("time", "global_time", "user") else "user" if times is None else "time"
        if how != "user" and times is None:
            raise DataError(
                f"{found.path}: has no column of times to split by; say data.time=COLUMN or data.split=user"
            )
        if how == "time":
            assert times is not None
            origin = f"made here: by time, of each user the last {self.test:g} tests, {self.val:g} before it validates"
            return *_by_time(users, items, times, count, self.val, self.test), origin
        if how == "global_time":
            assert times is not None
            parts, moments = _by_one_moment(users, items, times, count, self.val, self.test)
            return *parts, (
                f"made here: by one moment for all users, val {self.val:g} from {moments[0]:.15g} on, test {self.test:g} from "
                f"{moments[1]:.15g} on"
            )
        rest, test = hold_out_items(Rows.of(users, items, count), self.test, self.seed, at_least=3)
        train, val = hold_out_items(rest, self.val / (1 - self.test), self.seed + 1)
        origin = f"made here: drawn within each user, val {self.val:g}, test {self.test:g}, seed {self.seed}"
        return train, val, test, origin

    def _read(self) -> _Interactions:
        path = self._file()
        self.damaged = Damaged(self.skip_damaged, "rows")
        table, notes = self._table(path)
        try:
            user, item = table.find("user", self.user, USER), table.find("item", self.item, ITEM)
        except DataError as error:
            raise no_heading_hint(path, error) if self.heading is None else error from None
        rating = table.find("rating", self.rating, RATING, needed=False)
        time = table.find("time", self.time, TIME, needed=False)
        title = table.find("title", None, TITLE, needed=False)
        if not len(table):
            raise DataError(f"{path}: holds no interactions")
        if self.min_rating is not None and rating is None:
            raise DataError(f"{path}: has no column of ratings for data.min_rating; say data.rating=COLUMN")
        word = None if self.split in ("time", "global_time", "user") else self.split
        split = None if word is None and self.split is not None else find_split(
            path, list(table.columns), word, table.columns.__getitem__
        )  # fmt: skip
        read_time = _reader_of_times(table, time) if time else None
        rule, least, said = self._likes(table, rating)

        def row(at: int) -> tuple[str, str, float, float, int]:
            rated = table.number(at, str(rating)) if self.min_rating is not None else _or_nan(table, at, rating)
            when = 0.0 if read_time is None else read_time(at)
            home = (
                0 if split is None else NAMES.index(split_named(table.place(at), split, str(table.columns[split][at])))
            )
            return table.id(at, str(user)), table.id(at, str(item)), when, rated, home

        found = [self.damaged.sound(partial(row, at), table.place(at)) for at in range(len(table))]
        self.damaged.settle()
        users, items, moments, ratings, homes = zip(*(values for values in found if values is not None), strict=True)
        kept = ~(np.array(ratings) < least)  # an empty rating leaves nothing out
        user_names, user_numbers = np.unique(np.array(users)[kept], return_inverse=True)
        item_names, item_numbers = np.unique(np.array(items)[kept], return_inverse=True)
        chosen = _frequent(user_numbers, item_numbers, self.min_interactions)
        if not chosen.any():
            raise DataError(
                f"{path}: no interaction is left with data.min_interactions={self.min_interactions} and "
                f"data.min_rating={least if np.isfinite(least) else None}"
            )
        left = [f"{int((~kept).sum()):,} interactions {said}"] if rule and not kept.all() else []
        left += [said] if not rule and said else []
        if not chosen.all():
            left.append(
                f"{int((~chosen).sum()):,} interactions of users and items with fewer than {self.min_interactions} are left out"
            )
        user_names, user_numbers = _renumbered(user_names, user_numbers[chosen])
        item_names, item_numbers = _renumbered(item_names, item_numbers[chosen])
        titles, beside = self._titles(path, table, str(item), title)
        used = {
            "user": user, "item": item, "rating": rating if rule else None, "time": time, "split": split,
            "title": title if titles and beside is None else None,
        }  # fmt: skip
        given = {role: name for role, name in used.items() if name is not None or role in ("user", "item", "time")}
        return _Interactions(
            path, user_numbers, item_numbers,
            None if read_time is None else np.array(moments)[kept][chosen],
            None if split is None else np.array(homes)[kept][chosen], split,
            Catalogue(user_names.tolist(), item_names.tolist(), titles=titles),
            columns_in_words(table, given),
            (*notes, *left, *([f"titles of the items: {beside.name}"] if beside is not None else [])),
            (path, *([beside] if beside is not None else [])),
        )  # fmt: skip

    def _table(self, path: Path) -> tuple[Table, list[str]]:
        if path.name in ("u.data", "ratings.dat"):
            mark = "\t" if path.name == "u.data" else "::"
            return read_table(path, list(self.heading or _MOVIELENS), mark, damaged=self.damaged), []
        return read_with_heading(path, _MOVIELENS, _USUAL, self.heading, self.damaged)

    def _likes(self, table: Table, rating: str | None) -> tuple[bool, float, str]:
        """Whether ratings leave rows out, the least rating that stays, and what is said of it."""
        if rating is None:
            return False, -np.inf, ""
        if self.min_rating is not None:
            return True, self.min_rating, f"are rated below {self.min_rating:g} and left out"
        values = np.array([_or_nan(table, at, rating) for at in range(len(table))])
        values = values[np.isfinite(values)]
        if not len(values):
            return False, -np.inf, ""
        if values.min() < 0:
            return (
                True,
                0.0,
                (
                    f"are rated below 0 in column {rating!r}, so they are no likes and left out; "
                    f"data.min_rating={values.min():g} counts them too"
                ),
            )
        if set(values.tolist()) == {0.0, 1.0}:
            return (
                True,
                1.0,
                (
                    f"have a 0 in column {rating!r} of 0 and 1, so they are no likes and left out; "
                    "data.min_rating=0 counts them too"
                ),
            )
        return (
            False,
            -np.inf,
            (
                f"each row counts as an interaction, whatever its {rating} ({values.min():g} to {values.max():g}); "
                f"data.min_rating={values.max():g} would count only the best"
            ),
        )

    def _titles(self, path: Path, table: Table, item: str, title: str | None) -> tuple[dict[str, str], Path | None]:
        """What the items are called, and the file that says so where it is another."""
        if self.titles is not None:
            return read_titles(Path(self.titles), ITEM), Path(self.titles)
        if title is not None:
            pairs = zip(table.optional_ids(item), table.optional_ids(title), strict=True)
            return {name: said for name, said in pairs if name and said}, None
        return titles_beside(path, ITEM)

    def _file(self) -> Path:
        if self.path.is_dir():
            found = [self.path / name for name in FILES if (self.path / name).is_file()]
            found = found or sorted(self.path.glob("*.inter"))
            if not found:
                raise DataError(f"{self.path}: holds none of {', '.join(FILES)}")
            refuse_twice(self.path, [("interactions", path) for path in found])
            return found[0]
        return self.path


def _or_nan(table: Table, row: int, column: str | None) -> float:
    """A rating that nothing hangs on: NaN where it is empty or no number."""
    found = None if column is None else as_number(table.columns[column][row], table.decimal_commas)
    return np.nan if found is None else found


def _by_time(
    users: np.ndarray, items: np.ndarray, times: np.ndarray, count: int, val: float, test: float
) -> tuple[Rows, Rows, Rows]:
    """Of each user's interactions in order of time the last part tests, the part before it validates.

    Who has three or more is in all three parts; who has fewer trains.
    """
    users, items, _ = _last_of_each(users, items, times)
    counts = np.bincount(users, minlength=count)
    place = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    enough = counts >= 3
    tested = np.where(enough, np.maximum(test > 0, np.round(test * counts)), 0).astype(np.int64)
    validated = np.where(enough, np.maximum(val > 0, np.round(val * counts)), 0).astype(np.int64)
    tested = np.minimum(tested, np.maximum(counts - 2, 0))
    validated = np.minimum(validated, np.maximum(counts - tested - 1, 0))
    from_end = counts[users] - 1 - place
    is_test = from_end < tested[users]
    is_val = ~is_test & (from_end < (tested + validated)[users])
    parts = (~is_test & ~is_val, is_val, is_test)
    train, held, kept_for_test = (Rows.of(users[part], items[part], count) for part in parts)
    return train, held, kept_for_test


def _last_of_each(users: np.ndarray, items: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each pair once, by user and time: of one that is there several times, the last counts."""
    order = np.lexsort((items, times, users))
    users, items, times = users[order], items[order], times[order]
    keys = users.astype(np.int64) * (int(items.max()) + 1) + items
    _, last = np.unique(keys[::-1], return_index=True)
    kept = np.sort(len(keys) - 1 - last)
    return users[kept], items[kept], times[kept]


def _by_one_moment(
    users: np.ndarray, items: np.ndarray, times: np.ndarray, count: int, val: float, test: float
) -> tuple[tuple[Rows, Rows, Rows], tuple[float, float]]:
    """All interactions from one moment on test, those from an earlier one on validate; and the two moments. What happens at the
    same time stays together."""
    users, items, times = _last_of_each(users, items, times)
    ordered = np.sort(times)
    first, second = (
        ordered[min(int(np.ceil((1 - part) * len(ordered))), len(ordered) - 1)] if part else np.inf
        for part in (val + test if val else 0.0, test)
    )
    is_test = times >= second
    is_val = ~is_test & (times >= first)
    parts = [Rows.of(users[part], items[part], count) for part in (~is_test & ~is_val, is_val, is_test)]
    return (parts[0], parts[1], parts[2]), (float(first), float(second))


def _reader_of_times(table: Table, column: str) -> Callable[[int], float]:
    """What reads the time of a row: a number, or an ISO date in microseconds, of UTC where it names no time zone."""
    if table.is_numeric(column):
        return lambda row: table.number(row, column)

    def read(row: int) -> float:
        value = table.columns[column][row]
        try:
            if isinstance(value, datetime):
                moment = value if value.tzinfo is None else value.astimezone(timezone.utc).replace(tzinfo=None)
                return float(np.datetime64(moment, "us").astype(np.int64))
            text = str(value).strip().replace(" ", "T", 1)
            text, ahead = _without_zone(text)
            found = np.datetime64(text)
            if np.isnat(found):
                raise ValueError
        except ValueError:
            raise DataError(
                f"{table.place(row)}: column {column!r} says {str(value)[:40]!r}; it should be a number or an ISO date"
            ) from None
        return float(found.astype("datetime64[us]").astype(np.int64)) - ahead

    return read


_ZONE = re.compile(r"(T.*?)\s*(?:Z|UTC|([+-])(\d\d):?(\d\d)?)")


def _without_zone(text: str) -> tuple[str, float]:
    """A time without its zone, and how many microseconds this zone is ahead of UTC."""
    date, mark, rest = text.partition("T")
    found = _ZONE.fullmatch(mark + rest)
    if found is None:
        return text.removesuffix("Z"), 0.0
    _, sign, hours, minutes = found.groups()
    ahead = 0.0 if sign is None else (int(hours) * 60 + int(minutes or 0)) * 60e6 * (1 if sign == "+" else -1)
    return date + found[1], ahead


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
