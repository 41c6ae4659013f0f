"""Classical opponents for audio."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

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
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (1.0, 0.1, 10.0)}

    def __init__(
        self,
        coefficients: Positive = 20,
        sample_rate: Positive = 8000,
        deviation: bool = False,
        inverse_penalty: PositiveFloat | None = None,
    ) -> None:
        self.coefficients = coefficients
        self.sample_rate = sample_rate
        self.deviation = deviation
        self.inverse_penalty = inverse_penalty

    def machine(self, features: np.ndarray) -> Any:
        """Logistic regression."""
        return regression(self.setting("inverse_penalty"), iterations=1000)

    def features(self, examples: Sequence[Audio]) -> np.ndarray:
        """(examples, coefficients), or twice as many with the deviations."""
        mfcc = _mfcc(self.coefficients, self.sample_rate)
        rows = []
        for example in examples:
            frames = mfcc(_waveform(example, self.sample_rate))  # (coefficients, frames)
            row = [frames.mean(dim=1)] + ([frames.std(dim=1, correction=0)] if self.deviation else [])
            rows.append(torch.cat(row).numpy())
        return np.stack(rows)


class MfccSVM(FeatureClassifier):
    """A support vector machine with a radial kernel on what the mel-frequency cepstral coefficients and their changes (deltas)
    are like in each part of a recording: their means and standard deviations, each standardised. So it knows which sounds a
    recording has, and roughly in which order.

    Args:
        coefficients: number of cepstral coefficients of a frame
        sample_rate: samples a second; files of other rates are resampled
        parts: a recording is cut into this number of equally long parts
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
        max_examples: largest number of training recordings that are used; the training time grows with its square
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (10.0, 1.0, 100.0)}

    def __init__(
        self,
        coefficients: Positive = 20,
        sample_rate: Positive = 8000,
        parts: Positive = 3,
        inverse_penalty: PositiveFloat | None = None,
        max_examples: Positive = 6000,
    ) -> None:
        self.coefficients = coefficients
        self.sample_rate = sample_rate
        self.parts = parts
        self.inverse_penalty = inverse_penalty
        self.max_examples = max_examples

    def machine(self, features: np.ndarray) -> Any:
        """A support vector machine."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        return make_pipeline(StandardScaler(), SVC(C=self.setting("inverse_penalty"), decision_function_shape="ovr"))

    def features(self, examples: Sequence[Audio]) -> np.ndarray:
        """(examples, 4 × coefficients × parts)."""
        mfcc = _mfcc(self.coefficients, self.sample_rate)
        rows = []
        for example in examples:
            frames = mfcc(_waveform(example, self.sample_rate)).numpy()  # (coefficients, frames)
            changes = np.gradient(frames, axis=1) if frames.shape[1] > 1 else np.zeros_like(frames)
            both = np.concatenate([frames, changes])
            # In a recording with fewer frames than parts, neighbouring parts share a frame.
            edges = np.linspace(0, both.shape[1], self.parts + 1)
            pieces = [
                both[:, min(int(first), both.shape[1] - 1) : max(int(last), int(first) + 1)]
                for first, last in itertools.pairwise(edges)
            ]
            rows.append(np.concatenate([each for part in pieces for each in (part.mean(axis=1), part.std(axis=1))]))
        return np.stack(rows)


def _mfcc(coefficients: int, sample_rate: int) -> Any:
    window = round(0.032 * sample_rate)
    settings = {"n_fft": window, "hop_length": window // 2, "n_mels": 40, "f_min": 20.0, "pad_mode": "constant"}
    return torchaudio.transforms.MFCC(sample_rate, coefficients, melkwargs=settings)


def _waveform(example: Audio, sample_rate: int) -> Tensor:
    """(samples,), at this rate."""
    samples, rate = example.read()
    waveform = torch.from_numpy(samples)
    return waveform if rate == sample_rate else torchaudio.functional.resample(waveform, rate, sample_rate)
