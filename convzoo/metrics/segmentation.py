"""Overlap and surface distances of masks, structure by structure.

The rule of empty masks: a structure that is neither in the true nor in the found mask of a case is not scored in this case. If
only one of them has it, its Dice is 0 and its distances are the image's diagonal in millimetres, the largest possible distance.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convzoo.core.outputs.masks import Masks
from convzoo.core.processes import gather_objects


class SegmentationMeter:
    """Scores each case and keeps the scores. `dice_<structure>` and so on are means over the cases that the structure is scored
    in; `dice`, `hd95_mm` and `assd_mm` are the means of these over the structures. The background is not a structure.

    Args:
        labels: names of the structures; the first is 1 in the masks
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.cases: list[np.ndarray] = []  # (structures, 3)
        self.labelled: list[bool] = []

    def update(self, outputs: Masks, target: Mapping[str, Any]) -> None:
        """Add cases.

        Args:
            outputs: the masks that were found
            target: `masks`, the true ones on the same grids; `grids`, their grids
        """
        # Surface distances of large volumes take seconds: those that the task has computed are not computed again.
        known = outputs.cases or [None] * len(outputs)
        for found, true, grid, case in zip(outputs.masks, target["masks"], target["grids"], known, strict=True):
            if true is None:
                case = np.full((len(self.labels), 3), np.nan)
            elif case is None:
                case = case_scores(found, true, grid.spacing, len(self.labels))
            self.cases.append(case)
            self.labelled.append(true is not None)

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        table = self._table()
        if not any(known for part in gather_objects(self.labelled) for known in part):
            return {}
        scored = ~np.isnan(table[..., 0])
        sums = np.where(scored[..., None], table, 0).sum(axis=0)
        held = scored.sum(axis=0)
        means = sums[held > 0] / held[held > 0, None]
        names = [label for label, count in zip(self.labels, held, strict=True) if count]
        found = {}
        for column, name in enumerate(("dice", "hd95_mm", "assd_mm")):
            # If all masks are empty, nothing was missed.
            found[name] = float(means[:, column].mean()) if names else float(name == "dice")
            for label, value in zip(names, means[:, column], strict=True):
                found[f"{name}_{label.replace(' ', '_')}"] = float(value)
        return found

    def _table(self) -> np.ndarray:
        """(cases, structures, 3) of all processes."""
        cases = [case for part in gather_objects(self.cases) for case in part]
        return np.stack(cases) if cases else np.zeros((0, len(self.labels), 3))

    def units(self) -> np.ndarray:
        """Each case."""
        return np.arange(len(self._table()))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """The means over the structures, and the Dice of each."""
        table = self._table()
        scored = ~np.isnan(table[..., 0])
        held = weights @ scored  # (draws, structures)
        sums = np.tensordot(weights, np.where(scored[..., None], table, 0), axes=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(held[..., None] > 0, sums / held[..., None], np.nan)
        any_held = held.sum(axis=1) > 0
        total = np.nansum(means, axis=1) / np.maximum((held > 0).sum(axis=1), 1)[:, None]
        found = {
            name: np.where(any_held, total[:, column], float(name == "dice"))
            for column, name in enumerate(("dice", "hd95_mm", "assd_mm"))
        }
        names = [label.replace(" ", "_") for label in self.labels]
        return found | {f"dice_{name}": means[:, at, 0] for at, name in enumerate(names) if scored[:, at].any()}


def case_scores(found: np.ndarray, true: np.ndarray, spacing: Sequence[float], structures: int) -> np.ndarray:
    """Dice, 95th percentile and mean of the surface distances of one case, (structures, 3); NaN if both masks are empty.

    Args:
        found: whole numbers, (*space)
        true: as `found`
        spacing: in millimetres
        structures: number of structures; they are 1, 2 … in the masks
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
    r"""$2 |A \cap B| / (|A| + |B|)$ of two boolean masks; NaN if both are empty."""
    whole = int(np.count_nonzero(found)) + int(np.count_nonzero(true))
    return 2 * int(np.count_nonzero(found & true)) / whole if whole else float("nan")


def surface_distances(found: np.ndarray, true: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each surface voxel of one mask to the nearest surface voxel of the other, in both directions, in
    millimetres.

    A voxel is on the surface if a voxel that shares a face with it is outside the mask, or if the image ends there.

    Args:
        found: boolean, not empty
        true: as `found`
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
    """The larger of the 95th percentiles of both directions (the robust Hausdorff distance)."""
    return float(max(np.percentile(forth, 95), np.percentile(back, 95)))


def assd(forth: np.ndarray, back: np.ndarray) -> float:
    """The average symmetric surface distance: the mean over the surface voxels of both masks."""
    return float((forth.sum() + back.sum()) / (len(forth) + len(back)))


def _box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box around a mask; None if the mask is empty."""
    box = []
    for axis in range(mask.ndim):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        if not len(inside):
            return None
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)
