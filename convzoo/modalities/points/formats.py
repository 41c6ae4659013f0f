"""Files of point clouds to arrays: ply, pcd, xyz, pts, and the bin files of KITTI."""

import re
from pathlib import Path

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.libraries import import_open3d, needs
from convzoo.core.text import first_line

CLOUD_SUFFIXES = frozenset({".bin", ".ply", ".pcd", ".xyz", ".pts"})


def read_cloud(path: Path) -> np.ndarray:
    """A file's points as float32 (points, 4), including those that are not finite.

    Raises:
        DataError: there is no such file, it is not a point cloud, is empty or is cut off.
        RecipeError: Open3D, which reads all other formats than .bin, cannot load.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise DataError(f"{path}: is empty (0 bytes); delete it or replace it by a scan")
        if path.suffix.lower() == ".bin":
            if size % 16:
                raise DataError(
                    f"{path}: {size:,} bytes are not a whole number of points (x, y, z, intensity as float32: 16 bytes "
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
        DataError: a ply file is too short for them: its reader would fill the missing points with arbitrary memory.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if path.suffix.lower() == ".pcd":
        return _announced_pcd(path, head)
    count, form, row = None, "", 0
    for line in head.split(b"\n"):
        words = line.split()
        if words[:1] == [b"format"] and len(words) > 1:
            form = words[1].decode("ascii", "replace")
        elif words[:1] == [b"element"]:
            if count is not None:
                break  # later elements have their own rows
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


def _announced_pcd(path: Path, head: bytes) -> int | None:
    """As `_announced`. Points in compressed form may need less; LZF makes at most 264 bytes of three."""
    lines = {words[0]: words[1:] for words in map(bytes.split, head.split(b"\n")[:40]) if words}
    points, form = lines.get(b"POINTS", [b""]), lines.get(b"DATA", [b""])
    if points[:1] != [points[-1]] or not points[0].isdigit():
        return None
    count = int(points[0])
    sizes = [int(size) for size in lines.get(b"SIZE", []) if size.isdigit()]
    row = {b"ascii": 2 * len(sizes), b"binary": sum(sizes), b"binary_compressed": sum(sizes) / 88}.get(form[0], 0)
    size, least = path.stat().st_size, int(count * row)
    if size < least:
        raise DataError(
            f"{path}: is cut off: it announces {count:,} points, which need {least:,} bytes; the file has {size:,}"
        )
    return count


_PLY_BYTES = {
    "char": 1, "uchar": 1, "int8": 1, "uint8": 1, "short": 2, "ushort": 2, "int16": 2, "uint16": 2, "int": 4, "uint": 4,
    "int32": 4, "uint32": 4, "float": 4, "float32": 4, "double": 8, "float64": 8,
}  # fmt: skip


def _by_open3d(path: Path, announced: int | None) -> np.ndarray:
    try:
        open3d = import_open3d()
    except ImportError as error:
        raise needs(f"reading {path.suffix} files", "open3d", error) from None
    try:
        cloud = open3d.t.io.read_point_cloud(str(path), remove_nan_points=False, remove_infinite_points=False)
        attributes = {name: cloud.point[name].numpy() for name in cloud.point}
    except Exception as error:  # Open3D raises RuntimeError, IndexError and others for what it cannot read
        raise DataError(f"{path}: cannot be read as a point cloud ({_in_words(error)})") from None
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


def _in_words(error: Exception) -> str:
    """What Open3D says, without colours and without the place in its own source."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", first_line(error))
    return re.sub(r"^\[Open3D Error\] (\(.*?\) )?(/\S+: ?)?", "", text)[:120] or "damaged"


_INTENSITIES = ("intensity", "intensities", "reflectance", "reflectivity", "remission")
