"""Classical opponents for images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from convzoo.baselines.scikit import as_logits, class_numbers, decision_as_logits
from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.examples import Image


class PixelLogisticRegression(Baseline):
    """Logistic regression on the pixels, each standardised.

    Args:
        side: images are shrunk to side × side
        inverse_penalty: inverse of the regularisation (scikit-learn's C)
        max_examples: the most training images that are used
    """

    def __init__(
        self, side: Positive = 24, inverse_penalty: PositiveFloat = 0.01, max_examples: Positive = 20_000
    ) -> None:
        self.side = side
        self.inverse_penalty = inverse_penalty
        self.max_examples = max_examples

    def fit(self, examples: Sequence[Image], dims: Mapping[str, Any]) -> None:
        """Learn the coefficients from the training split."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        chosen = _thin(examples, self.max_examples)
        self.classes = len(dims["labels"])
        self.pipeline = make_pipeline(
            StandardScaler(), LogisticRegression(C=self.inverse_penalty, max_iter=200, tol=1e-3)
        )
        self.pipeline.fit(pixels(chosen, self.side), class_numbers(chosen, dims))

    def outputs(self, examples: Sequence[Image]) -> Tensor:
        """(examples, classes), logarithms of probabilities."""
        return as_logits(self.pipeline.predict_proba(pixels(examples, self.side)), self.pipeline.classes_, self.classes)


class EigenSVM(Baseline):
    """A support vector machine with a radial kernel on the principal components of the images ("eigenfaces", Turk & Pentland
    1991, doi:10.1162/jocn.1991.3.1.71).

    Args:
        side: images are shrunk to side × side
        components: number of principal components
        inverse_penalty: inverse of the regularisation (scikit-learn's C)
        max_examples: the most training images that are used: the machine's time grows with their square
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

    def fit(self, examples: Sequence[Image], dims: Mapping[str, Any]) -> None:
        """Learn components and support vectors from the training split."""
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import SVC

        chosen = _thin(examples, self.max_examples)
        self.classes = len(dims["labels"])
        components = min(self.components, len(chosen) - 1, self.side**2)
        self.pipeline = make_pipeline(
            PCA(components, whiten=True, random_state=0), SVC(C=self.inverse_penalty, decision_function_shape="ovr")
        )
        self.pipeline.fit(pixels(chosen, self.side), class_numbers(chosen, dims))

    def outputs(self, examples: Sequence[Image]) -> Tensor:
        """(examples, classes), decision values."""
        decision = self.pipeline.decision_function(pixels(examples, self.side))
        return decision_as_logits(decision, self.pipeline.classes_, self.classes)


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


def _thin(examples: Sequence[Image], most: int) -> Sequence[Image]:
    """Evenly spaced examples, at most so many."""
    return [examples[index] for index in np.linspace(0, len(examples) - 1, min(most, len(examples))).astype(int)]
