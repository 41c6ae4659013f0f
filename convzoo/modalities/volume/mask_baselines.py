"""Opponents for segmentation: nothing, the mean atlas, and the atlas with the intensities of each structure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.outputs.masks import Grid, Masks
from convzoo.modalities.volume.example import Volume
from convzoo.ops.moments import evenly_spaced


class Background(Baseline):
    """The naive opponent: everything is background."""

    def fit(self, examples: Sequence[Volume], dims: Mapping[str, Any]) -> None:
        """Nothing is learnt."""

    def outputs(self, examples: Sequence[Volume]) -> Masks:
        """Empty masks."""
        found = [example.geometry() for example in examples]
        return Masks([np.zeros(g.shape, np.uint8) for g in found], [float(np.prod(g.spacing)) for g in found])


class MeanAtlas(Baseline):
    """How often each structure is at each place of the training volumes; each voxel gets the most likely class of its place.

    Volumes are brought to one orientation (RAS) and aligned by their boxes, or by the boxes of their bright voxels.

    Args:
        side: the atlas has side × side × side places
        align: `box`: the volumes' own boxes; `content`: the boxes of the voxels brighter than a volume's mean
        intensity: use the brightness, too: Bayes' rule with a normal distribution for each class and the atlas as prior
        blur: standard deviation of the Gaussian blur of the atlas, in places of the atlas
        max_examples: largest number of training volumes that are used
    """

    def __init__(
        self,
        side: Positive = 40,
        align: Literal["box", "content"] = "box",
        intensity: bool = False,
        blur: PositiveFloat = 0.7,
        max_examples: Positive = 200,
    ) -> None:
        self.side = side
        self.align = align
        self.intensity = intensity
        self.blur = blur
        self.max_examples = max_examples

    def fit(self, examples: Sequence[Volume], dims: Mapping[str, Any]) -> None:
        """Count the structures at each place; with `intensity`, learn their means and deviations."""
        from scipy.ndimage import gaussian_filter

        self.values = list(dims["values"])
        classes = len(self.values) + 1
        counts = np.zeros((classes, *(self.side,) * 3))
        sums = np.zeros((3, classes))
        chosen = evenly_spaced(len(examples), self.max_examples)
        for index in chosen:
            voxels, axes = _turned(*examples[index].read())
            mask = _numbered(_laid(examples[index].read_mask(), axes), self.values)
            places = self._places(voxels, (self.side,) * 3)
            nearest = tuple(
                np.clip(np.round(each), 0, size - 1).astype(int) for each, size in zip(places, mask.shape, strict=True)
            )
            drawn = mask[np.ix_(*nearest)]
            for number in range(classes):
                counts[number] += drawn == number
            if self.intensity:
                scaled = _standardised(voxels)
                for row, power in enumerate((0, 1, 2)):
                    sums[row] += np.bincount(mask.ravel(), weights=(scaled**power).ravel(), minlength=classes)
        self.atlas = np.stack([gaussian_filter(each, self.blur, mode="nearest") for each in counts])
        self.atlas /= self.atlas.sum(axis=0)
        if self.intensity:
            many = np.maximum(sums[0], 1)
            self.mean = sums[1] / many
            self.deviation = np.sqrt(np.maximum(sums[2] / many - self.mean**2, 1e-4))

    def outputs(self, examples: Sequence[Volume]) -> Masks:
        """The most likely class of each voxel."""
        masks, sizes = [], []
        for example in examples:
            voxels, affine = example.read()
            turned, axes = _turned(voxels, affine)
            masks.append(_laid_back(self._likeliest(turned), axes))
            sizes.append(float(np.prod(example.geometry().spacing)))
        return Masks(masks, sizes)

    def _likeliest(self, voxels: np.ndarray) -> np.ndarray:
        """The class of each voxel of a volume in RAS orientation."""
        from scipy.ndimage import map_coordinates

        low, high = self._box(voxels)
        along = [
            (np.arange(size) - first) / max(last - first, 1) * (self.side - 1)
            for size, first, last in zip(voxels.shape, low, high, strict=True)
        ]
        scaled = _standardised(voxels) if self.intensity else None
        best = np.full(voxels.shape, -np.inf)
        found = np.zeros(voxels.shape, np.uint8)
        places = np.meshgrid(*along, indexing="ij")
        for number, part in enumerate(self.atlas):
            # Outside of all training boxes there is background.
            score = np.log(map_coordinates(part, places, order=1, mode="constant", cval=float(number == 0)) + 1e-6)
            if scaled is not None:
                score += -0.5 * ((scaled - self.mean[number]) / self.deviation[number]) ** 2 - np.log(
                    self.deviation[number]
                )
            better = score > best
            best[better], found[better] = score[better], number
        return found

    def _places(self, voxels: np.ndarray, shape: Sequence[int]) -> list[np.ndarray]:
        """The positions of the atlas' places in a volume, along each axis."""
        low, high = self._box(voxels)
        return [np.linspace(first, last, size) for first, last, size in zip(low, high, shape, strict=True)]

    def _box(self, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bright = voxels > voxels.mean()
        if self.align == "box" or not bright.any():  # a scan of one value has no content to align by
            return np.zeros(3), np.array(voxels.shape) - 1.0
        low, high = np.zeros(3), np.zeros(3)
        for axis in range(3):
            # A few bright voxels of noise do not count as content.
            profile = bright.mean(axis=tuple(other for other in range(3) if other != axis))
            inside = np.flatnonzero(profile > 0.1 * profile.max())
            low[axis], high[axis] = inside[0], max(inside[-1], inside[0] + 1)
        return low, high


def _turned(voxels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, Grid]:
    """A volume whose axes run to the right, the front and upwards; and the grid that it had before."""
    grid = Grid.between(voxels.shape, affine, _nearest_ras(affine))
    return _laid(voxels, grid), grid


def _nearest_ras(affine: np.ndarray) -> np.ndarray:
    """The affine of the same volume with its axes swapped and mirrored to be as close as possible to RAS."""
    from nibabel.orientations import io_orientation

    turned = affine.copy()
    for own, (axis, sign) in enumerate(io_orientation(affine)):
        turned[:, int(axis)] = affine[:, own] * sign
    return turned


def _laid(values: np.ndarray, grid: Grid) -> np.ndarray:
    turned = np.transpose(values, grid.axes)
    return turned[tuple(slice(None, None, -1) if scale < 0 else slice(None) for scale in grid.scale)]


def _laid_back(values: np.ndarray, grid: Grid) -> np.ndarray:
    back = values[tuple(slice(None, None, -1) if scale < 0 else slice(None) for scale in grid.scale)]
    return np.ascontiguousarray(np.transpose(back, np.argsort(grid.axes)))


def _numbered(mask: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """A mask whose structures are 1, 2 … in the order of `values`."""
    found = np.zeros(mask.shape, np.uint8)
    for number, value in enumerate(values, start=1):
        found[mask == value] = number
    return found


def _standardised(voxels: np.ndarray) -> np.ndarray:
    inside = voxels[voxels > voxels.mean()]
    inside = inside if len(inside) else voxels.ravel()
    return (voxels.astype(np.float64) - inside.mean()) / max(float(inside.std()), 1e-6)
