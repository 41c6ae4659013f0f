"""Classical opponents for volumes with a number."""

from collections.abc import Sequence

import numpy as np

from convzoo.baselines.numbers import FeatureRegressor
from convzoo.core.arguments import Positive
from convzoo.modalities.volume.baselines import EigenVolumeSVM, shape_features
from convzoo.modalities.volume.example import Volume


class VolumeRidge(FeatureRegressor):
    """Ridge regression on a coarse copy of each volume, along the patient's axes, and on the volume and the shape of its bright
    part.

    Args:
        side: volumes are resampled to side × side × side voxels
    """

    def __init__(self, side: Positive = 8) -> None:
        self.side = side

    def features(self, examples: Sequence[Volume]) -> np.ndarray:
        """(examples, side³ + 16)."""
        voxels = EigenVolumeSVM(side=self.side).features(examples)
        return np.hstack([voxels, np.stack([shape_features(*example.read()) for example in examples])])
