"""From points to pillars and from pillars to a map, in plain PyTorch: on any device, in time linear in the points."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def cells_of(
    points: Float[Tensor, "points features"],
    frame: Int[Tensor, " points"],
    low: tuple[float, float],
    pillar: float,
    size: tuple[int, int],
    frames: int | torch.SymInt,
) -> Int[Tensor, " points"]:
    """The number of the pillar that each point falls in; those outside of the grid get the number after the last.

    Args:
        points: x, y first
        frame: which frame of the batch each is of
        low: the least x and y of the grid
        pillar: side of a pillar
        size: pillars along y and along x
        frames: in the batch
    """
    rows, columns = size
    column = torch.floor((points[:, 0] - low[0]) / pillar).long()
    row = torch.floor((points[:, 1] - low[1]) / pillar).long()
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    cell = (frame * rows + row) * columns + column
    return torch.where(inside, cell, frames * rows * columns)  # type: ignore[arg-type]  # a SymInt while it is exported


def scatter_mean(
    values: Float[Tensor, "points features"], cell: Int[Tensor, " points"], cells: int | torch.SymInt
) -> Float[Tensor, "cells features"]:
    """The mean of the points of each cell; 0 where there are none."""
    padded = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
    sums = torch.zeros(cells, padded.shape[1], dtype=values.dtype, device=values.device).index_add(0, cell, padded)
    return sums[:, :-1] / sums[:, -1:].clamp(min=1)


def scatter_max(
    values: Float[Tensor, "points features"], cell: Int[Tensor, " points"], cells: int | torch.SymInt
) -> Float[Tensor, "cells features"]:
    """The largest of each feature over the points of each cell, none below 0: features after a ReLU, 0 where nothing is."""
    floor = torch.zeros(cells, values.shape[1], dtype=values.dtype, device=values.device)
    return floor.scatter_reduce(0, cell.unsqueeze(1).expand_as(values), values, "amax")
