"""Simulated machines that run until they fail: three faults, four operating conditions, a reading of each sensor every hour."""

from typing import NamedTuple

import numpy as np

from convzoo.core.arguments import Count, NonNegative, Positive, Probability
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.series.history import History, UnitRows

SETTINGS = ("speed", "load", "ambient_temperature")
SENSORS = (
    "bearing_temperature", "vibration_radial", "vibration_axial", "oil_debris", "oil_pressure", "outlet_temperature",
    "outlet_pressure", "inlet_pressure", "flow", "motor_current", "power", "coolant_temperature", "noise_level", "firmware",
)  # fmt: skip
FAULTS = ("bearing", "valve", "fouling")

_SETTINGS_OF = np.array([[50.0, 0.3, 12.0], [75.0, 0.6, 18.0], [95.0, 0.9, 24.0], [100.0, 1.0, 35.0]])
"""The settings in each operating condition."""
_SHARES = np.array([0.2, 0.35, 0.3, 0.15])
_STRESS = np.array([0.55, 0.85, 1.2, 1.55])
"""How fast a machine wears in each condition; about 1 on average."""
_GAIN = np.array([-1.2, -0.5, 1.0, 1.8])
"""How a fault shows in each condition: a worn machine's characteristic curves turn, so that it reads too low at a low load and
too
high at a high one. Averages over conditions lose most of this."""
_TYPES = {"A": 1.0, "B": 1.35}
"""The types of machine, and how fast each wears."""
_EFFECTS = np.array(
    [
        [4.0, 5.0, 3.0, 4.5, -1.0, 0.5, 0.0, 0.0, -0.3, 1.0, 0.6, 0.4, 2.5, 0.0],
        [0.3, 1.5, 2.5, 0.0, 0.0, 4.0, -4.5, 1.5, -3.5, 1.5, 1.2, 1.0, 2.0, 0.0],
        [0.8, 0.6, 0.4, 0.0, 0.5, 3.0, -1.5, -4.5, -4.0, 2.5, 2.5, 3.0, 0.3, 0.0],
    ]
)
"""The shift of each sensor by each fault at the moment of failure, in standard deviations of its noise."""
_BEGINNING = -5.5
"""The logarithm of a new machine's damage. It fails at 0."""
_OVERSHOOT = 0.583
"""A random walk passes its bound by so many deviations of a step (Siegmund 1985, Sequential Analysis, chapter 10)."""


class _Life(NamedTuple):
    """One machine from its first to its last hour."""

    conditions: np.ndarray
    damage: np.ndarray
    rate: float
    fault: int
    kind: str


class RunToFailure(Reader):
    """Compressors that run until they fail.

    Every hour a machine is in one of four operating conditions, which its settings tell. Its damage grows as a random walk of its
    logarithm: $\\log D_{t+1} = \\log D_t + r\\,s_{c(t)} + \\sigma\\varepsilon_t$ with a rate r of each machine, the stress
    s of the condition and chance ε; it fails when D reaches 1. One of three faults (bearing, valve, fouling) shifts some of the
    sensors in proportion to D: upwards at a high load, downwards at a low one. Sensors depend on the condition, have noise,
    and differ a little from machine to machine; a cell is empty now and then. One sensor never changes. Machines of type B
    wear faster.

    Test machines are seen until some hour before their failure, and the life at that hour is asked for. Validation machines are
    cut likewise, several times each. Training machines are seen to their end.

    `ceiling` is the error of a predictor that knows damage, rate and law of every machine, and gives the expected remaining life
    (that of an inverse Gaussian variable; Folks & Chhikara 1978, doi:10.1111/j.2517-6161.1978.tb01039.x), capped as the task's.

    Args:
        train: number of machines
        val: number of machines
        test: number of machines
        cuts: hours at which each validation machine is judged
        cap: the ceiling's lives are cut off here, as those of the task (`task.cap`)
        noise: of the sensors; at 1 a failing machine's strongest sensors are about three deviations away
        chance: σ, of the growth of damage in an hour
        empty: part of the sensors' cells that are empty
        seed: random seed
    """

    example = History

    def __init__(
        self,
        train: Positive = 300,
        val: Positive = 40,
        test: Positive = 400,
        cuts: Positive = 5,
        cap: Positive = 125,
        noise: NonNegative = 1.0,
        chance: NonNegative = 0.06,
        empty: Probability = 0.01,
        seed: Count = 0,
    ) -> None:
        self.sizes = (train, val, test)
        self.cuts = cuts
        self.cap = cap
        self.noise = noise
        self.chance = chance
        self.empty = empty
        self.seed = seed

    def read(self) -> Splits:
        """Run the machines."""
        count = sum(self.sizes)
        lives = [self._run(np.random.default_rng([self.seed, 0, number])) for number in range(count)]
        table = self._table(lives)
        random = np.random.default_rng([self.seed, 1])
        train, val, _ = self.sizes
        parts: tuple[list[History], list[History], list[History]] = ([], [], [])
        for unit in range(count):
            whole = History.whole(table, unit)
            if unit < train:
                parts[0].append(whole)
                continue
            # Each in its own part of the last hours, so that all of them are judged.
            count = self.cuts if unit < train + val else 1
            edges = np.linspace(3, max(4, min(160, len(whole) - 20)), count + 1)
            for stop in (whole.stop - random.uniform(edges[:-1], edges[1:]).astype(int)).tolist():
                parts[1 if unit < train + val else 2].append(History(table, unit, whole.start, stop, stop - 1))
        return Splits(*parts, ceiling=self._ceiling(lives, parts[2]), origin="made by the generator, whole machines")

    def examples(self) -> list[History]:
        """All machines to their end."""
        table = self.read().train[0].table
        return [History.whole(table, unit) for unit in range(len(table.units))]

    def _run(self, random: np.random.Generator) -> _Life:
        kind = str(random.choice(list(_TYPES)))
        rate = 0.024 * _TYPES[kind] * float(np.exp(0.25 * random.standard_normal()))
        steps = 64
        damage = np.array([_BEGINNING + 0.4 * random.standard_normal()])
        conditions = np.empty(0, dtype=np.int64)
        while not (damage >= 0).any():
            drawn = random.choice(len(_SHARES), steps, p=_SHARES)
            growth = rate * _STRESS[drawn] + self.chance * random.standard_normal(steps)
            conditions = np.concatenate([conditions, drawn])
            damage = np.concatenate([damage, damage[-1] + np.cumsum(growth)])
        last = max(int(np.argmax(damage >= 0)), 40)
        # The last reading is of the hour before the failure, so that a life of 1 is the shortest.
        return _Life(conditions[:last], damage[:last], rate, int(random.integers(len(FAULTS))), kind)

    def _table(self, lives: list[_Life]) -> UnitRows:
        random = np.random.default_rng([self.seed, 2])
        lengths = [len(life.damage) for life in lives]
        conditions = np.concatenate([life.conditions for life in lives])
        settings = _SETTINGS_OF[conditions] * (1 + 0.01 * random.standard_normal((len(conditions), len(SETTINGS))))
        level = 8 * random.standard_normal((len(_SHARES), len(SENSORS)))
        sensors = level[conditions]
        shifts = [
            _GAIN[life.conditions, None] * np.exp(np.minimum(life.damage, 0.2))[:, None] * _EFFECTS[life.fault]
            + 0.15 * random.standard_normal(len(SENSORS))
            for life in lives
        ]
        sensors = sensors + np.concatenate(shifts) + self.noise * random.standard_normal(sensors.shape)
        sensors[random.random(sensors.shape) < self.empty] = np.nan
        sensors[:, -1] = 7.0
        names = tuple(f"machine {number + 1}" for number in range(len(lives)))
        return UnitRows(
            name="compressors",
            numbers=np.concatenate([settings, sensors], axis=1).astype(np.float32),
            number_names=(*SETTINGS, *SENSORS),
            categories=np.repeat([[list(_TYPES).index(life.kind)] for life in lives], lengths, axis=0).astype(np.int32),
            category_names=("type",),
            category_values=(tuple(_TYPES),),
            times=np.concatenate([np.arange(length, dtype=np.float64) for length in lengths]),
            targets=np.concatenate([np.arange(length, 0, -1, dtype=np.float64) for length in lengths]),
            units=names,
            starts=np.concatenate([[0], np.cumsum(lengths)]),
        )

    def _ceiling(self, lives: list[_Life], test: list[History]) -> dict[str, float]:
        """The errors of the expected life of each test machine, given its damage and its law."""
        true = np.array([example.targets[-1] for example in test if example.targets is not None])
        found = np.array([self._expected(lives[example.unit], len(example) - 1) for example in test])  # (test, 2)
        capped = np.minimum(true, self.cap)
        return {
            "test/rmse": float(np.sqrt(np.square(found[:, 0] - capped).mean())),
            "test/rmse_uncapped": float(np.sqrt(np.square(found[:, 1] - true).mean())),
        }

    def _expected(self, life: _Life, row: int) -> tuple[float, float]:
        """The expected remaining life at a row, capped and not."""
        from scipy.stats import invgauss

        spread = float(np.sqrt(self.chance**2 + life.rate**2 * (_SHARES @ _STRESS**2 - (_SHARES @ _STRESS) ** 2)))
        left = max(-float(life.damage[row]), 0.0) + _OVERSHOOT * spread
        mean = left / (life.rate * float(_SHARES @ _STRESS))
        if spread == 0:
            return min(mean, float(self.cap)), mean
        shape = left**2 / spread**2
        longer = invgauss.sf(
            np.arange(self.cap), mean / shape, scale=shape
        )  # the expected value is the sum of P(T > t)
        return float(longer.sum()), mean
