"""Drawn round gauges, 40×40 grey, whose reading is to be told; everything else about them varies, too."""

import math
from typing import Any

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive, PositiveFloat
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.image.example import Image

SIDE = 40
FULL = 100.0
"""The reading at the end of the scale, which begins at 0."""

SWEEP = math.radians(270)
"""The angle between the two ends of the scale; the gap is below."""

TICKS = 11


class Gauges(Reader):
    """Gauges from 0 to 100 with a pointer, and many nuisances: place, size, rotation, light, colours, noise.

    The pointer sticks: it shows the true number plus a normally distributed error. So the best that anyone could do is the mean
    of the numbers that are possible for a pointer, which is cut off at the ends of the scale. Its root mean squared error on the
    test split is `ceiling`.

    Args:
        train: number of training gauges
        val: number of validation gauges
        test: number of test gauges
        friction: standard deviation of the pointer's error
        nuisance: how much place, size, rotation, light and noise vary
        seed: random seed
    """

    example = Image

    def __init__(
        self,
        train: Positive = 2400,
        val: Positive = 400,
        test: Positive = 600,
        friction: PositiveFloat = 2.0,
        nuisance: Fraction = 0.7,
        seed: Count = 0,
    ) -> None:
        self.sizes = {"train": train, "val": val, "test": test}
        self.friction = friction
        self.nuisance = nuisance
        self.seed = seed

    def read(self) -> Splits:
        """Draw the gauges."""
        parts: dict[str, Any] = {}
        ceiling = 0.0
        for index, (name, size) in enumerate(self.sizes.items()):
            random = np.random.default_rng([self.seed, index])
            true = random.uniform(0, FULL, size)
            shown = true + self.friction * random.standard_normal(size)
            if name == "test":
                ceiling = float(np.sqrt(np.square(best_guess(shown, self.friction) - true).mean()))
            pixels = draw(shown, random, self.nuisance)
            parts[name] = [
                Image(pixels[number], label=value, source=f"gauges:{name}:{number}")
                for number, value in enumerate(true.tolist())
            ]
        return Splits(**parts, ceiling={"test/rmse": ceiling})


def best_guess(shown: np.ndarray, friction: float) -> np.ndarray:
    """The mean of the true numbers that are possible: a normal distribution about the pointer, cut off at the scale's ends."""
    low, high = -shown / friction, (FULL - shown) / friction
    density = [np.exp(-np.square(end) / 2) / math.sqrt(2 * math.pi) for end in (low, high)]
    below = [np.array([math.erfc(-end / math.sqrt(2)) / 2 for end in ends]) for ends in (low, high)]
    return shown + friction * (density[0] - density[1]) / np.maximum(below[1] - below[0], 1e-12)


def draw(shown: np.ndarray, random: np.random.Generator, nuisance: float) -> np.ndarray:
    """Gauges whose pointers stand at the given numbers, (count,), as uint8 (count, 40, 40)."""
    count = len(shown)

    def vary(low: float, high: float) -> np.ndarray:
        middle, half = (low + high) / 2, (high - low) / 2
        return (middle + random.uniform(-1, 1, count) * half * nuisance).reshape(-1, 1, 1)

    rows, columns = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    size = vary(14.0, 18.5)
    across, down = (columns - vary(-2.0, 2.0)) / size, (rows - vary(-2.0, 2.0)) / size  # 1 is the radius of the face
    turn = vary(-0.14, 0.14)
    across, down = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
    radius = np.hypot(across, down)
    face, ink, ground = vary(0.65, 1.0), vary(0.0, 0.25), vary(0.1, 0.6)

    image = ground + (face - ground) * _soft((1 - radius) * size)
    image = _painted(image, _soft((0.06 - np.abs(radius - 0.94)) * size), ink)
    for tick in range(TICKS):
        side, along = _along(across, down, _angle(np.full((1, 1, 1), tick * FULL / (TICKS - 1))))
        mark = np.minimum(0.035 - np.abs(side), 0.13 - np.abs(along - 0.75))
        image = _painted(image, _soft(mark * size), ink)
    side, along = _along(across, down, _angle(shown).reshape(-1, 1, 1))
    length = vary(0.62, 0.85)
    pointer = np.minimum(vary(0.045, 0.09) - np.abs(side), np.minimum(along + 0.18, length - along))
    image = _painted(image, _soft(pointer * size), ink * 0.5)
    image = _painted(image, _soft((0.12 - radius) * size), ink)
    image = image * vary(0.8, 1.1) * (1 + vary(-0.2, 0.2) * across + vary(-0.2, 0.2) * down)
    image += vary(0.01, 0.09) * random.standard_normal(image.shape)
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def _angle(number: np.ndarray) -> np.ndarray:
    """Where a number stands on the scale, in radians clockwise from the top."""
    return (number / FULL - 0.5) * SWEEP


def _along(across: np.ndarray, down: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates beside and along a direction, which is clockwise from the top."""
    return across * np.cos(angle) + down * np.sin(angle), across * np.sin(angle) - down * np.cos(angle)


def _soft(distance: np.ndarray) -> np.ndarray:
    """1 inside, 0 outside, with an edge of one pixel; `distance` in pixels, positive inside."""
    return np.clip(distance + 0.5, 0, 1)


def _painted(image: np.ndarray, mask: np.ndarray, grey: Any) -> np.ndarray:
    return image + mask * (grey - image)
