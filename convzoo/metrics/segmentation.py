"""Overlap and surface distances of masks, structure by structure.

The rule of empty masks: a structure that neither the true nor the found mask of a case holds is not scored in that case. Where
only one of them holds it, its Dice is 0 and its distances are the image's diagonal in millimetres, the farthest that it can be.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convzoo.core.outputs.masks import Masks
from convzoo.core.processes import gather_objects


class SegmentationMeter:
    """Scores each case by itself and keeps the scores: `dice`, `hd95_mm` and `assd_mm` are means over the structures of the means
    over those cases that the structure is scored in; `dice_<structure>` and so on are these. The background is no structure.

    Args:
        labels: names of the structures; the first is 1 in the masks
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.cases: list[np.ndarray] = []  # (structures, 3)

    def update(self, outputs: Masks, target: Mapping[str, Any]) -> None:
        """Add cases.

        Args:
            outputs: the masks that were found
            target: `masks`, the true ones on the same grids; `grids`, their grids
        """
        for found, true, grid in zip(outputs.masks, target["masks"], target["grids"], strict=True):
            if true is not None:
                self.cases.append(case_scores(found, true, grid.spacing, len(self.labels)))

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        cases = [case for part in gather_objects(self.cases) for case in part]
        if not cases:
            return {}
        table = np.stack(cases)  # (cases, structures, 3)
        scored = ~np.isnan(table[..., 0])
        sums = np.where(scored[..., None], table, 0).sum(axis=0)
        held = scored.sum(axis=0)
        means = sums[held > 0] / held[held > 0, None]
        names = [label for label, count in zip(self.labels, held, strict=True) if count]
        found = {}
        for column, name in enumerate(("dice", "hd95_mm", "assd_mm")):
            # Nothing but empty masks: nothing was missed.
            found[name] = float(means[:, column].mean()) if names else float(name == "dice")
            for label, value in zip(names, means[:, column], strict=True):
                found[f"{name}_{label.replace(' ', '_')}"] = float(value)
        return found


def case_scores(found: np.ndarray, true: np.ndarray, spacing: Sequence[float], structures: int) -> np.ndarray:
    """Dice, 95th percentile and mean of the surface distances of one case, (structures, 3); NaN where both masks are empty.

    Args:
        found: whole numbers, (*space)
        true: likewise
        spacing: in millimetres
        structures: how many; they are 1, 2 … in the masks
    """
    scores = np.full((structures, 3), np.nan)
    diagonal = float(np.linalg.norm(np.array(found.shape) * np.array(spacing)))
    for number in range(1, structures + 1):
        ours, truth = found == number, true == number
        box = _box(ours | truth)
        if box is None:
            continue
        ours, truth = ours[box], truth[box]
        overlap = dice(ours, truth)
        if not ours.any() or not truth.any():
            scores[number - 1] = overlap, diagonal, diagonal
        else:
            forth, back = surface_distances(ours, truth, spacing)
            scores[number - 1] = overlap, hd95(forth, back), assd(forth, back)
    return scores


def dice(found: np.ndarray, true: np.ndarray) -> float:
    r"""$2 |A \cap B| / (|A| + |B|)$ of two boolean masks; NaN where both are empty."""
    whole = int(np.count_nonzero(found)) + int(np.count_nonzero(true))
    return 2 * int(np.count_nonzero(found & true)) / whole if whole else float("nan")


def surface_distances(found: np.ndarray, true: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """How far each surface voxel of one mask is from the nearest surface voxel of the other, both ways, in millimetres.

    A voxel is on the surface where one that shares a face with it is outside the mask, or the image ends.

    Args:
        found: boolean, not empty
        true: likewise
        spacing: in millimetres
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt

    surfaces = [mask & ~binary_erosion(mask) for mask in (found, true)]
    forth, back = (
        distance_transform_edt(~surface, sampling=tuple(spacing))[other]
        for surface, other in zip(reversed(surfaces), surfaces, strict=True)
    )
    return forth, back


def hd95(forth: np.ndarray, back: np.ndarray) -> float:
    """The larger of the 95th percentiles of both ways (the robust Hausdorff distance)."""
    return float(max(np.percentile(forth, 95), np.percentile(back, 95)))


def assd(forth: np.ndarray, back: np.ndarray) -> float:
    """The average symmetric surface distance: the mean over the surface voxels of both masks."""
    return float((forth.sum() + back.sum()) / (len(forth) + len(back)))


def _box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box that holds all of a mask; None where it is empty."""
    box = []
    for axis in range(mask.ndim):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        if not len(inside):
            return None
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)
