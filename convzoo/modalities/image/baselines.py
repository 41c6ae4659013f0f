"""Classical opponents for images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from convzoo.baselines.scikit import FeatureClassifier, component_svm, regression
from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.modalities.image.example import Image


class PixelLogisticRegression(FeatureClassifier):
    """Logistic regression on the pixels, each standardised.

    Args:
        side: images are shrunk to side × side
        inverse_penalty: inverse of the regularisation (scikit-learn's C)
        max_examples: largest number of training images that are used
    """

    def __init__(
        self, side: Positive = 24, inverse_penalty: PositiveFloat = 0.01, max_examples: Positive = 20_000
    ) -> None:
        self.side = side
        self.inverse_penalty = inverse_penalty
        self.max_examples = max_examples

    def machine(self, features: np.ndarray) -> Any:
        """Logistic regression."""
        return regression(self.inverse_penalty, iterations=200, tolerance=1e-3)

    def features(self, examples: Sequence[Image]) -> np.ndarray:
        """(examples, side²), in [0, 1]."""
        return pixels(examples, self.side)


class EigenSVM(FeatureClassifier):
    """A support vector machine with a radial kernel on the principal components of the images ("eigenfaces", Turk & Pentland
    1991, doi:10.1162/jocn.1991.3.1.71).

    Args:
        side: images are shrunk to side × side
        components: number of principal components
        inverse_penalty: inverse of the regularisation (scikit-learn's C)
        max_examples: largest number of training images that are used; the training time grows with its square
    """

    def __init__(
        self,
        side: Positive = 24,
        components: Positive = 80,
        inverse_penalty: PositiveFloat = 5.0,
        max_examples: Positive = 6000,
    ) -> None:
        self.side = side
        self.components = components
        self.inverse_penalty = inverse_penalty
        self.max_examples = max_examples

    def machine(self, features: np.ndarray) -> Any:
        """A support vector machine on principal components."""
        return component_svm(features, self.components, self.inverse_penalty)

    def features(self, examples: Sequence[Image]) -> np.ndarray:
        """(examples, side²), in [0, 1]."""
        return pixels(examples, self.side)


def pixels(examples: Sequence[Image], side: int) -> np.ndarray:
    """Grey images, shrunk, as rows of float32 in [0, 1]."""
    import PIL.Image

    rows = np.empty((len(examples), side * side), dtype=np.float32)
    for index, example in enumerate(examples):
        image = PIL.Image.fromarray(example.array()).convert("L")
        if image.size != (side, side):
            image = image.resize((side, side), PIL.Image.Resampling.BOX)
        rows[index] = np.asarray(image, dtype=np.float32).ravel() / 255
    return rows
