"""Clouds changed together with the boxes in them: mirrored, rotated, scaled, with pasted objects. Boxes have eight numbers:
centre, size, yaw, class."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from convzoo.ops.boxes import overlap_from_above, points_in_boxes


def flipped(
    points: Float[Tensor, "points four"], boxes: Float[Tensor, "boxes eight"]
) -> tuple[Float[Tensor, "points four"], Float[Tensor, "boxes eight"]]:
    """Left and right are swapped."""
    return points * points.new_tensor([1, -1, 1, 1]), boxes * boxes.new_tensor([1, -1, 1, 1, 1, 1, -1, 1])


def turned(
    points: Float[Tensor, "points four"], boxes: Float[Tensor, "boxes eight"], angle: float
) -> tuple[Float[Tensor, "points four"], Float[Tensor, "boxes eight"]]:
    """Rotated about the vertical axis by an angle in radians, from x towards y."""
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = points.new_tensor([[cosine, sine], [-sine, cosine]])
    return (
        torch.cat([points[:, :2] @ turn, points[:, 2:]], dim=1),
        torch.cat([boxes[:, :2] @ turn, boxes[:, 2:6], boxes[:, 6:7] + angle, boxes[:, 7:]], dim=1),
    )


def scaled(
    points: Float[Tensor, "points four"], boxes: Float[Tensor, "boxes eight"], factor: float
) -> tuple[Float[Tensor, "points four"], Float[Tensor, "boxes eight"]]:
    """All lengths times a factor."""
    return (
        torch.cat([points[:, :3] * factor, points[:, 3:]], dim=1),
        torch.cat([boxes[:, :6] * factor, boxes[:, 6:]], dim=1),
    )


def paste(
    points: Float[Tensor, "points four"],
    boxes: Float[Tensor, "boxes eight"],
    own: Float[Tensor, "own four"],
    box: Float[Tensor, " eight"],
) -> tuple[Float[Tensor, "more four"], Float[Tensor, "more_boxes eight"]]:
    """A frame with one more object, in place of the points that lie in its box; without room the frame stays as it is."""
    if len(boxes) and bool((overlap_from_above(boxes[:, :7], box[None, :7]) > 0).any()):
        return points, boxes
    kept = points[~points_in_boxes(points[:, :3], box[None, :7])[:, 0]]
    return torch.cat([kept, own]), torch.cat([boxes, box[None]])
