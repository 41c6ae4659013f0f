"""Segmentation: the class of each pixel of an image or voxel of a volume."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from convzoo.core.arguments import Count, Fraction, FromData, NonNegative, Positive
from convzoo.core.batch import Batch
from convzoo.core.outputs.masks import Masks
from convzoo.core.task import Meter, Task
from convzoo.ops.sliding_windows import Restored, sliding_probabilities

SMOOTH = 1.0
"""Added to numerator and denominator of soft Dice, in voxels, so that it is defined for a structure that does not occur."""


class Segmentation(Task):
    r"""Soft Dice and cross-entropy, of images and volumes alike.

    With the probability $p$ of a structure and its mask $g$, summed over the voxels of a patch,
    $L = w_D \, (1 - \frac{1}{C} \sum_c \frac{2 \sum p_c g_c + 1}{\sum p_c + \sum g_c + 1}) + w_C \, \overline{-\log p_{g}}$
    (Milletari et al. 2016, arXiv:1606.04797; Isensee et al. 2021, doi:10.1038/s41592-020-01008-z). If a network also gives
    coarser outputs, each has half the weight of the next finer one, and the weights sum to 1.

    To predict, overlapping windows of the training patch's size slide over the whole image. Their probabilities are averaged,
    with the largest weight in the middle of a window. The result is interpolated to the original grid of the example, and the
    most likely class is chosen there. Scores are counted on that grid. See `metrics/segmentation.py` for the rule of empty masks.

    Args:
        dice: weight of soft Dice
        cross_entropy: weight of cross-entropy
        balance: b in the weight $f^{-b}$ that cross-entropy gives to a voxel of a class with the frequency f in training, scaled
            to a mean of 1; 0: all voxels have the same weight, 1: all classes have; with 0.5 small structures need fewer steps
        overlap: of neighbouring windows, as a fraction of their side
        window_batch_size: number of windows that are computed at once
        mirrored: test-time augmentation: the probabilities of each window and of its mirror images along all axes are averaged;
            eight times the work in 3-D, and wrong if left and right are different structures
        min_size: connected parts of a structure with fewer voxels than this become background
        best_by: the validation score that chooses the best checkpoint
    """

    outputs = {"mask_logits": ("batch", "classes", "x", "y", "z")}
    errors: ClassVar[frozenset[str]] = frozenset({"hd95_mm", "assd_mm"})

    def __init__(
        self,
        labels: FromData[tuple],
        patch: FromData[tuple],
        frequencies: FromData[tuple] = (),
        dice: NonNegative = 1.0,
        cross_entropy: NonNegative = 1.0,
        balance: Fraction = 0.0,
        overlap: float = 0.5,
        window_batch_size: Positive = 2,
        mirrored: bool = False,
        min_size: Count = 0,
        best_by: Literal["val/dice", "-val/hd95_mm", "-val/assd_mm"] = "val/dice",
    ) -> None:
        if dice + cross_entropy <= 0:
            raise ValueError("dice and cross_entropy are both 0, so there is no loss; set one above 0")
        if not 0 <= overlap < 1:
            raise ValueError(f"overlap should be at least 0 and less than 1, not {overlap:g}")
        self.labels = tuple(labels)
        self.patch = tuple(patch)
        self.weights = (dice, cross_entropy)
        self.class_weights = _class_weights(frequencies, balance) if balance else None
        self.overlap = overlap
        self.window_batch_size = window_batch_size
        self.mirrored = mirrored
        self.min_size = min_size
        self.best_by = best_by

    def losses(self, outputs: Tensor | Sequence[Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Soft Dice and cross-entropy, over all resolutions."""
        several = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        shares = [0.5**level for level in range(len(several))]
        found: dict[str, Tensor] = {}
        for share, logits in zip(shares, several, strict=True):
            mask = at_resolution(target["mask"], logits.shape[2:])
            for name, term in self._terms(logits if logits.dtype == torch.float64 else logits.float(), mask).items():
                found[name] = found.get(name, 0) + share / sum(shares) * term  # type: ignore[assignment]
        return found

    def _terms(
        self, logits: Float[Tensor, "batch classes *space"], mask: UInt8[Tensor, "batch *space"]
    ) -> dict[str, Tensor]:
        # Both come from one pass over the logits: softmax on a large volume costs as much as a small convolution.
        logarithms = logits.log_softmax(dim=1)
        classes = mask.long().unsqueeze(1)
        terms = {}
        if self.weights[0]:
            terms["dice"] = self.weights[0] * (1 - soft_dice(logarithms.exp(), classes).mean())
        if self.weights[1]:
            true = logarithms.gather(1, classes)
            if self.class_weights is not None:
                true = true * self.class_weights.to(true.device, true.dtype)[classes]
            terms["cross_entropy"] = -self.weights[1] * true.mean()
        return terms

    def predict(self, model: nn.Module, batch: Batch) -> Masks:
        """A mask of each example, on its original grid; if the true mask is known, also its scores."""
        masks, sizes, cases = [], [], []
        target = batch.target
        for image, grid, true in zip(batch.inputs["image"], target["grids"], target["masks"], strict=True):
            restored = Restored(grid, image.shape[1:])
            windows = sliding_probabilities(
                image, self.patch, lambda part: self._probabilities(model, part), self.overlap, self.window_batch_size
            )
            for start, planes in windows:
                restored.add(start, planes)
            mask = without_crumbs(restored.mask, self.min_size) if self.min_size else restored.mask
            masks.append(mask)
            sizes.append(float(np.prod(grid.spacing)))
            cases.append(self._scored(mask, true, grid.spacing))
        return Masks(masks, sizes, cases)

    def _probabilities(self, model: nn.Module, image: Tensor) -> Tensor:
        found = model(image=image).float().softmax(dim=1)
        if not self.mirrored:
            return found
        axes = range(2, image.ndim)
        turns = [turned for count in range(1, len(axes) + 1) for turned in combinations(axes, count)]
        for turned in turns:
            found += model(image=image.flip(turned)).float().softmax(dim=1).flip(turned)
        return found / (len(turns) + 1)

    def _scored(self, mask: np.ndarray, true: np.ndarray | None, spacing: Sequence[float]) -> np.ndarray | None:
        """Dice and distances of each structure, (structures, 3); None if unlabelled."""
        if true is None:
            return None
        from convzoo.metrics.segmentation import case_scores

        return case_scores(mask, true, spacing, len(self.labels))

    def decode(self, outputs: Masks) -> list[dict[str, Any]]:
        """The size of each structure, its scores if the true mask is known, and the mask."""
        cases = outputs.cases or [None] * len(outputs)
        return [
            self._sizes(mask, size) | self._by_structure(case) | {"mask": mask}
            for mask, size, case in zip(outputs.masks, outputs.sizes, cases, strict=True)
        ]

    def _by_structure(self, case: np.ndarray | None) -> dict[str, Any]:
        """Each score of the structures that are in one of the masks; nothing if unlabelled."""
        if case is None:
            return {}
        return {
            name: {
                label: round(float(score), 4)
                for label, score in zip(self.labels, column, strict=True)
                if score == score
            }
            for name, column in zip(("dice", "hd95_mm", "assd_mm"), case.T, strict=True)
        }

    def read_target(self, target: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The true size of each structure; None if unlabelled."""
        found = []
        for mask, grid in zip(target["masks"], target["grids"], strict=True):
            size = float(np.prod(grid.spacing))
            found.append(self._sizes(mask, size) if mask is not None else {self._unit(len(grid.shape)): None})
        return found

    def _sizes(self, mask: np.ndarray, size: float) -> dict[str, Any]:
        unit = self._unit(mask.ndim)
        each = size / 1000 if mask.ndim == 3 else size
        counts = np.bincount(mask.ravel(), minlength=len(self.labels) + 1)
        sizes = {label: round(float(counts[number]) * each, 4) for number, label in enumerate(self.labels, start=1)}
        return {unit: sizes}

    @staticmethod
    def _unit(axes: int) -> str:
        return "millilitres" if axes == 3 else "square_millimetres"

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The size of each structure."""
        unit = next(name for name in ("millilitres", "square_millimetres") if name in prediction)
        short = {"millilitres": "ml", "square_millimetres": "mm²"}[unit]
        sizes = ", ".join(f"{label} {size:.4g} {short}" for label, size in prediction[unit].items())
        return f"{shown}: {sizes}"

    def meter(self) -> Meter:
        """Dice and surface distances in millimetres, by structure."""
        from convzoo.metrics.segmentation import SegmentationMeter

        return SegmentationMeter(self.labels)


def _class_weights(frequencies: Sequence[float], power: float) -> Tensor:
    if not frequencies:
        raise ValueError(
            "balance needs the frequency of each class, which this encoder does not give; set balance to 0"
        )
    # A class that is in no training mask counts as one voxel in a million.
    parts = torch.tensor(frequencies, dtype=torch.float64).clamp(min=1e-6)
    weights = parts**-power
    return weights / (parts * weights).sum()


def soft_dice(probabilities: Float[Tensor, "batch classes *space"], mask: Tensor) -> Float[Tensor, "batch structures"]:
    r"""$\frac{2 \sum p g + 1}{\sum p + \sum g + 1}$ of each example and structure, without class 0, the background.

    Args:
        probabilities: of each class
        mask: the true class of each pixel or voxel, int64 (batch, 1, *space)
    """
    # The probability of the true class is summed by class, so that no mask for each class is needed.
    flat, classes = probabilities.flatten(2), mask.flatten(2)
    true = flat.gather(1, classes)[:, 0]
    both = torch.zeros(flat.shape[:2], dtype=flat.dtype, device=flat.device).scatter_add(1, classes[:, 0], true)
    ones = torch.ones_like(true)
    size = torch.zeros_like(both).scatter_add(1, classes[:, 0], ones)
    return ((2 * both + SMOOTH) / (flat.sum(dim=2) + size + SMOOTH))[:, 1:]


def at_resolution(mask: UInt8[Tensor, "batch *space"], space: Sequence[int]) -> UInt8[Tensor, "batch *less"]:
    """A mask at a coarser resolution: the class of the nearest pixel or voxel."""
    if tuple(mask.shape[1:]) == tuple(space):
        return mask
    return F.interpolate(mask.unsqueeze(1), tuple(space), mode="nearest")[:, 0]


def without_crumbs(mask: np.ndarray, min_size: int) -> np.ndarray:
    """A mask in which connected parts with fewer than `min_size` pixels or voxels become background."""
    from scipy.ndimage import label

    kept = mask.copy()
    for number in np.unique(mask[mask > 0]):
        parts, _ = label(mask == number)
        small = np.bincount(parts.ravel()) < min_size
        small[0] = False
        kept[small[parts]] = 0
    return kept
