"""From points to pillars and from pillars to a map, in plain PyTorch, on any device; time is linear in the number of points."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


def cells_of(
    points: Float[Tensor, "points features"],
    frame: Int[Tensor, " points"],
    low: tuple[float, float],
    pillar: float,
    size: tuple[int, int],
    frames: int | torch.SymInt,
) -> Int[Tensor, " points"]:
    """The number of the pillar that each point falls in; points outside the grid get the number after the last.

    Args:
        points: x, y first
        frame: the number of each point's frame in the batch
        low: the smallest x and y of the grid
        pillar: side of a pillar
        size: number of pillars along y and along x
        frames: number of frames in the batch
    """
    rows, columns = size
    column = torch.floor((points[:, 0] - low[0]) / pillar).long()
    row = torch.floor((points[:, 1] - low[1]) / pillar).long()
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    cell = (frame * rows + row) * columns + column
    return torch.where(inside, cell, frames * rows * columns)  # type: ignore[arg-type]  # a SymInt while it is exported


def scatter_mean(
    values: Float[Tensor, "points features"], cell: Int[Tensor, " points"], cells: int | torch.SymInt
) -> tuple[Float[Tensor, "cells features"], Float[Tensor, " cells"]]:
    """The mean of the points of each cell, 0 for an empty cell; and the number of points in each."""
    padded = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
    sums = torch.zeros(cells, padded.shape[1], dtype=values.dtype, device=values.device).index_add(0, cell, padded)
    return sums[:, :-1] / sums[:, -1:].clamp(min=1), sums[:, -1]


def lowest_nearby(
    height: Float[Tensor, "batch rows columns"], empty: Bool[Tensor, "batch rows columns"], reach: int, stride: int
) -> Float[Tensor, "batch coarse_rows coarse_columns"]:
    """The lowest height of non-empty cells within `reach` cells along each axis, for every `stride`-th cell; 0 without any."""
    depth = (-height).masked_fill(empty, -NOTHING).unsqueeze(1)
    # One axis after the other: the maximum over a square is the maximum of maxima.
    depth = F.max_pool2d(depth, (1, 2 * reach + 1), (1, stride), (0, reach))
    depth = F.max_pool2d(depth, (2 * reach + 1, 1), (stride, 1), (reach, 0))[:, 0]
    return torch.where(depth > -NOTHING / 2, -depth, 0)


NOTHING = 1e4
"""A depth, in metres, that no point has."""


def scatter_max(
    values: Float[Tensor, "points features"], cell: Int[Tensor, " points"], cells: int | torch.SymInt
) -> Float[Tensor, "cells features"]:
    """The maximum of each feature over the points of each cell; 0 for an empty cell. Features must not be negative."""
    floor = torch.zeros(cells, values.shape[1], dtype=values.dtype, device=values.device)
    return floor.scatter_reduce(0, cell.unsqueeze(1).expand_as(values), values, "amax")
