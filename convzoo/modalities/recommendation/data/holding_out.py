"""Which of a user's items are held out."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.randomness import mix
from convzoo.core.splits import Splits
from convzoo.modalities.recommendation.example import Catalogue, Rows, Users


def hold_out_items(rows: Rows, part: float, seed: int, at_least: int = 2) -> tuple[Rows, Rows]:
    """Kept and held-out items: about `part` of each user's, drawn at random; users with fewer than `at_least` keep all.

    The choice depends only on the seed, the user and the item, not on the rest of the table.

    Raises:
        DataError: `part` is below 0, or 1 or more.
    """
    if not 0 <= part < 1:
        raise DataError(f"the part that is held out should be at least 0 and below 1, not {part:g}")
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


def everything(catalogue: Catalogue, rows: Rows) -> list[Any]:
    """All users with all that they had, for `convzoo evaluate --data`: what of it the run knows, only its encoder can say."""
    return list(Users(catalogue, np.flatnonzero(rows.counts()), Rows.none(len(catalogue.users)), rows))


def users_of(
    catalogue: Catalogue,
    train: Rows,
    val: Rows,
    test: Rows,
    origin: str,
    files: dict[str, Any],
    held: Collection[str] = ("val", "test"),
) -> Splits:
    """Three splits of users. Items that are not in training cannot be recommended, users that are not in training cannot get
    recommendations, and what a user had in training is never recommended again: all three are left out of validation and test,
    and `origin` says how many.

    Where nothing is held out for validation, all interactions are learnt from, and the training items stand in its place.

    Args:
        catalogue: of users and items
        train: what is learnt from
        val: what validates
        test: what tests
        origin: how the split was made
        files: that were read
        held: the splits that should not be empty

    Raises:
        DataError: nothing is left to learn from, to validate or to test.
    """
    known = np.zeros(len(catalogue.items), bool)
    known[train.items] = True
    served = train.counts() > 0
    count = len(catalogue.users)
    if not served.any():
        raise DataError("the train split has no interactions")
    kept, before = {}, train
    for name, rows in (("val", val), ("test", test)):
        fresh = rows.without(before)
        users = fresh.users()
        good = known[fresh.items] & served[users]
        new_items, new_users = int((~known[fresh.items]).sum()), int((~served[users]).sum())
        again = len(rows.items) - len(fresh.items)
        if not good.all():
            origin += (
                f"; left out of {name}: {new_items} interactions with items and {new_users} of users new to training"
            )
        if again:
            there = "train" if name == "val" else "train or val"
            origin += f"; left out of {name}: {again} interactions that stand in {there} too"
        kept[name] = Rows.of(users[good], fresh.items[good], count)
        before = before.joined(kept[name])
        if name in held and not good.any():
            raise DataError(
                f"the {name} split has no interaction of users and items that training knows; give more interactions a user"
            )
    catalogue = replace(catalogue, validated=val, tested=test)
    nothing = Rows.none(count)
    notes = []
    if kept["val"].pointers[-1]:
        validated = Users(catalogue, np.flatnonzero(kept["val"].counts()), train, kept["val"])
    else:
        validated = Users(catalogue, np.flatnonzero(served), nothing, train)
        notes.append(
            "nothing is held out for validation: the training items stand in its place, so these scores say nothing of new "
            "ones; say how long to train with train.epochs"
        )
    return Splits(
        Users(catalogue, np.flatnonzero(served), nothing, train),
        validated,
        Users(catalogue, np.flatnonzero(kept["test"].counts()), train.joined(kept["val"]), kept["test"]),
        origin=origin,
        files=files,
        notes=notes,
    )
