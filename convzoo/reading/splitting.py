"""Splits: made here, as given, and folds for cross-validation. Groups and copies stay together, labels are in proportion."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from convzoo.core.arguments import Copies
from convzoo.core.errors import DataError
from convzoo.core.labels import Label, Tags
from convzoo.core.splits import Splits
from convzoo.core.survey import counted, listed
from convzoo.core.text import nearest

NAMES = ("train", "val", "test")

QUANTILES = 10
"""Numbers are stratified by at most this many quantiles."""

IN_A_STRATUM = 10
"""Examples that a quantile, or a combination of several labels, has at least to be a stratum of its own."""


def strata(labels: Sequence[Label | None]) -> list[Hashable]:
    """For each example what a split keeps in proportion. Labels that are not floats, tuples or `Tags` are themselves the strata.

    Numbers are divided into up to ten quantiles of the same size. Several labels at once count by their combination where
    it has at least ten examples, else by the rarest of them. Sequences of tags are not stratified. An example without a label,
    and one whose stratum has fewer than ten, is in a stratum with all other such examples.
    """
    if any(isinstance(label, Tags) for label in labels):
        return ["all"] * len(labels)
    if any(isinstance(label, float) for label in labels):
        found = _quantiles(labels)
    elif any(isinstance(label, tuple) for label in labels):
        found = _combinations(labels)
    else:
        return list(labels)
    counts = Counter(found)
    return [key if counts[key] >= IN_A_STRATUM else "others" for key in found]


def _quantiles(labels: Sequence[Any]) -> list[Hashable]:
    known = [index for index, label in enumerate(labels) if label is not None]
    # A quantile of 20 has three examples for each part of 15 %, so that rounding does not change the parts.
    bins = min(QUANTILES, max(1, len(known) // (2 * IN_A_STRATUM)))
    found: list[Hashable] = [None] * len(labels)
    for place, index in enumerate(sorted(known, key=lambda index: labels[index])):
        found[index] = place * bins // len(known)
    return found


def _combinations(labels: Sequence[Any]) -> list[Hashable]:
    combined = [None if label is None else tuple(sorted(set(label))) for label in labels]
    common = {key for key, count in Counter(combined).items() if count >= IN_A_STRATUM}
    counts = Counter(name for names in combined for name in names or ())
    return [
        names if names in common or not names else min(names, key=lambda name: (counts[name], name))
        for names in combined
    ]


def split_by_group(
    labels: Sequence[Any],
    groups: Sequence[Hashable],
    val: float,
    test: float,
    seed: int,
    where: str = "",
    names: Sequence[str] = NAMES,
) -> np.ndarray:
    """For each example 0 (train), 1 (val) or 2 (test): groups stay whole, each of the `strata` comes near its proportion.

    Groups are taken in a random order, the large ones first, and each goes where its strata are missed most.

    Args:
        labels: of each example its label
        groups: of each example its group
        val: part for validation
        test: part for testing; 0: nothing is tested
        seed: of the order
        where: what is split, for errors
        names: what the three parts are called; two may have one name, when both are for validation

    Raises:
        DataError: a class has too few examples, or val and test leave nothing to train on.
    """
    _check_shares(val, test)
    where = f"{where}: " if where else ""
    parts = list(dict.fromkeys(name for name, share in zip(names, (1, val, test), strict=True) if share > 0))
    words = f"{', '.join(parts[:-1])} and {parts[-1]}"
    layers = strata(labels)
    counts = Counter(layers)
    classes = not any(isinstance(label, float | tuple) for label in labels)
    if not classes and len(labels) < len(parts):
        raise DataError(
            f"{where}has {len(labels)} example{'' if len(labels) == 1 else 's'}; a split into {words} needs at least "
            f"{len(parts)}: add examples"
        )
    few = {label: count for label, count in counts.items() if classes and count < len(parts)}
    if few:
        numbers = "; the labels are numbers: task=regression predicts a number" if _are_numbers(labels) else ""
        others = [str(label) for label in counts if label not in few]
        near = {label: found for label in few if not numbers and (found := nearest(str(label), others)) is not None}
        label, count = next(iter(few.items()))
        told = f"class {label!r} has {count} example{'s' if count > 1 else ''}"
        if len(few) > 1:
            told = f"{len(few):,} classes have too few examples: {counted({repr(key): few[key] for key in few})}"
        meant = f"; did you mean {listed(f'{found!r} for {key!r}' for key, found in near.items())}?" if near else ""
        raise DataError(
            f"{where}{told}; a split into {words} needs at least {len(parts)}{' of each' if len(few) > 1 else ''}: add "
            f"examples, or leave the class{'es' if len(few) > 1 else ''} out{meant}{numbers}"
        )
    shares = np.array([1 - val - test, val, test])
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    home = _dealt(layers, list(members.values()), shares, seed)
    _fill_empty(home, layers, list(members.values()), shares, names)
    for name in parts:
        if not np.isin(home, [index for index, other in enumerate(names) if other == name]).any():
            of_class: dict[Hashable, set[Hashable]] = defaultdict(set)
            for layer, group in zip(layers, groups, strict=True):
                of_class[layer].add(group)
            least = min(of_class, key=lambda layer: len(of_class[layer]))
            why = f"there are {len(members)} groups in all (copies count as one), give more"
            if classes and len(members) >= len(parts) > len(of_class[least]):
                number = len(of_class[least])
                why = f"class {least!r} stands in {number} group{'s' if number > 1 else ''} only, and groups are not split"
            raise DataError(f"{where}the {name} split would be empty: {why}")
    return home


def _dealt(layers: Sequence[Hashable], groups: Sequence[list[int]], shares: np.ndarray, seed: int) -> np.ndarray:
    """For each example its part: whole groups go where what they hold is missed most.

    Args:
        layers: of each example its stratum
        groups: the examples of each
        shares: of each part, the fraction that it should have
        seed: of the order
    """
    counts = Counter(layers)
    number = {label: index for index, label in enumerate(counts)}
    wanted = shares[:, None] * np.array(list(counts.values()))
    shuffled = np.random.default_rng(seed).permutation(len(groups)).tolist()
    home = np.zeros(len(layers), dtype=np.int64)
    missed = wanted.copy()
    ordered = sorted(shuffled, key=lambda at: -len(groups[at]))
    alone = sum(len(groups[at]) == 1 for at in ordered)
    for at in ordered[: len(ordered) - alone]:
        inside = groups[at]
        content = np.bincount([number[layers[index]] for index in inside], minlength=len(counts))
        # What is missed is measured against what the split should have, so that small splits are served too.
        need = ((missed / np.maximum(wanted, 1e-9)) * content).sum(axis=1)
        chosen = int(np.argmax(need))
        missed[chosen] -= content
        home[inside] = chosen
    # Of a single example only its own stratum counts. There may be millions of them, and NumPy's small arrays are slow.
    wanted_of, missed_of = np.maximum(wanted, 1e-9).T.tolist(), missed.T.tolist()
    for at in ordered[len(ordered) - alone :]:
        (index,) = groups[at]
        layer = number[layers[index]]
        needs = [lacking / whole for lacking, whole in zip(missed_of[layer], wanted_of[layer], strict=True)]
        chosen = needs.index(max(needs))
        missed_of[layer][chosen] -= 1
        home[index] = chosen
    return home


def _fill_empty(
    home: np.ndarray, layers: Sequence[Hashable], groups: Sequence[list[int]], shares: np.ndarray, names: Sequence[str]
) -> None:
    """Give a part that got no group, because there are few and large ones, the smallest group that training can spare: one whose
    strata other groups of training have, too."""
    for part in (1, 2):
        alike = [at for at, name in enumerate(names) if name == names[part]]
        if shares[part] <= 0 or np.isin(home, alike).any():
            continue
        inside = [group for group in groups if home[group[0]] == 0]
        counts = Counter(layers[index] for group in inside for index in group)
        for group in sorted(inside, key=len):
            own = Counter(layers[index] for index in group)
            if all(counts[layer] > count for layer, count in own.items()):
                home[group] = part
                break


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


def _are_numbers(labels: Sequence[Any]) -> bool:
    """Whether all labels are text that says a number, and more than two different ones."""
    try:
        return len({float(label) for label in labels}) > 2
    except (TypeError, ValueError):
        return False


def folds(labels: Sequence[Any], count: int, seed: int) -> np.ndarray:
    """For each example the fold that it is tested in: each of the `strata` is dealt out evenly, in a random order."""
    random = np.random.default_rng(seed)
    fold = np.empty(len(labels), dtype=np.int64)
    start = 0
    by_class: dict[Hashable, list[int]] = defaultdict(list)
    for index, label in enumerate(strata(labels)):
        by_class[label].append(index)
    for label in sorted(by_class, key=str):
        indices = random.permutation(by_class[label])
        fold[indices] = (np.arange(len(indices)) + start) % count
        start += len(indices)
    return fold


def folds_by_group(
    labels: Sequence[Any], groups: Sequence[Hashable], count: int, seed: int, where: str = "", fold: int = 0
) -> np.ndarray:
    """For each example the fold that it is tested in. Groups stay whole, and each of the `strata` is dealt out evenly.

    Args:
        labels: of each example its label
        groups: of each example its group
        count: of the folds
        seed: of the order
        where: what is split, for errors
        fold: that is asked for

    Raises:
        DataError: there is no such fold, or there are fewer groups than folds, in all or in a class.
    """
    where = f"{where}: " if where else ""
    _check_fold(fold, count)
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    if len(members) < count:
        what = "examples" if len(members) == len(labels) else "groups (copies count as one)"
        raise DataError(f"{where}{len(members)} {what} are too few for {count} folds; ask for fewer, or give more")
    layers = strata(labels)
    if not any(isinstance(label, float | tuple) for label in labels):
        _check_folds(labels, groups, count, where)
    if all(len(inside) == 1 for inside in members.values()):
        return folds(labels, count, seed)
    return _dealt(layers, list(members.values()), np.full(count, 1 / count), seed)


def _check_folds(labels: Sequence[Any], groups: Sequence[Hashable], count: int, where: str) -> None:
    """Each fold tests each class, and what is left of it trains and validates."""
    held: dict[Any, set[Hashable]] = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        held[label].add(group)
    least = max(count, 4 if count == 2 else 3)
    for label, inside in held.items():
        if len(inside) < least and label is not None:
            what = "example" if len(set(groups)) == len(groups) else "group"
            raise DataError(
                f"{where}class {label!r} has {len(inside)} {what}{'' if len(inside) == 1 else 's'}; {count} folds need at least "
                f"{least}: ask for fewer folds, add examples, or leave the class out"
            )


def hold_out(labels: Sequence[Any], part: float, seed: int) -> np.ndarray:
    """True for about `part` of the examples of each of the `strata`."""
    if not 0 < part < 1:
        raise DataError(f"data.val={part:g} should be above 0 and below 1: validation chooses the best checkpoint")
    count = round(1 / part)
    if abs(count * part - 1) < 1e-9:
        return folds(labels, count, seed) == 0
    place = np.random.default_rng(seed).permutation(len(labels))
    held = np.zeros(len(labels), dtype=bool)
    layers = strata(labels)
    for label in set(layers):
        inside = np.array([index for index, other in enumerate(layers) if other == label])
        held[inside[np.argsort(place[inside])][: round(part * len(inside))]] = True
    return held


def made_here(
    examples: Sequence[Any],
    val: float,
    test: float,
    seed: int,
    files: Mapping[str, Any] | None = None,
    content: Callable[[Any], Hashable | None] | None = None,
    fold: int | None = None,
    count: int = 5,
    notes: Sequence[str] = (),
    where: str = "",
) -> Splits:
    """Split examples that have no official split, by their `group` and stratified by their `label`.

    Args:
        examples: with or without a group
        val: part for validation; with a fold, of what is not tested on
        test: part for testing, where no fold is given; 0: nothing is tested
        seed: of the split
        files: what was read
        content: a fingerprint of an example's content: copies are kept together, whatever their group
        fold: test on this one of `count` folds
        count: of the folds
        notes: what was found out while reading
        where: what is split, for errors

    Raises:
        DataError: there are too few examples or groups, or no such fold.
    """
    content = _once(content)
    labels, groups = [example.label for example in examples], joined(*_keys(examples, content))
    facts: dict[str, Any] = {
        "files": dict(files or {}),
        "notes": (*notes, *contradictions(examples, content)),
        "described": _copies_in_words({"": examples}, content),
    }
    if fold is None:
        home = split_by_group(labels, groups, val, test, seed, where)
        _rare_ones_into_training(labels, groups, home)
        origin = f"made here: {_how(examples)}, val {val:g}, test {test:g}, seed {seed}"
        train, held_out, tested = (_chosen(examples, home == index) for index in range(3))
        return Splits(train, held_out, tested, origin=origin, **facts)
    at = folds_by_group(labels, groups, count, seed, where, fold) == fold
    origin = f"fold {fold} of {count}, {_how(examples)}, seed {seed}"
    given = Splits(_chosen(examples, ~at), [], _chosen(examples, at), origin=origin, **facts)
    return carve_validation(given, val, seed, content, where)


def _rare_ones_into_training(labels: Sequence[Any], groups: Sequence[Hashable], home: np.ndarray) -> None:
    """Where examples have several labels, move those with a label that training lacks into training, with their groups: a rare
    one cannot be in all three parts."""
    several = [label if isinstance(label, tuple) and not isinstance(label, Tags) else () for label in labels]
    known = {name for names, part in zip(several, home, strict=True) if part == 0 for name in names}
    for index, names in enumerate(several):
        if not known.issuperset(names):
            moved = [at for at, group in enumerate(groups) if group == groups[index]]
            home[moved] = 0
            known |= {name for at in moved for name in several[at]}


def as_given(
    where: str,
    parts: Mapping[str, Sequence[Any]],
    val: float,
    seed: int,
    files: Mapping[str, Any] | None = None,
    content: Callable[[Any], Hashable | None] | None = None,
    copies: Copies = "refuse",
    notes: Sequence[str] = (),
    fold: int | None = None,
) -> Splits:
    """A split as it was given, without leaks; where it has no validation part, one is taken out of training.

    Args:
        where: what was read, for errors
        parts: the examples of train, val and test
        val: part of training that validates, where none is given
        seed: of that part
        files: what was read
        content: a fingerprint of an example's content
        copies: of the same content in two parts, as `without_leaks` takes it
        notes: what was found out while reading
        fold: of a cross-validation that was asked for, which a given split does not have

    Raises:
        DataError: there is nothing to train or to test on, the same thing stands in two parts, or folds were asked for.
    """
    refuse_folds(where, fold)
    content = _once(content)
    kept, more = without_leaks(where, parts, content, copies)
    for part in kept.values():
        more += contradictions(part, content)
    facts: dict[str, Any] = {
        "files": dict(files or {}),
        "notes": (*notes, *more),
        "described": _copies_in_words(kept, content),
    }
    splits = Splits(kept["train"], kept["val"], kept["test"], origin="as given", **facts)
    return splits if splits.val else carve_validation(splits, val, seed, content, where)


def refuse_folds(where: str, fold: int | None) -> None:
    """
    Raises:
        DataError: folds were asked for of data that have a split of their own.
    """
    if fold is not None:
        raise DataError(
            f"{where}: has a split of its own, so no folds are made; leave --folds out, or give the data without the split "
            "(in a table, data.split=none passes over its column)"
        )


def without_leaks(
    where: str,
    parts: Mapping[str, Sequence[Any]],
    content: Callable[[Any], Hashable | None] | None = None,
    copies: Copies = "refuse",
) -> tuple[dict[str, list[Any]], list[str]]:
    """The parts of a given split, and what a person should know of them.

    One rule for every kind of data: no group (a patient, a speaker) and no file stands in two parts, and no content either,
    unless `copies` says otherwise.

    Args:
        where: what was read, for errors
        parts: the examples of train, val and test
        content: a fingerprint of an example's content
        copies: of the same content in two parts: refuse them; drop them from train (and from val, where they stand in test too);
            or keep them as they are

    Raises:
        DataError: there is nothing to train or to test on, or the same thing stands in two parts.
    """
    if not parts.get("train"):
        raise DataError(f"{where}: the train split has no examples")
    if not parts.get("test") and not parts.get("val"):
        raise DataError(
            f"{where}: the test split has no examples, and there is none to validate on; add one of them, or give all examples "
            "without a split, and it is made here"
        )
    _refuse_both(where, parts, "group", lambda example: getattr(example, "group", None))
    _refuse_both(where, parts, "file", lambda example: getattr(example, "path", None))
    kept = {name: list(parts.get(name, ())) for name in NAMES}
    if content is not None and copies == "refuse":
        _refuse_both(
            where, parts, "copy of", content, "; data.copies=drop leaves copies out of training, keep takes them"
        )
    elif content is not None and copies == "drop":
        return _without_copies(where, kept, content)
    return kept, []


def _refuse_both(
    where: str, parts: Mapping[str, Sequence[Any]], what: str, key: Callable[[Any], Hashable | None], advice: str = ""
) -> None:
    homes: dict[Hashable, tuple[str, Any]] = {}
    for name in NAMES:
        for example in parts.get(name, ()):
            value = key(example)
            if value is None:
                continue
            home, other = homes.setdefault(value, (name, example))
            if home != name:
                shown = str(getattr(example, "path", None) or example.source) if what == "copy of" else str(value)
                raise DataError(
                    f"{where}: {what} {shown!r} stands in both {home} and {name} ({other.source}, {example.source}): "
                    f"scores would be a leak{advice}"
                )


def _without_copies(
    where: str, parts: dict[str, list[Any]], content: Callable[[Any], Hashable | None]
) -> tuple[dict[str, list[Any]], list[str]]:
    prints = {name: [content(example) for example in examples] for name, examples in parts.items()}
    kept, notes = dict(parts), []
    later: set[Hashable | None] = set()
    for name in ("test", "val", "train"):
        if name != "test":
            kept[name] = [
                e for e, key in zip(parts[name], prints[name], strict=True) if key is None or key not in later
            ]
            dropped = len(parts[name]) - len(kept[name])
            if not kept[name] and parts[name]:
                raise DataError(f"{where}: everything in {name} stands in test too: are these the same data?")
            if dropped:
                copies = "1 copy" if dropped == 1 else f"{dropped:,} copies"
                notes.append(
                    f"{copies} of what is tested or validated on left out of {name}; data.copies=keep takes all"
                )
        later |= set(prints[name])
    return kept, notes


def contradictions(examples: Sequence[Any], content: Callable[[Any], Hashable | None] | None) -> list[str]:
    """A note on copies whose labels differ: one of them must be wrong; empty where there are none."""
    first: dict[Hashable, Any] = {}
    found: dict[Hashable, tuple[Any, Any]] = {}
    for example in examples if content is not None else ():
        key = content(example)  # type: ignore[misc]
        other = first.setdefault(key, example) if key is not None else example
        if _unordered(other.label) != _unordered(example.label):
            found.setdefault(key, (other, example))
    if not found:
        return []
    one, two = next(iter(found.values()))
    count = "1 example stands" if len(found) == 1 else f"{len(found):,} examples stand"
    return [
        f"{count} twice with different labels (first: {one.source}, {one.label!r}, and {two.source}, {two.label!r})"
    ]


def _unordered(label: Label | None) -> Any:
    """A label to compare: several classes are the same in any order, tags are not."""
    return set(label) if isinstance(label, tuple) and not isinstance(label, Tags) else label


def _copies_in_words(
    parts: Mapping[str, Sequence[Any]], content: Callable[[Any], Hashable | None] | None
) -> dict[str, str]:
    """How many examples are copies of others of the same part."""
    if content is None:
        return {}
    counts = {}
    for name, examples in parts.items():
        keys = [key for key in map(content, examples) if key is not None]
        counts[name] = len(keys) - len(set(keys))
    if not any(counts.values()):
        return {"copies": "none"}
    return {"copies": ", ".join(f"{name} {count:,}".strip() for name, count in counts.items() if count)}


def carve_validation(
    splits: Splits,
    val: float,
    seed: int,
    content: Callable[[Any], Hashable | None] | None = None,
    where: str = "",
) -> Splits:
    """Take a validation split out of training where the data set has none; copies and groups stay together."""
    labels = [example.label for example in splits.train]
    groups = joined(*_keys(splits.train, content))
    home = split_by_group(labels, groups, val / 2, val / 2, seed, where, ("train", "val", "val"))
    _rare_ones_into_training(labels, groups, home)
    home = home > 0
    origin = f"{splits.origin}; val made here: {val:g} of train, {_how(splits.train)}, seed {seed}"
    return replace(splits, train=_chosen(splits.train, ~home), val=_chosen(splits.train, home), origin=origin)


def in_order(
    groups: Sequence[Hashable | None],
    contents: Sequence[Hashable | None],
    val: float,
    test: float,
    seed: int,
    units: tuple[str, str] = ("frames", "drives"),
    fold: int | None = None,
    count: int = 5,
) -> tuple[list[str], str]:
    """For each example of a recording its split, and how that was made: by group where groups are known, in a random order;
    else in the order of the examples, since neighbours are alike. Copies stay together.

    Args:
        groups: of each example (a drive), None where it is not known
        contents: of each example a fingerprint
        val: part for validation
        test: part for testing, the end; 0: nothing is tested
        seed: of the order of groups
        units: what examples and groups are called, for errors
        fold: test on this one of `count` folds, each a stretch of the order; what comes before it validates
        count: of the folds

    Raises:
        DataError: there are fewer than three examples or groups, no such fold, or val and test leave nothing to train on.
    """
    _check_shares(val, test)
    known = any(group is not None for group in groups)
    keys = joined(groups, contents)
    order = list(dict.fromkeys(keys))
    if len(order) < 3:
        raise DataError(
            f"{len(order)} {units[known]} are too few to split into train, val and test: at least 3 are needed"
        )
    if known:
        order = [order[at] for at in np.random.default_rng(seed).permutation(len(order))]
    counts = Counter(keys)
    if fold is not None:
        order, tested = _turned(order, counts, fold, count, units[known])
        test = tested / len(keys)
        val *= 1 - test
    ends = np.cumsum([counts[key] for key in order]) / len(keys)
    last = len(order) - 1 if not test else int(np.abs(ends[1:-1] - (1 - test)).argmin()) + 1
    first = int(np.abs(ends[:last] - (1 - val - test)).argmin())
    place = {key: "train" if at <= first else "val" if at <= last else "test" for at, key in enumerate(order)}
    how = f"by {units[1].removesuffix('s')}, seed {seed}" if known else "in their order, since neighbours are alike"
    made = f"made here: {how}, val {val:.3g}, test {test:.3g}" if fold is None else f"fold {fold} of {count}, {how}"
    return [place[key] for key in keys], made


def _turned(
    order: list[Hashable], counts: Mapping[Hashable, int], fold: int, folds: int, unit: str
) -> tuple[list[Hashable], int]:
    """The order with the stretch that a fold tests at its end, and the number of examples in that stretch."""
    _check_fold(fold, folds)
    ends = np.cumsum([0, *(counts[key] for key in order)])
    cuts = [int(np.abs(ends - ends[-1] * at / folds).argmin()) for at in range(folds + 1)]
    if len(order) < max(folds, 3) or len(set(cuts)) < len(cuts):
        raise DataError(f"{len(order)} {unit} are too few for {folds} folds; ask for fewer, or give more")
    start, stop = cuts[fold], cuts[fold + 1]
    return [*order[stop:], *order[:start], *order[start:stop]], int(ends[stop] - ends[start])


def _check_fold(fold: int, folds: int) -> None:
    if folds < 2 or not 0 <= fold < folds:
        numbers = f"from 0 to {folds - 1}" if folds > 1 else "one of at least 2 folds"
        raise DataError(f"data.fold={fold}: with data.folds={folds} it should be {numbers}")


def _check_shares(val: float, test: float) -> None:
    if not 0 < val + test < 1 or val <= 0:
        raise DataError(
            f"data.val={val:g} and data.test={test:g} should leave a part for training, and data.val, which chooses the best "
            "checkpoint, be above 0"
        )


def _how(examples: Sequence[Any]) -> str:
    """What a split that is made here goes by."""
    words = ["by group" if any(example.group is not None for example in examples) else "no groups known"]
    labels = {example.label for example in examples}
    if len(labels) > 1 and not any(isinstance(label, Tags) for label in labels):
        numbers, several = (any(isinstance(label, kind) for label in labels) for kind in (float, tuple))
        words.append(f"stratified by {'quantile' if numbers else 'labels' if several else 'class'}")
    return ", ".join(words)


def _once(content: Callable[[Any], Hashable | None] | None) -> Callable[[Any], Hashable | None] | None:
    """The same fingerprints, each made once: a file is not read again to carve validation out of training."""
    if content is None:
        return None
    known: dict[int, Hashable | None] = {}

    def remembered(example: Any) -> Hashable | None:
        if id(example) not in known:
            known[id(example)] = content(example)
        return known[id(example)]

    return remembered


def _keys(examples: Sequence[Any], content: Callable[[Any], Hashable | None] | None) -> list[list[Hashable | None]]:
    """What ties examples together: their groups, and their contents."""
    keys: list[list[Hashable | None]] = [[example.group for example in examples]]
    return keys if content is None else [*keys, [content(example) for example in examples]]


def _chosen(examples: Sequence[Any], mask: np.ndarray) -> list[Any]:
    return [example for example, chosen in zip(examples, mask, strict=True) if chosen]
