"""Masks, which a task of segmentation and its opponents give, and the grid of an example on which each is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Grid:
    """The grid that an example came on, and where its points lie on the grid that the network sees.

    Each axis of the network's grid runs along one axis of the example's own, forwards or backwards: its index of the own index j
    is `offset + scale * j`.

    Attributes:
        shape: of the own grid
        spacing: of the own grid, in millimetres
        axes: for each axis of the network's grid, the own axis that it runs along
        scale: for each axis of the network's grid; negative where it runs backwards
        offset: for each axis of the network's grid
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    axes: tuple[int, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def same(cls, shape: Sequence[int], spacing: Sequence[float] | None = None) -> "Grid":
        """Where the network sees the own grid."""
        count = len(shape)
        spacing = (1.0,) * count if spacing is None else spacing
        return cls(tuple(shape), tuple(spacing), tuple(range(count)), (1.0,) * count, (0.0,) * count)

    @classmethod
    def between(cls, shape: Sequence[int], affine: np.ndarray, network_affine: np.ndarray) -> "Grid":
        """From two affine matrices, index to millimetres, whose axes are parallel.

        Args:
            shape: of the own grid
            affine: of the own grid, (axes + 1, axes + 1)
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
        # What is a whole number but for rounding is one: then nothing needs interpolating.
        scale, offset = ([_tidy(value) for value in values] for values in (scale, offset))
        return cls(tuple(shape), tuple(map(float, spacing)), tuple(axes), tuple(scale), tuple(offset))


@dataclass(frozen=True)
class Masks:
    """Masks that were found, each on the grid of its example: what a task of segmentation and its opponents give.

    Attributes:
        masks: whole numbers, 0 for the background
        sizes: of a pixel or voxel of each, in mm² or mm³
        scores: for each, what is known of it where the truth is: Dice by structure
    """

    masks: Sequence[np.ndarray]
    sizes: Sequence[float]
    scores: Sequence[Mapping[str, float] | None] = field(default_factory=list)

    def __getitem__(self, indices: Sequence[int]) -> "Masks":
        """Some of them."""
        scores = [self.scores[index] for index in indices] if self.scores else []
        return Masks([self.masks[index] for index in indices], [self.sizes[index] for index in indices], scores)

    def __len__(self) -> int:
        return len(self.masks)


def _tidy(value: float) -> float:
    return float(round(value)) if abs(value - round(value)) < 1e-5 else float(value)
