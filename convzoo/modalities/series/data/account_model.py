"""How the generated accounts spend: habits, five kinds of fraud, five harmless doubles of them, and the best possible detector.

An account's next transaction comes from its habits, or from the next step of a script. A script is an episode: what a thief does
with a card in several steps, or what an owner does that looks much the same. Each fraud has a double, whose steps have the same
amounts, places, merchants and gaps in another order. So single transactions, and sums or counts of several, say little; the order
says which it is. A transaction of habit may come between two steps of a script.

All of this is a hidden Markov model whose states are (script, step). `posterior` is its exact forward filter.
"""

from dataclasses import dataclass

import numpy as np

MERCHANTS = (
    "grocery", "fuel", "restaurant", "transport", "clothing", "electronics", "online", "travel", "pharmacy", "cash",
)  # fmt: skip
PLACES = ("Ahlen", "Borken", "Celle", "Dorum", "Emden", "Fulda", "Gotha", "Husum")
DAY = 24.0  # times are hours

USUAL = np.log([28, 48, 24, 6, 55, 140, 30, 180, 14, 70])
"""Logarithm of the usual amount of each kind of merchant, in euros."""

SPREAD = 0.55
"""Standard deviation of the logarithm of an account's amounts at one kind of merchant."""

SHORT, SHORT_SPREAD = np.log(0.4), 0.9
"""A second errand soon after the last: the gap's logarithm (hours), and its standard deviation."""

SHORT_PART, LONG_SPREAD = 0.22, 0.7
"""The part of such gaps, and the standard deviation of the other gaps' logarithm."""


@dataclass(frozen=True)
class Step:
    """One transaction of a script.

    Attributes:
        merchant: its kind
        amount: median, in euros
        gap: median of the hours since the transaction before
        away: in another place than the account's two usual ones
        fraud: whether it is the thief's
        spread: standard deviation of the logarithm of the amount
    """

    merchant: str
    amount: float
    gap: float
    away: bool = False
    fraud: bool = True
    spread: float = 0.3


@dataclass(frozen=True)
class Script:
    """An episode.

    Attributes:
        name: the kind of fraud, or of what the owner does
        steps: in their order
        stays: the probability that the next transaction is the next step, and not one of habit
    """

    name: str
    steps: tuple[Step, ...]
    stays: float = 0.8

    @property
    def fraud(self) -> bool:
        """Whether a thief follows it."""
        return any(step.fraud for step in self.steps)


def _own(*steps: Step) -> tuple[Step, ...]:
    """The same steps, done by the owner."""
    return tuple(Step(s.merchant, s.amount, s.gap, s.away, False, s.spread) for s in steps)


_SMALL = Step("online", 2.5, 0.12, spread=0.5)
_LARGE = Step("electronics", 260, 0.25, spread=0.4)
_CHARGE = Step("online", 60, 3.0, away=True, spread=0.4)
_CLOTHES = Step("clothing", 110, 2.0, away=True, spread=0.4)
_TICKET = Step("travel", 300, 2.0, away=True, spread=0.4)
_MEAL = Step("restaurant", 100, 9.0, spread=0.12)
_TANK = Step("fuel", 50, 9.0, spread=0.12)
_DRAWN = tuple(Step("cash", amount, 12.0, spread=0.12) for amount in (60, 90, 130, 190))
_THERE = Step("grocery", 45, 0.7, away=True, spread=0.5)
_HERE = Step("grocery", 45, 0.7, fraud=False, spread=0.5)

FRAUDS = (
    Script("card testing", (_SMALL, _SMALL, _SMALL, _LARGE, _LARGE)),
    Script("account takeover", (_CHARGE, _CLOTHES, _CHARGE, _TICKET)),
    Script("merchant collusion", (_MEAL, _TANK, _MEAL, _TANK, _MEAL, _TANK), 0.6),
    Script("slow drain", _DRAWN, 0.5),
    Script("impossible travel", (_THERE, _HERE, _THERE, _HERE, _THERE), 0.9),
)
DOUBLES = (
    Script("new device", _own(_LARGE, _SMALL, _SMALL, _LARGE, _SMALL)),
    Script("holiday", _own(_TICKET, _CHARGE, _CHARGE, _CLOTHES)),
    Script("long drive", _own(_MEAL, _MEAL, _TANK, _TANK, _TANK, _MEAL), 0.6),
    Script("spending less", _own(*reversed(_DRAWN)), 0.5),
    Script("day trip", _own(_HERE, _THERE, _THERE, _THERE, _HERE), 0.9),
)
SCRIPTS = FRAUDS + DOUBLES


@dataclass(frozen=True)
class Habits:
    """What each account usually does.

    Attributes:
        merchants: (accounts, kinds of merchants), probabilities
        level: (accounts,), added to the logarithm of every amount
        pace: (accounts,), the logarithm of the usual gap in hours
        places: (accounts, places), probabilities
        hours: (accounts, 24), how likely it spends in an hour, 1 at most
    """

    merchants: np.ndarray
    level: np.ndarray
    pace: np.ndarray
    places: np.ndarray
    hours: np.ndarray

    @classmethod
    def drawn(cls, accounts: int, random: np.random.Generator) -> "Habits":
        """New accounts."""
        popular = np.array([5, 2, 3, 3, 1.2, 0.8, 3, 0.5, 1, 1.2])
        merchants = random.dirichlet(popular / 2, accounts) * 0.9 + 0.1 * popular / popular.sum()
        places = np.full((accounts, len(PLACES)), 0.05 / len(PLACES))
        rows = np.arange(accounts)
        home = random.integers(0, len(PLACES), accounts)
        second = (home + random.integers(1, len(PLACES), accounts)) % len(PLACES)
        places[rows, home] += 0.8
        places[rows, second] += 0.15
        clock = np.arange(24)
        peaks = random.normal([[12.5, 18.5]], 2.0, (accounts, 2))
        away = np.abs((clock[None, None] - peaks[..., None] + 12) % 24 - 12)
        bumps = np.exp(-0.5 * (away / random.uniform(1.5, 3, (accounts, 2, 1))) ** 2)
        hours = 0.06 + 0.94 * bumps.max(axis=1)
        return cls(merchants, random.normal(0, 0.35, accounts), np.log(random.uniform(4, 12, accounts)), places, hours)

    @property
    def away(self) -> np.ndarray:
        """(accounts, places): probabilities of the places that a thief uses: all but the two usual ones, alike."""
        others = self.places < 0.1
        return others / others.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Events:
    """What happened, (steps, accounts) each; a row is every account's next transaction.

    Attributes:
        times: hours since the beginning
        amounts: euros
        merchants: places in `MERCHANTS`
        places: places in `PLACES`
        scripts: the script that a transaction is a step of; -1: habit
        fraud: True where it is a thief's
    """

    times: np.ndarray
    amounts: np.ndarray
    merchants: np.ndarray
    places: np.ndarray
    scripts: np.ndarray
    fraud: np.ndarray


def rates(per_thousand: float, doubles: float) -> np.ndarray:
    """(scripts,): the probability that each script begins at a transaction of habit.

    Args:
        per_thousand: fraudulent transactions in a thousand
        doubles: harmless doubles for each fraud
    """
    each = np.array([sum(step.fraud for step in script.steps) for script in FRAUDS])
    begins = per_thousand / 1000 / (each.mean() * len(FRAUDS))
    return np.r_[np.full(len(FRAUDS), begins), np.full(len(DOUBLES), begins * doubles)]


class _Steps:
    """The steps of all scripts in one list, as arrays."""

    def __init__(self, difficulty: float) -> None:
        steps = [(s, j, step) for s, script in enumerate(SCRIPTS) for j, step in enumerate(script.steps)]
        self.first = np.array([[s for s, _, _ in steps].index(n) for n in range(len(SCRIPTS))])
        self.script = np.array([s for s, _, _ in steps])
        self.last = np.array([j + 1 == len(SCRIPTS[s].steps) for s, j, _ in steps])
        self.stays = np.array([SCRIPTS[s].stays for s, _, _ in steps])
        self.merchant = np.array([MERCHANTS.index(step.merchant) for _, _, step in steps])
        self.amount = np.log([step.amount for _, _, step in steps])
        self.spread = np.array([step.spread for _, _, step in steps]) * difficulty
        self.gap = np.log([step.gap for _, _, step in steps])
        self.gap_spread = 0.6 * difficulty
        self.away = np.array([step.away for _, _, step in steps])
        self.fraud = np.array([step.fraud for _, _, step in steps])


def simulate(
    habits: Habits, begins: np.ndarray, hours: float, difficulty: float, random: np.random.Generator
) -> Events:
    """Let all accounts spend until each is past the end; later transactions are for the caller to cut off."""
    steps = _Steps(difficulty)
    accounts = len(habits.level)
    time = random.uniform(0, DAY, accounts)
    state = np.full(accounts, -1)  # the next step of a script; -1: none
    found: list[tuple[np.ndarray, ...]] = []
    edges = np.cumsum(begins)
    while time.min() < hours:
        drawn = np.searchsorted(edges, random.uniform(size=accounts), side="right")  # len(SCRIPTS): none begins
        begun = (state < 0) & (drawn < len(SCRIPTS))
        step = np.where(begun, steps.first[np.minimum(drawn, len(SCRIPTS) - 1)], state)
        scripted = begun | ((state >= 0) & (random.uniform(size=accounts) < steps.stays[state]))
        at = np.where(scripted, step, 0)
        time = time + np.where(
            scripted,
            np.exp(random.normal(steps.gap[at], steps.gap_spread)),
            _habit_gaps(habits, time, random),
        )
        merchant = np.where(scripted, steps.merchant[at], _drawn(habits.merchants, random))
        amount = np.where(
            scripted,
            random.normal(steps.amount[at], steps.spread[at]),
            random.normal(USUAL[merchant] + habits.level, SPREAD),
        )
        away = scripted & steps.away[at]
        place = _drawn(np.where(away[:, None], habits.away, habits.places), random)
        fraud = scripted & steps.fraud[at]
        found.append((time, np.maximum(np.round(np.exp(amount), 2), 0.01), merchant, place,
                      np.where(scripted, steps.script[at], -1), fraud))  # fmt: skip
        state = np.where(scripted, np.where(steps.last[at], -1, at + 1), state)
    return Events(*(np.stack(each) for each in zip(*found, strict=True)))


def _drawn(chances: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One number for each row of probabilities."""
    return (chances.cumsum(axis=1) < random.uniform(size=(len(chances), 1))).sum(axis=1).clip(max=chances.shape[1] - 1)


def _habit_gaps(habits: Habits, time: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Gaps in hours: proposals at hours in which the account rarely spends are mostly drawn again."""
    found = np.zeros(len(time))
    left = np.arange(len(time))
    while len(left):
        short = random.uniform(size=len(left)) < SHORT_PART
        gaps = np.exp(
            np.where(
                short,
                random.normal(SHORT, SHORT_SPREAD, len(left)),
                random.normal(habits.pace[left], LONG_SPREAD),
            )
        )
        found[left] = gaps
        hour = ((time[left] + gaps) % DAY).astype(int)
        left = left[random.uniform(size=len(left)) >= habits.hours[left, hour]]
    return found


def posterior(events: Events, habits: Habits, begins: np.ndarray, difficulty: float) -> np.ndarray:
    """(steps, accounts): the probability that each transaction is fraud, given all up to it, the accounts' true habits and the
    rules above. No detector that decides at each transaction ranks better on average."""
    steps = _Steps(difficulty)
    accounts = len(habits.level)
    rows = np.arange(accounts)
    none, inside = np.ones(accounts), np.zeros((accounts, len(steps.script)))
    reached = _chances_of_hours(habits)
    found = np.zeros(events.times.shape)
    before = events.times[0]
    for at in range(len(events.times)):
        gap = np.maximum(events.times[at] - before, 1e-9)
        log_gap, log_amount = np.log(gap), np.log(events.amounts[at])
        merchant, place = events.merchants[at], events.places[at]
        proposal = SHORT_PART * _bell(log_gap, SHORT, SHORT_SPREAD)
        proposal += (1 - SHORT_PART) * _bell(log_gap, habits.pace, LONG_SPREAD)
        hour = (events.times[at] % DAY).astype(int)
        habit = proposal * habits.hours[rows, hour] / reached[rows, (before % DAY * 4).astype(int)]
        habit *= habits.merchants[rows, merchant] * habits.places[rows, place]
        habit *= _bell(log_amount, USUAL[merchant] + habits.level, SPREAD)
        scripted = _bell(log_gap[:, None], steps.gap, steps.gap_spread) * (merchant[:, None] == steps.merchant)
        scripted = scripted * _bell(log_amount[:, None], steps.amount, steps.spread)
        scripted *= np.where(steps.away, habits.away[rows, place][:, None], habits.places[rows, place][:, None])
        if not at:  # the first transaction has no gap
            habit, scripted = np.ones(accounts), np.zeros_like(scripted)
        arriving = inside * steps.stays
        arriving[:, steps.first] += none[:, None] * begins
        arriving *= scripted
        none = none * (1 - begins.sum()) * habit + arriving[:, steps.last].sum(axis=1)
        waiting = inside * (1 - steps.stays) * habit[:, None]
        total = none + waiting.sum(axis=1) + arriving[:, ~steps.last].sum(axis=1)
        total = np.maximum(total, 1e-300)
        found[at] = (arriving * steps.fraud).sum(axis=1) / total
        inside = waiting
        inside[:, 1:] += np.where(steps.last[:-1], 0, arriving[:, :-1])
        none, inside = none / total, inside / total[:, None]
        before = events.times[at]
    return found


def _bell(values: np.ndarray, middle: np.ndarray | float, spread: np.ndarray | float) -> np.ndarray:
    """The density of a normal distribution."""
    return np.exp(-0.5 * ((values - middle) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))


def _chances_of_hours(habits: Habits) -> np.ndarray:
    """(accounts, quarters of an hour of the day): how likely a proposed gap from this time on is accepted."""
    grid = np.linspace(np.log(0.01), np.log(400), 400)
    weight = grid[1] - grid[0]
    chances = SHORT_PART * _bell(grid[None], SHORT, SHORT_SPREAD)
    chances = (chances + (1 - SHORT_PART) * _bell(grid[None], habits.pace[:, None], LONG_SPREAD)) * weight
    found = np.zeros((len(habits.level), 96))
    for quarter in range(96):
        hour = ((quarter / 4 + 0.125 + np.exp(grid)) % DAY).astype(int)
        found[:, quarter] = (chances * habits.hours[:, hour]).sum(axis=1)
    return found
