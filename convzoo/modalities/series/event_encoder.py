"""Events of units, of which a few are wrong: histories beside each unit's own habits, and the facts that scores need."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from convzoo.core.arguments import Count, Fraction, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.randomness import Draws
from convzoo.modalities.series.data.event_split import days_of
from convzoo.modalities.series.habits import PAIRED, Past, habit_names, habits_of
from convzoo.modalities.series.history import History, Pieces, TimedHistory, UnitRows
from convzoo.modalities.series.history_encoder import HistoryEncoder

STREAM = 41
"""Of the random numbers that choose quiet pieces."""


class EventPieces(Pieces):
    """The pieces that hold a wrong row, and places for a part of the quiet ones. Which quiet piece takes a place is drawn in each
    epoch, so that all are learnt from in turn.

    Args:
        histories, chunk, context: as for `Pieces`
        quiet: places for quiet pieces, as a part of their number
    """

    def __init__(self, histories: Sequence[History], chunk: int, context: int, quiet: float) -> None:
        super().__init__(histories, chunk, context)
        every = [Pieces.reference(self, index) for index in range(Pieces.__len__(self))]
        wrong = np.array([_holds_wrong(piece) for piece in every], dtype=bool)
        if not wrong.any():
            quiet = 1.0
        self.loud, self.silent = np.flatnonzero(wrong), np.flatnonzero(~wrong)
        self.places = int(np.ceil(quiet * len(self.silent)))

    def __len__(self) -> int:
        return len(self.loud) + self.places

    def reference(self, index: int) -> History:
        """A piece with a wrong row; after these the first quiet ones."""
        known = index < len(self.loud)
        return super().reference(int(self.loud[index] if known else self.silent[index - len(self.loud)]))

    def drawn(self, indices: Sequence[int] | np.ndarray, draws: Draws) -> list[History]:
        """The pieces of these places, in the epoch of `draws`."""
        chances = draws.uniform(STREAM, 1)[:, 0]
        found = []
        for index, chance in zip(indices, chances, strict=True):
            place = index - len(self.loud)
            if place < 0:
                found.append(super().reference(int(self.loud[index])))
            else:
                # Each place draws from its own share, so no piece comes twice in an epoch.
                low, high = (len(self.silent) * (place + edge) // self.places for edge in (0, 1))
                chosen = low + int(chance * max(high - low, 1))
                found.append(super().reference(int(self.silent[chosen])))
        return found


def _holds_wrong(piece: History) -> bool:
    return piece.targets is not None and bool((np.asarray(piece.targets)[piece.judged] == 1).any())


class EventEncoder(HistoryEncoder):
    """Histories of events (transactions, log-ins, orders), with three things beside what `history` gives.

    * With `habits`, each row has channels that compare it with its unit's own past: how far a number is from its mean so far, and
      from its mean at the same category (the amount at this kind of merchant); how often and for which share of its rows the unit
      had this category. A kernel sees a row's neighbours; these tell what is usual for the unit over its whole past.
    * A wrong event is rare, so most training pieces hold none. Of these `quiet` pieces only a part is learnt from in each epoch,
      another in each; pieces with a wrong event are learnt from in each.
    * The target has `amounts` (batch, time), NaN where unknown, `days` (batch, time), and `new` (batch, time), 1 at units that
      training did not see: what scores need. And it has the rows themselves, `numbers` and `categories` as in the inputs.

    Args:
        chunk: judged rows in a training piece
        context: rows before these that the network sees; at least the reach of the network
        log: the columns on a logarithmic scale; auto: those with a long tail
        times: give gap, hour and weekday where they vary
        age: give the number of rows since the unit's first
        clip: the largest absolute standardised number
        min_count: a category must occur this often in training; rarer ones and empty cells share one number
        habits: compare each row with its unit's past
        quiet: the part of the pieces without a wrong event that an epoch learns from
    """

    example = TimedHistory

    def __init__(
        self,
        chunk: Positive = 96,
        context: Count = 64,
        log: list[str] | str = "auto",
        times: bool = True,
        age: bool = False,
        clip: PositiveFloat = 10.0,
        min_count: Positive = 3,
        habits: bool = True,
        quiet: Fraction = 0.15,
    ) -> None:
        super().__init__(
            chunk, context, log=log, times=times, age=age, clip=clip, min_count=min_count  # type: ignore[arg-type]
        )  # fmt: skip
        self.habits = habits
        self.quiet = quiet
        self.units: frozenset[str] = frozenset()  # that training saw
        self.habit_means, self.habit_deviations = np.empty(0), np.empty(0)
        self._tables: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def fit(self, examples: Sequence[History]) -> None:
        """As for histories, and the means and deviations of the habits."""
        self._tables = {}
        super().fit(examples)
        self.units = frozenset(example.name for example in examples)
        if not self.habits:
            return
        sums, squares, counts = (np.zeros(len(self.beside_names)) for _ in range(3))
        for example in examples:
            values = self._habits(example.table)[example.start : example.stop].astype(np.float64)
            known = ~np.isnan(values)
            filled = np.where(known, values, 0.0)
            sums, squares = sums + filled.sum(axis=0), squares + np.square(filled).sum(axis=0)
            counts = counts + known.sum(axis=0)
        counts = np.maximum(counts, 1)
        self.habit_means = sums / counts
        self.habit_deviations = np.sqrt(np.maximum(squares / counts - self.habit_means**2, 0))

    @property
    def paired(self) -> list[int]:
        """The numbers that are compared within each category: the first on a logarithmic scale, else the first."""
        logged = np.flatnonzero(self.scales > 0).tolist()
        return (logged or list(range(len(self.number_names))))[:PAIRED]

    @property
    def beside_names(self) -> list[str]:
        """The channels of habits."""
        return habit_names(self.number_names, self.category_names, self.paired) if self.habits else []

    def _habits(self, table: UnitRows) -> np.ndarray:
        """(rows, channels) float32 of a whole table, computed once. Tables that differ in their answers share their numbers."""
        key = id(table.numbers)
        if key not in self._tables:
            logged = self._logged(np.asarray(table.numbers, dtype=np.float64))
            found = habits_of(logged, table.categories, table.starts, self.paired).astype(np.float32)
            self._tables = {**dict(list(self._tables.items())[-3:]), key: (table.numbers, found)}
        return self._tables[key][1]

    def beside(self, history: History) -> np.ndarray:
        """(channels, time) the habits, standardised; 0 where nothing is known of the past."""
        if not self.habits:
            return super().beside(history)
        return self._standard(self._habits(history.table)[history.start : history.stop]).T

    def beside_next(self, before: Any, numbers: np.ndarray, values: Sequence[str]) -> np.ndarray:
        """(channels,) the habits of the next row of a stream."""
        if not self.habits:
            return super().beside_next(before, numbers, values)
        if before.past is None:
            before.past = Past()
        return self._standard(before.past.next(self._logged(numbers[None])[0], values, self.paired)[None])[0]

    def _standard(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            standard = (values - self.habit_means) / self.habit_deviations
        standard = np.where(self.habit_deviations > 1e-9, standard, 0.0)
        return np.clip(np.nan_to_num(standard, nan=0.0), -self.clip, self.clip).astype(np.float32)

    def pieces(self, examples: Sequence[History]) -> EventPieces:
        """The training pieces: all with a wrong row, and a part of the others."""
        return EventPieces(examples, self.chunk, self.context, self.quiet)

    def gather(self, examples: Sequence[History], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """A batch of histories, or of pieces: which quiet ones, is drawn."""
        if draws is not None and isinstance(examples, EventPieces):
            return self.collate(examples.drawn(indices, draws), draws)
        return super().gather(examples, indices, draws)

    def collate(self, items: Sequence[History], draws: Draws | None = None) -> Batch:
        """As for histories, with amounts, days and whether the unit is new in the target."""
        batch = super().collate(items, draws)
        shape = batch.target["answers"].shape
        facts = {name: np.full(shape, np.nan) for name in ("amounts", "days", "new")}
        for row, item in enumerate(items):
            part = slice(item.start, item.stop)
            if "amount" in item.table.extra:
                facts["amounts"][row, : len(item)] = item.table.extra["amount"][part]
            facts["new"][row, : len(item)] = float(item.name not in self.units)
            if item.times is not None:
                facts["days"][row, : len(item)] = days_of(item.times)
        # Tasks that foretell a row need it as the target, too. The tensors are those of the inputs, not copies.
        rows = {name: batch.inputs[name] for name in ("numbers", "categories")}
        target = {**batch.target, **rows, **{name: torch.from_numpy(values) for name, values in facts.items()}}
        return Batch(batch.inputs, target, batch.size)

    @property
    def dims(self) -> Mapping[str, Any]:
        """As for histories, and what a row brings with it, which may be foretold: the channels of its numbers that vary and of
        its gap (`foretold_channels`); for each the channel that says where it is empty, -1 where none does (`empty_channels`);
        `category_names`."""
        varying = [name for at, name in enumerate(self.number_names) if self.deviations[:, at].any()]
        empty = [name for name, often in zip(self.number_names, self.often_empty, strict=True) if often]
        first = len(self.number_names)
        foretold = [self.number_names.index(name) for name in varying]
        missing = [first + empty.index(name) if name in empty else -1 for name in varying]
        if self.gap_median:
            foretold, missing = [*foretold, first + len(empty)], [*missing, -1]
        more = {"foretold_channels": foretold, "empty_channels": missing, "category_names": self.category_names}
        return {**super().dims, **more}

    def annotate(self, example: History, prediction: dict[str, Any]) -> dict[str, Any]:
        """The time of each alarm."""
        if "alarms" in prediction:
            first = example.judged_from
            timed = [{**alarm, "time": example.table.time_of(first + alarm["row"])} for alarm in prediction["alarms"]]
            prediction = {**prediction, "alarms": timed}
        return prediction

    def state(self) -> dict[str, Any]:
        """As for histories, with the units of training, and the means and deviations of the habits."""
        return {
            **super().state(),
            "units": sorted(self.units),
            "habit_means": self.habit_means,
            "habit_deviations": self.habit_deviations,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        super().load_state(state)
        self.units = frozenset(state.get("units", ()))
        self.habit_means, self.habit_deviations = (
            np.asarray(state[name], dtype=np.float64) for name in ("habit_means", "habit_deviations")
        )
        self._tables = {}
