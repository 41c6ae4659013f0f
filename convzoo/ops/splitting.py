"""Splits that keep groups whole and classes in proportion, and folds for cross-validation."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.examples import Splits

NAMES = ("train", "val", "test")


def split_by_group(
    labels: Sequence[Hashable], groups: Sequence[Hashable], val: float, test: float, seed: int
) -> np.ndarray:
    """For each example 0 (train), 1 (val) or 2 (test): groups stay whole, each class comes near its proportion.

    Groups are taken in a random order, the large ones first, and each goes where its classes are missed most.

    Raises:
        DataError: a class has fewer than three examples, or val and test leave nothing to train on.
    """
    if not 0 < val + test < 1 or min(val, test) <= 0:
        raise DataError(f"val={val} and test={test} should each be above 0 and leave a part for training")
    counts = Counter(labels)
    for label, count in counts.items():
        if count < 3:
            raise DataError(
                f"class {label!r} has {count} example{'s' if count > 1 else ''}; a split into train, val and test needs at "
                "least 3: add examples, or leave the class out"
            )
    shares = np.array([1 - val - test, val, test])
    names = list(counts)
    number = {label: index for index, label in enumerate(names)}
    wanted = shares[:, None] * np.array([counts[label] for label in names])
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    keys = list(members)
    shuffled = np.random.default_rng(seed).permutation(len(keys)).tolist()
    order = sorted(shuffled, key=lambda at: -len(members[keys[at]]))
    home = np.zeros(len(labels), dtype=np.int64)
    missed = wanted.copy()
    for at in order:
        inside = members[keys[at]]
        content = np.bincount([number[labels[index]] for index in inside], minlength=len(names))
        # What is missed is measured against what the split should have, so that small splits are served too.
        need = ((missed / np.maximum(wanted, 1e-9)) * content).sum(axis=1)
        chosen = int(np.argmax(need))
        missed[chosen] -= content
        home[inside] = chosen
    for index, name in enumerate(NAMES):
        if not (home == index).any():
            raise DataError(f"the {name} split would be empty: there are {len(keys)} groups in all, give more")
    return home


def joined(*keys: Sequence[Hashable | None]) -> list[Hashable]:
    """One group for all examples that share any key, directly or through others; None is shared with nobody.

    Args:
        keys: for each kind of key, one key an example
    """
    parent = list(range(len(keys[0])))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for column in keys:
        first: dict[Hashable, int] = {}
        for index, key in enumerate(column):
            if key is not None:
                parent[root(index)] = root(first.setdefault(key, index))
    return [root(index) for index in range(len(parent))]


def folds(labels: Sequence[Hashable], count: int, seed: int) -> np.ndarray:
    """For each example the fold that it is tested in: every class is dealt out evenly, in a random order."""
    random = np.random.default_rng(seed)
    fold = np.empty(len(labels), dtype=np.int64)
    start = 0
    by_class: dict[Hashable, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        by_class[label].append(index)
    for label in sorted(by_class, key=str):
        indices = random.permutation(by_class[label])
        fold[indices] = (np.arange(len(indices)) + start) % count
        start += len(indices)
    return fold


def hold_out(labels: Sequence[Hashable], part: float, seed: int) -> np.ndarray:
    """True for about `part` of the examples of each class."""
    if not 0 < part < 1:
        raise DataError(f"data.val={part:g} should be above 0 and below 1: validation chooses the best checkpoint")
    count = round(1 / part)
    if abs(count * part - 1) < 1e-9:
        return folds(labels, count, seed) == 0
    place = np.random.default_rng(seed).permutation(len(labels))
    held = np.zeros(len(labels), dtype=bool)
    for label in set(labels):
        inside = np.array([index for index, other in enumerate(labels) if other == label])
        held[inside[np.argsort(place[inside])][: round(part * len(inside))]] = True
    return held


def splits_of(
    examples: Sequence[Any],
    val: float,
    test: float,
    seed: int,
    files: dict[str, Any] | None = None,
    prints: Sequence[str] | None = None,
) -> Splits:
    """Split examples that have no official split, by their `group` and stratified by their `label`.

    Args:
        examples: with or without a group
        val: part for validation
        test: part for testing
        seed: of the split
        files: what was read
        prints: for each example a fingerprint of its content: copies are kept together, whatever their group
    """
    groups = joined([example.group for example in examples], prints or [None] * len(examples))
    home = split_by_group([example.label for example in examples], groups, val, test, seed)
    parts = [[example for example, at in zip(examples, home, strict=True) if at == index] for index in range(3)]
    origin = f"made here: by group, stratified by class, val {val:g}, test {test:g}, seed {seed}"
    return Splits(parts[0], parts[1], parts[2], origin=origin, files=files or {})


def carve_validation(splits: Splits, val: float, seed: int, prints: Sequence[str] | None = None) -> Splits:
    """Take a validation split out of training where the data set has none; copies and groups stay together."""
    home = split_by_group(
        [example.label for example in splits.train],
        joined([example.group for example in splits.train], prints or [None] * len(splits.train)),
        val / 2, val / 2, seed,
    ) > 0  # fmt: skip
    train = [example for example, held in zip(splits.train, home, strict=True) if not held]
    held_out = [example for example, held in zip(splits.train, home, strict=True) if held]
    origin = f"{splits.origin}; val made here: {val:g} of train, by group, stratified by class, seed {seed}"
    return replace(splits, train=train, val=held_out, origin=origin)
