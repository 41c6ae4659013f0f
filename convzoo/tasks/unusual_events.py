"""Events that are unusual for their unit, without answers to learn from: each row is foretold from the rows before it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import FromData, NonNegative, Positive, PositiveFloat, Probability
from convzoo.core.batch import Batch
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.model import HistoryFollower
from convzoo.core.processes import gather_objects, sum_over_processes
from convzoo.core.splits import Splits
from convzoo.core.task import Meter
from convzoo.metrics.rare_events import RareEventMeter, Rows, budget_threshold
from convzoo.tasks.rare_events import AUTO_PART, RareEvents

MOST_GIVEN = 64
"""Numbers are foretold given the row's categories of so many values at most."""

SHARPEST, WIDEST = -4.0, 4.0
"""The logarithm of a Laplace distribution's scale stays between these, in standard deviations of the column."""


class UnusualEvents(RareEvents):
    r"""How unusual is this row, after the rows of its unit before it? It learns from rows alone, not from answers.

    The outputs at a row foretell the next row of the unit: a category $c$ by its probabilities, with the surprise
    $s = -\log p_c$; a number $x$ (standardised, the gap to the row before is one of them) by a Laplace distribution with
    location $\mu$ and scale $b$, with the surprise $s = |x - \mu| / b + \log 2b$. What is usual of an amount depends on where it
    is paid, so $\mu$ and $\log b$ are sums of a part for all rows and a part for each of the row's categories. The loss is the
    sum over the columns: the likelihood of the row. Beyond that the row itself is no part of what foretells it. Cells that are
    empty are not foretold.

    After training, the validation split gives each column's usual surprise $m$ and its deviation $d$. A row is unusual by the sum
    of $u = (s - m) / \max(d, 1)$ over the columns, so that a column with a few wild values does not rule. What is wrong is often
    several rows, so the score is $g_t = u_t + \gamma g_{t-1}$ with the `decay` $\gamma$. An alarm is given from the threshold on
    that keeps within a budget of alarms a day there. The first row of a unit has no row before it: its score is 0, as of a
    usual row.

    Answers that are known are used for the scores of `rare_events` only. `surprise` is the mean of $s$ over rows and columns.

    Args:
        alarms_a_day: the budget; auto: one in a hundred of a day's rows, and at least one alarm in the validation split
        cost: of an alarm (someone looks at it), in the unit of the amounts; for the score `saved`
        decay: what is left at a row of the score of the row before it; 0: each row is scored by itself
        most_values: a category with more values than this is looked at, but not foretold
    """

    best_by = "-val/surprise"
    learns_answers: ClassVar[bool] = False
    outputs = {"foretold": ("batch", "time", "outputs")}
    errors: ClassVar[frozenset[str]] = frozenset({"alarms_a_day", "surprise"})

    def __init__(
        self,
        channel_names: FromData[Sequence[str]],
        foretold_channels: FromData[list[int]],
        empty_channels: FromData[list[int]],
        category_names: FromData[Sequence[str]],
        category_sizes: FromData[list[int]],
        alarms_a_day: PositiveFloat | Literal["auto"] = "auto",
        cost: NonNegative = 5.0,
        decay: Probability = 0.8,
        most_values: Positive = 1000,
    ) -> None:
        super().__init__(alarms_a_day=alarms_a_day, cost=cost)
        self.decay = decay
        self.channels, self.empty = list(foretold_channels), list(empty_channels)
        self.codes = [at for at, size in enumerate(category_sizes) if 1 < size <= most_values]
        self.sizes = [category_sizes[at] for at in self.codes]
        # Numbers are foretold for each value of these; of more values, each would come too rarely.
        self.given = [place for place, size in enumerate(self.sizes) if size <= MOST_GIVEN]
        self.columns = [*(channel_names[at] for at in self.channels), *(category_names[at] for at in self.codes)]
        if not self.columns:
            raise DataError("unusual_events: no column varies in training, so there is nothing to foretell")
        self.too_many = [name for name, size in zip(category_names, category_sizes, strict=True) if size > most_values]
        self.usual = [0.0] * len(self.columns)
        self.spread = [1.0] * len(self.columns)  # 0: the column says nothing

    @property
    def row_outputs(self) -> int:
        """Location and logarithm of the scale of each number, what each value of a category adds to them, and a logit for each
        value of each category."""
        return 2 * len(self.channels) * (1 + sum(self.sizes[place] for place in self.given)) + sum(self.sizes)

    def surprises(
        self,
        outputs: Float[Tensor, "batch rows outputs"],
        numbers: Float[Tensor, "batch channels rows"],
        categories: Int[Tensor, "batch categories rows"],
    ) -> Float[Tensor, "batch rows columns"]:
        """The surprise of each cell of rows; NaN where it is empty.

        Args:
            outputs: at the row before each
            numbers: of the rows
            categories: of the rows
        """
        outputs = outputs.float()
        width = 2 * len(self.channels)
        shape, added, logits = outputs.split(
            [width, self.row_outputs - width - sum(self.sizes), sum(self.sizes)], dim=2
        )
        for place, each in zip(
            self.given, added.split([width * self.sizes[at] for at in self.given], dim=2), strict=True
        ):
            value = categories[:, self.codes[place]].unsqueeze(2) * width + torch.arange(width, device=each.device)
            shape = shape + each.gather(2, value)
        location, scale = shape.chunk(2, dim=2)
        scale = scale.clamp(SHARPEST, WIDEST)
        values = numbers[:, self.channels].transpose(1, 2).to(outputs.dtype)
        of_numbers = (values - location).abs() * (-scale).exp() + scale + math.log(2)
        kept = [at for at, channel in enumerate(self.empty) if channel >= 0]
        if kept:
            missing = torch.zeros_like(of_numbers, dtype=torch.bool)
            missing[..., kept] = numbers[:, [self.empty[at] for at in kept]].transpose(1, 2) > 0.5
            of_numbers = of_numbers.masked_fill(missing, math.nan)
        of_codes = [
            F.cross_entropy(part.transpose(1, 2), categories[:, at], reduction="none")
            for at, part in zip(self.codes, logits.split(self.sizes, dim=2), strict=True)
        ] if self.codes else []  # fmt: skip
        return torch.cat([of_numbers, *(each.unsqueeze(2) for each in of_codes)], dim=2)

    def losses(self, outputs: Float[Tensor, "batch time outputs"], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The surprise of a judged row, a mean over the judged rows: the sums over its numbers, and over its categories."""
        found = self.surprises(outputs[:, :-1], target["numbers"][..., 1:], target["categories"][..., 1:])
        judged = target["judged"]
        # A row that nothing stands before counts as one without surprise: the mean is then over what `Batch.size` counts.
        counts = judged[:, 1:].unsqueeze(2) & ~found.detach().isnan()
        sums = torch.where(counts, found, 0.0).sum(dim=(0, 1)) / judged.sum().clamp(min=1)
        count = len(self.channels)
        parts = {"numbers": sums[:count], "categories": sums[count:]}
        return {name: part.sum() for name, part in parts.items() if len(part)}

    def predict(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch time answers"]:
        """Score, number of the most unusual column (-1: none) and mean surprise of each judged row."""
        found = self._foretold(model, batch)
        return self.row_answers(found).masked_fill(~batch.target["judged"].unsqueeze(2), math.nan)

    def _foretold(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch time columns"]:
        """The surprises of all rows; NaN at the first, and at empty cells."""
        numbers, categories = batch.inputs["numbers"], batch.inputs["categories"]
        outputs = model(**batch.inputs)
        found = self.surprises(outputs[:, :-1], numbers[..., 1:], categories[..., 1:])
        return torch.cat([found.new_full((len(found), 1, found.shape[2]), math.nan), found], dim=1)

    def row_answers(self, outputs: Float[Tensor, "*batch time columns"]) -> Float[Tensor, "*batch time answers"]:
        """Score, number of the most unusual column and mean surprise, from the surprises of a unit's rows in their order."""
        rows = self._unusual(outputs)
        summed = [rows[..., 0, :]]
        for at in range(1, rows.shape[-2]):
            summed.append(self.decay * summed[-1] + rows[..., at, :])
        return self._answers(torch.stack(summed, dim=-2), outputs)

    def _unusual(self, surprises: Float[Tensor, "*rows columns"]) -> Float[Tensor, "*rows columns"]:
        """How far each surprise is above the usual one of its column; 0 where the cell is not foretold."""
        usual, spread = surprises.new_tensor(self.usual), surprises.new_tensor(self.spread)
        above = torch.where(spread > 0, (surprises - usual) / spread.clamp(min=1.0), 0.0)
        return torch.where(surprises.isnan(), 0.0, above)

    def _answers(
        self, summed: Float[Tensor, "*rows columns"], surprises: Float[Tensor, "*rows columns"]
    ) -> Float[Tensor, "*rows answers"]:
        known = ~surprises.isnan()
        column = torch.where(known.any(dim=-1), summed.argmax(dim=-1), -1).to(summed.dtype)
        surprise = torch.where(known, surprises, 0.0).sum(dim=-1) / known.sum(dim=-1)
        return torch.stack([summed.sum(dim=-1), column, surprise], dim=-1)

    def row_in_numbers(self, answers: Float[Tensor, " answers"]) -> dict[str, Any]:
        """The score, whether it is an alarm, and the column that was most unusual."""
        return {**super().row_in_numbers(answers), "column": self._column(float(answers[1]))}

    def _column(self, number: float) -> str:
        return self.columns[int(number)] if number >= 0 else ""

    def decode(self, outputs: Float[Tensor, "batch time answers"]) -> list[dict[str, Any]]:
        """As for rare events; each alarm names the column that was most unusual, and the array `column` that of each row."""
        found = super().decode(outputs)
        if outputs.shape[2] == 1:  # an opponent's scores
            return found
        for prediction, answers in zip(found, outputs.double().cpu().numpy(), strict=True):
            numbers = answers[~np.isnan(answers[:, 0]), 1]
            names = [self._column(number) for number in numbers]
            prediction["alarms"] = [{**alarm, "column": names[alarm["row"]]} for alarm in prediction["alarms"]]
            prediction["column"] = np.array(names, dtype=str)
        return found

    def alarm_in_words(self, alarm: Mapping[str, Any]) -> str:
        """The score, and which column was unusual."""
        words = super().alarm_in_words(alarm)
        return f"{words}  unusual: {alarm['column']}" if alarm.get("column") else words

    def follow(self, model: nn.Module, rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """For each row of a stream: its unit, its time, and the answer. Answers are the same as for whole histories.

        Raises:
            RecipeError: the model looks ahead.
        """
        if not isinstance(model, HistoryFollower):
            raise RecipeError(
                f"{type(model).__name__} cannot follow a stream; predict a file, or train with model.name=history_cnn1d"
            )
        known: dict[str, tuple[Tensor, Any, Tensor]] = {}
        for row in rows:
            found, summed, state = torch.full((len(self.columns),), math.nan), torch.zeros(()), model.begin()
            if row.unit in known:
                before, state, summed = known[row.unit]
                found = self.surprises(before, row.inputs["numbers"], row.inputs["categories"])[0, 0]
            summed = self.decay * summed + self._unusual(found)
            outputs, state = model.advance(row.inputs, state)
            known[row.unit] = (torch.as_tensor(outputs)[:, -1:], state, summed)
            answers = self.row_in_numbers(self._answers(summed, found))
            yield {**({"unit": row.unit} if row.unit else {}), "time": row.time, **answers}

    def meter(self) -> Meter:
        """As for rare events where answers are known, and the mean surprise."""
        return UnusualEventMeter(self.threshold, self.cost)

    def require(self, splits: Splits) -> None:
        """All splits are taken: answers are not needed."""

    def cautions(self, splits: Splits) -> list[str]:
        """Columns that are not foretold, and whether the scores rest on few wrong rows or on none."""
        found = [
            f"column {name!r} has too many values to be foretold (task.most_values); the network looks at it only"
            for name in self.too_many
        ]
        if all(each.targets is None for each in splits.shown):
            found.append("no answer is known, so nothing says how many of the alarms are right: look at some of them")
        return found + super().cautions(splits)

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose each column's usual surprise and its deviation, and the threshold, on the validation split, without answers."""
        found, targets = [], []
        for batch in batches:
            found.append(self._foretold(model, batch).cpu())
            targets.append(batch.target)
        cells = [each[target["judged"].cpu()] for each, target in zip(found, targets, strict=True)]
        values = torch.cat([part for own in gather_objects(cells) for part in own]).double().numpy()
        for at, column in enumerate(values.T):
            known = column[~np.isnan(column)]
            self.usual[at], self.spread[at] = 0.0, 0.0
            if len(known) > 1 and known.std() > 1e-6:
                self.usual[at], self.spread[at] = float(known.mean()), float(known.std())
        mine = [Rows.of(self.row_answers(each), target) for each, target in zip(found, targets, strict=True)]
        rows = Rows.joined([part for own in gather_objects(mine) for part in own])
        self.threshold = self._threshold(rows)
        alarms = int((rows.scores >= self.threshold).sum())
        self.chosen = (
            f"alarms from a score of {self.threshold:.3g} on: {alarms:,} in {rows.span:,.0f} days of the val split"
        )

    def _threshold(self, rows: Rows) -> float:
        budget = max(AUTO_PART * len(rows.scores), 1.0) / rows.span if self.budget == "auto" else float(self.budget)
        return budget_threshold(rows, budget)

    def state(self) -> dict[str, Any]:
        """What was chosen on the validation split."""
        return {name: getattr(self, name) for name in ("usual", "spread", "threshold", "chosen")}


class UnusualEventMeter(RareEventMeter):
    """The scores of rare events, and `surprise`: the mean over judged rows of what `UnusualEvents.predict` gives as such."""

    def __init__(self, threshold: float, cost: float) -> None:
        super().__init__(threshold, cost)
        self.sums = torch.zeros(2, dtype=torch.float64)  # surprise, rows

    def update(self, outputs: Tensor, target: Mapping[str, Tensor]) -> None:
        """Add units.

        Args:
            outputs: (batch, time or more, 3): score, column and surprise; NaN where nothing is judged or foretold
            target: as for `RareEventMeter`
        """
        super().update(outputs, target)
        surprise = outputs.detach()[..., 2].double().cpu()
        known = ~surprise.isnan()
        self.sums += torch.stack([surprise[known].sum(), known.sum()])

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        total, rows = sum_over_processes(self.sums).tolist()
        return {**super().compute(), "surprise": total / rows if rows else math.nan}
