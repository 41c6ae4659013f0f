"""Average precision by the rules of the KITTI object benchmark (Geiger et al. 2012, doi:10.1109/CVPR.2012.6248074, and its
development kit), over overlaps that are computed elsewhere.

An object counts at a difficulty if its height in the image is large enough, and its occlusion and truncation are small enough.
Other objects, and those of a neighbouring class (a van for cars, a sitting person for pedestrians), may be found or not. A
detection finds an object if it overlaps it by more than the class's minimum. Detections that are too small in the image count
neither as right nor as wrong. Precision is taken at 41 recalls, and made to fall with recall. Its mean is taken over 11 of them
(R11, with 0) or over 40 (R40, without 0; Simonelli et al. 2019, arXiv:1905.12365).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

RECALLS = 41


class Difficulty(NamedTuple):
    """The limits of an object that counts: the smallest height in the image in pixels, the largest occlusion and truncation."""

    height: float
    occluded: int
    truncated: float


DIFFICULTIES = {
    "easy": Difficulty(40, 0, 0.15),
    "moderate": Difficulty(25, 1, 0.30),
    "hard": Difficulty(25, 2, 0.50),
}
NEIGHBOURS = {"car": "van", "pedestrian": "person_sitting"}
LARGE = ("car", "van", "truck", "bus", "tram")
"""Classes whose detections must overlap by .7; for all others it is .5."""


def least_overlap(name: str) -> float:
    """The smallest overlap of a detection with an object of this class."""
    return 0.7 if name.lower() in LARGE else 0.5


@dataclass(frozen=True, eq=False)
class ScoredFrame:
    """The objects and the detections of a frame, in the form that the rules need.

    Attributes:
        true_names: (objects,) classes of the labelled objects
        true_heights: (objects,) in the image, in pixels; infinite without an image
        occluded: (objects,)
        truncated: (objects,)
        names: (found,) classes of the detections
        scores: (found,)
        heights: (found,) in the image, in pixels; infinite without an image
        overlaps: by measure (`3d`, `bev`, `image`), (found, objects): intersection over union
        stuff: by measure, (found, regions): the part of a detection that lies in a region where objects are not labelled; KITTI
            has such regions in the image only
    """

    true_names: Sequence[str]
    true_heights: np.ndarray
    occluded: np.ndarray
    truncated: np.ndarray
    names: Sequence[str]
    scores: np.ndarray
    heights: np.ndarray
    overlaps: Mapping[str, np.ndarray]
    stuff: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Judged:
    """A frame's arrays for one class, difficulty and measure."""

    truth: np.ndarray  # (objects,) of the class or a neighbouring one: False if it must be found, True if it may be
    overlaps: np.ndarray  # (found, objects)
    scores: np.ndarray
    low: np.ndarray  # (found,): too small in the image to count
    in_stuff: np.ndarray  # (found,)


def precision_curve(frames: Sequence[ScoredFrame], name: str, difficulty: str, measure: str = "3d") -> np.ndarray:
    """(41,): the precision of a class at recalls 0, 1/40, … 1, made to fall; 0 above the highest recall that is reached."""
    judged = [_judge(frame, name, DIFFICULTIES[difficulty], measure) for frame in frames]
    least = least_overlap(name)
    count = sum(int((~frame.truth).sum()) for frame in judged)
    hits = [score for frame in judged for score in _hit_scores(frame, least)]
    thresholds = recall_thresholds(hits, count)
    curve = np.zeros(RECALLS)
    if not len(thresholds):
        return curve
    totals = np.zeros((2, len(thresholds)))
    for frame in judged:
        totals += _count(frame, least, thresholds)
    right, wrong = totals
    curve[: len(thresholds)] = right / np.maximum(right + wrong, 1)
    return np.maximum.accumulate(curve[::-1])[::-1]


def weighted_average(
    frames: Sequence[ScoredFrame], name: str, difficulty: str, measure: str, weights: np.ndarray
) -> np.ndarray:
    """(draws,): the mean precision at 40 recalls if each frame counts as often as its weight says.

    Detections of a frame are matched as `precision_curve` does it, at the thresholds that it takes for all frames, each counted
    once; so the value at equal weights is close to `average(precision_curve(...), 40)`, not the same.

    Args:
        frames: all
        name: of the class
        difficulty: as in `DIFFICULTIES`
        measure: of the overlap
        weights: (draws, frames)
    """
    judged = [_judge(frame, name, DIFFICULTIES[difficulty], measure) for frame in frames]
    least = least_overlap(name)
    objects = np.array([float((~frame.truth).sum()) for frame in judged])
    thresholds = recall_thresholds(
        [score for frame in judged for score in _hit_scores(frame, least)], int(objects.sum())
    )
    if not len(thresholds):
        return np.zeros(len(weights))
    counts = np.stack([_count(frame, least, thresholds) for frame in judged])  # (frames, right and wrong, thresholds)
    right, wrong = (weights @ counts[:, kind] for kind in (0, 1))
    recall = right / np.maximum(weights @ objects, 1e-9)[:, None]
    precision = np.maximum.accumulate((right / np.maximum(right + wrong, 1e-9))[:, ::-1], axis=1)[:, ::-1]
    found = np.zeros(len(weights))
    for wanted in np.arange(1, RECALLS) / (RECALLS - 1):
        # A threshold serves the recall that it is nearest to, as in the development kit.
        reached = recall >= wanted - 0.5 / (RECALLS - 1)
        found += np.where(reached, precision, 0).max(axis=1)
    return found / (RECALLS - 1)


def average(curve: np.ndarray, recalls: int) -> float:
    """The mean of a precision curve at 11 recalls (0 among them) or at 40 (without 0)."""
    if recalls not in (11, 40):
        raise ValueError(f"recalls should be 11 or 40, not {recalls}")
    return float(curve[::4].mean() if recalls == 11 else curve[1:].mean())


def objects_counted(frames: Sequence[ScoredFrame], name: str, difficulty: str) -> int:
    """Number of objects of a class that must be found."""
    limits = DIFFICULTIES[difficulty]
    return sum(int((_true_kind(frame, name, limits) == 0).sum()) for frame in frames)


def recall_thresholds(hits: Sequence[float] | np.ndarray, count: int) -> np.ndarray:
    """The scores at which recall is nearest to 0, 1/40, 2/40, …; `hits` are the scores of the found objects, out of `count`."""
    ordered = np.sort(np.asarray(hits, np.float64))[::-1]
    found, wanted = [], 0.0
    for place, score in enumerate(ordered):
        here = (place + 1) / count
        following = (place + 2) / count if place + 1 < len(ordered) else here
        if following - wanted < wanted - here and place + 1 < len(ordered):
            continue
        found.append(score)
        wanted += 1 / (RECALLS - 1)
    return np.array(found[:RECALLS])


def _true_kind(frame: ScoredFrame, name: str, limits: Difficulty) -> np.ndarray:
    """For each object: 0 if it must be found, 1 if it may be found, -1 if it belongs to another class."""
    own = np.array([other.lower() == name.lower() for other in frame.true_names], bool)
    near = np.array([other.lower() == NEIGHBOURS.get(name.lower()) for other in frame.true_names], bool)
    hard = (
        (frame.occluded > limits.occluded) | (frame.truncated > limits.truncated) | (frame.true_heights < limits.height)
    )
    return np.where(own & ~hard, 0, np.where(own | near, 1, -1))


def _judge(frame: ScoredFrame, name: str, limits: Difficulty, measure: str) -> _Judged:
    truth = _true_kind(frame, name, limits)
    own = np.array([other.lower() == name.lower() for other in frame.names], bool)
    low = np.asarray(frame.heights) < limits.height
    kept = own | low  # the development kit checks heights first, so a low detection of any class may be matched
    stuff = frame.stuff.get(measure, np.zeros((len(own), 0)))
    inside = np.any(stuff > least_overlap(name), axis=1)
    return _Judged(
        truth[truth >= 0] == 1, frame.overlaps[measure][kept][:, truth >= 0], np.asarray(frame.scores)[kept], low[kept],
        inside[kept],
    )  # fmt: skip


def _hit_scores(frame: _Judged, least: float) -> list[float]:
    """The scores of the detections that find an object which must be found; each object takes the highest remaining score."""
    free = np.ones(len(frame.scores), bool)
    hits = []
    for column, optional in enumerate(frame.truth):
        able = free & (frame.overlaps[:, column] > least)
        if able.any():
            chosen = int(np.where(able, frame.scores, -np.inf).argmax())
            free[chosen] = False
            if not optional and not frame.low[chosen]:
                hits.append(float(frame.scores[chosen]))
    return hits


def _count(frame: _Judged, least: float, thresholds: np.ndarray) -> np.ndarray:
    """(2, thresholds): number of right and wrong detections among those with at least this score. Each object takes the detection
    that overlaps it most, and one that is too low in the image only if there is no other."""
    alive = frame.scores >= thresholds[:, None]  # (thresholds, found)
    right = np.zeros(len(thresholds))
    if not len(frame.scores):
        return np.stack([right, right])
    free = alive.copy()
    rows = np.arange(len(thresholds))
    for column, optional in enumerate(frame.truth):
        overlap = frame.overlaps[:, column]
        able = free & (overlap > least)
        good = able & ~frame.low
        best = np.where(good, overlap, -1.0).argmax(axis=1)
        any_good, any_able = good.any(axis=1), able.any(axis=1)
        chosen = np.where(any_good, best, able.argmax(axis=1))
        free[rows[any_able], chosen[any_able]] = False
        if not optional:
            right += any_good
    wrong = free & ~frame.low & ~frame.in_stuff
    return np.stack([right, wrong.sum(axis=1).astype(np.float64)])
