"""Opponents for videos: their appearance without time, and a picture of where and when something moved."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from convzoo.baselines.scikit import ComponentSVM, FeatureClassifier, regression
from convzoo.core.arguments import Fraction, Positive, PositiveFloat
from convzoo.modalities.video.example import Video


class FrameAverage(FeatureClassifier):
    """Logistic regression on the mean of a video's frames, or on its middle frame: what can be seen without motion.

    Args:
        side: frames are shrunk to side × side
        frames: `all` for their mean, `middle` for one frame
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (0.01, 0.001, 0.1)}

    def __init__(
        self,
        side: Positive = 24,
        frames: Literal["all", "middle"] = "all",
        inverse_penalty: PositiveFloat | None = None,
    ) -> None:
        self.side = side
        self.frames = frames
        self.inverse_penalty = inverse_penalty

    def machine(self, features: np.ndarray) -> Any:
        """Logistic regression."""
        return regression(self.setting("inverse_penalty"), iterations=500)

    def features(self, examples: Sequence[Video]) -> np.ndarray:
        """(examples, side²)."""
        rows = []
        for example in examples:
            film = example.film()
            numbers = None if self.frames == "all" else [len(film.times) // 2]
            rows.append(example.read(numbers, (self.side, self.side), True, True, film).mean(axis=0).ravel() / 255)
        return np.stack(rows)


class MotionHistorySVM(ComponentSVM):
    r"""A support vector machine with a radial kernel on motion history images (Bobick & Davis 2001, doi:10.1109/34.910878).

    If a pixel changes by more than `threshold`, its history is 1; else it fades by 1/duration a frame. The features of a video
    are the mean and the maximum over time of its histories and of their differences in height and width, which show the
    direction of motion. The image is centred on the moving part, so that its place does not matter.

    Args:
        side: frames are shrunk to side × side
        threshold: as a fraction of the range of brightness
        duration: frames until a change is forgotten
        components: number of principal components that the machine sees; null: chosen on the validation split
        whiten: give every component the same variance; null: chosen on the validation split
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {
        "components": (100, 20),
        "whiten": (False, True),
        "inverse_penalty": (10.0, 1.0),
    }

    def __init__(
        self,
        side: Positive = 32,
        threshold: Fraction = 0.1,
        duration: Positive = 12,
        components: Positive | None = None,
        whiten: bool | None = None,
        inverse_penalty: PositiveFloat | None = None,
    ) -> None:
        self.side = side
        self.threshold = threshold
        self.duration = duration
        self.components = components
        self.whiten = whiten
        self.inverse_penalty = inverse_penalty

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
