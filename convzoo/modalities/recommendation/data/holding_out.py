"""Which of a user's items are held out."""

from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.randomness import mix
from convzoo.core.splits import Splits
from convzoo.modalities.recommendation.example import Catalogue, Rows, Users


def hold_out_items(rows: Rows, part: float, seed: int, at_least: int = 2) -> tuple[Rows, Rows]:
    """Kept and held-out items: about `part` of each user's, drawn at random; users with fewer than `at_least` keep all.

    The choice depends only on the seed, the user and the item, not on the rest of the table.
    """
    if not 0 < part < 1:
        raise DataError(f"data.val={part:g} should be above 0 and below 1: validation chooses the best checkpoint")
    users = rows.users()
    with np.errstate(over="ignore"):
        keys = mix(mix(users.astype(np.uint64) + np.uint64(seed) * np.uint64(1 << 40)) ^ rows.items.astype(np.uint64))
    uniform = keys.astype(np.float64) / 2.0**64
    # The item with a user's largest number is always kept, so that no user is left without items.
    held = uniform < part
    largest = np.ones(len(rows.pointers) - 1)
    counts = rows.counts()
    filled = counts > 0
    if filled.any():
        largest[filled] = np.maximum.reduceat(uniform, rows.pointers[:-1][filled])
    held &= (uniform < largest[users]) & (counts[users] >= at_least)
    count = len(rows.pointers) - 1
    return Rows.of(users[~held], rows.items[~held], count), Rows.of(users[held], rows.items[held], count)


def users_of(catalogue: Catalogue, train: Rows, val: Rows, test: Rows, origin: str, files: dict[str, Any]) -> Splits:
    """Three splits of users. Items that are not in training cannot be recommended, and users that are not in training cannot
    get recommendations: both are left out of validation and test, and `origin` says how many.

    Raises:
        DataError: nothing is left to validate or to test.
    """
    known = np.zeros(len(catalogue.items), bool)
    known[train.items] = True
    served = train.counts() > 0
    count = len(catalogue.users)
    kept = {}
    for name, rows in (("val", val), ("test", test)):
        users = rows.users()
        good = known[rows.items] & served[users]
        if not good.all():
            new_items, new_users = int((~known[rows.items]).sum()), int((~served[users]).sum())
            origin += (
                f"; left out of {name}: {new_items} interactions with items and {new_users} of users new to training"
            )
        kept[name] = Rows.of(users[good], rows.items[good], count)
        if not good.any():
            raise DataError(
                f"the {name} split has no interaction of users and items that training knows; give more interactions a user"
            )
    seen_by_test = train.joined(kept["val"])
    nothing = Rows(np.zeros(count + 1, np.int64), np.zeros(0, np.int32))
    return Splits(
        Users(catalogue, np.flatnonzero(served), nothing, train),
        Users(catalogue, np.flatnonzero(kept["val"].counts()), train, kept["val"]),
        Users(catalogue, np.flatnonzero(kept["test"].counts()), seen_by_test, kept["test"]),
        origin=origin,
        files=files,
    )
