"""The classical opponent for sounds with a number."""

from collections.abc import Sequence

import numpy as np

from convzoo.baselines.numbers import FeatureRegressor
from convzoo.core.arguments import Positive
from convzoo.modalities.audio.baselines import MfccLogisticRegression
from convzoo.modalities.audio.example import Audio


class MfccRidge(FeatureRegressor):
    """Ridge regression on the mean and the deviation over time of the mel-frequency cepstral coefficients; the penalty is chosen
    on a fifth of the training sounds.

    Args:
        coefficients: number of cepstral coefficients of a frame
        sample_rate: samples a second; files of other rates are resampled
    """

    def __init__(self, coefficients: Positive = 20, sample_rate: Positive = 8000) -> None:
        self.mfcc = MfccLogisticRegression(coefficients, sample_rate, deviation=True)

    def features(self, examples: Sequence[Audio]) -> np.ndarray:
        """(examples, 2 coefficients)."""
        return self.mfcc.features(examples)
