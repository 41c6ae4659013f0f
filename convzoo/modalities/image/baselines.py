"""Classical opponents for images."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from convzoo.baselines.scikit import ComponentSVM, FeatureClassifier, regression
from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.modalities.image.example import Image, white_of


class PixelLogisticRegression(FeatureClassifier):
    """Logistic regression on the pixels, each standardised.

    Args:
        side: images are shrunk to side × side
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
        max_examples: largest number of training images that are used
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (0.01, 0.001, 0.1)}

    def __init__(
        self, side: Positive = 24, inverse_penalty: PositiveFloat | None = None, max_examples: Positive = 6000
    ) -> None:
        self.side = side
        self.inverse_penalty = inverse_penalty
        self.max_examples = max_examples

    def machine(self, features: np.ndarray) -> Any:
        """Logistic regression."""
        return regression(self.setting("inverse_penalty"), iterations=200, tolerance=1e-3)

    def features(self, examples: Sequence[Image]) -> np.ndarray:
        """(examples, side²), in [0, 1]."""
        return pixels(examples, self.side)


class EigenSVM(ComponentSVM):
    """A support vector machine with a radial kernel on the principal components of the images ("eigenfaces", Turk & Pentland
    1991, doi:10.1162/jocn.1991.3.1.71).

    Args:
        side: images are shrunk to side × side
        components: number of principal components; null: chosen on the validation split
        whiten: give every component the same variance; null: chosen on the validation split
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
        max_examples: largest number of training images that are used; the training time grows with its square
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {
        "components": (80, 25),
        "whiten": (False, True),
        "inverse_penalty": (10.0, 1.0),
    }

    def __init__(
        self,
        side: Positive = 24,
        components: Positive | None = None,
        whiten: bool | None = None,
        inverse_penalty: PositiveFloat | None = None,
        max_examples: Positive = 6000,
    ) -> None:
        self.side = side
        self.components = components
        self.whiten = whiten
        self.inverse_penalty = inverse_penalty
        self.max_examples = max_examples

    def features(self, examples: Sequence[Image]) -> np.ndarray:
        """(examples, side²), in [0, 1]."""
        return pixels(examples, self.side)


class HogSVM(ComponentSVM):
    """A support vector machine with a radial kernel on the principal components of histograms of oriented gradients (Dalal &
    Triggs 2005, doi:10.1109/CVPR.2005.177): it sees edges and their directions, whatever the brightness.

    Args:
        side: images are resized to side × side
        cell: side of a cell in pixels; each cell has a histogram
        components: number of principal components; null: chosen on the validation split
        whiten: give every component the same variance; null: chosen on the validation split
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
        max_examples: largest number of training images that are used; the training time grows with its square
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"components": (100, 40), "inverse_penalty": (10.0, 1.0)}

    def __init__(
        self,
        side: Positive = 48,
        cell: Positive = 8,
        components: Positive | None = None,
        whiten: bool = False,
        inverse_penalty: PositiveFloat | None = None,
        max_examples: Positive = 6000,
    ) -> None:
        self.side = side
        self.cell = cell
        self.components = components
        self.whiten = whiten
        self.inverse_penalty = inverse_penalty
        self.max_examples = max_examples

    def features(self, examples: Sequence[Image]) -> np.ndarray:
        """(examples, blocks × 36)."""
        images = pixels(examples, self.side).reshape(-1, self.side, self.side)
        return np.concatenate(
            [oriented_gradients(part, self.cell) for part in np.array_split(images, len(images) // 500 + 1)]
        )


def oriented_gradients(images: np.ndarray, cell: int, directions: int = 9) -> np.ndarray:
    """Histograms of the directions of gradients in square cells; neighbouring cells, two by two, are normalised together.

    Args:
        images: (images, height, width)
        cell: side of a cell in pixels; pixels that fill no cell are left out
        directions: number of bins, from 0 to 180 degrees; each gradient counts in the two nearest

    Returns:
        (images, features): the histograms of all blocks, each of unit length with no entry above .2, and of unit length again.
    """
    down, right = np.gradient(images, axis=1), np.gradient(images, axis=2)
    size = np.hypot(down, right)
    place = np.mod(np.arctan2(down, right), np.pi) * (directions / np.pi)
    lower = np.floor(place)
    rest = place - lower
    tall, wide = images.shape[1] // cell, images.shape[2] // cell
    cells = np.empty((len(images), tall, wide, directions), np.float32)
    for number in range(directions):
        weight = size * ((lower % directions == number) * (1 - rest) + ((lower + 1) % directions == number) * rest)
        inside = weight[:, : tall * cell, : wide * cell].reshape(-1, tall, cell, wide, cell)
        cells[..., number] = inside.sum(axis=(2, 4))
    shifted = [
        cells[:, a : max(tall - 1, 1) + a, b : max(wide - 1, 1) + b]
        for a in range(min(2, tall))
        for b in range(min(2, wide))
    ]
    blocks = np.concatenate(shifted, axis=-1)
    for most in (0.2, None):
        blocks = blocks / np.sqrt(np.square(blocks).sum(axis=-1, keepdims=True) + 1e-4)
        blocks = blocks if most is None else np.minimum(blocks, most)
    return blocks.reshape(len(images), -1)


def pixels(examples: Sequence[Image], side: int) -> np.ndarray:
    """Grey images, shrunk, as rows of float32 in [0, 1]."""
    import PIL.Image

    white = white_of(examples)
    rows = np.empty((len(examples), side * side), dtype=np.float32)
    for index, example in enumerate(examples):
        image = PIL.Image.fromarray(example.array(white)).convert("L")
        if image.size != (side, side):
            image = image.resize((side, side), PIL.Image.Resampling.BOX)
        rows[index] = np.asarray(image, dtype=np.float32).ravel() / 255
    return rows
