"""Classical opponents for volumes."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from convzoo.baselines.scikit import ComponentSVM, FeatureClassifier, regression
from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.modalities.volume import space as ops
from convzoo.modalities.volume.example import Volume


class HistogramLogisticRegression(FeatureClassifier):
    """Logistic regression on a histogram of the intensities: it knows how much of each brightness there is, but not where.

    Args:
        bins: number of bins of the histogram, from 0 to 1.3 times the 99.5 percentile
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (0.1, 0.01, 1.0)}

    def __init__(self, bins: Positive = 64, inverse_penalty: PositiveFloat | None = None) -> None:
        self.bins = bins
        self.inverse_penalty = inverse_penalty

    def machine(self, features: np.ndarray) -> Any:
        """Logistic regression."""
        return regression(self.setting("inverse_penalty"), iterations=2000)

    def features(self, examples: Sequence[Volume]) -> np.ndarray:
        """(examples, bins), the part of the voxels in each bin."""
        rows = []
        for example in examples:
            voxels, _ = example.read()
            bright = float(np.percentile(voxels, 99.5)) or 1.0
            rows.append(np.histogram(voxels / bright, self.bins, (0, 1.3))[0] / voxels.size)
        return np.stack(rows)


class EigenVolumeSVM(ComponentSVM):
    """A support vector machine with a radial kernel on the principal components of the volumes, resampled to a few voxels along
    the patient's axes.

    Args:
        side: volumes are resampled to side × side × side voxels
        components: number of principal components; null: chosen on the validation split
        whiten: give every component the same variance; null: chosen on the validation split
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {
        "components": (80, 20),
        "whiten": (False, True),
        "inverse_penalty": (10.0, 1.0),
    }

    def __init__(
        self,
        side: Positive = 16,
        components: Positive | None = None,
        whiten: bool | None = None,
        inverse_penalty: PositiveFloat | None = None,
    ) -> None:
        self.side = side
        self.components = components
        self.whiten = whiten
        self.inverse_penalty = inverse_penalty

    def features(self, examples: Sequence[Volume]) -> np.ndarray:
        """(examples, side³), in units of each volume's bright part."""
        rows = []
        for example in examples:
            volume, affine = ops.oriented(*example.read())
            body, _ = ops.cropped_to_body(volume, affine)
            small = ops.resized(body, [self.side] * 3)
            rows.append(ops.normalised(small, "head").flatten().numpy())
        return np.stack(rows)


class ShapeLogisticRegression(FeatureClassifier):
    """Logistic regression on what a radiologist would measure of a bright body: its volume and its shape.

    The body is all voxels brighter than half the brightest one. Its features are volume, surface, their ratio, the sides of its
    box, the part of the box that it fills, the three spreads along its own axes and their ratios, its mean and greatest half
    thickness, and the number of its pieces; all in voxels and millimetres of the volume, sizes as logarithms.

    Args:
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (1.0, 0.1, 10.0, 0.01)}

    def __init__(self, inverse_penalty: PositiveFloat | None = None) -> None:
        self.inverse_penalty = inverse_penalty

    def machine(self, features: np.ndarray) -> Any:
        """Logistic regression."""
        return regression(self.setting("inverse_penalty"), iterations=2000)

    def features(self, examples: Sequence[Volume]) -> np.ndarray:
        """(examples, features)."""
        return np.stack([shape_features(*example.read()) for example in examples])


def shape_features(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Volume and shape of the voxels brighter than half the brightest one, as described in `ShapeLogisticRegression`."""
    import scipy.ndimage

    body = voxels > voxels.max() / 2
    if not body.any():
        return np.zeros(16)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    each = float(np.prod(spacing))
    index = np.argwhere(body)
    places = index * spacing
    low, high = index.min(axis=0), index.max(axis=0) + 1
    body = np.pad(body[tuple(map(slice, low, high))], 1)
    volume = len(places) * each
    # Faces between the body and what is not the body, with their areas.
    surface = sum(
        float(np.diff(body.astype(np.int8), axis=axis).astype(bool).sum()) * each / spacing[axis] for axis in range(3)
    )
    box = np.sort(np.ptp(places, axis=0) + spacing)[::-1]
    spreads = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(places.T))[::-1], 1e-6)) if len(places) > 3 else np.ones(3)
    thickness = scipy.ndimage.distance_transform_edt(body, sampling=spacing)[body]
    pieces = scipy.ndimage.label(body)[1]
    sizes = [volume, surface, surface / volume, *box, *spreads, thickness.mean(), thickness.max()]
    ratios = [volume / np.prod(box), spreads[1] / spreads[0], spreads[2] / spreads[0], thickness.std(), pieces]
    return np.array([*np.log(sizes), *ratios])
