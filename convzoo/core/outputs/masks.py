"""The masks that a segmentation task and its opponents give. Each mask lies on the grid of its example."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Grid:
    """The original grid of an example, and where its points lie on the grid that the network sees.

    Each axis of the network's grid is parallel to one axis of the original grid, in the same or the opposite direction. Index j
    on the original axis is index `offset + scale * j` on the network's axis.

    Attributes:
        shape: of the original grid
        spacing: of the original grid, in millimetres
        axes: for each axis of the network's grid, the original axis that it is parallel to
        scale: for each axis of the network's grid; negative for the opposite direction
        offset: for each axis of the network's grid
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    axes: tuple[int, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def same(cls, shape: Sequence[int], spacing: Sequence[float] | None = None) -> "Grid":
        """The network sees the original grid."""
        count = len(shape)
        spacing = (1.0,) * count if spacing is None else spacing
        return cls(tuple(shape), tuple(spacing), tuple(range(count)), (1.0,) * count, (0.0,) * count)

    @classmethod
    def between(cls, shape: Sequence[int], affine: np.ndarray, network_affine: np.ndarray) -> "Grid":
        """From two affine matrices (index to millimetres) whose axes are parallel.

        Args:
            shape: of the original grid
            affine: of the original grid, (axes + 1, axes + 1)
            network_affine: of the network's grid

        Raises:
            ValueError: the axes are not parallel.
        """
        count = len(shape)
        between = np.linalg.inv(network_affine) @ affine
        axes = [int(np.abs(row).argmax()) for row in between[:count, :count]]
        scale = [float(between[row, axis]) for row, axis in enumerate(axes)]
        rest = between[:count, :count].copy()
        rest[range(count), axes] = 0
        if sorted(axes) != list(range(count)) or np.abs(rest).max() * max(shape) > 0.5:
            raise ValueError("the axes of the two grids are not parallel")
        spacing = np.linalg.norm(affine[:count, :count], axis=0)
        offset = between[:count, count]
        # Rounding errors are removed from whole numbers: then nothing has to be interpolated.
        scale, offset = ([_tidy(value) for value in values] for values in (scale, offset))
        return cls(tuple(shape), tuple(map(float, spacing)), tuple(axes), tuple(scale), tuple(offset))


@dataclass(frozen=True)
class Masks:
    """Predicted masks, each on the grid of its example: what a segmentation task and its opponents give.

    Attributes:
        masks: whole numbers, 0 for the background
        sizes: for each mask, the size of a pixel or voxel in mm² or mm³
        cases: for each mask, its scores against the true one, (structures, 3), as `metrics.segmentation.case_scores` gives them;
            None if unlabelled. Empty: nobody has computed them yet
    """

    masks: Sequence[np.ndarray]
    sizes: Sequence[float]
    cases: Sequence[np.ndarray | None] = field(default_factory=list)

    def __getitem__(self, indices: Sequence[int]) -> "Masks":
        """The masks at these indices."""
        cases = [self.cases[index] for index in indices] if self.cases else []
        return Masks([self.masks[index] for index in indices], [self.sizes[index] for index in indices], cases)

    def __len__(self) -> int:
        return len(self.masks)


def _tidy(value: float) -> float:
    return float(round(value)) if abs(value - round(value)) < 1e-5 else float(value)
