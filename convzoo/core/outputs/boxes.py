"""Boxes in space: those that a detector and its opponents give, the labelled ones, and how a camera sees both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BOX = ("x", "y", "z", "length", "width", "height", "yaw")
"""The names of a box's seven numbers."""

DONT_CARE = "DontCare"
"""The class of image regions where objects are not labelled."""

IMAGE_SIZE = (1242, 375)
"""Width and height of KITTI's camera 2 in pixels, used if there is no image."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The labelled objects of a frame.

    Attributes:
        names: their classes
        boxes: (objects, 7) of float64: centre x, y, z, length, width, height in metres, yaw in radians about z, from x to y; x
            is forward, y left, z up, as usual for a LiDAR
        image: (objects, 4): left, top, right, bottom in pixels; NaN without an image
        truncated: (objects,): the part that lies outside of the image, 0 to 1
        occluded: (objects,): 0 visible, 1 partly, 2 largely occluded, 3 unknown
        regions: (regions, 4): image regions where objects are not labelled
    """

    names: tuple[str, ...]
    boxes: np.ndarray
    image: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    regions: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))

    @classmethod
    def of(cls, names: Sequence[str], boxes: np.ndarray) -> "Objects":
        """Objects without a camera: none is truncated or occluded."""
        count = len(names)
        return cls(
            tuple(names), np.asarray(boxes, np.float64).reshape(count, 7), np.full((count, 4), np.nan), np.zeros(count),
            np.zeros(count, np.int64),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The position of the camera relative to the LiDAR.

    Attributes:
        to_camera: (3, 4): from LiDAR coordinates to rectified camera coordinates (x right, y down, z forward)
        to_image: (3, 4): from camera coordinates to pixels, multiplied by their depth
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
        """The image regions (n, 4) that boxes (n, 7) cover, cut at the edges of the image, and which of them are visible.

        The part of a box that is less than 10 cm in front of the camera is left out.
        """
        near = 0.1
        corners = corners_of(boxes)  # (boxes, 8, 3)
        depth = self.camera_of(corners.reshape(-1, 3))[:, 2].reshape(-1, 8)
        first, second = depth[:, _EDGES[:, 0]], depth[:, _EDGES[:, 1]]
        # If an edge crosses the plane 10 cm in front of the camera, the box is cut off there.
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


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in a frame.

    Attributes:
        boxes: (found, 7) of float64
        labels: (found,) class numbers
        scores: (found,), 0 to 1
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


class Detections(Sequence[Found]):
    """What was found in some frames. Indexing it with a list of indices gives a batch."""

    def __init__(self, frames: Sequence[Found]) -> None:
        self.frames = list(frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, Sequence):
            return Detections([self.frames[index] for index in at])
        return self.frames[at]

    def __iter__(self) -> Iterator[Found]:
        return iter(self.frames)
