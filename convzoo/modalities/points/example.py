"""Point clouds with their labelled objects, and the files that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import is_file
from convzoo.core.outputs.boxes import Calibration, Objects
from convzoo.core.text import first_line

CLOUD_SUFFIXES = frozenset({".bin", ".ply", ".pcd", ".xyz", ".pts"})


@dataclass(frozen=True, slots=True, eq=False)
class PointCloud:
    """One scan, as an array or as a file (KITTI's .bin; ply, pcd, xyz, pts by Open3D).

    Attributes:
        path: of the file
        points: (points, 3) or (points, 4): x, y, z in metres and, if there is one, the intensity
        objects: what is known to be in it; None where nobody has said
        calibration: of the camera beside the LiDAR, where there is one
        group: what must not be split, usually the drive
        source: where it is from
    """

    path: Path | None = None
    points: np.ndarray | None = None
    objects: Objects | None = None
    calibration: Calibration | None = None
    group: str | None = None
    source: str = ""
    label: ClassVar[None] = None
    sample_input: ClassVar[str] = "frame.bin -o labels/"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[PointCloud]":
        """Clouds from lines of standard input, which name files."""
        return cls.from_inputs([line for line in lines if line.strip()])

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[PointCloud]":
        """Clouds for prediction: each value is a file, a folder of them, or an array (points, 3 or 4).

        Raises:
            DataError: there is no such file, a folder holds no cloud, or an array has another shape.
        """
        found: list[PointCloud] = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
            elif isinstance(value, np.ndarray):
                if value.ndim != 2 or value.shape[1] not in (3, 4) or value.dtype.kind not in "fiu":
                    raise DataError(
                        f"a cloud is an array (points, 3) or (points, 4) of numbers, not {value.dtype} {value.shape}"
                    )
                found.append(cls(points=value, source="an array"))
            elif Path(value).is_dir():
                files = [path for path in sorted(Path(value).rglob("*")) if path.suffix.lower() in CLOUD_SUFFIXES]
                if not files:
                    raise DataError(f"{value}: holds no point cloud ({', '.join(sorted(CLOUD_SUFFIXES))})")
                found.extend(cls(path, source=str(path)) for path in files)
            elif is_file(Path(value)):
                if Path(value).suffix.lower() not in CLOUD_SUFFIXES:
                    raise DataError(f"{value}: is no point cloud; {', '.join(sorted(CLOUD_SUFFIXES))} can be read")
                found.append(cls(Path(value), source=str(value)))
            else:
                raise DataError(f"{value}: no such point cloud")
        return found

    def read(self) -> np.ndarray:
        """The points as float32 (points, 4): x, y, z, intensity (0 where there is none).

        Points that are not finite are beams that did not come back: they are left out.

        Raises:
            DataError: the file is absent, damaged or cut off, or holds no finite point.
        """
        if self.points is not None:
            values = np.asarray(self.points, np.float32)
            if values.shape[1] == 3:
                values = np.c_[values, np.zeros(len(values), np.float32)]
        else:
            assert self.path is not None, "a PointCloud has points or a path"
            values = read_cloud(self.path)
        where = self.source or str(self.path or "the array")
        if not len(values):
            raise DataError(f"{where}: holds no points")
        finite = np.isfinite(values[:, :3]).all(axis=1)
        if not finite.any():
            raise DataError(f"{where}: none of its {len(values):,} points has finite coordinates")
        values = values if finite.all() else values[finite]
        if not np.isfinite(values[:, 3]).all():
            values = np.c_[values[:, :3], np.nan_to_num(values[:, 3:], posinf=0.0, neginf=0.0)]
        return values

    def with_calibration(self, calibration: Calibration) -> "PointCloud":
        """The same cloud, seen by a camera."""
        return replace(self, calibration=calibration)


def read_cloud(path: Path) -> np.ndarray:
    """A file's points as float32 (points, 4), those that are not finite too.

    Raises:
        DataError: there is no such file, it is no cloud, is empty or is cut off.
        RecipeError: Open3D, which reads what is no .bin, cannot load.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise DataError(f"{path}: is empty (0 bytes); delete it or replace it by a scan")
        if path.suffix.lower() == ".bin":
            if size % 16:
                raise DataError(
                    f"{path}: {size:,} bytes are no whole number of points (x, y, z, intensity as float32: 16 bytes "
                    "each); it is cut off, or of another format"
                )
            return np.fromfile(path, dtype="<f4").reshape(-1, 4).astype(np.float32, copy=False)
        announced = _announced(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such point cloud") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return _by_open3d(path, announced)


def _announced(path: Path) -> int | None:
    """How many points the header of a pcd or ply file announces; None where it has no such line.

    Raises:
        DataError: a ply file is too short for them: its reader takes whatever is in memory for what is missing.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    count, form, row = None, "", 0
    for line in head.split(b"\n"):
        words = line.split()
        if words[:1] == [b"POINTS"] and words[-1].isdigit():
            return int(words[-1])
        if words[:1] == [b"format"] and len(words) > 1:
            form = words[1].decode("ascii", "replace")
        elif words[:1] == [b"element"]:
            if count is not None:
                break  # what follows the points has its own rows
            if len(words) < 3 or words[1] != b"vertex" or not words[2].isdigit():
                return None
            count = int(words[2])
        elif words[:1] == [b"property"] and len(words) > 1:
            row += _PLY_BYTES.get(words[1].decode("ascii", "replace"), 0)
        elif words[:1] == [b"end_header"]:
            break
    end = head.find(b"end_header")
    if count is None or end < 0:
        return count
    body = path.stat().st_size - (head.index(b"\n", end) + 1 if b"\n" in head[end:] else len(head))
    least = count * row if form.startswith("binary") else 2 * count
    if body < least:
        raise DataError(
            f"{path}: is cut off: it announces {count:,} points, which need {least:,} bytes; {body:,} are there"
        )
    return count


_PLY_BYTES = {
    "char": 1, "uchar": 1, "int8": 1, "uint8": 1, "short": 2, "ushort": 2, "int16": 2, "uint16": 2, "int": 4, "uint": 4,
    "int32": 4, "uint32": 4, "float": 4, "float32": 4, "double": 8, "float64": 8,
}  # fmt: skip


def _by_open3d(path: Path, announced: int | None) -> np.ndarray:
    from convzoo.core.errors import RecipeError
    from convzoo.core.libraries import import_open3d

    try:
        open3d = import_open3d()
    except ImportError as error:
        raise RecipeError(
            f"reading {path.suffix} files needs {error.name or first_line(error)}: pip install 'convzoo[points]'"
        ) from None
    try:
        cloud = open3d.t.io.read_point_cloud(str(path), remove_nan_points=False, remove_infinite_points=False)
        attributes = {name: cloud.point[name].numpy() for name in cloud.point}
    except Exception as error:  # Open3D raises RuntimeError, IndexError and others for what it cannot read
        raise DataError(f"{path}: cannot be read as a point cloud ({first_line(error)[:120]})") from None
    if "positions" not in attributes or not len(attributes["positions"]):
        raise DataError(f"{path}: cannot be read as a point cloud, or holds no points")
    positions = attributes["positions"].astype(np.float32)
    if announced is not None and len(positions) < announced:
        raise DataError(f"{path}: is cut off: it announces {announced:,} points, and {len(positions):,} are there")
    strength = next(
        (attributes[name] for name in attributes if name.lower().removeprefix("scalar_") in _INTENSITIES), None
    )
    intensity = np.zeros((len(positions), 1)) if strength is None else strength.reshape(len(positions), -1)[:, :1]
    return np.c_[positions, intensity.astype(np.float32)].astype(np.float32)


_INTENSITIES = ("intensity", "intensities", "reflectance", "reflectivity", "remission")
