"""Point clouds of any format, with a table of the boxes in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.examples import Splits
from convzoo.core.files import sha256_of
from convzoo.core.outputs.boxes import BOX, Objects
from convzoo.core.points import CLOUD_SUFFIXES, PointCloud
from convzoo.core.reader import Reader
from convzoo.ops.columns import SPLIT_NAMES
from convzoo.ops.splitting import joined
from convzoo.readers.tables import read_table

USUAL = {
    "cloud": ("path", "file", "filename", "frame", "cloud", "scan"),
    "label": ("class", "label", "category", "name", "type"),
    "group": ("drive", "group", "sequence", "scene"),
    "split": ("split", "set", "subset"),
}
HEADING = f"path, class, {', '.join(BOX)}"


class CloudTable(Reader):
    """A table `path,class,x,y,z,length,width,height,yaw[,drive][,split]` with a row a box, beside clouds as ply, pcd, xyz, pts or
    KITTI's bin. `x, y, z` is the centre of the box, `yaw` in radians about z, from x to y. A cloud without objects has one row
    whose class is empty.

    Without a split column the split is made: by drive where there is such a column, copies of a cloud kept together, else
    cloud by cloud in the order of the table, since neighbours are alike.

    Args:
        path: a .csv, .tsv or .parquet file with a heading, or a folder with a `boxes.csv`
        cloud: the column with the cloud's path; by default one named path, file, filename, frame, cloud or scan
        label: the column with the class; by default one named class, label, category, name or type
        group: the column with what must not be split; by default one named drive, group, sequence or scene
        split: the column that says train, val or test; by default one named split, set or subset
        val: part for validation, where the split is made here
        test: part for testing, where the split is made here
        seed: of a split by drives
    """

    example = PointCloud
    formats: ClassVar[str] = (
        f"a table of boxes ({HEADING}) beside ply, pcd or bin files, or a folder with it as boxes.csv"
    )

    def __init__(
        self,
        path: str,
        cloud: str | None = None,
        label: str | None = None,
        group: str | None = None,
        split: str | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        seed: Count = 0,
    ) -> None:
        self.path = Path(path)
        self.columns = {"cloud": cloud, "label": label, "group": group, "split": split}
        self.val = val
        self.test = test
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, or a folder with one."""
        if path.is_dir():
            return (path / "boxes.csv").is_file()
        return path.is_file() and path.suffix.lower() in (".csv", ".tsv", ".parquet")

    def examples(self) -> list[PointCloud]:
        """All clouds, whatever the split."""
        return [example for _, example in self._frames()]

    def read(self) -> Splits:
        """Read the table. The clouds are opened when they are encoded.

        Raises:
            DataError: no such file or column, a row that names no cloud or holds no box, or too few clouds to split.
        """
        rows = self._frames()
        table = self._table()
        files = {str(table): {"sha256": sha256_of(table)}}
        examples = [example for _, example in rows]
        if all(part is None for part, _ in rows):
            home, origin = self._split(examples)
        else:
            home = [part or "train" for part, _ in rows]
            origin = "as given"
            if "val" not in home:
                at = [number for number, part in enumerate(home) if part == "train"]
                held = max(1, round(self.val * len(at)))
                for number in at[-held:]:
                    home[number] = "val"
                origin += f"; val made here: the last {self.val:g} of train"
        parts = {
            name: [example for example, part in zip(examples, home, strict=True) if part == name]
            for name in ("train", "val", "test")
        }
        for name, part in parts.items():
            if not part:
                raise DataError(f"{table}: the {name} split has no clouds")
        return Splits(parts["train"], parts["val"], parts["test"], origin=origin, files=files)

    def _table(self) -> Path:
        return self.path / "boxes.csv" if self.path.is_dir() else self.path

    def _split(self, examples: Sequence[PointCloud]) -> tuple[list[str], str]:
        if len(examples) < 3:
            raise DataError(f"{self._table()}: {len(examples)} clouds are too few to split: at least 3 are needed")
        prints = [sha256_of(example.path)[:16] for example in examples if example.path is not None]
        groups = joined([example.group for example in examples], prints)
        order = list(dict.fromkeys(groups))
        by_drive = any(example.group is not None for example in examples)
        if by_drive:
            order = [order[at] for at in np.random.default_rng(self.seed).permutation(len(order))]
        if len(order) < 3:
            raise DataError(
                f"{self._table()}: {len(order)} drives are too few to split into train, val and test: give at least 3, or a "
                "column split"
            )
        sizes = np.array([groups.count(group) for group in order])
        ends = np.cumsum(sizes) / len(examples)
        first = int(np.abs(ends[:-2] - (1 - self.val - self.test)).argmin())
        second = first + 1 + int(np.abs(ends[first + 1 : -1] - (1 - self.test)).argmin())
        place = {group: "train" if at <= first else "val" if at <= second else "test" for at, group in enumerate(order)}
        how = f"by drive, seed {self.seed}" if by_drive else "in the order of the table, since neighbours are alike"
        return [place[group] for group in groups], f"made here: {how}, val {self.val:g}, test {self.test:g}"

    def _frames(self) -> list[tuple[str | None, PointCloud]]:
        path = self._table()
        table = read_table(path)
        if not len(table):
            raise DataError(f"{path}: holds no rows")
        found = {
            role: table.find(role, given, USUAL[role], role in ("cloud", "label"))
            for role, given in self.columns.items()
        }
        folded = {name.strip().lower(): name for name in table.columns}
        for name in BOX:
            if name not in folded:
                raise DataError(f"{path}: has no column {name!r}: a box needs {HEADING}")
        clouds = table.ids(found["cloud"])  # type: ignore[arg-type]
        labels = ["" if value is None else str(value).strip() for value in table.columns[found["label"]]]  # type: ignore[index]
        boxes = np.full((len(table), 7), np.nan)
        filled = [row for row, label in enumerate(labels) if label]
        for column, name in enumerate(BOX):
            cells = table.columns[folded[name]]
            for row in filled:
                boxes[row, column] = _number(table.place(row), name, cells[row])
        for row in filled:
            if boxes[row, 3:6].min() <= 0:
                length, width, height = boxes[row, 3:6]
                raise DataError(
                    f"{table.place(row)}: a {labels[row]} of length {length:g}, width {width:g}, height {height:g}: a box needs "
                    "sizes above 0"
                )
        drives = table.columns[found["group"]] if found["group"] else [None] * len(table)
        parts = table.columns[found["split"]] if found["split"] else [None] * len(table)
        rows_of: dict[str, list[int]] = {}
        for row, name in enumerate(clouds):
            rows_of.setdefault(name, []).append(row)
        frames = []
        for name, rows in rows_of.items():
            where, scan = table.place(rows[0]), path.parent / name
            if not scan.is_file():
                raise DataError(f"{where}: {name!r} is not there (looked for {scan})")
            if scan.suffix.lower() not in CLOUD_SUFFIXES:
                raise DataError(f"{where}: {name!r} is no point cloud; {', '.join(sorted(CLOUD_SUFFIXES))} can be read")
            if scan.stat().st_size == 0:
                raise DataError(f"{scan}: is empty (0 bytes); delete its rows or replace it by a scan")
            for role, values in (("drive", drives), ("split", parts)):
                if len({values[row] for row in rows}) > 1:
                    raise DataError(f"{where}: {name!r} has more than one {role}")
            part = None if parts[rows[0]] is None else str(parts[rows[0]]).strip().lower()
            if part is not None and part not in SPLIT_NAMES:
                raise DataError(f"{where}: the split is {part!r}; it should be train, val or test")
            kept = [row for row in rows if labels[row]]
            example = PointCloud(
                scan, objects=Objects.of([labels[row] for row in kept], boxes[kept]),
                group=str(drives[rows[0]]) if drives[rows[0]] not in (None, "") else None, source=name,
            )  # fmt: skip
            frames.append((None if part is None else SPLIT_NAMES[part], example))
        return frames


def _number(where: str, name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DataError(f"{where}: column {name!r} says {str(value)[:40]!r}; it should be a number") from None
    if not np.isfinite(number):
        raise DataError(f"{where}: column {name!r} says {value!r}; it should be a finite number")
    return number
