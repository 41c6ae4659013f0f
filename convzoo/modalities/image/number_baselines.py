"""Classical opponents for images with a number."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from convzoo.baselines.numbers import FeatureRegressor
from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.modalities.image.baselines import pixels
from convzoo.modalities.image.example import Image


class PixelRidge(FeatureRegressor):
    """Ridge regression on the pixels; the penalty is chosen on a fifth of the training images.

    Args:
        side: images are shrunk to side × side
        max_examples: largest number of training images that are used
    """

    def __init__(self, side: Positive = 24, max_examples: Positive = 20_000) -> None:
        self.side = side
        self.max_examples = max_examples

    def features(self, examples: Sequence[Image]) -> np.ndarray:
        """(examples, side²), in [0, 1]."""
        return pixels(examples, self.side)


class EigenSVR(FeatureRegressor):
    """A support vector regression with a radial kernel on the principal components of the images.

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

    def fitted(self, features: np.ndarray, numbers: np.ndarray) -> Any:
        """A support vector regression on principal components."""
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import SVR

        components = min(self.components, len(features) - 1, features.shape[1])
        projection = PCA(components, whiten=True, random_state=0)
        return make_pipeline(projection, SVR(C=self.inverse_penalty)).fit(features, numbers)

    def features(self, examples: Sequence[Image]) -> np.ndarray:
        """(examples, side²), in [0, 1]."""
        return pixels(examples, self.side)
