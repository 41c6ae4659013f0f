"""Point clouds of any format, with a table of the boxes in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.outputs.boxes import BOX, Objects
from convzoo.core.splits import Splits
from convzoo.modalities.points.example import PointCloud
from convzoo.modalities.points.formats import CLOUD_SUFFIXES
from convzoo.reading.columns import PATH_NAMES
from convzoo.reading.files import left_out
from convzoo.reading.manifest import Manifest, columns_in_words, file_in, unused_columns
from convzoo.reading.splitting import in_order, without_leaks
from convzoo.reading.tables import Table, as_number, table_named

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
    """

    example = PointCloud
    formats: ClassVar[str] = (
        f"a table of boxes ({HEADING}) beside ply, pcd or bin files, or a folder with it as boxes.csv"
    )
    what = "point cloud"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, or a folder with one."""
        if path.is_dir():
            return table_named(path, "boxes") is not None
        return super().recognises(path)

    def examples(self) -> list[PointCloud]:
        """All clouds, whatever the split."""
        return self._frames()[0]

    def read(self) -> Splits:
        """Read the table. The clouds are opened when they are encoded.

        Raises:
            DataError: no such file or column, a row that names no cloud or holds no box, or too few clouds to split.
        """
        found, homes, notes, columns = self._frames()
        table = self.home
        if self.path.is_dir():
            notes = [*notes, *left_out(self.path, [table, *(example.path for example in found if example.path)])]
        files = {str(table): {"sha256": sha256_of(table)}}
        if homes is None:
            contents = [content_of(example) for example in found]
            homes, origin = in_order(
                [example.group for example in found], contents, self.val, self.test, self.seed, UNITS
            )
            parts = _parts(found, homes)
        else:
            parts, more = without_leaks(str(table), _parts(found, homes), content_of, self.copies)
            origin, notes = "as given", [*notes, *more]
            if not parts["val"]:
                held = max(1, round(self.val * len(parts["train"])))
                parts["train"], parts["val"] = parts["train"][:-held], parts["train"][-held:]
                origin += f"; val made here: the last {self.val:g} of train"
        for name, part in parts.items():
            if not part:
                raise DataError(f"{table}: the {name} split has no clouds")
        return Splits(
            parts["train"], parts["val"], parts["test"], origin=origin, files=files, notes=notes, described=columns
        )

    @property
    def home(self) -> Path:
        """The table's file."""
        found = table_named(self.path, "boxes") if self.path.is_dir() else self.path
        if found is None:
            raise DataError(f"{self.path}: holds no table of boxes: boxes.csv (or .tsv, .jsonl, .parquet)")
        return found

    def _frames(self) -> tuple[list[PointCloud], list[str] | None, list[str], dict[str, str]]:
        """The clouds, the split of each where the table says it, what a person should know, and what each column is."""
        table = self._table()
        file = str(table.find("file", self.file, FILE_NAMES))
        label = str(table.find("label", self.label, CLASS_NAMES))
        group = None if self.group == "none" else table.find("group", self.group, DRIVE_NAMES, needed=False)
        split = table.splits(self.split)
        folded = {name.strip().lower(): name for name in table.columns}
        for name in BOX:
            if name not in folded:
                raise DataError(f"{table.path}: has no column {name!r}: a box needs {HEADING}")
        names = table.ids(file)
        labels = [value or "" for value in table.optional_ids(label)]
        filled = [row for row, kind in enumerate(labels) if kind]
        boxes = np.full((len(table), 7), np.nan)
        for column, name in enumerate(BOX):
            cells = table.columns[folded[name]]
            for row in filled:
                boxes[row, column] = _number(table, row, name, cells[row])
        for row in filled:
            if boxes[row, 3:6].min() <= 0:
                length, width, height = boxes[row, 3:6]
                raise DataError(
                    f"{table.place(row)}: a {labels[row]} of length {length:g}, width {width:g}, height {height:g}: a box needs "
                    "sizes above 0"
                )
        drives = table.optional_ids(group)
        rows_of: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            rows_of.setdefault(name, []).append(row)
        frames = []
        for name, rows in rows_of.items():
            scan = file_in(table, rows[0], name)
            if scan.suffix.lower() not in CLOUD_SUFFIXES:
                raise DataError(
                    f"{table.place(rows[0])}: {name!r} is no point cloud; {', '.join(sorted(CLOUD_SUFFIXES))} can be read"
                )
            for role, values in (("drive", drives), ("split", split[0] if split else drives)):
                if len({values[row] for row in rows}) > 1:
                    raise DataError(f"{table.place(rows[0])}: {name!r} has more than one {role}")
            kept = [row for row in rows if labels[row]]
            objects = Objects.of([labels[row] for row in kept], boxes[kept])
            frames.append(PointCloud(scan, objects=objects, group=drives[rows[0]], source=name))
        roles = {"file": file, "class": label, "drive": group, "split": split[1] if split else None}
        homes = [split[0][rows[0]] for rows in rows_of.values()] if split else None
        box = [folded[name] for name in BOX]
        columns = columns_in_words(table, {**roles, "box": box})
        return frames, homes, unused_columns(table, [*roles.values(), *box]), {"columns": columns}


def content_of(example: PointCloud) -> str:
    """A fingerprint of the scan's file."""
    assert example.path is not None, "clouds of one's own are files"
    return sha256_of(example.path)[:16]


def _parts(examples: Sequence[PointCloud], homes: Sequence[str]) -> dict[str, list[PointCloud]]:
    parts: dict[str, list[PointCloud]] = {"train": [], "val": [], "test": []}
    for example, home in zip(examples, homes, strict=True):
        parts[home].append(example)
    return parts


def _number(table: Table, row: int, name: str, value: object) -> float:
    number = as_number(value, table.decimal_commas)
    if number is None:
        raise DataError(f"{table.place(row)}: column {name!r} says {str(value)[:40]!r}; it should be a number")
    if not np.isfinite(number):
        raise DataError(f"{table.place(row)}: column {name!r} says {value!r}; it should be a finite number")
    return number
