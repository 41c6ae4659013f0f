"""Accounts and their transactions, a few of which are fraud, in five kinds that only their order tells."""

import numpy as np

from convzoo.core.arguments import Count, Fraction, FromData, NonNegative, Positive, PositiveFloat
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.series.data.account_model import (
    FRAUDS,
    MERCHANTS,
    PLACES,
    Events,
    Habits,
    posterior,
    rates,
    simulate,
)  # fmt: skip
from convzoo.modalities.series.data.event_split import DAY, TimeSplit, days_of, split_in_time, without_answers
from convzoo.modalities.series.history import TimedHistory, UnitRows
from convzoo.ops.thresholds import average_precision

START = np.datetime64("2024-01-01T00:00:00", "ms")


class Accounts(Reader):
    """Accounts with habits of their own: what they spend, at which kind of merchant, where, at which hours, and how often.

    Five kinds of fraud stand among them, from four to six transactions long: card testing (small amounts in short gaps, then
    large ones), account takeover (purchases elsewhere, a ticket at the end), merchant collusion (two amounts in turn), a slow
    drain (cash that grows from day to day), and impossible travel (the owner and the thief in turn, in two places). Each kind has
    a harmless double that comes more often: the same transactions in another order. Transactions of habit may come between the
    steps of an episode.

    A fraud is known when the owner reports it, some days later. Training and validation know the reports that had come by their
    end; the test part knows the truth.

    `ceiling` is the average precision of the exact posterior probability of fraud, given the account's transactions up to each,
    its true habits, and the rules of the generator (a forward filter over all episodes). Nothing that decides at once ranks
    better on average.

    Args:
        accounts: how many
        days: that they are watched
        fraud: fraudulent transactions in a thousand
        doubles: harmless doubles for each fraud
        difficulty: the amounts and gaps of an episode scatter more by this factor
        delay: mean number of days until a fraud is reported
        train: part of the time to learn from
        val: part after it that chooses the checkpoint and the threshold
        new: part of the accounts that only the test part has
        seed: random seed
    """

    example = TimedHistory

    def __init__(
        self,
        accounts: Positive = 1400,
        days: Positive = 150,
        fraud: PositiveFloat = 5.0,
        doubles: NonNegative = 3.0,
        difficulty: PositiveFloat = 1.0,
        delay: NonNegative = 5.0,
        train: Fraction = 0.6,
        val: Fraction = 0.15,
        new: Fraction = 0.15,
        seed: Count = 0,
        learns_answers: FromData[bool] = True,
    ) -> None:
        self.accounts = accounts
        self.days = days
        self.fraud = fraud
        self.doubles = doubles
        self.difficulty = difficulty
        self.delay = delay
        self.how = TimeSplit(train, val, new, None, seed)
        self.seed = seed
        self.learns_answers = learns_answers

    def read(self) -> Splits:
        """Let the accounts spend."""
        random = np.random.default_rng(self.seed)
        habits = Habits.drawn(self.accounts, random)
        begins = rates(self.fraud, self.doubles)
        events = simulate(habits, begins, 24.0 * self.days, self.difficulty, random)
        inside = (events.times < 24.0 * self.days).T  # (accounts, steps)
        table = _table(events, inside)
        chances = posterior(events, habits, begins, self.difficulty).T[inside]
        truth = events.fraud.T[inside].astype(np.float64)
        reported = days_of(np.asarray(table.times)) + 0.5 + random.exponential(max(self.delay, 1e-9), len(truth))
        train, val, test, origin = split_in_time(table, np.where(truth == 1, reported, np.nan), self.how, truth)
        if not self.learns_answers:
            train = without_answers(train)
        rows = np.concatenate([np.arange(each.judged_from, each.stop) for each in test])
        wrong = truth[rows] == 1
        ceiling = {"test/average_precision": average_precision(chances[rows], wrong)} if wrong.any() else {}
        return Splits(train, val, test, ceiling=ceiling, origin=origin)


def _table(events: Events, inside: np.ndarray) -> UnitRows:
    """The transactions as a table, by account."""
    amounts, merchants, places, scripts, fraud, hours = (
        each.T[inside]
        for each in (events.amounts, events.merchants, events.places, events.scripts, events.fraud, events.times)
    )
    names = np.array(["", *(script.name for script in FRAUDS)])
    times = START + np.round(hours * DAY / 24).astype(np.int64) * np.timedelta64(1000, "ms")
    starts = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    return UnitRows(
        "accounts",
        amounts[:, None],
        ("amount",),
        np.stack([merchants, places], axis=1).astype(np.int32),
        ("merchant", "place"),
        (MERCHANTS, PLACES),
        times,
        fraud.astype(np.float64),
        tuple(f"account {number:04d}" for number in range(len(starts) - 1)),
        starts,
        extra={"amount": amounts, "kind": names[np.where(fraud, scripts + 1, 0)]},
    )
