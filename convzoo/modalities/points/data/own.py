"""Point clouds of any format, with a table of the boxes in them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from convzoo.core.arguments import Copies, Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.outputs.boxes import BOX, Objects
from convzoo.core.splits import Splits
from convzoo.modalities.points.example import PointCloud
from convzoo.modalities.points.formats import CLOUD_SUFFIXES
from convzoo.reading.columns import PATH_NAMES
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import left_out
from convzoo.reading.manifest import Manifest, columns_in_words, file_in, unused_columns
from convzoo.reading.splitting import in_order, refuse_folds, without_leaks
from convzoo.reading.tables import read_table, table_named

FILE_NAMES = (*PATH_NAMES, "frame", "cloud", "scan")
CLASS_NAMES = ("class", "label", "category", "name", "type")
DRIVE_NAMES = ("drive", "group", "sequence", "scene")
UNITS = ("clouds", "drives")
HEADING = f"path, class, {', '.join(BOX)}"


class CloudTable(Manifest):
    """A table `path,class,x,y,z,length,width,height,yaw[,drive][,split]` with a row a box, beside clouds as ply, pcd, xyz, pts or
    KITTI's bin. `x, y, z` is the centre of the box, `yaw` in radians about z, from x to y. A cloud without objects has one row
    whose class is empty.

    Without a split column the split is made: by drive where there is such a column, copies of a cloud kept together, else
    cloud by cloud in the order of the table, since neighbours are alike.

    The group is the drive. Paths, columns and splits are as in all manifests; `path` may also be a folder with a `boxes.csv`.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file with a heading, or a folder with one named boxes
        file: the column with the path of the cloud; by default one that is usually called so
        label: the column with the class of the box; by default one that is usually called so
        group: the column with the drive; by default one that is usually called so; `none`: there is none
        split: the column that says train, val or test; by default one named split, set or subset; `none`: there is none
        separator: between the fields of a CSV file; by default found
        encoding: of the file; by default found
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a cloud in two parts of a given split: refuse them; drop them from training; or keep them
        seed: of a split that is made here
        skip_damaged: leave clouds that cannot be read out, and say which; by default they are refused
        columns: numbers a point in .bin files (KITTI 4, nuScenes 5); by default found
    """

    example = PointCloud
    reads_inputs = False  # a row is a box, and `predict` takes clouds
    formats: ClassVar[str] = (
        f"a table of boxes ({HEADING}) beside ply, pcd or bin files, or a folder with it as boxes.csv"
    )
    what = "point cloud"

    def __init__(
        self,
        path: str,
        file: str | None = None,
        label: str | None = None,
        group: str | None = None,
        split: str | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "refuse",
        seed: Count = 0,
        skip_damaged: bool = False,
        columns: Positive | None = None,
    ) -> None:
        super().__init__(
            path, file, label, group, split, separator, encoding, val, test, fold, folds, copies, seed,
            skip_damaged=skip_damaged,
        )  # fmt: skip
        self.columns = columns

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, or a folder with one."""
        if path.is_dir():
            return table_named(path, "boxes") is not None
        return super().recognises(path)

    def examples(self) -> list[PointCloud]:
        """All clouds, whatever the split."""
        found = self._frames()[0]
        self.damaged.settle()
        return [example for example in found if example is not None]

    def read(self) -> Splits:
        """Read the table, and open each cloud once. They are read again when they are encoded.

        Raises:
            DataError: no such file or column, a row that names no cloud or holds no box, clouds that cannot be read, or too few
                clouds to split.
        """
        frames, places, notes, columns = self._frames()
        table = self.home
        self.damaged.settle()
        sound = [example is not None for example in frames]
        found = [example for example in frames if example is not None]
        homes = None if places is None else [home for home, fine in zip(places, sound, strict=True) if fine]
        files = {str(table): {"sha256": sha256_of(table)}}
        if homes is None:
            contents = [content_of(example) for example in found]
            homes, origin = in_order(
                [example.group for example in found],
                contents,
                self.val,
                self.test,
                self.seed,
                UNITS,
                self.fold,
                self.folds,
            )
            parts = _parts(found, homes)
        else:
            refuse_folds(str(table), self.fold)
            parts, more = without_leaks(str(table), _parts(found, homes), content_of, self.copies)
            origin, notes = "as given", [*notes, *more]
            if not parts["val"]:
                held = max(1, round(self.val * len(parts["train"])))
                parts["train"], parts["val"] = parts["train"][:-held], parts["train"][-held:]
                origin += f"; val made here: the last {self.val:g} of train"
        for name, part in parts.items():
            if not part and name != "test":
                raise DataError(f"{table}: the {name} split has no clouds")
        splits = Splits(
            parts["train"], parts["val"], parts["test"], origin=origin, files=files, notes=notes, described=columns
        )
        return replace(splits, skipped=self.damaged.skipped)

    @property
    def home(self) -> Path:
        """The table's file."""
        found = table_named(self.path, "boxes") if self.path.is_dir() else self.path
        if found is None:
            raise DataError(f"{self.path}: holds no table of boxes: boxes.csv (or .tsv, .jsonl, .parquet)")
        return found

    def _frames(self) -> tuple[list[PointCloud | None], list[str] | None, list[str], dict[str, str]]:
        """The clouds, None where one is damaged, the split of each where the table says it, what a person should know, and what
        each column is."""
        # A row with too few fields is refused: nobody knows which cloud would lack its box.
        table = read_table(self.home, separator=self.separator, encoding=self.encoding)
        if not len(table):
            raise DataError(f"{self.home}: holds no rows")
        self.damaged = Damaged(self.skip_damaged, "clouds")
        file = str(table.find("file", self.file, FILE_NAMES))
        label = str(table.find("label", self._one_label(), CLASS_NAMES))
        group = None if self.group == "none" else table.find("group", self.group, DRIVE_NAMES, needed=False)
        split = table.splits(self.split)
        folded = {name.strip().lower(): name for name in table.columns}
        for name in BOX:
            if name not in folded:
                raise DataError(f"{table.path}: has no column {name!r}: a box needs {HEADING}")
        labels = [value or "" for value in table.optional_ids(label)]
        drives = table.optional_ids(group)
        rows_of: dict[str, list[int]] = {}
        for row, name in enumerate(table.ids(file)):
            rows_of.setdefault(name, []).append(row)

        def box(row: int) -> list[float]:
            found = [table.number(row, folded[name]) for name in BOX]
            length, width, height = found[3:6]
            if min(length, width, height) <= 0:
                raise DataError(
                    f"{table.place(row)}: a {labels[row]} of length {length:g}, width {width:g}, height {height:g}: a box needs "
                    "sizes above 0"
                )
            if abs(found[6]) > 2 * np.pi + 1e-3:
                raise DataError(
                    f"{table.place(row)}: yaw is {found[6]:g}: it is in radians, from -2π to 2π; for degrees, multiply by π/180"
                )
            return found

        def frame(name: str, rows: list[int]) -> PointCloud:
            scan = file_in(table, rows[0], name)
            if scan.suffix.lower() not in CLOUD_SUFFIXES:
                raise DataError(
                    f"{table.place(rows[0])}: {name!r} is no point cloud; {', '.join(sorted(CLOUD_SUFFIXES))} can be read"
                )
            kept = [row for row in rows if labels[row]]
            boxes = np.array([box(row) for row in kept], np.float64).reshape(-1, 7)
            objects = Objects.of([labels[row] for row in kept], boxes)
            made = PointCloud(scan, objects=objects, group=drives[rows[0]], source=name, columns=self.columns)
            return made.placed()

        for name, rows in rows_of.items():
            for role, values in (("drive", drives), ("split", split[0] if split else drives)):
                if len({values[row] for row in rows}) > 1:
                    raise DataError(f"{table.place(rows[0])}: {name!r} has more than one {role}")
        # A cloud of which one box cannot be read is left out as a whole: it would teach that nothing is there.
        frames = [self.damaged.sound(partial(frame, name, rows)) for name, rows in rows_of.items()]
        roles = {"file": file, "class": label, "drive": group, "split": split[1] if split else None}
        sizes = [folded[name] for name in BOX]
        homes = [split[0][rows[0]] for rows in rows_of.values()] if split else None
        notes = unused_columns(table, [*roles.values(), *sizes])
        if self.path.is_dir():
            clouds = [example.path for example in frames if example is not None and example.path]
            notes += left_out(self.path, [table.path, *clouds, *(table.path.parent / name for name in rows_of)])
        return frames, homes, notes, {"columns": columns_in_words(table, {**roles, "box": sizes})}


def content_of(example: PointCloud) -> str:
    """A fingerprint of the scan's file."""
    assert example.path is not None, "clouds of one's own are files"
    return sha256_of(example.path)[:16]


def _parts(examples: Sequence[PointCloud], homes: Sequence[str]) -> dict[str, list[PointCloud]]:
    parts: dict[str, list[PointCloud]] = {"train": [], "val": [], "test": []}
    for example, home in zip(examples, homes, strict=True):
        parts[home].append(example)
    return parts
