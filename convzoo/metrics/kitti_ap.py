"""Average precision by the rules of the KITTI object benchmark (Geiger et al. 2012, doi:10.1109/CVPR.2012.6248074, and its
development kit), over overlaps that are computed elsewhere.

An object counts at a difficulty where it is high enough in the image, and occluded and truncated little enough; others, and those
of a neighbouring class (a van for cars, a person sitting for pedestrians), may be found or not. A detection of an object overlaps
it by more than the class's minimum. Detections that are too low in the image count neither for nor against. Precision is read
at 41 recalls, is made to fall, and is averaged at 11 of them (R11, 0 among them) or at 40 (R40, without 0; Simonelli et al. 2019,
arXiv:1905.12365).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

RECALLS = 41


class Difficulty(NamedTuple):
    """What still counts: the least height in the image in pixels, the largest occlusion and truncation."""

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
"""Classes whose detections must overlap by .7; of all others .5 is asked."""


def least_overlap(name: str) -> float:
    """That a detection of a class must overlap an object by."""
    return 0.7 if name.lower() in LARGE else 0.5


@dataclass(frozen=True, eq=False)
class ScoredFrame:
    """What is in a frame and what was found, as the rules take it.

    Attributes:
        true_names: (objects,) classes of the labelled objects
        true_heights: (objects,) in the image, in pixels; infinite where there is no image
        occluded: (objects,)
        truncated: (objects,)
        names: (found,) classes of the detections
        scores: (found,)
        heights: (found,) in the image, in pixels; infinite where there is no image
        overlaps: by measure (`3d`, `bev`, `image`), (found, objects): intersection over union
        stuff: by measure, (found, regions): the part of a detection that lies in a region in which nothing is labelled; KITTI
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

    truth: np.ndarray  # (objects,) of those that may be matched: whether they only may be
    overlaps: np.ndarray  # (found, objects)
    scores: np.ndarray
    low: np.ndarray  # (found,): too low in the image to count
    in_stuff: np.ndarray  # (found,)


def precision_curve(frames: Sequence[ScoredFrame], name: str, difficulty: str, measure: str = "3d") -> np.ndarray:
    """(41,): the precision at recalls 0, 1/40, … 1 of a class, made to fall; 0 beyond the recall that is reached."""
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


def average(curve: np.ndarray, recalls: int) -> float:
    """The mean of a precision curve at 11 recalls (0 among them) or at 40 (without 0)."""
    if recalls not in (11, 40):
        raise ValueError(f"the rules know 11 and 40 recalls, not {recalls}")
    return float(curve[::4].mean() if recalls == 11 else curve[1:].mean())


def objects_counted(frames: Sequence[ScoredFrame], name: str, difficulty: str) -> int:
    """How many objects of a class must be found."""
    limits = DIFFICULTIES[difficulty]
    return sum(int((_true_kind(frame, name, limits) == 0).sum()) for frame in frames)


def recall_thresholds(hits: Sequence[float] | np.ndarray, count: int) -> np.ndarray:
    """The scores at which recall comes nearest to 0, 1/40, 2/40, …; `hits` are the scores of found objects, out of `count`."""
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
    """For each object 0 where it must be found, 1 where it may be, -1 where it is another matter."""
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
    kept = own | low  # the development kit looks at heights first: a low detection of any class may be matched
    stuff = frame.stuff.get(measure, np.zeros((len(own), 0)))
    inside = np.any(stuff > least_overlap(name), axis=1)
    return _Judged(
        truth[truth >= 0] == 1, frame.overlaps[measure][kept][:, truth >= 0], np.asarray(frame.scores)[kept], low[kept],
        inside[kept],
    )  # fmt: skip


def _hit_scores(frame: _Judged, least: float) -> list[float]:
    """The scores of detections of objects that must be found; each object takes the highest score that is left."""
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
    """(2, thresholds): right and wrong detections among those that score at least as much; each object takes what overlaps it
    most, and what is too low in the image only where there is nothing else."""
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
