"""Waveforms of two sensors whose classes differ in shape, order and phase only."""

from itertools import product
from typing import Any

import numpy as np

from convzoo.core.arguments import Count, Fraction, NonNegative, Positive
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.series.labelled import LabelledSeries

CHANNELS = ("left", "right")
SHAPES = ("rising", "falling")
ORDERS = ("first", "last")
PHASES = ("leads", "lags")
CLASSES = tuple(f"{shape} {order} {phase}" for shape, order, phase in product(SHAPES, ORDERS, PHASES))


class Waveforms(Reader):
    """Two sensors record a pulse and an oscillation, one after the other, somewhere in a stretch with noise, drift and spikes.

    Three things make a class, of eight: the shape of the pulse (it rises slowly and falls at once, or the other way round), the
    order (the pulse comes first or last), and the phase (the oscillation reaches the left sensor a quarter of a period before
    the right one, or after it). Everything else is drawn at random for each series: where the events lie, how long and how
    strong they are, their period, the noise, the drift. So means, variances, spectra and the histogram of the values say
    nothing of the class.

    A part of the series carries another class than their own, drawn at random, as careless annotators would have it; no method
    can know that. The part of the test series whose class is right is the `ceiling`.

    Args:
        train: number of training series
        val: number of validation series
        test: number of test series
        length: steps of a series
        noise: standard deviation of the noise, where the events have a height of about 1
        label_noise: fraction of the series with a class drawn at random
        seed: random seed
    """

    example = LabelledSeries

    def __init__(
        self,
        train: Positive = 1600,
        val: Positive = 400,
        test: Positive = 1000,
        length: Positive = 128,
        noise: NonNegative = 0.3,
        label_noise: Fraction = 0.03,
        seed: Count = 0,
    ) -> None:
        if length < 100:
            raise DataError(f"data.length={length} should be at least 100: the two events need that many steps")
        self.sizes = {"train": train, "val": val, "test": test}
        self.length = length
        self.noise = noise
        self.label_noise = label_noise
        self.seed = seed

    def read(self) -> Splits:
        """Make the series."""
        parts: dict[str, Any] = {}
        right = 1.0
        for number, (name, count) in enumerate(self.sizes.items()):
            random = np.random.default_rng([self.seed, number])
            true = random.permutation(np.arange(count) % len(CLASSES))
            said = np.where(
                random.uniform(size=count) < self.label_noise, random.integers(len(CLASSES), size=count), true
            )
            parts[name] = [
                LabelledSeries(
                    values=waveform(int(kind), self.length, self.noise, random), label=CLASSES[label],
                    source=f"{name} {at}", channels=CHANNELS,
                )
                for at, (kind, label) in enumerate(zip(true, said, strict=True))
            ]  # fmt: skip
            right = float((true == said).mean())
        return Splits(**parts, ceiling={"test/accuracy": right})


def waveform(kind: int, length: int, noise: float, random: np.random.Generator) -> np.ndarray:
    """One series of a class, (2, length) float32."""
    shape, order, phase = (kind >> 2) & 1, (kind >> 1) & 1, kind & 1
    pulse_steps, wave_steps, gap = (
        int(random.integers(18, 31)),
        int(random.integers(26, 39)),
        int(random.integers(2, 16)),
    )
    start = int(random.integers(4, length - pulse_steps - wave_steps - gap - 3))
    first = pulse_steps if order == 0 else wave_steps
    places = (start, start + first + gap)
    pulse_at, wave_at = places if order == 0 else places[::-1]
    values = np.zeros((2, length))
    rise = np.linspace(0, 1, pulse_steps) ** 1.5
    pulse = random.uniform(0.9, 1.6) * (rise if shape == 0 else rise[::-1])
    sign = random.choice([-1.0, 1.0])  # of both sensors, so that levels say nothing
    values[:, pulse_at : pulse_at + pulse_steps] += sign * pulse * random.uniform(0.8, 1.2, (2, 1))
    steps = np.arange(wave_steps)
    period = random.uniform(9, 14)
    envelope = np.sin(np.pi * (steps + 0.5) / wave_steps) ** 0.5
    angle = 2 * np.pi * (steps / period + random.uniform())
    quarter = np.array([0.0, -np.pi / 2 if phase == 0 else np.pi / 2])[:, None]
    wave = random.uniform(0.7, 1.3) * envelope * np.sin(angle + quarter)
    values[:, wave_at : wave_at + wave_steps] += wave * random.uniform(0.8, 1.2, (2, 1))
    values += _background(length, noise, random)
    gain = np.exp(random.normal(0, 0.3))
    return (gain * values + random.normal(0, 0.5, (2, 1))).astype(np.float32)


def _background(length: int, noise: float, random: np.random.Generator) -> np.ndarray:
    """Noise that is correlated from step to step, a slow drift that both sensors share, and single spikes."""
    from scipy.signal import lfilter

    white = random.standard_normal((2, length + 20))
    coloured = lfilter([0.8], [1, -0.6], white, axis=1)[:, 20:]
    drift = np.cumsum(random.standard_normal(length)) / np.sqrt(length)
    spikes = np.where(random.uniform(size=(2, length)) < 0.01, random.normal(0, 4, (2, length)), 0.0)
    return noise * (coloured + drift + spikes)
