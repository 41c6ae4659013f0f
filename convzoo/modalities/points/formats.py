"""Files of point clouds to arrays: ply, pcd, xyz, pts, and the bin files of KITTI, nuScenes and others."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.libraries import import_open3d, needs
from convzoo.core.text import first_line

CLOUD_SUFFIXES = frozenset({".bin", ".ply", ".pcd", ".xyz", ".pts"})

INTENSITIES = ("intensity", "intensities", "reflectance", "reflectivity", "remission", "i")
"""What the field with the strength of the echo is called."""


def read_cloud(path: Path, columns: int | None = None) -> np.ndarray:
    """A file's points, (points, 4): x, y, z and the intensity, those that are not finite included.

    Coordinates keep the precision of the file, so that those of a map (hundreds of kilometres) do not lose their decimals.
    Intensities that are stored as whole numbers are divided by the largest that their type can hold.

    Args:
        path: of the file
        columns: numbers a point in a .bin file; None: found by `columns_of`

    Raises:
        DataError: there is no such file, it is not a point cloud, is empty or is cut off.
        RecipeError: Open3D, which reads .ply files, cannot load.
    """
    suffix = path.suffix.lower()
    try:
        size = path.stat().st_size
        if size == 0:
            raise DataError(f"{path}: is empty (0 bytes); delete it or replace it by a scan")
        if suffix == ".bin":
            return _bin(path, size, columns)
        if suffix == ".pcd":
            return _pcd(path)
        if suffix in (".xyz", ".pts"):
            return _lines(path)
        announced = _announced(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such point cloud") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return _by_open3d(path, announced)


# Files of plain numbers

_WIDTHS = {"<f4": (4, 5, 6), "<f8": (3, 4)}
_NAMES = {"<f4": "float32", "<f8": "float64"}
_FEW = 50
"""Below so many points, the values do not tell how many columns there are."""
_CLEAR = 0.7
_ABSURD = 1e6


def _bin(path: Path, size: int, columns: int | None) -> np.ndarray:
    kind, width = ("<f4", columns) if columns else columns_of(path)
    if size % (width * np.dtype(kind).itemsize):
        raise DataError(
            f"{path}: {size:,} bytes are not a whole number of points of {width} {_NAMES[kind]} numbers; it is cut off, or has "
            "another number of columns: set data.columns"
        )
    rows = np.fromfile(path, dtype=kind).reshape(-1, width)
    if width == 3:
        rows = np.c_[rows, np.zeros(len(rows), rows.dtype)]
    return rows[:, :4].astype(rows.dtype.newbyteorder("="), copy=False)


def columns_of(path: Path) -> tuple[str, int]:
    """The type of the numbers in a .bin file and how many a point has: KITTI's 4, nuScenes' 5 (with the ring), or 6; or 3 or 4
    of double precision.

    The file does not say it. With the right number, the columns differ: heights span less than distances, intensities less than
    both. With a wrong one, each column is a mixture of all. KITTI's 4 are taken unless another number is clearly right.

    Raises:
        DataError: no number of columns fits, or several do.
    """
    size = path.stat().st_size
    singles = np.fromfile(path, dtype="<f4", count=400_000)
    # Halves of double-precision numbers are absurd in single precision.
    absurd = ~np.isfinite(singles) | (np.abs(singles) > _ABSURD) | ((singles != 0) & (np.abs(singles) < 1e-20))
    nans = np.isnan(singles).mean() > 0.01  # beams that did not come back
    kind = "<f8" if not nans and size % 8 == 0 and absurd.mean() > 0.05 else "<f4"
    values = singles if kind == "<f4" else np.fromfile(path, dtype="<f8", count=200_000)
    bytes_each = np.dtype(kind).itemsize
    fitting = [width for width in _WIDTHS[kind] if size % (width * bytes_each) == 0]
    if not fitting:
        raise DataError(
            f"{path}: {size:,} bytes are not a whole number of points (x, y, z, intensity as float32: 16 bytes each; or 20 or 24 "
            "with more columns); it is cut off, or of another format"
        )
    found = {width: _differing(values, width) for width in fitting}
    if 4 in found and (
        len(values) < 4 * _FEW or all(score <= max(_CLEAR, 1.15 * found[4]) for score in found.values())
    ):
        return kind, 4
    best = max(found, key=lambda width: found[width])
    rest = [score for width, score in found.items() if width != best]
    if found[best] > _CLEAR and all(score < 0.9 * found[best] for score in rest):
        return kind, best
    said = " or ".join(str(width) for width in fitting)
    raise DataError(
        f"{path}: a point may have {said} {_NAMES[kind]} numbers, and the values do not tell; say data.columns={best}"
    )


def _differing(values: np.ndarray, width: int) -> float:
    """How much the columns differ in spread: the largest ratio of two interquartile ranges, as a logarithm; 0: not at all."""
    rows = values[: len(values) // width * width].reshape(-1, width)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < 2:
        return 0.0
    low, high = np.quantile(rows, [0.25, 0.75], axis=0)
    spread = np.maximum(high - low, 1e-3 * max(float(np.ptp(rows)), 1e-12))
    middle = np.abs(np.median(rows, axis=0)[:, None] - np.median(rows, axis=0)[None]) / np.maximum(
        spread[:, None], spread[None]
    )
    return float(max(np.log(spread.max() / spread.min()), middle.max()))


# Lines of numbers


def _lines(path: Path) -> np.ndarray:
    """Lines `x y z [intensity]`, `x y z r g b` or `x y z intensity r g b`, with blanks, tabs, commas or semicolons between. The
    first line may be a count (.pts) or a heading; a heading may name the intensity."""
    text = path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    rows: list[list[float]] = []
    announced, heading = None, []
    for at, (number, line) in enumerate(lines):
        words = re.split(r"[\s,;]+", line.strip().strip(",;"))
        try:
            found = [float(word) for word in words]
        except ValueError:
            if at == 0 or line.lstrip().startswith(("#", "//")):
                heading = [word.lower().strip("#/") for word in words if word.strip("#/")]
                continue
            raise DataError(
                f"{path}:{number}: {line.strip()[:60]!r} is not a point; it should be x y z and numbers"
            ) from None
        if at == 0 and len(found) == 1 and found[0] == int(found[0]):
            announced = int(found[0])
            continue
        if len(found) < 3 or (rows and len(found) != len(rows[0])):
            wanted = f"{len(rows[0])} numbers, as the lines before" if rows else "x y z and perhaps more numbers"
            raise DataError(
                f"{path}:{number}: has {len(found)} numbers; a point has {wanted}: the file is cut off or damaged"
            )
        rows.append(found)
    if announced is not None and len(rows) < announced:
        raise DataError(f"{path}: is cut off: it announces {announced:,} points, and {len(rows):,} are there")
    if not rows:
        raise DataError(f"{path}: holds no points")
    values = np.array(rows)
    width = values.shape[1]
    named = (
        next((at for at, name in enumerate(heading) if name in INTENSITIES), None) if len(heading) == width else None
    )
    # With six columns, three are colours or normals.
    place = named if named is not None else 3 if width in (4, 5, 7) else None
    return np.c_[values[:, :3], values[:, place] if place is not None else np.zeros(len(values))]


# PCD


_PCD_TYPES = {
    "F4": "<f4", "F8": "<f8", "U1": "<u1", "U2": "<u2", "U4": "<u4", "U8": "<u8", "I1": "<i1", "I2": "<i2", "I4": "<i4",
    "I8": "<i8",
}  # fmt: skip


def _pcd(path: Path) -> np.ndarray:
    """Points of the Point Cloud Library, as text, binary or compressed. Fields `_` are padding, as PCL and ROS write them. A
    library's reader ends the whole process on some of these files, so they are read here."""
    content = path.read_bytes()
    header, form, start = _pcd_header(path, content)
    names, sizes, types = header["FIELDS"], header["SIZE"], header["TYPE"]
    counts = header.get("COUNT", ["1"] * len(names))
    if not len(names) == len(sizes) == len(types) == len(counts):
        raise DataError(
            f"{path}: its header has {len(names)} FIELDS, {len(sizes)} SIZE, {len(types)} TYPE, {len(counts)} COUNT"
        )
    try:
        points = int(header["POINTS"][0]) if "POINTS" in header else int(header["WIDTH"][0]) * int(header["HEIGHT"][0])
        kinds = [_PCD_TYPES[kind.upper() + size] for kind, size in zip(types, sizes, strict=True)]
        repeats = [int(count) for count in counts]
    except (KeyError, ValueError, IndexError):
        raise DataError(f"{path}: its header is damaged: TYPE {' '.join(types)}, SIZE {' '.join(sizes)}") from None
    row = sum(np.dtype(kind).itemsize * count for kind, count in zip(kinds, repeats, strict=True))
    if min(repeats, default=0) < 0 or points < 0 or not {"x", "y", "z"} <= set(names):
        raise DataError(f"{path}: holds no points x, y, z; its fields are {' '.join(names)}")
    places = _pcd_places(names, kinds, repeats)
    if form == "ascii":
        columns = _pcd_text(path, content[start:], points, names, kinds, repeats)
    else:
        body = content[start:]
        if form == "binary_compressed":
            body = _pcd_unpacked(path, body)
        if len(body) < points * row:
            raise DataError(
                f"{path}: is cut off: it announces {points:,} points, which need {points * row:,} bytes; "
                f"{len(body):,} are there"
            )
        columns = {}
        for name, (offset, kind) in places.items():
            if form == "binary":
                whole = np.frombuffer(body, np.uint8, points * row).reshape(points, row)
                columns[name] = whole[:, offset : offset + np.dtype(kind).itemsize].copy().view(kind)[:, 0]
            else:  # field by field
                columns[name] = np.frombuffer(body, kind, points, offset * points)
    intensity = next((columns[name] for name in columns if name.lower() in INTENSITIES), None)
    xyz = [columns[axis] for axis in "xyz"]
    exact = np.result_type(np.float32, *(axis.dtype for axis in xyz))
    if intensity is None:
        intensity = np.zeros(points, np.float32)
    return np.stack([*(axis.astype(exact) for axis in xyz), _strength(intensity).astype(exact)], axis=1)


def _pcd_header(path: Path, content: bytes) -> tuple[dict[str, list[str]], str, int]:
    """The words of each line of the header, the form of the data, and where these begin."""
    header: dict[str, list[str]] = {}
    at = 0
    for _ in range(60):
        end = content.find(b"\n", at)
        if end < 0:
            break
        words = content[at:end].decode("ascii", "replace").split()
        at = end + 1
        if not words or words[0].startswith("#"):
            continue
        header[words[0].upper()] = words[1:]
        if words[0].upper() == "DATA":
            missing = [name for name in ("FIELDS", "SIZE", "TYPE") if name not in header]
            form = words[1].lower() if len(words) > 1 else ""
            if missing or form not in ("ascii", "binary", "binary_compressed"):
                raise DataError(
                    f"{path}: its header has no {missing[0]}" if missing else f"{path}: unknown form DATA {form}"
                )
            return header, form, at
    raise DataError(f"{path}: cannot be read as a point cloud: its header has no line DATA")


def _pcd_places(names: Sequence[str], kinds: Sequence[str], repeats: Sequence[int]) -> dict[str, tuple[int, str]]:
    """For each field that is one number, where it begins in a point, in bytes, and its type."""
    places, offset = {}, 0
    for name, kind, count in zip(names, kinds, repeats, strict=True):
        if name != "_" and count == 1:
            places[name] = (offset, kind)
        offset += np.dtype(kind).itemsize * count
    return places


def _pcd_text(
    path: Path, body: bytes, points: int, names: Sequence[str], kinds: Sequence[str], repeats: Sequence[int]
) -> dict[str, np.ndarray]:
    lines = [line.split() for line in body.decode("ascii", "replace").split("\n") if line.strip()]
    width = sum(repeats)
    if len(lines) < points or any(len(words) < width for words in lines[:points]):
        whole = sum(len(words) >= width for words in lines)
        raise DataError(f"{path}: is cut off: it announces {points:,} points, and {whole:,} are there")
    try:
        values = np.array([words[:width] for words in lines[:points]], dtype=np.float64).reshape(points, width)
    except ValueError as error:
        raise DataError(f"{path}: holds a point that is no number ({first_line(error)[:60]})") from None
    starts = np.cumsum([0, *repeats])
    fields = enumerate(zip(names, kinds, repeats, strict=True))
    return {
        name: values[:, starts[at]].astype(kind) for at, (name, kind, count) in fields if name != "_" and count == 1
    }


def _pcd_unpacked(path: Path, body: bytes) -> bytes:
    """The data of a compressed file: two sizes, then LZF (literal runs, and copies of what came before)."""
    packed, size = (int.from_bytes(body[at : at + 4], "little") for at in (0, 4))
    source = body[8 : 8 + packed]
    if len(source) < packed or size > 264 * max(packed, 1):
        raise DataError(
            f"{path}: is cut off: it announces {packed:,} bytes of compressed data; {len(source):,} are there"
        )
    out, at = bytearray(), 0
    try:
        while at < packed:
            control = source[at]
            at += 1
            if control < 32:
                out += source[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += source[at]
                at += 1
            begin = len(out) - ((control & 31) << 8) - source[at] - 1
            at += 1
            if begin < 0:
                raise IndexError
            count = length + 2
            if begin + count <= len(out):
                out += out[begin : begin + count]
            else:  # the copy runs into itself
                for place in range(begin, begin + count):
                    out.append(out[place])
    except IndexError:
        raise DataError(f"{path}: its compressed data are damaged") from None
    if len(out) != size:
        raise DataError(f"{path}: its compressed data are damaged: {len(out):,} bytes instead of {size:,}")
    return bytes(out)


def _strength(values: np.ndarray) -> np.ndarray:
    """Intensities; whole numbers as a part of the largest that their type can hold."""
    return values / np.iinfo(values.dtype).max if values.dtype.kind in "iu" else values


# PLY


def _announced(path: Path) -> int | None:
    """How many points the header of a ply file announces; None where it has no such line.

    Raises:
        DataError: a ply file is too short for them: its reader would fill the missing points with arbitrary memory.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
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
    positions = attributes["positions"]
    if announced is not None and len(positions) < announced:
        raise DataError(f"{path}: is cut off: it announces {announced:,} points, and {len(positions):,} are there")
    strength = next(
        (attributes[name] for name in attributes if name.lower().removeprefix("scalar_") in INTENSITIES), None
    )
    intensity = np.zeros((len(positions), 1)) if strength is None else strength.reshape(len(positions), -1)[:, :1]
    return np.c_[positions, _strength(intensity).astype(positions.dtype)]


def _in_words(error: Exception) -> str:
    """What Open3D says, without colours and without the place in its own source."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", first_line(error))
    return re.sub(r"^\[Open3D Error\] (\(.*?\) )?(/\S+: ?)?", "", text)[:120] or "damaged"
