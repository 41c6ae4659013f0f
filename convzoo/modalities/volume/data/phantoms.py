"""Head phantoms: drawn anatomy with a lesion, scanned as by an MRI scanner, written as NIfTI files with their masks.

A head is a few ellipsoids and shells, bent by a smooth field: scalp, skull, fluid, folded grey matter, white matter, ventricles,
nuclei, cerebellum, eyes, small vessels and one lesion. Each scan has its own place, tilt, orientation, spacing, contrast, bias
field and Rician noise (Gudbjartsson & Patz 1995, doi:10.1002/mrm.1910340618).
"""

import csv
import hashlib
import io
import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.arguments import Count, Fraction, NonNegative, Positive, PositiveFloat
from convzoo.core.files import read_json
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.datasets.download import cache_folder
from convzoo.datasets.made import make_once
from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.formats import write_nifti

VERSION = 1
"""Version of the drawing. Raise it with every change, so that older scans are made again."""

STRUCTURES = {1: "ventricles", 2: "left nucleus", 3: "right nucleus", 4: "lesion"}
CLASSES = ("deep long", "deep round", "outer long", "outer round")
HALF_AXES = np.array([75.0, 95.0, 80.0])
"""Half axes of a usual head, in millimetres: to the side, to the front, upwards."""

DEPTH = {"deep": 0.25, "outer": 0.62}
"""Where the middle of the lesion lies: 0 the middle of the head, 1 the scalp."""
ROUND = 0.1
"""The logarithm of length over width of round lesions."""
_DEPTH_SPREAD, _ELONGATION_SPREAD = 0.09, 0.2
_CODES = ("RAS", "LPS", "LAS", "PIR", "ASL", "LSP", "RSA", "SPL")


class Phantoms(Reader):
    """Scans of drawn heads, each with one lesion: its class is its shape (`round` or `long`) and its place (`deep` or `outer`).

    Sizes and brightness of lesions do not depend on the class, so they do not give it away. The mask of a scan holds the
    ventricles (1), the left (2) and the right nucleus (3) and the lesion (4), as a person with a slightly unsteady hand (less
    than a millimetre) would draw them. Every third patient has two scans; no patient is in two splits.

    The files lie in the cache folder (`imagesTr/`, `labelsTr/`, a Decathlon's `dataset.json`, and `phantoms.csv` with patients
    and classes); they are made once and read from there. Shapes and places of the classes overlap: the ceiling of accuracy is
    the accuracy on the test split with the true shape and place. The ceiling of Dice compares the true borders with the masks.

    Args:
        train: number of training scans
        val: number of validation scans
        test: number of test scans
        difficulty: how far shapes and places spread, and how strong noise, bias and the unsteady hand are, 0 to 1
        spacing: the mean distance between voxels within a slice, in millimetres
        lesion: the mean radius, in millimetres, of balls with the lesions' volumes
        elongation: the mean logarithm of length over width of long lesions; that of round ones is 0.1
        lean: largest angle of long lesions to the direction from front to back, in degrees; 90 is any direction
        enhancement: brightness of lesions; white matter is about 0.85 and the scalp 0.95
        seed: random seed
    """

    example = Volume

    def __init__(
        self,
        train: Positive = 480,
        val: Positive = 120,
        test: Positive = 240,
        difficulty: Fraction = 0.8,
        spacing: PositiveFloat = 4.0,
        lesion: PositiveFloat = 10.5,
        elongation: PositiveFloat = 0.95,
        lean: NonNegative = 90.0,
        enhancement: PositiveFloat = 1.12,
        seed: Count = 0,
    ) -> None:
        if not 1.0 <= spacing <= 8.0:
            raise ValueError(f"spacing should be from 1 to 8 mm, not {spacing:g}")
        if not 4.0 <= lesion <= 16.0:
            raise ValueError(f"lesion should be from 4 to 16 mm, not {lesion:g}")
        self.sizes = {"train": train, "val": val, "test": test}
        self.difficulty = difficulty
        self.spacing = spacing
        self.lesion = lesion
        self.elongation = elongation
        self.lean = lean
        self.enhancement = enhancement
        self.seed = seed

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the scans depend on."""
        return {
            "version": VERSION, **self.sizes, "difficulty": self.difficulty, "spacing": self.spacing, "lesion": self.lesion,
            "elongation": self.elongation, "lean": self.lean, "enhancement": self.enhancement, "seed": self.seed,
        }  # fmt: skip

    def read(self) -> Splits:
        """Make the scans, if they do not exist yet, and list them.

        Raises:
            DataError: the cache folder cannot be written.
        """
        name = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]
        folder = cache_folder() / "generated" / f"phantoms-{name}"
        make_once(folder, _is_whole, lambda temporary: _write_all(temporary, self), "scans")
        about = read_json(folder / "phantoms.json")
        parts: dict[str, list[Volume]] = {"train": [], "val": [], "test": []}
        with (folder / "phantoms.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                parts[row["split"]].append(
                    Volume(
                        folder / row["image"], mask=folder / row["mask"], structures=STRUCTURES, label=row["label"],
                        group=row["patient"], source=f"phantoms:{Path(row['image']).name}",
                    )
                )  # fmt: skip
        files = {f"generated/{folder.name}": {"sha256": about["sha256"], "bytes": about["bytes"]}}
        return Splits(parts["train"], parts["val"], parts["test"], ceiling=about["ceiling"], files=files)


@dataclass(frozen=True)
class Lesion:
    """One lesion.

    Attributes:
        kind: one of CLASSES
        depth: of its middle, 0 to 1
        elongation: the logarithm of length over width
        centre: (3,), in millimetres, in the head
        half_axes: (3,), in millimetres
        turn: (3, 3), its axes in the head
    """

    kind: str
    depth: float
    elongation: float
    centre: np.ndarray
    half_axes: np.ndarray
    turn: np.ndarray

    def likeliest(self, long: float) -> str:
        """The most likely class for this place and shape, if the mean elongation of long lesions is `long`."""
        place = "deep" if self.depth < sum(DEPTH.values()) / 2 else "outer"
        return f"{place} {'round' if self.elongation < (ROUND + long) / 2 else 'long'}"


@dataclass(frozen=True)
class Head:
    """One patient: what is the same in all of their scans.

    Attributes:
        half_axes: (3,), in millimetres
        bend: (3, 4, 4, 4), shifts in millimetres at knots
        folds: (5, 4): wave vectors and phases of the folded cortex
        sizes: factors of layers and structures, by name
        lesion: its only lesion
        vessels: (count, 4): centres and radii in millimetres
    """

    half_axes: np.ndarray
    bend: np.ndarray
    folds: np.ndarray
    sizes: dict[str, float]
    lesion: Lesion
    vessels: np.ndarray


def make_head(
    random: np.random.Generator,
    kind: str,
    difficulty: float,
    size: float = 10.5,
    long: float = 0.95,
    lean: float = 90.0,
) -> Head:
    """A random head, with a lesion of the given class, mean size and, if it is long, mean elongation."""
    half_axes = HALF_AXES * np.exp(random.normal(0, 0.04)) * np.exp(random.normal(0, 0.025, 3))
    sizes = {
        name: float(np.exp(random.normal(0, spread)))
        for name, spread in (
            ("scalp", 0.2), ("skull", 0.2), ("fluid", 0.35), ("cortex", 0.15), ("ventricle", 0.22), ("horn", 0.15),
            ("nucleus", 0.1), ("left", 0.05), ("right", 0.05), ("fissure", 0.3), ("cerebellum", 0.08),
        )
    }  # fmt: skip
    waves = random.standard_normal((5, 3))
    waves *= 2 * np.pi / random.uniform(16, 30, (5, 1)) / np.linalg.norm(waves, axis=1, keepdims=True)
    folds = np.column_stack([waves, random.uniform(0, 2 * np.pi, 5)])
    bend = random.normal(0, 2.5, (3, 4, 4, 4))
    count = int(random.integers(2, 5))
    depths = random.uniform(0.15, 0.8, count)
    vessels = np.column_stack(
        [_direction(random, count) * depths[:, None] * half_axes, random.uniform(2.5, 4.0, count)]
    )
    return Head(
        half_axes, bend, folds, sizes, make_lesion(random, kind, half_axes, difficulty, size, long, lean), vessels
    )


def make_lesion(
    random: np.random.Generator,
    kind: str,
    half_axes: np.ndarray,
    difficulty: float,
    size: float = 10.5,
    long: float = 0.95,
    lean: float = 90.0,
) -> Lesion:
    """A lesion of the given class; its size does not depend on the class."""
    place, shape = kind.split()
    depth = DEPTH[place] + difficulty * _DEPTH_SPREAD * random.standard_normal()
    depth = float(np.clip(depth, 0.05, 0.7))
    elongation = (long if shape == "long" else ROUND) + difficulty * _ELONGATION_SPREAD * random.standard_normal()
    radius = size * random.uniform(6, 8) / 7  # of a ball with its volume
    axes = radius * np.exp(elongation * np.array([2 / 3, -1 / 3, -1 / 3]))
    # A lesion that reaches through the skull would be cut and so become smaller: look for one that fits.
    tries = [(_direction(random, 1)[0] * depth * half_axes, _long_axis(random, lean)) for _ in range(60)]
    centre, turn = min(tries, key=lambda found: max(0.8, _reach(found[0], found[1], axes, half_axes)))
    return Lesion(kind, depth, float(elongation), centre, axes, turn)


def _reach(centre: np.ndarray, turn: np.ndarray, axes: np.ndarray, half_axes: np.ndarray) -> float:
    """How far out an ellipsoid's tips lie: 1 is the skin."""
    tips = [centre + sign * axes[axis] * turn[:, axis] for axis in range(3) for sign in (-1, 1)]
    return max(float(np.linalg.norm(tip / half_axes)) for tip in tips)


def _long_axis(random: np.random.Generator, lean: float) -> np.ndarray:
    """A rotation that brings x to the front, with a random error of up to `lean` degrees; from 90 on, any rotation."""
    if lean < 90:
        return _turn(np.radians(lean) * random.uniform(-1, 1, 3)) @ _turn(np.array([0, 0, np.pi / 2]))
    turn, upper = np.linalg.qr(random.standard_normal((3, 3)))
    return turn * np.sign(np.diag(upper))


def scan(
    head: Head, random: np.random.Generator, difficulty: float, spacing: float, enhancement: float = 1.12
) -> dict[str, np.ndarray]:
    """One scan of a head.

    Returns:
        `voxels` int16 (x, y, z), `affine` (4, 4), and two masks uint8: `mask` as drawn by hand, `truth` without errors
    """
    affine, shape = _grid(random, spacing)
    index = np.indices(shape, dtype=np.float32).reshape(3, -1)
    points = affine[:3, :3].astype(np.float32) @ index + affine[:3, 3:].astype(np.float32)
    # Where the head lies in the scanner.
    turn = _turn(random.normal(0, np.radians(5), 3)).astype(np.float32)
    placed = turn @ (points - random.normal(0, 4, (3, 1)).astype(np.float32))
    near = np.flatnonzero(_radius(placed, head.half_axes) < 1.2)  # the rest is air
    placed = placed[:, near]
    placed = placed + _smooth(head.bend, placed)
    grey = _greys(random, enhancement)
    drawn, borders = _draw(head, placed, grey, 0.5 * spacing)
    intensity = np.full(index.shape[1], grey["air"], np.float32)
    intensity[near] = drawn
    truth, mask = np.zeros(index.shape[1], np.uint8), np.zeros(index.shape[1], np.uint8)
    truth[near] = _mask(borders)
    hand = random.standard_normal((len(STRUCTURES), 12, 12, 12))
    close = np.flatnonzero((np.abs(borders) < 5).any(axis=0))
    borders[:, close] += 0.9 * difficulty * _smooth(hand, placed[:, close])
    mask[near] = _mask(borders)
    u, v, w = points / (2 * HALF_AXES.astype(np.float32)[:, None])
    terms = np.stack([u, v, w, u * v, v * w, w * u, u * u, v * v, w * w])
    bias = np.exp(0.4 * difficulty * random.standard_normal(len(terms)).astype(np.float32) @ terms)
    noise = (0.02 + 0.05 * difficulty * random.random()) * random.standard_normal((2, len(bias)), dtype=np.float32)
    measured = np.sqrt((intensity * bias + noise[0]) ** 2 + noise[1] ** 2)
    voxels = np.rint(measured * random.uniform(250, 1200)).astype(np.int16)  # a scanner's intensities have no unit
    return {
        "voxels": voxels.reshape(shape),
        "affine": affine,
        "mask": mask.reshape(shape),
        "truth": truth.reshape(shape),
    }


def _greys(random: np.random.Generator, enhancement: float) -> dict[str, float]:
    """How bright each tissue is in one scan; white matter about 0.85."""
    return {
        name: value * float(np.exp(random.normal(0, 0.05)))
        for name, value in (
            ("air", 0.01), ("scalp", 0.95), ("skull", 0.1), ("fluid", 0.25), ("cortex", 0.58), ("white", 0.85),
            ("nucleus", 0.66), ("cerebellum", 0.7), ("eye", 0.35), ("lesion", enhancement),
        )
    }  # fmt: skip


def _draw(head: Head, points: np.ndarray, grey: dict[str, float], soft: float) -> tuple[np.ndarray, np.ndarray]:
    """Intensities at points (3, count), and for each structure how far inside its border they are, in millimetres."""
    size = head.sizes
    across, upwards = points[0], points[2]
    radius = _radius(points, head.half_axes)
    mean = float(head.half_axes.mean())
    image = np.full(points.shape[1], grey["air"], np.float32)

    def within(depth: float) -> np.ndarray:
        """How far the points are inside the shell that lies `depth` millimetres below the skin."""
        return (1 - radius) * mean - depth

    skull = 6.0 * size["scalp"]
    fluid = skull + 6.0 * size["skull"]
    cortex = fluid + 3.0 * size["fluid"]
    white = cortex + 7.0 * size["cortex"]
    for tissue, depth in (("scalp", 0.0), ("skull", skull), ("fluid", fluid), ("cortex", cortex)):
        _paint(image, _soft(within(depth), soft), grey[tissue])
    waves = np.sin(head.folds[:, :3].astype(np.float32) @ points + head.folds[:, 3:].astype(np.float32)).sum(axis=0)
    _paint(image, _soft(within(white) + 2.2 * waves, soft), grey["white"])
    # Between the halves, from the top down to the ventricles.
    sheet = np.minimum(1.6 * size["fissure"] - np.abs(across), np.minimum(within(cortex), (radius - 0.45) * mean))
    _paint(image, _soft(np.minimum(sheet, upwards), soft), grey["fluid"])
    behind = _ellipsoid(points, (0, -48, -38), np.array([44, 30, 22]) * size["cerebellum"])
    _paint(image, _soft(behind, soft), grey["cerebellum"])
    for side in (-1, 1):
        _paint(image, _soft(_ellipsoid(points, (side * 32, 72, -22), np.full(3, 12.0)), soft), grey["eye"])

    wide = size["ventricle"]
    horn = np.array([7 * wide, 27 * size["horn"], 9 * wide])
    horns = [
        _ellipsoid(points, (side * (10 + 5 * wide), 2, 12), horn, _turn(np.array([0.12, 0.0, side * 0.3])))
        for side in (-1, 1)
    ]
    ventricles = np.maximum(*horns)
    nuclei = [
        _ellipsoid(
            points, (side * 27, 8, -8), np.array([9, 15, 11]) * size["nucleus"] * size[name],
            _turn(np.array([0.0, side * 0.15, -side * 0.35])),
        )
        for side, name in ((-1, "left"), (1, "right"))
    ]  # fmt: skip
    _paint(image, _soft(np.maximum(*nuclei), soft), grey["nucleus"])
    _paint(image, _soft(ventricles, soft), grey["fluid"])
    for vessel in head.vessels:
        _paint(image, _soft(_ellipsoid(points, vessel[:3], np.full(3, vessel[3])), soft), grey["lesion"])
    lesion = _ellipsoid(points, head.lesion.centre, head.lesion.half_axes, head.lesion.turn)
    lesion = np.minimum(lesion, within(cortex))  # nothing grows through the skull
    _paint(image, _soft(lesion, soft), grey["lesion"])
    return image, np.stack([ventricles, *nuclei, lesion])


def _mask(borders: np.ndarray) -> np.ndarray:
    """The structure at each point; later ones cover earlier ones: ventricles cover nuclei, the lesion covers all."""
    mask = np.zeros(borders.shape[1], np.uint8)
    for value in (2, 3, 1, 4):
        mask[borders[value - 1] > 0] = value
    return mask


def _grid(random: np.random.Generator, spacing: float) -> tuple[np.ndarray, tuple[int, int, int]]:
    """A scan's affine and shape: its own orientation, spacing and tilt, around the middle of the scanner."""
    codes = _CODES[int(random.integers(len(_CODES)))]
    step = spacing * random.uniform(0.85, 1.15) * np.array([1.0, 1.0, random.uniform(1.0, 1.4)])
    field = 2.12 * HALF_AXES
    directions = np.zeros((3, 3))
    extent = np.zeros(3)
    for axis, code in enumerate(codes):
        row, sign = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}[code]
        directions[row, axis] = sign
        extent[axis] = field[row]
    shape = np.ceil(extent / step).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = _turn(random.normal(0, np.radians(3), 3)) @ directions * step
    affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)
    # Rounded as in a NIfTI file, so that equal scans have equal affines, whether they were written or not.
    affine = affine.astype(np.float32).astype(np.float64)
    return affine, (int(shape[0]), int(shape[1]), int(shape[2]))


def _radius(points: np.ndarray, half_axes: np.ndarray) -> np.ndarray:
    """0 in the middle of an ellipsoid, 1 on its border."""
    scaled = points / half_axes.astype(np.float32)[:, None]
    return np.sqrt(np.einsum("ij,ij->j", scaled, scaled))


def _ellipsoid(points: np.ndarray, centre: Any, half_axes: np.ndarray, turn: np.ndarray | None = None) -> np.ndarray:
    """How far inside an ellipsoid's border points are, in millimetres, roughly: k (1 - k) / |∇k| with k = 1 on the border."""
    local = points - np.asarray(centre, np.float32)[:, None]
    if turn is not None:
        local = turn.T.astype(np.float32) @ local
    axes = half_axes.astype(np.float32)[:, None]
    scaled = local / axes
    level = np.sqrt(np.einsum("ij,ij->j", scaled, scaled))
    scaled /= axes
    slope = np.sqrt(np.einsum("ij,ij->j", scaled, scaled))
    return level * (1 - level) / np.maximum(slope, 1e-6)


def _soft(inside: np.ndarray, half_width: float) -> np.ndarray:
    """1 inside, 0 outside; voxels on the border hold a part."""
    return np.clip(0.5 + 0.5 * inside / half_width, 0, 1)


def _paint(image: np.ndarray, part: np.ndarray, grey: float) -> None:
    image += part * (np.float32(grey) - image)


def _smooth(knots: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values at points (3, count) between knots that span the head evenly, (channels, count): linear between them."""
    import scipy.ndimage

    counts = np.array(knots.shape[1:], np.float32)[:, None]
    places = (points / (1.3 * HALF_AXES.astype(np.float32)[:, None]) + 1) / 2 * (counts - 1)
    return np.stack(
        [
            scipy.ndimage.map_coordinates(channel.astype(np.float32), places, order=1, mode="nearest")
            for channel in knots
        ]
    )


def _turn(angles: np.ndarray) -> np.ndarray:
    """The rotation by angles about x, y and z."""
    (a, b, c), (d, e, f) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, a, -d], [0, d, a]])
    about_y = np.array([[b, 0, e], [0, 1, 0], [-e, 0, b]])
    about_z = np.array([[c, -f, 0], [f, c, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _direction(random: np.random.Generator, count: int) -> np.ndarray:
    """Random directions, but none far down, where the brain ends."""
    found = random.standard_normal((count, 3))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    found[:, 2] = np.where(found[:, 2] < -0.3, -found[:, 2], found[:, 2])
    return found


def _plan(reader: Phantoms) -> list[tuple[str, str, str, list[int], list[int]]]:
    """Every scan: its split, its patient, its class, the seeds of the head and of the scan."""
    plan = []
    for index, (part, size) in enumerate(reader.sizes.items()):
        visits = itertools.chain.from_iterable(
            (patient,) * (2 if patient % 3 == 2 else 1) for patient in itertools.count()
        )
        order = np.random.default_rng([reader.seed, index, 1]).permutation(size).tolist()
        scans = list(itertools.islice(visits, size))
        for place, patient in enumerate(scans):
            name = f"{part}{patient:04d}"
            kind = CLASSES[order[scans.index(patient)] % len(CLASSES)]
            plan.append((part, name, kind, [reader.seed, index, 2, patient], [reader.seed, index, 3, place]))
    return plan


def _write_all(folder: Path, reader: Phantoms) -> None:
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir()

    def one(item: tuple[int, tuple[str, str, str, list[int], list[int]]]) -> dict[str, Any]:
        place, (part, patient, kind, head_seed, scan_seed) = item
        head = make_head(
            np.random.default_rng(head_seed), kind, reader.difficulty, reader.lesion, reader.elongation, reader.lean
        )
        made = scan(head, np.random.default_rng(scan_seed), reader.difficulty, reader.spacing, reader.enhancement)
        name = f"{patient}-{place:05d}.nii.gz"
        digest = hashlib.sha256()
        size = 0
        for sub, key in (("imagesTr", "voxels"), ("labelsTr", "mask")):
            write_nifti(folder / sub / name, made[key], made["affine"])
            content = (folder / sub / name).read_bytes()
            digest.update(content)
            size += len(content)
        return {
            "image": f"imagesTr/{name}", "mask": f"labelsTr/{name}", "label": kind, "patient": patient, "split": part,
            "depth": round(head.lesion.depth, 4), "elongation": round(head.lesion.elongation, 4),
            "likeliest": head.lesion.likeliest(reader.elongation), "sha256": digest.hexdigest(), "bytes": size,
            "dice": _dice(made["truth"], made["mask"]),
        }  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(one, enumerate(_plan(reader))))
    kept = ("image", "mask", "label", "patient", "split", "depth", "elongation")
    text = io.StringIO()
    writer = csv.DictWriter(text, kept, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "phantoms.csv").write_text(text.getvalue(), encoding="utf-8")
    listing = {
        "name": "head phantoms",
        "description": "drawn heads with a lesion",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": {"0": "background"} | {str(value): name for value, name in STRUCTURES.items()},
        "numTraining": len(rows),
        "training": [{"image": f"./{row['image']}", "label": f"./{row['mask']}"} for row in rows],
        "test": [],
    }
    (folder / "dataset.json").write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
    tested = [row for row in rows if row["split"] == "test"]
    by_structure = np.nanmean(np.array([row["dice"] for row in tested]), axis=0)
    about = {
        "settings": reader.settings,
        "ceiling": {
            "test/accuracy": sum(row["likeliest"] == row["label"] for row in tested) / len(tested),
            "test/dice": float(np.nanmean(by_structure)),
        },
        "dice": dict(zip(STRUCTURES.values(), by_structure.tolist(), strict=True)),
        "files": 2 * len(rows),
        "bytes": sum(row["bytes"] for row in rows),
        "sha256": hashlib.sha256("".join(f"{row['sha256']}  {row['image']}\n" for row in rows).encode()).hexdigest(),
    }
    (folder / "phantoms.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _dice(truth: np.ndarray, mask: np.ndarray) -> list[float]:
    """Dice of each structure; NaN if neither mask holds it."""
    found = []
    for value in STRUCTURES:
        true, drawn = truth == value, mask == value
        both = int(true.sum() + drawn.sum())
        found.append(2 * int((true & drawn).sum()) / both if both else float("nan"))
    return found


def _is_whole(folder: Path) -> bool:
    """Whether all files exist with the right length: somebody may have cleaned the cache."""
    if not (folder / "phantoms.json").is_file() or not (folder / "phantoms.csv").is_file():
        return False
    about = read_json(folder / "phantoms.json")
    sizes = [
        entry.stat().st_size
        for name in ("imagesTr", "labelsTr")
        if (folder / name).is_dir()
        for entry in os.scandir(folder / name)
        if entry.name.endswith(".nii.gz")
    ]
    return len(sizes) == about["files"] and sum(sizes) == about["bytes"]
