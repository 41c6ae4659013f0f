"""What becomes of each labelled object and of each box that a detector gives: found, loosely found, missed, false."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from convzoo.core.outputs.boxes import BOX, Calibration, Found
from convzoo.core.outputs.boxes import Objects as Labelled
from convzoo.core.pages import Material
from convzoo.metrics.detection import scored_frame
from convzoo.metrics.kitti_ap import NEIGHBOURS, ScoredFrame, least_overlap
from convzoo.modalities.points.example import PointCloud
from convzoo.ops.boxes import points_in_boxes
from convzoo.tasks.detection import Detection

FOUND, LOOSE, OTHER, MISSED = "found", "loosely", "as another class", "missed"
"""What becomes of an object. Found: a box of its class overlaps it enough. Loosely: a box of its class touches it from above, but
overlaps too little. As another class: only a box of another class touches it."""
FALSE, UNJUDGED = "false", "not judged"
"""What becomes of a box besides `FOUND` and `LOOSE`. Not judged: nothing is labelled where it is."""

SURE = 0.3
"""Boxes that score less are not drawn, and do not count in what is taken apart."""
COUNTED = 400
"""Points inside of boxes are counted in at most so many frames."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A labelled frame, all boxes that were given, and all overlaps.

    Attributes:
        row: its position in the predictions
        names: (objects,) the classes of the labelled objects
        true: (objects, 7) their boxes
        occluded: (objects,) 0 visible, 1 partly, 2 largely hidden, 3 unknown
        judged: (objects,) whether an object is of a class that is looked for
        classes: (boxes,) of the boxes that were given, the surest first
        boxes: (boxes, 7)
        scores: (boxes,)
        hidden: (boxes,) whether a box lies where nothing is labelled
        in_space, from_above: (boxes, objects) intersection over union
        scored: the frame for KITTI's rules
        group: of the example
    """

    row: int
    names: tuple[str, ...]
    true: np.ndarray
    occluded: np.ndarray
    judged: np.ndarray
    classes: tuple[str, ...]
    boxes: np.ndarray
    scores: np.ndarray
    hidden: np.ndarray
    in_space: np.ndarray
    from_above: np.ndarray
    scored: ScoredFrame
    group: str | None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of the objects and boxes of a frame.

    Attributes:
        objects: (objects,) `FOUND`, `LOOSE`, `OTHER` or `MISSED`
        boxes: `FOUND`, `LOOSE`, `FALSE` or `UNJUDGED`, for the boxes that are sure enough
        match: for each of these boxes the object that it finds, or -1
        touched: for each of these boxes the object that it overlaps most from above, or -1
    """

    objects: tuple[str, ...]
    boxes: tuple[str, ...]
    match: np.ndarray
    touched: np.ndarray

    def count(self, kind: str, judged: np.ndarray) -> int:
        """The number of objects that are looked for and came to this."""
        return sum(own == kind for own, wanted in zip(self.objects, judged, strict=True) if wanted)


def boxes_of(row: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The boxes of a row of the predictions; empty if there are none."""
    return row[key] if isinstance(row.get(key), list) else []


def array_of(boxes: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Boxes as (boxes, 7)."""
    return np.array([[box[key] for key in BOX] for box in boxes], np.float64).reshape(-1, 7)


def frames_of(
    predictions: Sequence[Mapping[str, Any]], examples: Sequence[PointCloud], labels: Sequence[str]
) -> list[Frame]:
    """The frames whose objects are labelled; others are left out.

    Args:
        predictions: a row a frame; `index` is the position of its example
        examples: the test split
        labels: the classes that are looked for
    """
    found = []
    for at, row in enumerate(predictions):
        example = examples[int(row["index"])]
        objects = example.objects
        if objects is None:
            continue
        given = sorted(boxes_of(row, "boxes"), key=lambda box: -float(box["score"]))
        given = [box for box in given if box["class"] in labels]
        boxes, scores = array_of(given), np.array([float(box["score"]) for box in given], np.float64)
        numbers = np.array([list(labels).index(box["class"]) for box in given], np.int64)
        whole = scored_frame(Found(boxes, numbers, scores), objects, None, labels)
        scored = (
            scored_frame(Found(boxes, numbers, scores), objects, example.calibration, labels)
            if example.calibration is not None
            else whole
        )
        found.append(
            Frame(
                at, objects.names, np.asarray(objects.boxes, np.float64).reshape(-1, 7), np.asarray(objects.occluded),
                np.array([name in labels for name in objects.names], bool), tuple(box["class"] for box in given), boxes,
                scores, _hidden(boxes, objects, example.calibration), whole.overlaps["3d"], whole.overlaps["bev"], scored,
                example.group,
            )
        )  # fmt: skip
    return found


def _hidden(boxes: np.ndarray, objects: Labelled, calibration: Calibration | None) -> np.ndarray:
    """Which boxes lie outside of the camera's image, or mostly in a region of it where objects are not labelled."""
    if calibration is None or not len(boxes):
        return np.zeros(len(boxes), bool)
    regions, inside = calibration.image_boxes(boxes)
    low = np.maximum(regions[:, None, :2], objects.regions[None, :, :2])
    high = np.minimum(regions[:, None, 2:], objects.regions[None, :, 2:])
    area = np.maximum((regions[:, 2:] - regions[:, :2]).prod(axis=1), 1e-9)
    covered = (np.clip(high - low, 0, None).prod(axis=2) / area[:, None] > 0.5).any(axis=1)
    return ~inside | covered


def outcome_of(frame: Frame, least: float) -> Outcome:
    """What became of a frame's objects, taking the boxes that are at least so sure.

    The surest box chooses first, among the objects of its class that are still free: first all that fit, then those that touch.

    Args:
        least: the lowest score of a box that is taken
    """
    count = int((frame.scores >= least).sum())
    objects, boxes = [MISSED] * len(frame.names), [FALSE] * count
    match, touched = np.full(count, -1), np.full(count, -1)
    same = np.array([[name == own for name in frame.names] for own in frame.classes[:count]], bool).reshape(
        count, len(frame.names)
    )
    for kind, overlaps, enough in (
        (FOUND, frame.in_space, lambda name: least_overlap(name)),
        (LOOSE, frame.from_above, lambda name: 0.0),
    ):
        for box in range(count):
            if boxes[box] == FALSE:
                free = same[box] & np.array([state == MISSED for state in objects], bool)
                chosen = _largest(overlaps[box], free, enough(frame.classes[box]))
                if chosen >= 0:
                    boxes[box], objects[chosen], match[box] = kind, kind, chosen
    for box in range(count):
        if boxes[box] != FALSE:
            touched[box] = match[box]
            continue
        touched[box] = over = _largest(frame.from_above[box], np.ones(len(objects), bool), 0.0)
        if frame.hidden[box] or (over >= 0 and frame.names[over].lower() == NEIGHBOURS.get(frame.classes[box].lower())):
            boxes[box] = UNJUDGED
        others = np.flatnonzero((frame.from_above[box] > 0) & ~same[box])
        for other in others.tolist():
            objects[other] = OTHER if objects[other] == MISSED else objects[other]
    return Outcome(tuple(objects), tuple(boxes), match, touched)


def _largest(overlaps: np.ndarray, allowed: np.ndarray, more_than: float) -> int:
    able = np.where(allowed, overlaps, -1.0)
    return int(able.argmax()) if len(able) and able.max() > more_than else -1


def plain_precision(
    frames: Sequence[Frame], outcomes: Sequence[Outcome], name: str, counts: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, int]:
    """The area under the curve of precision and recall of a class, and the number of its objects; NaN without objects.

    Every object counts, however hard, and every recall, so that few objects give a fair value (KITTI's 40 recalls do not). A box
    counts if the object that it finds does, or if it finds none and its own place does.

    Args:
        outcomes: of all boxes, the least sure among them
        counts: takes boxes (n, 7), says which count: those at some distance
    """
    scores, right, total = [], [], 0
    for frame, outcome in zip(frames, outcomes, strict=True):
        own = np.array([other == name for other in frame.names], bool)
        inside = counts(frame.true) if len(frame.true) else np.zeros(0, bool)
        total += int((own & inside).sum())
        places = counts(frame.boxes) if len(frame.boxes) else np.zeros(0, bool)
        for box, kind in enumerate(outcome.boxes):
            if frame.classes[box] != name or kind == UNJUDGED:
                continue
            if inside[outcome.match[box]] if outcome.match[box] >= 0 else places[box]:
                scores.append(frame.scores[box])
                right.append(kind == FOUND)
    if not total:
        return float("nan"), 0
    if not scores:
        return 0.0, total
    hits = np.cumsum(np.array(right)[np.argsort(-np.array(scores), kind="stable")])
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    recall = np.concatenate([[0], hits / total])
    return float((np.diff(recall) * precision).sum()), total


def spoken(name: str) -> str:
    """A class's name inside of a sentence: `Car` -> `car`; names that are not written like that stay."""
    return name.lower() if name.istitle() else name


def least_of(task: Detection) -> float:
    """The lowest score of a box that is drawn and counted."""
    return max(SURE, task.score_threshold)


def frames_in_words(count: int) -> str:
    return f"{count:,} test frame{'' if count == 1 else 's'}"


def points_inside(material: Material, frames: Sequence[Frame]) -> list[np.ndarray | None]:
    """The points inside of each labelled box; None for frames that are not read, because there are too many."""
    chosen = set(np.linspace(0, len(frames) - 1, min(len(frames), COUNTED)).astype(int).tolist())
    found: list[np.ndarray | None] = []
    for at, frame in enumerate(frames):
        if at not in chosen:
            found.append(None)
            continue
        points = torch.from_numpy(material.examples[int(material.predictions[frame.row]["index"])].read()[:, :3])
        boxes = torch.from_numpy(frame.true).float()
        near = [points[(points[:, :2] - box[:2]).abs().amax(dim=1) <= box[3:5].norm()] for box in boxes]
        counts = [int(points_in_boxes(own, box[None]).sum()) for own, box in zip(near, boxes, strict=True)]
        found.append(np.array(counts, np.int64))
    return found
