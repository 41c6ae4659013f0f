"""What readers of volumes share: patients from names, fingerprints of files, splits by patient."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.examples import Splits
from convzoo.core.files import sha256_of
from convzoo.core.volumes import Volume
from convzoo.ops.splitting import carve_validation, folds, joined, splits_of


def patient_in(name: str) -> str | None:
    """The patient that a name in BIDS's manner tells (Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44): `sub-07` of
    `sub-07_ses-2_T1w`; None where it tells none."""
    found = re.search(r"(?:^|[_/\\])(sub-[A-Za-z0-9]+)", name)
    return found[1] if found else None


def fingerprint(path: Path) -> str:
    """Of a file's content, or of all files of a DICOM series."""
    if path.is_file():
        return sha256_of(path)[:16]
    inside = sorted(sha256_of(item) for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
    return hashlib.sha256("".join(inside).encode()).hexdigest()[:16]


def fingerprints(examples: Sequence[Volume]) -> list[str]:
    """A fingerprint of each volume's file: copies are kept together."""
    return [fingerprint(example.path) for example in examples if example.path is not None]


def split_volumes(
    examples: Sequence[Volume],
    val: float,
    test: float,
    seed: int,
    files: dict[str, Any],
    fold: int | None = None,
    count: int = 5,
) -> Splits:
    """Split volumes that have no official split: patients and copies stay whole, classes in proportion.

    Args:
        examples: with their patients as groups
        val: part for validation; with a fold, of what is not tested on
        test: part for testing, where no fold is given
        seed: of the split
        files: what was read
        fold: test on this one of `count` folds
        count: of the folds

    Raises:
        DataError: there are too few patients, or no such fold.
    """
    if fold is None:
        if len(examples) < 3:
            raise DataError(f"{len(examples)} volumes are too few to split into train, val and test")
        return splits_of(examples, val, test, seed, files, fingerprints(examples))
    if not 0 <= fold < count:
        raise DataError(f"data.fold={fold}: with data.folds={count} it should be from 0 to {count - 1}")
    groups = joined([example.group for example in examples], fingerprints(examples))
    if len(set(groups)) < count:
        raise DataError(f"{len(set(groups))} patients are too few for {count} folds")
    first = {group: index for index, group in reversed(list(enumerate(groups)))}
    keys = list(first)
    homes = dict(zip(keys, folds([examples[first[key]].label for key in keys], count, seed).tolist(), strict=True))
    tested = np.array([homes[group] == fold for group in groups])
    train = [example for example, held in zip(examples, tested, strict=True) if not held]
    held_out = [example for example, held in zip(examples, tested, strict=True) if held]
    origin = f"fold {fold} of {count}, by patient, seed {seed}"
    return carve_validation(Splits(train, [], held_out, origin=origin, files=files), val, seed, fingerprints(train))


def given_split(where: str, parts: dict[str, list[Volume]], val: float, seed: int, files: dict[str, Any]) -> Splits:
    """A split as given; where it has no validation part, one is taken out of training.

    Raises:
        DataError: there is nothing to train or to test on, or a patient or a file stands on both sides.
    """
    for name in ("train", "test"):
        if not parts.get(name):
            raise DataError(f"{where}: the {name} split has no volumes")
    homes: dict[Any, tuple[str, Volume]] = {}
    for name, examples in parts.items():
        for example in examples:
            for what, key in (("patient", example.group), ("file", example.path)):
                if key is None:
                    continue
                home, other = homes.setdefault((what, key), (name, example))
                if home != name:
                    raise DataError(
                        f"{where}: {what} {str(key)!r} stands in both {home} ({other.source}) and {name} ({example.source}): "
                        "scores would be a leak"
                    )
    splits = Splits(parts["train"], parts.get("val", []), parts["test"], origin="as given", files=files)
    if splits.val:
        return splits
    return carve_validation(splits, val, seed, fingerprints(splits.train))
