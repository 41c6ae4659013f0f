"""Opponents for videos: how they look without time, and a picture of where something moved and when."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor

from convzoo.baselines.scikit import as_logits, class_numbers, decision_as_logits
from convzoo.core.arguments import Fraction, Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.video import Video


class FrameAverage(Baseline):
    """Logistic regression on the mean of a video's frames, or on its middle frame: what can be told without motion.

    Args:
        side: frames are shrunk to side × side
        frames: `all` for their mean, `middle` for one frame
        inverse_penalty: inverse of the regularisation (scikit-learn's C)
    """

    def __init__(
        self, side: Positive = 24, frames: Literal["all", "middle"] = "all", inverse_penalty: PositiveFloat = 0.01
    ) -> None:
        self.side = side
        self.frames = frames
        self.inverse_penalty = inverse_penalty

    def fit(self, examples: Sequence[Video], dims: Mapping[str, Any]) -> None:
        """Learn the coefficients from the training split."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self.classes = len(dims["labels"])
        self.pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=self.inverse_penalty, max_iter=500))
        self.pipeline.fit(self.features(examples), class_numbers(examples, dims))

    def outputs(self, examples: Sequence[Video]) -> Tensor:
        """(examples, classes), logarithms of probabilities."""
        return as_logits(self.pipeline.predict_proba(self.features(examples)), self.pipeline.classes_, self.classes)

    def features(self, examples: Sequence[Video]) -> np.ndarray:
        """(examples, side²)."""
        rows = []
        for example in examples:
            film = example.film()
            numbers = None if self.frames == "all" else [len(film.times) // 2]
            rows.append(example.read(numbers, (self.side, self.side), True, True, film).mean(axis=0).ravel() / 255)
        return np.stack(rows)


class MotionHistorySVM(Baseline):
    r"""A support vector machine with a radial kernel on motion history images (Bobick & Davis 2001, doi:10.1109/34.910878).

    Where a pixel changes by more than `threshold`, its history is 1; else it fades by 1/duration a frame. A video is the mean and
    the maximum over time of its histories and of their steps in height and width, which say where to something moved. The image
    is centred on what moved, so that it does not matter where that is.

    Args:
        side: frames are shrunk to side × side
        threshold: a part of the range of brightness
        duration: frames until a change is forgotten
        components: principal components that the machine sees
        inverse_penalty: inverse of the regularisation (scikit-learn's C)
    """

    def __init__(
        self,
        side: Positive = 32,
        threshold: Fraction = 0.1,
        duration: Positive = 12,
        components: Positive = 100,
        inverse_penalty: PositiveFloat = 5.0,
    ) -> None:
        self.side = side
        self.threshold = threshold
        self.duration = duration
        self.components = components
        self.inverse_penalty = inverse_penalty

    def fit(self, examples: Sequence[Video], dims: Mapping[str, Any]) -> None:
        """Learn components and support vectors from the training split."""
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import SVC

        self.classes = len(dims["labels"])
        features = self.features(examples)
        components = min(self.components, len(features) - 1, features.shape[1])
        self.pipeline = make_pipeline(
            PCA(components, whiten=True, random_state=0), SVC(C=self.inverse_penalty, decision_function_shape="ovr")
        )
        self.pipeline.fit(features, class_numbers(examples, dims))

    def outputs(self, examples: Sequence[Video]) -> Tensor:
        """(examples, classes), decision values."""
        decision = self.pipeline.decision_function(self.features(examples))
        return decision_as_logits(decision, self.pipeline.classes_, self.classes)

    def features(self, examples: Sequence[Video]) -> np.ndarray:
        """(examples, 4 side²)."""
        return np.stack([self._features(example) for example in examples])

    def _features(self, example: Video) -> np.ndarray:
        frames = example.read(size=(self.side, self.side), grey=True, squeeze=True).astype(np.float32) / 255
        changed = np.abs(np.diff(frames, axis=0)) > self.threshold
        history, histories = np.zeros(changed.shape[1:], np.float32), []
        for change in changed:
            history = np.where(change, 1.0, np.maximum(history - 1 / self.duration, 0)).astype(np.float32)
            histories.append(history)
        rows = np.stack(histories)  # (frames, side, side)
        down, right = np.gradient(rows, axis=1), np.gradient(rows, axis=2)
        images = np.stack([rows.mean(axis=0), rows.max(axis=0), down.mean(axis=0), right.mean(axis=0)])
        weight = images[0].sum()
        if weight > 0:
            places = np.arange(self.side)
            middle = [float((images[0].sum(axis=1 - axis) * places).sum() / weight) for axis in (0, 1)]
            images = np.roll(images, [round(self.side / 2 - at) for at in middle], axis=(1, 2))
        return images.ravel()
