"""Spacing, patch, strides and batch from the statistics of a training split, by the rules of nnU-Net.

Isensee et al. 2021, doi:10.1038/s41592-020-01008-z, "Methods": heuristic rules. A budget of voxels takes the place of
their estimate of a GPU's memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SMALLEST = 4
"""An axis is not halved below this."""


@dataclass(frozen=True)
class Plan:
    """Settings that follow from the data.

    Attributes:
        spacing: of the network's grid, in millimetres
        shape: the median shape of the training split on that grid
        patch: size of the patch that the network sees at once
        strides: for each stage of a U-Net the step along each axis; the first is all ones
        flat: for each stage whether a kernel is 1 wide along each axis
        batch_size: number of patches in a step
    """

    spacing: tuple[float, ...]
    shape: tuple[int, ...]
    patch: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    flat: tuple[tuple[bool, ...], ...]
    batch_size: int


def make_plan(
    spacings: np.ndarray,
    shapes: np.ndarray,
    max_voxels: int,
    spacing: Sequence[float] | None = None,
    patch: Sequence[int] | None = None,
    stages: int = 6,
) -> Plan:
    """A plan for a training split.

    * spacing: the median along each axis; along one that is three times as coarse as the others and has fewer than a third of
      their voxels, the 10th percentile, so that fine cases keep their details
    * patch: equally long in millimetres along all axes, at most the median shape, and at most `max_voxels` in all
    * strides: an axis is halved while at least 4 voxels are left and its spacing is less than twice the finest
    * flat: kernels are 1 wide along an axis that is still twice as coarse as the finest
    * batch: as many patches as fit into twice `max_voxels`, at least 2, and at most a twentieth of all voxels

    Args:
        spacings: (cases, axes), in millimetres
        shapes: (cases, axes), in voxels
        max_voxels: largest number of voxels in a patch
        spacing: replaces the derived spacing
        patch: replaces the derived patch
        stages: largest number of stages

    Raises:
        ValueError: a given patch has fewer than 4 voxels along an axis.
    """
    target = np.array(spacing, dtype=np.float64) if spacing is not None else _spacing(spacings, shapes)
    resampled = np.maximum(1, np.round(shapes * spacings / target))
    median = np.maximum(1, np.round(np.median(resampled, axis=0))).astype(int)
    if patch is not None and min(patch) < SMALLEST:
        raise ValueError(f"a patch should have at least {SMALLEST} voxels along each axis, not {list(patch)}")
    size = np.array(patch) if patch is not None else _patch(target, median, max_voxels, stages)
    strides, flat = _topology(target, size, stages)
    factor = np.prod(strides, axis=0)
    size = np.maximum(factor * np.ceil(size / factor).astype(int), SMALLEST) if patch is None else size
    voxels = int(np.prod(size))
    most = int(0.05 * resampled.prod(axis=1).sum() / voxels)
    batch = max(2, min(2 * max_voxels // voxels, most))
    return Plan(_numbers(target), _wholes(median), _wholes(size), strides, flat, batch)


def _spacing(spacings: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    median = np.median(spacings, axis=0)
    worst = int(np.argmax(median))
    others = [axis for axis in range(len(median)) if axis != worst]
    sizes = np.median(shapes, axis=0)
    coarse = median[worst] > 3 * median[others].max() and sizes[worst] < sizes[others].min() / 3
    if coarse:
        fine = float(np.percentile(spacings[:, worst], 10))
        median[worst] = max(fine, float(median[others].max()))
    return median


def _patch(spacing: np.ndarray, median: np.ndarray, max_voxels: int, stages: int) -> np.ndarray:
    """The largest cube in millimetres, cut to the median shape, that is within the budget when rounded up to the strides."""
    sides = np.geomspace(SMALLEST * spacing.max(), (median * spacing).max(), 200)
    best = np.minimum(np.maximum(SMALLEST, np.round(sides[0] / spacing)), np.maximum(median, SMALLEST)).astype(int)
    for side in sides:
        size = np.minimum(np.maximum(SMALLEST, np.round(side / spacing)), np.maximum(median, SMALLEST)).astype(int)
        factor = np.prod(_topology(spacing, size, stages)[0], axis=0)
        if np.prod(factor * np.ceil(size / factor)) <= max_voxels:
            best = size
    return best


def _topology(
    spacing: np.ndarray, patch: np.ndarray, stages: int
) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[bool, ...], ...]]:
    """Strides and flat axes of each stage."""
    now, size = np.array(spacing, dtype=np.float64), np.array(patch, dtype=np.float64)
    strides, flat = [tuple(1 for _ in patch)], [tuple((now >= 2 * now.min()).tolist())]
    while len(strides) < stages:
        halved = (size >= 2 * SMALLEST) & (now < 2 * now[size >= 2 * SMALLEST].min(initial=np.inf))
        if not halved.any():
            break
        now, size = np.where(halved, 2 * now, now), np.where(halved, np.ceil(size / 2), size)
        strides.append(tuple(np.where(halved, 2, 1).tolist()))
        flat.append(tuple((now >= 2 * now.min()).tolist()))
    if len(strides) == 1:  # a patch of 4 to 7 voxels: a U-Net still has two stages
        strides.append(tuple(2 if side >= 2 else 1 for side in patch.tolist()))
        flat.append(flat[0])
    return tuple(strides), tuple(flat)


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)


def _wholes(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
