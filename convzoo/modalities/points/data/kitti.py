"""KITTI's object benchmark, and your own folders with the same layout."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.points.data.kitti_files import SPLITS, frames_of, lists_of, read_frames
from convzoo.modalities.points.example import PointCloud
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.damaged import Damaged
from convzoo.reading.splitting import in_order, refuse_folds


class Kitti(Reader):
    """`velodyne/<frame>.bin`, `label_2/<frame>.txt`, `calib/<frame>.txt`, optionally `image_2/<frame>.png`, in `training/` or in
    the folder itself; `ImageSets/train.txt`, `val.txt` and `test.txt` list the frames of each split.

    If a list `test` names frames without labels, as the benchmark's does, the benchmark's usual protocol applies: the frames of
    `val` are for testing, and the last part of `train` is for validation. Without lists, the split is made here: by drive if
    frames are named `<drive>_<number>`, else in the order of their names, because neighbouring frames are alike.

    Args:
        path: the folder. KITTI's scans (29 GB) are not fetched: unpack data_object_velodyne.zip, data_object_calib.zip and
            data_object_label_2.zip of the benchmark's page into one folder
        lists: `folder` takes the folder's `ImageSets`, if it has them; `official` the benchmark's 3,712 and 3,769 frames
        val: fraction for validation, if the split is made here
        test: fraction for testing, if the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        held_out: fraction of the list `train` used for validation, if `val` is for testing
        seed: random seed of a split by drive
        skip_damaged: leave frames whose files cannot be read out, and say which; by default they are refused
        columns: numbers a point in the .bin files; by default found
    """

    example = PointCloud
    formats: ClassVar[str] = "a KITTI folder (velodyne/, label_2/ and calib/, perhaps in training/)"

    def __init__(
        self,
        path: str | None = None,
        lists: Literal["folder", "official"] = "folder",
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        held_out: Fraction = 0.1,
        seed: Count = 0,
        skip_damaged: bool = False,
        columns: Positive | None = None,
    ) -> None:
        self.path = path
        self.lists = lists
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.held_out = held_out
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.columns = columns
        self.damaged = Damaged(skip_damaged, "frames")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with scans and labels."""
        return any((home / "velodyne").is_dir() and (home / "label_2").is_dir() for home in (path, path / "training"))

    def examples(self) -> list[PointCloud]:
        """All frames that have labels, of all splits."""
        home, _ = self._home()
        self.damaged = Damaged(self.skip_damaged, "frames")
        frames = read_frames(home, frames_of(home), self.damaged, self.columns)
        self.damaged.settle()
        return frames

    def read(self) -> Splits:
        """Read labels and calibrations, and each scan once. The scans are read again when they are encoded.

        Raises:
            DataError: no such folder, a frame that a list names is not there, or files that cannot be read.
        """
        home, folder = self._home()
        facts: dict[str, Any] = {}
        if self.lists == "official":
            lists, facts = benchmark_folder("kitti", None)
            listed = lists_of(lists)
        else:
            listed = lists_of(folder)
        if not listed:
            names = frames_of(home)
            parts, origin = self._split(home, names)
        else:
            refuse_folds(str(folder / "ImageSets"), self.fold)
            parts, origin = self._given(home, folder, listed)
        self.damaged = Damaged(self.skip_damaged, "frames")
        train, val, test = (read_frames(home, parts[name], self.damaged, self.columns) for name in SPLITS)
        self.damaged.settle()
        return Splits(train, val, test, origin=origin, files=facts, skipped=self.damaged.skipped)

    def _home(self) -> tuple[Path, Path]:
        if self.path is None:
            raise DataError(
                "data.path: KITTI's scans are not fetched: unpack data_object_velodyne.zip, data_object_calib.zip and "
                "data_object_label_2.zip of https://www.cvlibs.net/datasets/kitti/eval_object.php into one folder, and name it"
            )
        folder = benchmark_folder("kitti", self.path)[0]
        home = folder / "training" if (folder / "training").is_dir() else folder
        for name in ("velodyne", "label_2", "calib"):
            if not (home / name).is_dir():
                raise DataError(
                    f"{home}: has no folder {name}/; a KITTI folder has velodyne/, label_2/ and calib/, perhaps in training/"
                )
        return home, folder

    def _given(self, home: Path, folder: Path, listed: dict[str, list[str]]) -> tuple[dict[str, list[str]], str]:
        labelled = {path.stem for path in (home / "label_2").glob("*.txt")}
        if "train" not in listed:
            raise DataError(f"{folder / 'ImageSets'}: has no train.txt")
        if listed.get("test") and set(listed["test"]) <= labelled and not set(listed["test"]) & set(listed["train"]):
            parts, origin = dict(listed), "as listed in ImageSets"
            if not parts.get("val"):
                parts["train"], parts["val"] = _without_end(listed["train"], self.held_out)
                origin += f"; val made here: the last {self.held_out:g} of train"
        elif listed.get("val"):
            # The test split's labels are not public: the benchmark is reported on val, so val must not choose anything.
            train, val = _without_end(listed["train"], self.held_out)
            parts = {"train": train, "val": val, "test": listed["val"]}
            origin = f"tested on ImageSets/val.txt; val made here: the last {self.held_out:g} of train.txt"
        else:
            raise DataError(f"{folder / 'ImageSets'}: has neither a labelled test.txt nor a val.txt to test on")
        for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
            both = set(parts[one]) & set(parts[other])
            if both:
                raise DataError(f"{folder / 'ImageSets'}: frame {min(both)} stands in both {one} and {other}")
        return parts, origin

    def _split(self, home: Path, names: Sequence[str]) -> tuple[dict[str, list[str]], str]:
        drives = [name.rpartition("_")[0] for name in names]
        groups = drives if len(set(drives)) >= 3 else [None] * len(names)
        contents = [_beginning(home / "velodyne" / f"{name}.bin") for name in names]
        homes, origin = in_order(groups, contents, self.val, self.test, self.seed, fold=self.fold, count=self.folds)
        return {
            part: [name for name, home in zip(names, homes, strict=True) if home == part] for part in SPLITS
        }, origin


def _without_end(names: Sequence[str], part: float) -> tuple[list[str], list[str]]:
    held = max(1, round(part * len(names)))
    if held >= len(names):
        raise DataError(f"train.txt lists {len(names)} frames: too few to hold some out for validation")
    return list(names[:-held]), list(names[-held:])


def _beginning(path: Path) -> str | None:
    """A fingerprint of a scan: its size and its first points. Whole scans are gigabytes, and a sensor never repeats itself."""
    try:
        with path.open("rb") as file:
            return f"{path.stat().st_size} {hashlib.sha256(file.read(1 << 16)).hexdigest()[:16]}"
    except OSError:  # said when the frame is read
        return None
