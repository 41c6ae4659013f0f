"""Sensors of pumps under a changing load, with eight kinds of anomaly whose intervals are known."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from convzoo.core.arguments import Count, NonNegative, Positive
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.series.example import Series, Stretch

CHANNELS = ("speed", "flow", "pressure", "current", "temperature", "vibration")
NOISE = np.array([0.12, 0.10, 0.10, 0.10, 0.08, 0.15])
DAY = 144  # steps of ten minutes
KINDS = ("spike", "level", "ramp", "noise", "frozen", "oscillation", "decoupled", "late")
LOADS = np.array([-1.0, 0.2, 1.1])  # idle, usual, high


class Sensors(Reader):
    """Several pumps with six sensors each, a reading every ten minutes.

    The load follows the hour of the day and jumps between three regimes. The pump's speed follows the load with a lag. Flow,
    pressure and current follow the speed by the pump laws (flow ~ speed, pressure ~ speed², current ~ speed³). Temperature
    follows the current slowly; vibration follows the speed, with a ripple. All sensors drift a little and have noise. Only the
    test part holds anomalies: a spike, a jump of level, a slow ramp, a burst of noise, a frozen sensor, an oscillation, a sensor
    that shows another time of the same pump (each value is usual, but not at this time), and a sensor that reacts late.

    `ceiling` is the score of a detector that knows each sensor's true value without noise, takes the best of several averages
    over time, and chooses its threshold on the test labels.

    Args:
        pumps: number of series
        length: time steps of each
        train: fraction of each series to learn from
        val: fraction after it that chooses the best checkpoint and sets the threshold
        anomalies: number of anomalies in a thousand test steps
        difficulty: the anomalies are weaker by this factor
        drift: strength of the slow drift of all sensors
        seed: random seed
    """

    example = Stretch

    def __init__(
        self,
        pumps: Positive = 6,
        length: Positive = 6000,
        train: float = 0.5,
        val: float = 0.1,
        anomalies: NonNegative = 5.0,
        difficulty: NonNegative = 1.0,
        drift: NonNegative = 0.05,
        seed: Count = 0,
    ) -> None:
        if length < 300 or not 0 < train < train + val < 1:
            raise DataError(
                f"data.length={length} should be at least 300; data.train={train:g} and data.val={val:g} should leave a test part"
            )
        self.pumps = pumps
        self.length = length
        self.train = train
        self.val = val
        self.anomalies = anomalies
        self.difficulty = difficulty
        self.drift = drift
        self.seed = seed

    def read(self) -> Splits:
        """Run the pumps."""
        parts: dict[str, Any] = {"train": [], "val": [], "test": []}
        first, second = round(self.train * self.length), round((self.train + self.val) * self.length)
        truths, surprises = [], []
        for number in range(self.pumps):
            random = np.random.default_rng([self.seed, number])
            true = run_pump(self.length, random, self.drift)
            values = true + NOISE * random.standard_normal(true.shape)
            flags = inject(values, true, second, random, self.anomalies, 1 / max(self.difficulty, 1e-6))
            times = np.datetime64("2024-01-01T00:00:00") + np.arange(self.length) * np.timedelta64(10, "m")
            series = Series(f"pump {number}", values.astype(np.float32), CHANNELS, times, flags)
            for name, start, stop in (("train", 0, first), ("val", first, second), ("test", second, self.length)):
                parts[name].append(Stretch(series, start, stop))
            truths.append(flags[second:])
            surprises.append((((values - true) / NOISE) ** 2)[second:])
        ceiling = {"test/f1": _best_f1(surprises, truths)} if np.concatenate(truths).any() else {}
        return Splits(**parts, ceiling=ceiling)


def run_pump(length: int, random: np.random.Generator, drift: float) -> np.ndarray:
    """The six sensors' true values, (length, 6), with a standard deviation of about 1."""
    steps = np.arange(length)
    day = 2 * np.pi * (steps / DAY + random.uniform())
    load = LOADS[_regimes(length, random)] + 0.35 * np.sin(day) + 0.15 * np.sin(2 * day + 0.7)
    speed = _follow(load, 0.25)
    wander = drift * np.cumsum(random.standard_normal((length, len(CHANNELS))), axis=0) / np.sqrt(20 * DAY)
    head = 1.6 + speed  # above 0, so that the pump laws hold
    flow = head - 1.6
    pressure = head**2 / 3 - 0.9
    current = head**3 / 9 - 0.6
    temperature = 1.5 * _follow(current, 0.06) - 0.2
    ripple = 0.2 * np.sin(2 * np.pi * np.cumsum(0.055 + 0.02 * speed))
    vibration = 0.5 * speed + ripple
    return np.stack([speed, flow, pressure, current, temperature, vibration], axis=1) + wander


def inject(
    values: np.ndarray, true: np.ndarray, first: int, random: np.random.Generator, per_thousand: float, strength: float
) -> np.ndarray:
    """Put anomalies into `values` from row `first` on, in place. Returns (time,), True where there is an anomaly."""
    length = len(values)
    flags = np.zeros(length, dtype=bool)
    wanted = round(per_thousand * (length - first) / 1000)
    # The kinds take turns, from a random one on. Each lies in its own section, so that all kinds occur and none overlap.
    edges = np.linspace(first, length, wanted + 1).astype(int)
    turn = int(random.integers(len(KINDS)))
    for number, (start, stop) in enumerate(pairwise(edges)):
        make, longest = _MAKERS[KINDS[(turn + number) % len(KINDS)]]
        size = int(random.integers(max(1, longest // 2), longest + 1))
        size = min(size, (stop - start) // 2)
        if size < 1:
            continue
        at = int(random.integers(start + 1, stop - size))
        make(values, true, slice(at, at + size), int(random.integers(len(CHANNELS))), random, strength)
        flags[at : at + size] = True
    return flags


def _spike(values: Any, true: Any, part: slice, channel: int, random: np.random.Generator, strength: float) -> None:
    values[part, channel] += random.choice([-1, 1]) * random.uniform(6, 12) * NOISE[channel] * strength


def _level(values: Any, true: Any, part: slice, channel: int, random: np.random.Generator, strength: float) -> None:
    values[part, channel] += random.choice([-1, 1]) * random.uniform(2.5, 5) * NOISE[channel] * strength


def _ramp(values: Any, true: Any, part: slice, channel: int, random: np.random.Generator, strength: float) -> None:
    rise = np.linspace(0, 1, part.stop - part.start)
    values[part, channel] += random.choice([-1, 1]) * random.uniform(5, 9) * NOISE[channel] * strength * rise


def _noise(values: Any, true: Any, part: slice, channel: int, random: np.random.Generator, strength: float) -> None:
    spread = random.uniform(2.5, 4) * NOISE[channel] * strength
    values[part, channel] += spread * random.standard_normal(part.stop - part.start)


def _frozen(values: Any, true: Any, part: slice, channel: int, random: np.random.Generator, strength: float) -> None:
    values[part, channel] = values[part.start - 1, channel]


def _oscillation(
    values: Any, true: Any, part: slice, channel: int, random: np.random.Generator, strength: float
) -> None:
    steps = np.arange(part.stop - part.start)
    values[part, channel] += (
        random.uniform(3, 5) * NOISE[channel] * strength * np.sin(2 * np.pi * steps / random.uniform(4, 9))
    )


def _decoupled(values: Any, true: Any, part: slice, channel: int, random: np.random.Generator, strength: float) -> None:
    size = part.stop - part.start
    # Of several other times, take the one that differs most, so that the anomaly can be detected.
    others = random.integers(0, max(1, part.start - size), 8)
    away = [np.abs(true[at : at + size, channel] - true[part, channel]).mean() for at in others]
    at = int(others[int(np.argmax(away))])
    values[part, channel] = values[at : at + size, channel].copy()


def _late(values: Any, true: Any, part: slice, channel: int, random: np.random.Generator, strength: float) -> None:
    lag = int(random.integers(18, 40))
    kept = values[max(0, part.start - lag) : part.stop - lag, channel].copy()
    values[part.stop - len(kept) : part.stop, channel] = kept


_MAKERS: dict[str, tuple[Callable[..., None], int]] = {
    "spike": (_spike, 3),
    "level": (_level, 60),
    "ramp": (_ramp, 90),
    "noise": (_noise, 60),
    "frozen": (_frozen, 80),
    "oscillation": (_oscillation, 60),
    "decoupled": (_decoupled, 70),
    "late": (_late, 90),
}
"""How each kind is made, and its longest duration in steps."""


def _regimes(length: int, random: np.random.Generator) -> np.ndarray:
    """A regime for each step; each lasts from a third of a day to two days."""
    found = np.empty(length, dtype=int)
    at, regime = 0, int(random.integers(len(LOADS)))
    while at < length:
        lasts = int(random.integers(DAY // 3, 2 * DAY))
        found[at : at + lasts] = regime
        regime = (regime + int(random.integers(1, len(LOADS)))) % len(LOADS)
        at += lasts
    return found


def _follow(signal: np.ndarray, rate: float) -> np.ndarray:
    """A first-order lag: y moves a part of the way to the signal at each step."""
    from scipy.signal import lfilter

    return lfilter([rate], [1, rate - 1], signal, zi=np.array([(1 - rate) * signal[0]]))[0]


def _best_f1(surprises: list[np.ndarray], truths: list[np.ndarray]) -> float:
    """The best F1 over all thresholds, several widths of the moving average, and the mean or maximum over the sensors."""
    truth = np.concatenate(truths)
    best = 0.0
    for width in (1, 4, 8, 16, 32):
        for gather in (np.mean, np.max):
            scores = []
            for surprise in surprises:
                sums = np.cumsum(np.pad(surprise, ((width, 0), (0, 0))), axis=0)
                counts = np.minimum(np.arange(1, len(surprise) + 1), width)[:, None]
                scores.append(gather((sums[width:] - sums[:-width]) / counts, axis=1))
            order = np.argsort(-np.concatenate(scores), kind="stable")
            hits = np.cumsum(truth[order])
            best = max(best, float((2 * hits / (np.arange(1, len(truth) + 1) + truth.sum())).max()))
    return best
