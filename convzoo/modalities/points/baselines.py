"""Opponents of detectors in point clouds: boxes at the usual places, and clusters with mean boxes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.core.outputs.boxes import Detections, Found
from convzoo.modalities.points.example import PointCloud
from convzoo.ops.boxes import points_in_boxes, suppress


class UsualPlaces(Baseline):
    """The naive opponent, which does not look at the scan: every frame gets the mean box of each class at the places where
    training had most objects.

    Args:
        places: number of boxes of each class
        cell: side of the squares that are counted, in metres
    """

    def __init__(self, places: Positive = 20, cell: PositiveFloat = 2.0) -> None:
        self.places = places
        self.cell = cell

    def fit(self, examples: Sequence[PointCloud], dims: Mapping[str, Any]) -> None:
        """Count where boxes are."""
        boxes, labels, scores = [], [], []
        for number, own in enumerate(_boxes_by_class(examples, dims)):
            _, inverse, counts = np.unique(
                np.floor(own[:, :2] / self.cell), axis=0, return_inverse=True, return_counts=True
            )
            for square in np.argsort(-counts, kind="stable")[: self.places]:
                boxes.append(own[inverse.ravel() == square].mean(axis=0))
                boxes[-1][3:6] = own[:, 3:6].mean(axis=0)
                labels.append(number)
                scores.append(counts[square] / len(examples))
        self.found = Found(np.array(boxes).reshape(-1, 7), np.array(labels, np.int64), np.clip(scores, 0, 1))

    def outputs(self, examples: Sequence[PointCloud]) -> Detections:
        """The same boxes in every frame."""
        return Detections([self.found] * len(examples))


class ClusterBoxes(Baseline):
    """The classical way: take away the ground, cluster what is left (DBSCAN), classify the clusters by their measures (a
    random forest), and give each the mean box of its class: aligned with the smallest rectangle around the points, with its
    near sides where the points end.

    Args:
        max_distance: points with a smaller horizontal distance, in metres, belong to one cluster
        ground: points less than this height above the ground, in metres, count as ground
        max_examples: largest number of training frames that the forest is fitted to
        trees: number of trees in the forest
        score_threshold: boxes with a lower score are dropped
        seed: random seed of the forest
    """

    def __init__(
        self,
        max_distance: PositiveFloat = 0.5,
        ground: PositiveFloat = 0.25,
        max_examples: Positive = 150,
        trees: Positive = 100,
        score_threshold: PositiveFloat = 0.1,
        seed: int = 0,
    ) -> None:
        self.max_distance = max_distance
        self.ground = ground
        self.max_examples = max_examples
        self.trees = trees
        self.score_threshold = score_threshold
        self.seed = seed

    def fit(self, examples: Sequence[PointCloud], dims: Mapping[str, Any]) -> None:
        """Learn mean boxes and what the clusters of each class are like."""
        from sklearn.ensemble import RandomForestClassifier

        self.labels, self.bounds = list(dims["labels"]), list(dims["bounds"])
        self.sizes = [own[:, 3:6].mean(axis=0) if len(own) else np.ones(3) for own in _boxes_by_class(examples, dims)]
        rows, kinds = [], []
        for example in examples[:: -(-len(examples) // self.max_examples)]:
            if example.objects is None:
                continue
            names = np.array([self._number(name) for name in example.objects.names], np.int64)
            boxes = torch.from_numpy(example.objects.boxes)
            for cluster, _ in self._clusters(example):
                rows.append(_measures(cluster))
                inside = points_in_boxes(torch.from_numpy(cluster[:, :3]), boxes).double().mean(dim=0).numpy()
                kinds.append(names[inside.argmax()] if len(inside) and inside.max() > 0.5 else -1)
        if not rows:
            raise DataError("training has no points above the ground to cluster")
        self.forest = RandomForestClassifier(
            self.trees, min_samples_leaf=2, class_weight="balanced_subsample", random_state=self.seed
        ).fit(np.array(rows), kinds)

    def outputs(self, examples: Sequence[PointCloud]) -> Detections:
        """A box for each cluster and each of its possible classes."""
        return Detections([self._frame(example) for example in examples])

    def _number(self, name: str) -> int:
        return self.labels.index(name) if name in self.labels else -1

    def _frame(self, example: PointCloud) -> Found:
        clusters = self._clusters(example)
        boxes, labels, scores = [], [], []
        chances = (
            self.forest.predict_proba(np.array([_measures(cluster) for cluster, _ in clusters])) if clusters else []
        )
        for (cluster, floor), row in zip(clusters, chances, strict=True):
            for kind, chance in zip(self.forest.classes_, row, strict=True):
                if kind >= 0 and chance >= self.score_threshold:
                    boxes.append(_mean_box(cluster, floor, self.sizes[kind]))
                    labels.append(kind)
                    scores.append(chance)
        found = Found(np.array(boxes).reshape(-1, 7), np.array(labels, np.int64), np.array(scores, np.float64))
        apart = torch.from_numpy(found.boxes).clone()
        apart[:, 0] += torch.from_numpy(found.labels) * 1e4
        kept = suppress(apart, torch.from_numpy(found.scores), 0.2).numpy()
        return Found(found.boxes[kept], found.labels[kept], found.scores[kept])

    def _clusters(self, example: PointCloud) -> list[tuple[np.ndarray, float]]:
        """The points of each cluster, (points, 4), and the height of the ground beneath it."""
        from sklearn.cluster import DBSCAN

        points = example.read().astype(np.float64)
        x0, x1, y0, y1 = self.bounds
        points = points[(points[:, 0] >= x0) & (points[:, 0] < x1) & (points[:, 1] >= y0) & (points[:, 1] < y1)]
        if len(points) < 10:
            return []
        plane = _ground(points)
        above = points[:, 2] - (points[:, :2] @ plane[:2] + plane[2])
        points = points[(above > self.ground) & (above < 3.0)]
        _, first, inverse = np.unique(np.floor(points[:, :3] / 0.1), axis=0, return_index=True, return_inverse=True)
        if not len(first):
            return []
        home = DBSCAN(eps=self.max_distance, min_samples=2).fit_predict(points[first, :2])[inverse.ravel()]
        order = np.argsort(home, kind="stable")
        parts = np.split(points[order], np.flatnonzero(np.diff(home[order])) + 1)
        numbers = home[order][np.r_[0, np.flatnonzero(np.diff(home[order])) + 1]]
        return [
            (part, float(part[:, :2].mean(axis=0) @ plane[:2] + plane[2]))
            for part, number in zip(parts, numbers, strict=True)
            if number >= 0 and len(part) >= 3
        ]


def _boxes_by_class(examples: Sequence[PointCloud], dims: Mapping[str, Any]) -> list[np.ndarray]:
    x0, x1, y0, y1 = dims["bounds"]
    found: list[np.ndarray] = []
    for label in dims["labels"]:
        own = [
            box
            for example in examples
            if example.objects is not None
            for name, box in zip(example.objects.names, example.objects.boxes, strict=True)
            if name == label and x0 <= box[0] < x1 and y0 <= box[1] < y1
        ]
        found.append(np.array(own).reshape(-1, 7))
    return found


def _ground(points: np.ndarray) -> np.ndarray:
    """The plane z = a x + b y + c fitted to the lowest points of squares of 2 m; far points are left out step by step."""
    square = np.floor(points[:, :2] / 2).astype(np.int64)
    order = np.lexsort((points[:, 2], square[:, 1], square[:, 0]))
    first = np.r_[True, (np.diff(square[order], axis=0) != 0).any(axis=1)]
    lowest = points[order[first], :3]
    kept = np.ones(len(lowest), bool)
    plane = np.array([0.0, 0.0, float(np.median(lowest[:, 2]))])
    for limit in (1.0, 0.5, 0.3, 0.2):
        away = lowest[:, 2] - (lowest[:, :2] @ plane[:2] + plane[2])
        kept = np.abs(away) < limit
        if kept.sum() < 6:
            break
        plane = np.linalg.lstsq(np.c_[lowest[kept, :2], np.ones(kept.sum())], lowest[kept, 2], rcond=None)[0]
    return plane


def _rectangle(points: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The rotation (0 to 90 degrees) of the smallest rectangle around points from above, and its limits along its sides."""
    turns = np.deg2rad(np.arange(0, 90, 3.0))
    along = points[:, :1] * np.cos(turns) + points[:, 1:2] * np.sin(turns)
    across = points[:, 1:2] * np.cos(turns) - points[:, :1] * np.sin(turns)
    spans = np.ptp(along, axis=0) + 0.05, np.ptp(across, axis=0) + 0.05
    best = int((spans[0] * spans[1]).argmin())
    both = np.stack([along[:, best], across[:, best]])
    return float(turns[best]), both.min(axis=1), both.max(axis=1)


def _measures(points: np.ndarray) -> np.ndarray:
    """The features of a cluster: its measures, how many points it has, how far away it is."""
    _, low, high = _rectangle(points[:, :2])
    spans = np.sort(high - low)
    distance = float(np.hypot(*points[:, :2].mean(axis=0)))
    heights = np.quantile(points[:, 2], [0, 0.25, 0.5, 0.75, 1])
    return np.r_[
        spans, heights, np.ptp(points[:, 2]), np.log(len(points)), distance, np.log(len(points)) + 2 * np.log(distance),
        points[:, 3].mean(), points[:, 3].std(), points[:, :3].std(axis=0),
    ]  # fmt: skip


def _mean_box(points: np.ndarray, floor: float, size: np.ndarray) -> np.ndarray:
    """A box of a class's size about a cluster: its sides that face the sensor are where the points end."""
    turn, low, high = _rectangle(points[:, :2])
    span = high - low
    yaw, lengths = (turn, size[:2]) if span[0] >= span[1] else (turn + np.pi / 2, size[1::-1])
    middle = (low + high) / 2
    # In the rectangle's own axes the sensor is at 0: the nearer end of each side is seen, the farther one may not be.
    towards = np.where(middle >= 0, 1, -1)
    centre = np.where(middle >= 0, low, high) + towards * lengths / 2
    straddles = (low < 0) & (high > 0)
    centre = np.where(straddles, middle, centre)
    x = centre[0] * np.cos(turn) - centre[1] * np.sin(turn)
    y = centre[0] * np.sin(turn) + centre[1] * np.cos(turn)
    return np.array([x, y, floor + size[2] / 2, *size, yaw])
