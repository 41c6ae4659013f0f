"""Classical opponents for audio."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from convzoo.baselines.scikit import FeatureClassifier, regression
from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.core.libraries import import_torchaudio
from convzoo.modalities.audio.example import Audio

torchaudio = import_torchaudio()


class MfccLogisticRegression(FeatureClassifier):
    """Logistic regression on the mean of the mel-frequency cepstral coefficients over time (Davis & Mermelstein 1980,
    doi:10.1109/TASSP.1980.1163420): it knows which sounds a recording has, but not their order.

    Args:
        coefficients: number of cepstral coefficients of a frame
        sample_rate: samples a second; files of other rates are resampled
        deviation: use the standard deviation of each coefficient too, not only its mean
        inverse_penalty: inverse of the regularisation (scikit-learn's C)
    """

    def __init__(
        self,
        coefficients: Positive = 20,
        sample_rate: Positive = 8000,
        deviation: bool = False,
        inverse_penalty: PositiveFloat = 1.0,
    ) -> None:
        self.coefficients = coefficients
        self.sample_rate = sample_rate
        self.deviation = deviation
        self.inverse_penalty = inverse_penalty

    def machine(self, features: np.ndarray) -> Any:
        """Logistic regression."""
        return regression(self.inverse_penalty, iterations=1000)

    def features(self, examples: Sequence[Audio]) -> np.ndarray:
        """(examples, coefficients), or twice as many with the deviations."""
        window = round(0.032 * self.sample_rate)
        settings = {"n_fft": window, "hop_length": window // 2, "n_mels": 40, "f_min": 20.0, "pad_mode": "constant"}
        mfcc = torchaudio.transforms.MFCC(self.sample_rate, self.coefficients, melkwargs=settings)
        rows = []
        for example in examples:
            samples, rate = example.read()
            waveform = torch.from_numpy(samples)
            if rate != self.sample_rate:
                waveform = torchaudio.functional.resample(waveform, rate, self.sample_rate)
            frames = mfcc(waveform)  # (coefficients, frames)
            row = [frames.mean(dim=1)] + ([frames.std(dim=1, correction=0)] if self.deviation else [])
            rows.append(torch.cat(row).numpy())
        return np.stack(rows)
