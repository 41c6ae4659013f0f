"""What the readers of UCF101 and HMDB51 share: videos that official lists put into train or test."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError
from convzoo.core.splits import Splits
from convzoo.modalities.video.example import Video
from convzoo.modalities.video.formats import VIDEO_SUFFIXES
from convzoo.reading.splitting import carve_validation


@dataclass(frozen=True)
class Listed:
    """One line of a list.

    Attributes:
        name: name of the file, without folders
        label: the action
        group: the film that it was cut from
        part: train or test
        where: the list and the number of the line
    """

    name: str
    label: str
    group: str
    part: str
    where: str


def listed_splits(
    rows: Sequence[Listed], folder: Path, only_present: bool, val: float, seed: int, origin: str, files: dict[str, Any]
) -> Splits:
    """The listed videos, anywhere below a folder; validation is taken from training, by film.

    Raises:
        DataError: listed videos do not exist (and `only_present` is false), or a split has none.
    """
    places = {
        name: Path(home) / name
        for home, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in VIDEO_SUFFIXES
    }
    missing = [row for row in rows if row.name not in places]
    if missing and not only_present:
        raise DataError(
            f"{missing[0].where}: {missing[0].name} is not below {folder}, nor are {len(missing) - 1:,} others of "
            f"{len(rows):,}; data.path should hold them, or data.only_present=true takes those that are there"
        )
    parts: dict[str, list[Video]] = {"train": [], "test": []}
    for row in rows:
        if row.name in places:
            path = places[row.name]
            parts[row.part].append(
                Video(path, label=row.label, group=row.group, source=path.relative_to(folder).as_posix())
            )
    for name, found in parts.items():
        if not found:
            raise DataError(f"{folder}: holds none of the {len(rows):,} listed videos that {name} (it looked below it)")
    if only_present and missing:
        origin += f"; only the {len(rows) - len(missing):,} of {len(rows):,} videos that are there"
    return carve_validation(Splits(parts["train"], [], parts["test"], origin=origin, files=files), val, seed)
