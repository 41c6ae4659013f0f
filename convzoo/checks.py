"""What is looked at before the first step: whether the splits fit together, and what was taken for what."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.labels import Tags
from convzoo.core.splits import Splits
from convzoo.core.survey import counted, listed
from convzoo.core.task import Task
from convzoo.core.text import nearest
from convzoo.training.loader import Loader

UNTESTED = (
    "there is no test split, so nothing is tested: the scores are those of the validation split, which chooses the checkpoint, "
    "and are too high"
)
"""What is said where a person gave no test part (`data.test=0`, or folders train/ and val/ only)."""


@dataclass(frozen=True)
class Findings:
    """What a look at all three splits gave.

    Attributes:
        described: what was taken for what, a phrase for each topic: columns, classes, groups, sizes, lengths
        notes: what a person should know, a sentence each
    """

    described: dict[str, str]
    notes: list[str]


def check_splits(splits: Splits) -> None:
    """Refuse splits that cannot be learnt from or scored, by their labels and groups alone.

    Raises:
        DataError: a split is empty; a group (a patient, a speaker, a document) is in two splits; the numbers to learn never vary.
    """
    homes: dict[str, str] = {}
    for name, examples in splits:
        if not len(examples) and name != "test":
            raise DataError(f"the {name} split has no examples")
        for example in examples:
            group = getattr(example, "group", None)
            if group is not None and homes.setdefault(group, name) != name:
                raise DataError(
                    f"group {group!r} is in both {homes[group]} and {name}, so scores would be too high; keep it in one split"
                )
    numbers = _numbers(splits.train)
    if numbers and len(set(numbers)) == 1:
        raise DataError(
            f"every label of the training split is {numbers[0]:g} ({len(numbers):,} examples), so there is nothing to learn; "
            "give examples whose labels differ, or name another column with data.label"
        )


def check_classes(splits: Splits, dims: Mapping[str, Any]) -> None:
    """Refuse classes that training lacks: the network has no output for them.

    Args:
        splits: of the data
        dims: of the fitted encoder: its `labels` are what the network learns

    Raises:
        DataError: a class is in validation or test only.
    """
    if not _learns_classes(splits, dims):
        return
    known = Counter(name for example in splits.train for name in label_names(example))
    strays: dict[str, Counter[str]] = {}
    first = None
    for split, examples in (("val", splits.val), ("test", splits.test)):
        for example in examples:
            for name in label_names(example):
                if name not in known:
                    first = first or example
                    strays.setdefault(name, Counter())[split] += 1
    if not strays:
        return
    words = [
        f"{name!r} ({', '.join(f'{count:,} in {split}' for split, count in counts.items())})"
        for name, counts in strays.items()
    ]
    name = next(iter(strays))
    source = str(getattr(first, "source", "") or getattr(first, "path", "") or "")
    near = nearest(name, known)
    many = f"; {len(words)} classes are not: {listed(words)}" if len(words) > 1 else ""
    where = " and ".join(f"{count:,} in {split}" for split, count in strays[name].items())
    raise DataError(
        f"{f'{source}: ' if source else ''}class {name!r} is not in the training split ({where}){many}; "
        f"{f'did you mean {near!r}? ' if near else ''}training has: {listed(sorted(known))}; "
        "give training examples of it, or leave it out"
    )


def _learns_classes(splits: Splits, dims: Mapping[str, Any]) -> bool:
    """Whether the labels of the examples are what the network learns: a scan with a mask may have another class."""
    known = {name for example in splits.train for name in label_names(example)}
    return bool(known) and known <= set(dims.get("labels", ()))


def look(splits: Splits, encoder: Encoder, task: Task, loaders: Mapping[str, Loader]) -> Findings:
    """Prepare the examples of all splits, so that a fault is found before the first step, and say what they are.

    The loaders keep what is prepared: training does not prepare it again.

    Args:
        splits: of the data
        encoder: fitted
        task: what is learnt
        loaders: of the splits, by name

    Raises:
        DataError: an example cannot be prepared, or a split holds nothing to learn from.
    """
    surveys = {name: encoder.survey(examples, loaders[name].items) for name, examples in splits if len(examples)}
    learnt = _learns_classes(splits, encoder.dims) or bool(_numbers(splits.train))
    described = {**splits.described, **(_labels_in_words(splits) if learnt else {}), **_groups_in_words(splits)}
    for topic in dict.fromkeys(topic for survey in surveys.values() for topic in survey.facts):
        said = {name: survey.facts[topic] for name, survey in surveys.items() if topic in survey.facts}
        same = len(said) == len(surveys) and len(set(said.values())) == 1
        described[topic] = said["train"] if same else "; ".join(f"{name} {phrase}" for name, phrase in said.items())
    said_of: dict[str, list[str]] = {}
    for name, survey in surveys.items():
        for note in survey.notes:
            said_of.setdefault(note, []).append(name)
    surveyed = [f"{', '.join(names)}: {note}" for note, names in said_of.items()]
    return Findings(
        described,
        [
            *splits.notes,
            *([] if len(splits.test) else [UNTESTED]),
            *surveyed,
            *([*_missing_classes(splits), *_odd_classes(splits)] if learnt else ()),
            *task.cautions(splits),
        ],
    )


def label_names(example: Any) -> tuple[str, ...]:
    """The classes that an example's label names: one, several, or none if it has no label, a number or tags."""
    label = getattr(example, "label", None)
    if isinstance(label, str):
        return (label,)
    return label if isinstance(label, tuple) and not isinstance(label, Tags) else ()


def _numbers(examples: Sequence[Any]) -> list[float]:
    labels = (getattr(example, "label", None) for example in examples)
    return [label for label in labels if isinstance(label, float)]


def _class_counts(splits: Splits) -> dict[str, Counter[str]]:
    return {split: Counter(n for example in examples for n in label_names(example)) for split, examples in splits}


def _labels_in_words(splits: Splits) -> dict[str, str]:
    """The classes of each split with their counts, or the range and the mean of its numbers."""
    counts = _class_counts(splits)
    if any(counts.values()):
        ordered = {
            split: dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))) for split, found in counts.items()
        }
        return {"classes": "; ".join(f"{split} {counted(found)}" for split, found in ordered.items() if found)}
    numbers = {split: _numbers(examples) for split, examples in splits}
    if not any(numbers.values()):
        return {}
    words = [
        f"{split} {min(found):.4g} to {max(found):.4g}, mean {sum(found) / len(found):.4g}"
        for split, found in numbers.items()
        if found
    ]
    return {"numbers": "; ".join(words)}


_MISSING = frozenset({"na", "n/a", "nan", "null", "none", "nil", "?", "-", "--", "missing", "unknown"})


def _odd_classes(splits: Splits) -> list[str]:
    """Notes on classes that look like a missing value, like each other, or like several in one."""
    names = sorted({name for _, examples in splits for example in examples for name in label_names(example)})
    notes = [
        f"class {name!r} looks like a missing value; if it is one, delete these examples, or leave their cells empty"
        for name in names
        if name.strip().lower() in _MISSING
    ]
    alike: dict[str, list[str]] = {}
    for name in names:
        try:
            key = f"{float(name):g}"
        except ValueError:
            key = " ".join(name.lower().split())
        alike.setdefault(key, []).append(name)
    notes += [
        f"the classes {listed([repr(name) for name in same])} look like one; write them alike if they are"
        for same in alike.values()
        if len(same) > 1
    ]
    joined = [repr(name) for name in names if any(mark in name for mark in "|;")]
    several = any(isinstance(getattr(example, "label", None), tuple) for example in splits.train)
    if joined and several:
        notes.append(f"the labels {listed(joined)} hold a separator (| or ;); use one separator in the whole column")
    return notes


def _groups_in_words(splits: Splits) -> dict[str, str]:
    """How many groups each split has; nothing for examples that have no such thing."""
    first = splits.train[0]
    if not is_dataclass(first) or "group" not in {field.name for field in fields(first)}:
        return {}
    found = {split: {e.group for e in examples} - {None} for split, examples in splits}
    count = sum(map(len, found.values()))
    if not count:
        return {"groups": "none known: what belongs together (one person, one source) may be in two splits"}
    return {"groups": f"{count:,}: " + ", ".join(f"{split} {len(groups):,}" for split, groups in found.items())}


def _missing_classes(splits: Splits) -> list[str]:
    """A note on classes that are learnt and not validated or not tested. Of a split with one class only, the task says more;
    where examples have several classes at once, it is no special case."""
    counts = _class_counts(splits)
    least = 0 if any(isinstance(getattr(example, "label", None), tuple) for example in splits.train) else 2
    notes = []
    for split, examples in (("val", splits.val), ("test", splits.test)):
        if not len(examples):
            continue
        missing = [repr(name) for name in counts["train"] if name not in counts[split]]
        if missing and len(counts[split]) >= least:
            notes.append(
                f"the {split} split has no example of {listed(missing)} (of {len(counts['train']):,} classes): its scores say "
                f"nothing of {'it' if len(missing) == 1 else 'them'}"
            )
    return notes
