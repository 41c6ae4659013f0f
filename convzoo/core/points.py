"""Point clouds with boxes about the objects in them, and how a camera sees these."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import is_file
from convzoo.core.text import first_line

CLOUD_SUFFIXES = frozenset({".bin", ".ply", ".pcd", ".xyz", ".pts"})
DONT_CARE = "DontCare"
"""The class of image regions in which nothing is labelled."""

IMAGE_SIZE = (1242, 375)
"""Of KITTI's camera 2 in pixels, where no image says otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The labelled objects of a frame.

    Attributes:
        names: their classes
        boxes: (objects, 7) of float64: centre x, y, z, length, width, height in metres, yaw in radians about z, from x to y; x
            is forward, y left, z up, as LiDARs have them
        image: (objects, 4): left, top, right, bottom in pixels; NaN where there is no image
        truncated: (objects,): the part that lies outside of the image, 0 to 1
        occluded: (objects,): 0 visible, 1 partly, 2 largely occluded, 3 unknown
        regions: (regions, 4): image regions in which nothing is labelled
    """

    names: tuple[str, ...]
    boxes: np.ndarray
    image: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    regions: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))

    @classmethod
    def of(cls, names: Sequence[str], boxes: np.ndarray) -> "Objects":
        """Objects without a camera: all are whole and visible."""
        count = len(names)
        return cls(
            tuple(names), np.asarray(boxes, np.float64).reshape(count, 7), np.full((count, 4), np.nan), np.zeros(count),
            np.zeros(count, np.int64),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Where the camera is, seen from the LiDAR.

    Attributes:
        to_camera: (3, 4): rectified camera coordinates (x right, y down, z forward) of a point of the LiDAR
        to_image: (3, 4): pixels, times their depth, of a point in camera coordinates
        size: width and height of the image in pixels
    """

    to_camera: np.ndarray
    to_image: np.ndarray
    size: tuple[int, int] = IMAGE_SIZE

    def camera_of(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) of the LiDAR to (n, 3) of the camera."""
        return points @ self.to_camera[:, :3].T + self.to_camera[:, 3]

    def lidar_of(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) of the camera to (n, 3) of the LiDAR."""
        return (points - self.to_camera[:, 3]) @ np.linalg.inv(self.to_camera[:, :3]).T

    def pixels_of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points of the LiDAR as pixels (n, 2), and their depths (n,)."""
        found = self.camera_of(points) @ self.to_image[:, :3].T + self.to_image[:, 3]
        depth = found[:, 2]
        return found[:, :2] / np.where(np.abs(depth) < 1e-6, 1e-6, depth)[:, None], depth

    def image_boxes(self, boxes: np.ndarray, clipped: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """The image regions (n, 4) that boxes (n, 7) cover, cut at the image's edges, and which of them are in it at all.

        The part of a box that is less than 10 cm before the camera is left out.
        """
        near = 0.1
        corners = corners_of(boxes)  # (boxes, 8, 3)
        depth = self.camera_of(corners.reshape(-1, 3))[:, 2].reshape(-1, 8)
        first, second = depth[:, _EDGES[:, 0]], depth[:, _EDGES[:, 1]]
        # Where an edge passes the plane before the camera, the box is cut off.
        cuts = (first < near) != (second < near)
        part = ((near - first) / np.where(cuts, second - first, 1.0))[..., None]
        ends = corners[:, _EDGES[:, 0]] * (1 - part) + corners[:, _EDGES[:, 1]] * part
        places = np.concatenate([corners, ends], axis=1)  # (boxes, 20, 3)
        seen = np.concatenate([depth >= near, cuts], axis=1)
        pixels = self.pixels_of(places.reshape(-1, 3))[0].reshape(-1, 20, 2)
        low = np.where(seen[..., None], pixels, np.inf).min(axis=1)
        high = np.where(seen[..., None], pixels, -np.inf).max(axis=1)
        whole = np.where(np.any(seen, axis=1)[:, None], np.concatenate([low, high], axis=1), 0.0)
        cut = np.clip(whole, 0, np.array([*self.size, *self.size]) - 1.0)
        inside = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
        return (cut if clipped else whole), inside


_SIGNS = np.array([[x, y, z] for z in (-0.5, 0.5) for x, y in ((0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5))])
_EDGES = np.array([[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7]])


def corners_of(boxes: np.ndarray) -> np.ndarray:
    """(n, 8, 3): the corners of boxes (n, 7): four below, counter-clockwise, then those above them."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 7)
    local = _SIGNS[None] * boxes[:, None, 3:6]
    cosine, sine = np.cos(boxes[:, 6])[:, None], np.sin(boxes[:, 6])[:, None]
    turned = np.stack(
        [cosine * local[..., 0] - sine * local[..., 1], sine * local[..., 0] + cosine * local[..., 1], local[..., 2]],
        axis=-1,
    )
    return turned + boxes[:, None, :3]


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
