"""Detections of boxes, scored over a whole split and over all processes by KITTI's rules."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from convzoo.core.outputs.boxes import Calibration, Detections, Found, Objects
from convzoo.core.processes import gather_objects
from convzoo.metrics.kitti_ap import (
    DIFFICULTIES,
    ScoredFrame,
    average,
    objects_counted,
    precision_curve,
    weighted_average,
)
from convzoo.ops.boxes import overlap_from_above, overlap_in_space


class DetectionMeter:
    """Average precision of boxes in space, from above and, if there is a camera, in the image.

    `mean_ap_3d`, `mean_ap_bev` and `mean_ap_image` are means over the classes at moderate difficulty, at 40 recalls;
    `mean_ap_3d_r11` is the first of them at 11 recalls. Each class also has its values at all difficulties, at 40 and at 11
    recalls. A class without objects that count has no score (NaN) and is left out of the means. Detections outside the
    camera's image are not scored, because objects there are not labelled.

    Args:
        labels: the classes, by number
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self.frames: list[ScoredFrame] = []

    def update(self, outputs: Detections, target: Mapping[str, Any]) -> None:
        """Add a batch: the detections, and the examples, which have the true objects."""
        for found, example in zip(outputs, target["frames"], strict=True):
            self.frames.append(scored_frame(found, example.objects, example.calibration, self.labels))

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        frames = [frame for part in gather_objects(self.frames) for frame in part]
        found: dict[str, float] = {}
        with_image = all("image" in frame.overlaps for frame in frames)
        measures = ["3d", "bev", *(["image"] if with_image else [])]
        curves = {
            (measure, label): precision_curve(frames, label, "moderate", measure)
            for measure in measures
            for label in self.labels
        }
        counted = [label for label in self.labels if objects_counted(frames, label, "moderate")]
        for measure in measures:
            found[f"mean_ap_{measure}"] = _mean([average(curves[measure, label], 40) for label in counted])
            if measure == "3d":
                found["mean_ap_3d_r11"] = _mean([average(curves[measure, label], 11) for label in counted])
        for label in self.labels:
            name = label.lower()
            for difficulty in DIFFICULTIES:
                curve = curves["3d", label] if difficulty == "moderate" else precision_curve(frames, label, difficulty)
                there = objects_counted(frames, label, difficulty) > 0
                found[f"{name}_3d_{difficulty}"] = average(curve, 40) if there else math.nan
                found[f"{name}_3d_{difficulty}_r11"] = average(curve, 11) if there else math.nan
        return found

    def units(self) -> np.ndarray:
        """Each frame."""
        return np.arange(sum(len(part) for part in gather_objects(self.frames)))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """The mean average precision in space and from above, at moderate difficulty and 40 recalls."""
        frames = [frame for part in gather_objects(self.frames) for frame in part]
        counted = [label for label in self.labels if objects_counted(frames, label, "moderate")]
        found = {}
        for measure in ("3d", "bev"):
            each = [weighted_average(frames, label, "moderate", measure, weights) for label in counted]
            found[f"mean_ap_{measure}"] = np.mean(each, axis=0) if each else np.full(len(weights), np.nan)
        return found


def scored_frame(
    found: Found, objects: Objects | None, calibration: Calibration | None, labels: Sequence[str]
) -> ScoredFrame:
    """A frame in the form that KITTI's rules need: detections outside the image are left out, and all overlaps are computed.

    Args:
        found: what a detector found in the frame
        objects: the labelled objects; a frame without labels (None) counts as a frame without objects
        calibration: of the camera beside the LiDAR; None if there is none
        labels: the classes, by number
    """
    boxes, classes, scores = found.boxes, found.labels, found.scores
    heights = np.full(len(boxes), np.inf)
    regions = None
    if calibration is not None:
        regions, inside = calibration.image_boxes(boxes)
        boxes, classes, scores, regions = boxes[inside], classes[inside], scores[inside], regions[inside]
        heights = regions[:, 3] - regions[:, 1]
    true_boxes = objects.boxes if objects is not None else np.zeros((0, 7))
    one, other = torch.from_numpy(boxes).double(), torch.from_numpy(true_boxes).double()
    overlaps = {"3d": overlap_in_space(one, other).numpy(), "bev": overlap_from_above(one, other).numpy()}
    stuff = {}
    true_heights = np.full(len(true_boxes), np.inf)
    if regions is not None and objects is not None:
        true_heights = objects.image[:, 3] - objects.image[:, 1]
        shared = _shared_area(regions, objects.image)
        overlaps["image"] = shared / np.maximum(_area(regions)[:, None] + _area(objects.image) - shared, 1e-9)
        stuff["image"] = _shared_area(regions, objects.regions) / np.maximum(_area(regions), 1e-9)[:, None]
    elif regions is not None:
        overlaps["image"] = np.zeros((len(boxes), 0))
    return ScoredFrame(
        objects.names if objects is not None else (), true_heights,
        objects.occluded if objects is not None else np.zeros(0), objects.truncated if objects is not None else np.zeros(0),
        [labels[number] for number in classes], scores, heights, overlaps, stuff,
    )  # fmt: skip


def _area(regions: np.ndarray) -> np.ndarray:
    return (regions[:, 2] - regions[:, 0]) * (regions[:, 3] - regions[:, 1])


def _shared_area(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=2)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan
