"""Rotated boxes in plain PyTorch: overlap from above and in space, points inside, suppression of duplicates.

A box is centre x, y, z, length, width, height in metres, and yaw, the angle of its length from x towards y, in radians.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

TOUCHING = 1e-9
"""Edges that are closer than this, in metres, count as the same edge."""


def corners_from_above(boxes: Float[Tensor, "*boxes seven"]) -> Float[Tensor, "*boxes four two"]:
    """The corners of boxes from above, counter-clockwise."""
    signs = boxes.new_tensor([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])
    local = signs * boxes[..., None, 3:5]
    cosine, sine = boxes[..., None, 6].cos(), boxes[..., None, 6].sin()
    x = cosine * local[..., 0] - sine * local[..., 1]
    y = sine * local[..., 0] + cosine * local[..., 1]
    return torch.stack([x, y], dim=-1) + boxes[..., None, :2]


def intersection_from_above(
    first: Float[Tensor, "*pairs seven"], second: Float[Tensor, "*pairs seven"]
) -> Float[Tensor, "*pairs"]:
    r"""The area that two boxes share from above, for each pair.

    The boundary of the intersection consists of the parts of each box's edges that lie in the other box. So by Green's theorem
    the area is $\frac12 \sum_e (t_1 - t_0)\, p_0 \times p_1$ over all edges $e = p_0 p_1$; the part from $t_0$ to $t_1$ lies in
    the other box. This needs no sorting and no polygons. An edge that both boxes share counts once.
    """
    first, second = first.double(), second.double()
    centre = first[..., None, :2]  # the origin of the cross products, so that numbers stay small
    one, other = corners_from_above(first) - centre, corners_from_above(second) - centre
    return (_inside_part(one, other, both=True) + _inside_part(other, one, both=False)).clamp(min=0)


def _inside_part(
    corners: Float[Tensor, "*pairs four two"], other: Float[Tensor, "*pairs four two"], both: bool
) -> Float[Tensor, "*pairs"]:
    """What the parts of one box's edges inside the other box add to the area; shared edges count only with `both`."""
    start, step = corners, corners.roll(-1, dims=-2) - corners
    along = other.roll(-1, dims=-2) - other
    length = along.norm(dim=-1, keepdim=True)
    inward = torch.stack([-along[..., 1], along[..., 0]], dim=-1) / length.clamp(min=1e-12)
    # Distances of an edge's beginning from the other's sides, and how they change along it: (…, edges, sides).
    begin = ((start[..., :, None, :] - other[..., None, :, :]) * inward[..., None, :, :]).sum(dim=-1)
    change = (step[..., :, None, :] * inward[..., None, :, :]).sum(dim=-1)
    same_way = (step[..., :, None, :] * along[..., None, :, :]).sum(dim=-1) > 0
    least = torch.where(same_way, -TOUCHING, TOUCHING) if both else torch.full_like(begin, TOUCHING)
    flat = change.abs() < 1e-12
    crossing = (least - begin) / torch.where(flat, 1.0, change)
    enter = torch.where(flat, torch.where(begin >= least, 0.0, 2.0), torch.where(change > 0, crossing, 0.0))
    leave = torch.where(~flat & (change < 0), crossing, 1.0)
    part = (leave.amin(dim=-1).clamp(max=1) - enter.amax(dim=-1).clamp(min=0)).clamp(min=0)
    end = start + step
    return 0.5 * (part * (start[..., 0] * end[..., 1] - start[..., 1] * end[..., 0])).sum(dim=-1)


def overlap_from_above(first: Float[Tensor, "n seven"], second: Float[Tensor, "m seven"]) -> Float[Tensor, "n m"]:
    """Intersection over union from above (bird's-eye view) of all pairs, in float64."""
    shared = _shared(first, second)
    area, other = first[:, 3:5].double().prod(dim=1), second[:, 3:5].double().prod(dim=1)
    return shared / (area[:, None] + other - shared).clamp(min=1e-12)


def overlap_in_space(first: Float[Tensor, "n seven"], second: Float[Tensor, "m seven"]) -> Float[Tensor, "n m"]:
    """Intersection over union of the volumes of all pairs, in float64. Boxes are upright."""
    one, other = first.double(), second.double()
    top = torch.minimum((one[:, 2] + one[:, 5] / 2)[:, None], other[:, 2] + other[:, 5] / 2)
    bottom = torch.maximum((one[:, 2] - one[:, 5] / 2)[:, None], other[:, 2] - other[:, 5] / 2)
    shared = _shared(first, second) * (top - bottom).clamp(min=0)
    volume, others = one[:, 3:6].prod(dim=1), other[:, 3:6].prod(dim=1)
    return shared / (volume[:, None] + others - shared).clamp(min=1e-12)


def _shared(first: Tensor, second: Tensor) -> Tensor:
    """Shared areas of all pairs; they are computed only for pairs whose enclosing circles overlap."""
    one, other = first.double(), second.double()
    reach = one[:, 3:5].norm(dim=1)[:, None] / 2 + other[:, 3:5].norm(dim=1) / 2
    rows, columns = (torch.cdist(one[:, :2], other[:, :2]) < reach).nonzero(as_tuple=True)
    shared = one.new_zeros(len(one), len(other))
    shared[rows, columns] = intersection_from_above(one[rows], other[columns])
    return shared


def points_in_boxes(points: Float[Tensor, "points three"], boxes: Float[Tensor, "boxes seven"]) -> Bool[Tensor, "p b"]:
    """For each point and box, whether the point is inside the box or on its surface."""
    away = points[:, None, :3] - boxes[:, :3]
    cosine, sine = boxes[:, 6].cos(), boxes[:, 6].sin()
    along = (away[..., 0] * cosine + away[..., 1] * sine).abs()
    across = (away[..., 1] * cosine - away[..., 0] * sine).abs()
    return (along <= boxes[:, 3] / 2) & (across <= boxes[:, 4] / 2) & (away[..., 2].abs() <= boxes[:, 5] / 2)


def suppress(
    boxes: Float[Tensor, "n seven"], scores: Float[Tensor, " n"], threshold: float, limit: int | None = None
) -> Int[Tensor, " kept"]:
    """Rotated non-maximum suppression: the indices of the boxes that stay, the highest score first.

    A box is removed if a box with a higher score stays and their overlap from above is more than `threshold`.
    """
    order = scores.argsort(descending=True, stable=True)
    near = (overlap_from_above(boxes[order], boxes[order]) > threshold).cpu()
    gone = torch.zeros(len(order), dtype=torch.bool)
    kept = []
    for place in range(len(order)):
        if not gone[place]:
            kept.append(place)
            if limit is not None and len(kept) == limit:
                break
            gone |= near[place]
    return order[torch.tensor(kept, dtype=torch.int64, device=order.device)]
