"""Streets that a simulated LiDAR scans, written as KITTI folders: cars, pedestrians and cyclists among walls, trees and poles.

Every street is built of triangles and scanned by ray casting (Open3D's `RaycastingScene`): 32 beams, each turning through the 84
degrees that the camera sees in steps of 0.2. Objects hide what is behind them, so occlusion is as on a real street. Beams
come back weaker from far away and at flat angles, with noise on their range; some, mostly through glass, do not come back.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.files import read_json
from convzoo.core.libraries import import_open3d, needs
from convzoo.core.outputs.boxes import Calibration
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.datasets.download import cache_folder
from convzoo.datasets.made import make_once
from convzoo.metrics.kitti_ap import ScoredFrame, average, precision_curve
from convzoo.modalities.points.data.kitti_files import (
    calibration_text,
    label_lines,
    lists_of,
    read_frames,
    region_lines,
)
from convzoo.modalities.points.example import PointCloud

VERSION = 2
"""Version of the simulator. Raise it with every change of its output, so that older streets are made again."""

CLASSES = ("Car", "Cyclist", "Pedestrian")
HEIGHT = 1.73  # of the LiDAR above the road, in metres, as KITTI's
FARTHEST = 40.0
BEAMS, STEP = np.deg2rad(np.linspace(-16.0, 2.0, 32)), np.deg2rad(0.2)
TURN = np.deg2rad(42.0)
ENOUGH = 5
"""With this many points on an object, a perfect detector knows its box; the ceiling is the score of this detector."""

_FOCAL, _CENTRE = 721.5377, (609.5593, 172.854)  # of KITTI's camera 2, in pixels
_CALIBRATION = Calibration(
    np.array([[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, -0.08], [1.0, 0.0, 0.0, -0.27]]),
    np.array([[_FOCAL, 0, _CENTRE[0], 0], [0, _FOCAL, _CENTRE[1], 0], [0, 0, 1, 0]], np.float64),
)


class Streets(Reader):
    """Scanned streets with labelled cars, pedestrians and cyclists, in KITTI's layout in the cache folder; every frame is a
    separate street. They are made once and read from there by the same code as KITTI's.

    Occlusion is measured: it is the fraction of an object's beams that something else blocks. Objects from which no beam comes
    back become regions in which nothing is labelled. As in every labelled data set, some objects were overlooked and have no
    label. The `ceiling` is the score of a detector that gives the exact boxes of all objects with at least 5 points, including
    the overlooked ones, and nothing else.

    Args:
        train: number of training frames
        val: number of validation frames
        test: number of test frames
        difficulty: how strong noise and drop-out are, and how many similar-looking objects there are, 0 to 1
        missing_labels: fraction of the objects without a label
        seed: random seed
    """

    example = PointCloud

    def __init__(
        self,
        train: Positive = 320,
        val: Positive = 60,
        test: Positive = 120,
        difficulty: Fraction = 0.5,
        missing_labels: Fraction = 0.03,
        seed: Count = 0,
    ) -> None:
        self.sizes = {"train": train, "val": val, "test": test}
        self.difficulty = difficulty
        self.missing_labels = missing_labels
        self.seed = seed

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the streets depend on."""
        return {
            "version": VERSION, **self.sizes, "difficulty": self.difficulty, "missing_labels": self.missing_labels,
            "seed": self.seed,
        }  # fmt: skip

    def read(self) -> Splits:
        """Scan the streets, if they do not exist yet, and read labels and calibrations.

        Raises:
            DataError: the cache folder cannot be written.
            RecipeError: Open3D cannot load.
        """
        name = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]
        folder = cache_folder() / "generated" / f"streets-{name}"
        make_once(folder, _is_whole, lambda temporary: _write_all(temporary, self), "streets")
        about = read_json(folder / "streets.json")
        parts = {part: read_frames(folder / "training", names) for part, names in lists_of(folder).items()}
        files = {f"generated/{folder.name}": {"sha256": about["sha256"], "bytes": about["bytes"]}}
        return Splits(parts["train"], parts["val"], parts["test"], ceiling=about["ceiling"], files=files)


def _write_all(folder: Path, reader: Streets) -> None:
    try:
        open3d = import_open3d()
    except ImportError as error:
        raise needs("scanning streets", "open3d", error) from None
    for name in ("velodyne", "label_2", "calib"):
        (folder / "training" / name).mkdir(parents=True)
    (folder / "ImageSets").mkdir()
    plan, number = [], 0
    for index, (part, size) in enumerate(reader.sizes.items()):
        names = [f"{number + place:06d}" for place in range(size)]
        (folder / "ImageSets" / f"{part}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        plan += [(part, name, [reader.seed, index, place]) for place, name in enumerate(names)]
        number += size
    calibration = calibration_text(_CALIBRATION)

    def one(item: tuple[str, str, list[int]]) -> tuple[str, list[tuple[str, bytes]], ScoredFrame]:
        part, name, seed = item
        random = np.random.default_rng(seed)
        frame = scan(open3d, random, reader.difficulty)
        frame.noticed = random.random(len(frame.things)) >= reader.missing_labels
        contents = [
            (f"velodyne/{name}.bin", frame.points.astype("<f4").tobytes()),
            (f"label_2/{name}.txt", "".join(f"{line}\n" for line in frame.lines()).encode()),
            (f"calib/{name}.txt", calibration.encode()),
        ]
        return part, contents, frame.known()

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(one, plan))
    rows, total = [], 0
    for _, contents, _ in made:
        for path, content in contents:
            (folder / "training" / path).write_bytes(content)
            rows.append(f"{hashlib.sha256(content).hexdigest()}  {path}\n")
            total += len(content)
    known = [frame for part, _, frame in made if part == "test"]
    curves = {name: precision_curve(known, name, "moderate") for name in CLASSES}
    present = [name for name in CLASSES if any(name in frame.true_names for frame in known)]
    ceiling = {"test/mean_ap_3d": float(np.mean([average(curves[name], 40) for name in present])) if present else 0.0}
    about = {
        "settings": reader.settings,
        "ceiling": ceiling,
        "files": len(rows),
        "bytes": total,
        "sha256": hashlib.sha256("".join(sorted(rows)).encode()).hexdigest(),
    }
    (folder / "streets.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    """Whether all files exist with the right length: somebody may have cleaned the cache."""
    if not (folder / "streets.json").is_file():
        return False
    about = read_json(folder / "streets.json")
    sizes = [
        entry.stat().st_size
        for name in ("velodyne", "label_2", "calib")
        if (folder / "training" / name).is_dir()
        for entry in os.scandir(folder / "training" / name)
    ]
    return len(sizes) == about["files"] and sum(sizes) == about["bytes"] and len(lists_of(folder)) == 3


@dataclass
class Shape:
    """Triangles of one object.

    Attributes:
        vertices: (vertices, 3), in metres
        triangles: (triangles, 3)
        reflects: (triangles,): the fraction of light that comes back
        swallows: (triangles,): the fraction of beams that do not come back, for example from glass
    """

    vertices: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    triangles: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    reflects: np.ndarray = field(default_factory=lambda: np.zeros(0))
    swallows: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def add(
        self,
        part: tuple[np.ndarray, np.ndarray],
        reflects: float,
        swallows: float = 0.0,
        move: Sequence[float] = (0, 0, 0),
    ) -> "Shape":
        """This shape with one more part."""
        vertices, triangles = part
        self.triangles = np.concatenate([self.triangles, triangles + len(self.vertices)])
        self.vertices = np.concatenate([self.vertices, vertices + np.asarray(move, np.float64)])
        self.reflects = np.concatenate([self.reflects, np.full(len(triangles), reflects)])
        self.swallows = np.concatenate([self.swallows, np.full(len(triangles), swallows)])
        return self

    def placed(self, x: float, y: float, z: float, yaw: float) -> "Shape":
        """The same shape, rotated and moved."""
        cosine, sine = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        return Shape(self.vertices @ turn.T + [x, y, z], self.triangles, self.reflects, self.swallows)


_CUBE = np.array([
    [0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4],
    [3, 4, 7],
])  # fmt: skip


def _block(
    length: float, width: float, bottom: float, top: float, narrow: float = 1.0, slender: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A block, whose top may be shorter (`narrow`) and less wide (`slender`) than its bottom."""
    corners = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])
    low = np.c_[corners * [length, width], np.full(4, bottom)]
    high = np.c_[corners * [length * narrow, width * slender], np.full(4, top)]
    return np.concatenate([low, high]), _CUBE


def _tube(start: Sequence[float], end: Sequence[float], radius: float, sides: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A closed cylinder between two points."""
    first, last = np.asarray(start, np.float64), np.asarray(end, np.float64)
    axis = (last - first) / np.linalg.norm(last - first)
    helper = np.array([1.0, 0, 0]) if abs(axis[0]) < 0.9 else np.array([0, 1.0, 0])
    across = np.cross(axis, helper)
    across /= np.linalg.norm(across)
    other = np.cross(axis, across)
    angles = np.arange(sides) * 2 * np.pi / sides
    ring = radius * (np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * other)
    vertices = np.concatenate([first + ring, last + ring, [first, last]])
    at, following = np.arange(sides), (np.arange(sides) + 1) % sides
    triangles = np.concatenate([
        np.c_[at, following, at + sides], np.c_[following, following + sides, at + sides],
        np.c_[np.full(sides, 2 * sides), following, at], np.c_[np.full(sides, 2 * sides + 1), at + sides, following + sides],
    ])  # fmt: skip
    return vertices, triangles


def _ball(
    centre: Sequence[float], radii: Sequence[float], rings: int = 5, sides: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid."""
    polar = np.linspace(0, np.pi, rings + 1)
    around = np.arange(sides) * 2 * np.pi / sides
    grid = np.stack([
        np.sin(polar)[:, None] * np.cos(around), np.sin(polar)[:, None] * np.sin(around),
        np.repeat(np.cos(polar)[:, None], sides, axis=1),
    ], axis=-1)  # fmt: skip
    vertices = grid.reshape(-1, 3) * np.asarray(radii) + np.asarray(centre)
    row, column = np.meshgrid(np.arange(rings), np.arange(sides), indexing="ij")
    here, beside = row * sides + column, row * sides + (column + 1) % sides
    triangles = np.concatenate([
        np.stack([here, here + sides, beside], -1).reshape(-1, 3),
        np.stack([beside, here + sides, beside + sides], -1).reshape(-1, 3),
    ])  # fmt: skip
    return vertices, triangles


def car(random: np.random.Generator) -> tuple[Shape, tuple[float, float, float]]:
    """A car, its middle at 0, wheels on z = 0; and its length, width and height."""
    length = float(np.clip(random.normal(4.1, 0.4), 3.3, 5.1))
    width = float(np.clip(random.normal(1.72, 0.09), 1.5, 1.95))
    height = float(np.clip(random.normal(1.52, 0.11), 1.3, 1.85))
    paint = random.uniform(0.15, 0.8)
    belt = height * random.uniform(0.55, 0.64)
    cabin = length * random.uniform(0.55, 0.72)
    back = -random.uniform(0.02, 0.12) * length
    shape = Shape()
    shape.add(_block(length, width, 0.28, belt, 0.97, 0.98), paint)
    shape.add(_block(cabin, width * 0.94, belt, height, random.uniform(0.62, 0.85), 0.86), 0.08, 0.6, (back, 0, 0))
    shape.add(_block(cabin * 0.7, width * 0.78, height - 0.04, height), paint, 0.0, (back, 0, 0))
    for x in (0.31 * length, -0.31 * length):
        for side in (-1, 1):
            outer, inner = side * width / 2, side * (width / 2 - 0.2)
            shape.add(_tube((x, inner, 0.31), (x, outer, 0.31), 0.31, 10), 0.06, 0.2)
    return shape, (length, width, height)


def pedestrian(random: np.random.Generator) -> tuple[Shape, tuple[float, float, float]]:
    """Somebody who walks or stands."""
    height = float(np.clip(random.normal(1.72, 0.12), 1.3, 2.0))
    stride = height * random.uniform(0.02, 0.22)
    shoulder = height * random.uniform(0.12, 0.15)
    cloth = random.uniform(0.1, 0.6)
    hip = 0.5 * height
    shape = Shape()
    for side in (-1, 1):
        foot = side * stride
        shape.add(_tube((foot, side * 0.1, 0.02), (0, side * 0.09, hip), 0.075), random.uniform(0.1, 0.5))
        hand = -side * stride * 0.9
        shape.add(
            _tube((0, side * shoulder, 0.8 * height), (hand, side * (shoulder + 0.04), 0.47 * height), 0.05), cloth
        )
    shape.add(_ball((0, 0, 0.66 * height), (0.13, shoulder + 0.03, 0.2 * height)), cloth)
    shape.add(_ball((0.02, 0, 0.93 * height), (0.1, 0.085, 0.075 * height)), 0.35)
    low, high = shape.vertices.min(axis=0), shape.vertices.max(axis=0)
    shape.vertices[:, 0] -= (low[0] + high[0]) / 2
    return shape, (float(high[0] - low[0]), float(high[1] - low[1]), float(high[2]))


def cyclist(random: np.random.Generator) -> tuple[Shape, tuple[float, float, float]]:
    """Somebody on a bicycle."""
    length = float(np.clip(random.normal(1.76, 0.07), 1.6, 1.95))
    height = float(np.clip(random.normal(1.74, 0.1), 1.5, 1.95))
    radius = 0.34
    cloth = random.uniform(0.1, 0.6)
    lean = random.uniform(0.15, 0.45)
    shape = Shape()
    for x in (length / 2 - radius, radius - length / 2):
        shape.add(_tube((x, -0.025, radius), (x, 0.025, radius), radius, 12), 0.2, 0.45)
    front, rear = length / 2 - radius - 0.12, radius - length / 2
    seat = (rear + 0.38, 0.0, 0.92)
    shape.add(_tube((rear, 0, radius), seat, 0.03), 0.4)
    shape.add(_tube(seat, (front, 0, 0.85), 0.03), 0.4)
    shape.add(_tube((front, -0.27, 1.0), (front, 0.27, 1.0), 0.025), 0.4)
    neck = (seat[0] + lean, 0.0, height - 0.28)
    for side in (-1, 1):
        knee = (seat[0] + 0.38, side * 0.12, 0.72 + side * 0.14)
        shape.add(_tube((seat[0], side * 0.09, 0.95), knee, 0.075), cloth)
        shape.add(_tube(knee, (seat[0] + 0.2, side * 0.11, 0.3 + side * 0.1), 0.055), random.uniform(0.1, 0.5))
        shape.add(_tube((neck[0], side * 0.2, neck[2]), (front, side * 0.25, 1.02), 0.045), cloth)
    shape.add(_tube(seat, neck, 0.16), cloth)
    shape.add(_ball((neck[0] + 0.08, 0, height - 0.13), (0.11, 0.09, 0.13)), 0.35)
    high = shape.vertices.max(axis=0)
    return shape, (length, float(2 * high[1]), float(high[2]))


MAKERS = {"Car": car, "Pedestrian": pedestrian, "Cyclist": cyclist}


def _look_alike(random: np.random.Generator) -> tuple[Shape, float]:
    """An object that looks similar but has none of the classes, and its radius."""
    kind = random.choice(
        ["bollard", "bin", "pole", "sign", "tree", "bush", "container", "hydrant", "cabinet"],
        p=[0.16, 0.13, 0.16, 0.08, 0.14, 0.1, 0.07, 0.06, 0.1],
    )
    shape = Shape()
    if kind in ("bollard", "hydrant"):
        height = random.uniform(0.6, 1.3)
        return shape.add(_tube((0, 0, 0), (0, 0, height), random.uniform(0.07, 0.2)), random.uniform(0.2, 0.7)), 0.3
    if kind in ("bin", "cabinet"):
        size = random.uniform(0.4, 0.8), random.uniform(0.4, 0.9)
        return shape.add(_block(*size, 0, random.uniform(0.9, 1.7)), random.uniform(0.15, 0.6)), 0.7
    if kind in ("pole", "sign"):
        shape.add(_tube((0, 0, 0), (0, 0, random.uniform(2.2, 7)), random.uniform(0.04, 0.14)), 0.5)
        if kind == "sign":
            shape.add(_block(0.04, random.uniform(0.4, 0.8), 1.5, random.uniform(1.9, 2.4)), 0.95)
        return shape, 0.3
    if kind == "tree":
        stem, crown = random.uniform(1.8, 3.2), random.uniform(0.9, 2.2)
        shape.add(_tube((0, 0, 0), (0, 0, stem), random.uniform(0.1, 0.3)), 0.2)
        return shape.add(_ball((0, 0, stem + crown * 0.8), (crown, crown, crown)), 0.25, 0.3), 0.4
    if kind == "bush":
        bulk = random.uniform(0.4, 1.0)
        return shape.add(_ball((0, 0, bulk * 0.7), (bulk * 1.3, bulk, bulk)), 0.25, 0.25), 1.3 * bulk
    length, width, height = random.uniform(2.4, 4.4), random.uniform(1.4, 1.9), random.uniform(1.1, 1.8)
    return shape.add(_block(length, width, 0.05, height), random.uniform(0.2, 0.7)), 0.6 * length


@dataclass
class Thing:
    """An object with its box."""

    name: str
    shape: Shape
    box: np.ndarray


@dataclass
class Frame:
    """A scan and its objects: the boxes, the points of each, the fraction of beams that reached it, whether it is labelled."""

    points: np.ndarray
    things: list[Thing]
    counts: np.ndarray
    visible: np.ndarray
    noticed: np.ndarray

    def _labelled(self) -> tuple[np.ndarray, ...]:
        boxes = np.array([thing.box for thing in self.things]).reshape(-1, 7)
        cut, inside = _CALIBRATION.image_boxes(boxes)
        whole, _ = _CALIBRATION.image_boxes(boxes, clipped=False)
        area = (whole[:, 2] - whole[:, 0]) * (whole[:, 3] - whole[:, 1])
        truncated = 1 - (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1]) / np.maximum(area, 1e-9)
        occluded = np.select([self.visible >= 0.75, self.visible >= 0.45, self.visible >= 0.15], [0, 1, 2], 3)
        return boxes, cut, np.clip(truncated, 0, 1), occluded, inside & (self.counts > 0), inside & (self.counts == 0)

    def lines(self) -> list[str]:
        """The frame's label file."""
        boxes, cut, truncated, occluded, kept, hidden = self._labelled()
        kept &= self.noticed
        names = [thing.name for thing, keep in zip(self.things, kept, strict=True) if keep]
        lines = label_lines(
            names, boxes[kept], _CALIBRATION, image=cut[kept], truncated=truncated[kept], occluded=occluded[kept]
        )
        return lines + region_lines(cut[hidden])

    def known(self) -> ScoredFrame:
        """The boxes that a perfect detector would find: those of all objects with enough points."""
        _, cut, truncated, occluded, seen, _ = self._labelled()
        kept, enough = seen & self.noticed, seen & (self.counts >= ENOUGH)
        all_names = np.array([thing.name for thing in self.things], dtype=object)
        names, found = list(all_names[kept]), list(all_names[enough])
        heights = cut[:, 3] - cut[:, 1]
        exact = np.eye(len(self.things))[enough][:, kept]
        return ScoredFrame(
            names,
            heights[kept],
            occluded[kept],
            truncated[kept],
            found,
            np.ones(len(found)),
            heights[enough],
            {"3d": exact},
        )


def scan(open3d: Any, random: np.random.Generator, difficulty: float) -> Frame:
    """Build a street and scan it."""
    slope = random.normal(0, 0.012, 2)
    street = random.normal(0, np.deg2rad(6))
    half_road = random.uniform(4.0, 7.0)

    def ground(x: Any, y: Any) -> Any:
        return -HEIGHT + slope[0] * x + slope[1] * y

    background = [_road(random, ground), *_walls(random, street, half_road, ground)]
    things: list[Thing] = []
    taken: list[tuple[float, float, float]] = []

    def room(radius: float, across: tuple[float, float]) -> tuple[float, float] | None:
        """A free place in the camera's view at some distance from the middle of the street."""
        for _ in range(30):
            along, side = random.uniform(5, 30.5), random.choice([-1, 1]) * random.uniform(*across)
            x = along * np.cos(street) - side * np.sin(street)
            y = along * np.sin(street) + side * np.cos(street)
            if not (5 < x < 30.5 and abs(y) < min(0.86 * x, 15)):
                continue
            if all((x - a) ** 2 + (y - b) ** 2 > (radius + r) ** 2 for a, b, r in taken):
                taken.append((x, y, radius))
                return x, y
        return None

    pavement = (half_road + 0.4, half_road + 3.5)
    for name, mean, radius in (("Car", 5.0, 1.9), ("Pedestrian", 4.0, 0.45), ("Cyclist", 3.0, 0.95)):
        for _ in range(random.poisson(mean)):
            crosses = random.random() < 0.15
            across = {
                "Car": (0.6, half_road),
                "Pedestrian": (0.0, half_road) if crosses else pavement,
                "Cyclist": (1.0, half_road + 2),
            }
            place = room(radius, across[name])
            if place is None:
                continue
            shape, size = MAKERS[name](random)
            yaw = random.uniform(-np.pi, np.pi) if name == "Pedestrian" else (
                street + random.normal(0, 0.08) + np.pi * random.integers(2) + (np.pi / 2 if crosses else 0)
            )  # fmt: skip
            x, y = place
            bottom = float(ground(x, y))
            box = np.array([x, y, bottom + size[2] / 2, *size, (yaw + np.pi) % (2 * np.pi) - np.pi])
            things.append(Thing(name, shape.placed(x, y, bottom, yaw), box))
    for _ in range(random.poisson(6 + 8 * difficulty)):
        shape, radius = _look_alike(random)
        place = room(radius, (half_road + 0.2, half_road + 6) if random.random() < 0.8 else (0, half_road))
        if place is not None:
            x, y = place
            background.append(shape.placed(x, y, float(ground(x, y)), random.uniform(-np.pi, np.pi)))
    return _scanned(open3d, random, things, background, difficulty)


def _road(random: np.random.Generator, ground: Any) -> Shape:
    """The ground: a sloping plane with waves of a few centimetres."""
    x, y = np.meshgrid(np.linspace(0, 50, 26), np.linspace(-46, 46, 47), indexing="ij")
    z = ground(x, y) + random.normal(0, 0.015, x.shape)
    at = np.arange(x.size).reshape(x.shape)
    corners = at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]
    first, second, third, fourth = (corner.ravel() for corner in corners)
    triangles = np.concatenate([np.c_[first, second, third], np.c_[first, third, fourth]])
    return Shape().add((np.stack([x, y, z], -1).reshape(-1, 3), triangles), random.uniform(0.15, 0.35))


def _walls(random: np.random.Generator, street: float, half_road: float, ground: Any) -> list[Shape]:
    """Houses and fences along both sides, with gaps."""
    found = []
    for side in (-1, 1):
        along, front = -5.0, half_road + random.uniform(3.5, 9)
        while along < 48:
            length = random.uniform(4, 14)
            if random.random() < 0.75:
                depth = random.uniform(0.2, 6)
                height = random.uniform(1.2, 2.2) if depth < 1 else random.uniform(3, 10)
                away = side * (front + depth / 2 + random.uniform(0, 1.5))
                middle = along + length / 2
                x = middle * np.cos(street) - away * np.sin(street)
                y = middle * np.sin(street) + away * np.cos(street)
                shape = Shape().add(_block(length, depth, -0.3, height), random.uniform(0.2, 0.6))
                found.append(shape.placed(x, y, float(ground(x, y)), street))
            along += length + random.uniform(0, 4)
    return found


def _scanned(
    open3d: Any, random: np.random.Generator, things: list[Thing], background: list[Shape], difficulty: float
) -> Frame:
    """Cast the beams, and keep those that come back."""
    whole, owner = Shape(), []
    for number, shape in enumerate([*(thing.shape for thing in things), *background]):
        whole.triangles = np.concatenate([whole.triangles, shape.triangles + len(whole.vertices)])
        whole.vertices = np.concatenate([whole.vertices, shape.vertices])
        whole.reflects = np.concatenate([whole.reflects, shape.reflects])
        whole.swallows = np.concatenate([whole.swallows, shape.swallows])
        owner.append(np.full(len(shape.triangles), number if number < len(things) else -1))
    owners = np.concatenate(owner)
    turns = np.arange(TURN, -TURN, -STEP)
    elevation, azimuth = (grid.ravel() for grid in np.meshgrid(BEAMS, turns, indexing="ij"))
    azimuth = azimuth + random.normal(0, 0.1 * STEP, len(azimuth))
    directions = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=1
    )
    found = _cast(open3d, whole, directions)
    distance, triangle = found["t_hit"].numpy().astype(np.float64), found["primitive_ids"].numpy().astype(np.int64)
    hit = np.isfinite(distance) & (distance < FARTHEST)
    triangle = np.where(hit, triangle, 0)
    owned = np.where(hit, owners[triangle], -1)
    flat = np.abs((found["primitive_normals"].numpy() * directions).sum(axis=1))
    weak = 0.02 + difficulty * (0.1 * (np.where(hit, distance, 0) / FARTHEST) ** 2 + 0.3 * (1 - flat) ** 4)
    kept = hit & (random.random(len(hit)) > np.maximum(weak, whole.swallows[triangle]))
    noisy = np.where(hit, distance, 0) + random.normal(0, 0.01 + 0.02 * difficulty, len(hit))
    strength = whole.reflects[triangle] * (0.35 + 0.65 * flat) * np.exp(-noisy / 80) + random.normal(0, 0.03, len(hit))
    points = np.c_[directions * noisy[:, None], np.clip(strength, 0, 0.99)][kept]
    dust = random.poisson(4 * difficulty)
    stray = np.c_[random.uniform([2, -15, -1.5], [40, 15, 1.5], (dust, 3)), random.uniform(0, 0.2, dust)]
    counts = np.bincount(owned[kept & (owned >= 0)], minlength=len(things)) if things else np.zeros(0, np.int64)
    visible = np.zeros(len(things))
    for number, thing in enumerate(things):
        # How many beams would hit it if nothing else were there?
        angles = np.arctan2(thing.shape.vertices[:, 1], thing.shape.vertices[:, 0])
        near = (azimuth > angles.min() - STEP) & (azimuth < angles.max() + STEP)
        alone = np.isfinite(_cast(open3d, thing.shape, directions[near])["t_hit"].numpy()).sum() if near.any() else 0
        visible[number] = (owned == number).sum() / max(int(alone), 1)
    return Frame(
        np.concatenate([points, stray]).astype(np.float32), things, counts, visible, np.ones(len(things), bool)
    )


def _cast(open3d: Any, shape: Shape, directions: np.ndarray) -> Any:
    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        open3d.core.Tensor(shape.vertices.astype(np.float32)), open3d.core.Tensor(shape.triangles.astype(np.uint32))
    )
    rays = np.c_[np.zeros_like(directions), directions].astype(np.float32)
    return scene.cast_rays(open3d.core.Tensor(rays), nthreads=1)
