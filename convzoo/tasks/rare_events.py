"""Rare events that are wrong, such as fraud: a score and perhaps an alarm at each row of a history."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import FromData, NonNegative, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.errors import DataError
from convzoo.core.processes import gather_objects
from convzoo.core.splits import Splits
from convzoo.core.task import Meter
from convzoo.metrics.rare_events import RareEventMeter, Rows, budget_threshold, saving_threshold
from convzoo.tasks.by_row import ByRow

AUTO_PART = 0.01
"""With `alarms_a_day: auto`, this part of a day's rows may be alarms; or the part that is known to be wrong, if that is more."""

SHOWN = 20
"""Alarms of a unit that the terminal lists."""


class RareEvents(ByRow):
    r"""Is this row wrong, given all rows of its unit up to it? The loss is the binary cross-entropy at each row, of the logit
    $z + \log \frac{p}{1-p}$ with p the part of wrong rows in training, so that training begins at what is usual.

    After training, the validation split chooses two things. The score is made a probability by $\sigma(a z + b)$ (Platt 1999).
    And an alarm is given from the threshold on that keeps within a budget of alarms a day, or that saves most.

    Scores: average precision; recall and precision of the alarms, and how many there are a day; what they save: the amounts of
    the wrong rows that were found, less a cost for each alarm.

    Args:
        alarms_a_day: the budget; auto: one in a hundred of a day's rows, or as many as are known to be wrong, if that is more
        alarm: what chooses the threshold on the validation split: the `budget`, or what saves most (`savings`)
        cost: of an alarm (someone looks at it), in the unit of the amounts
    """

    judged_by = ("average_precision",)
    best_by = "val/average_precision"
    outputs = {"logits": ("batch", "time", "outputs")}
    errors: ClassVar[frozenset[str]] = frozenset({"alarms_a_day"})

    def __init__(
        self,
        mean: FromData[float] = 0.0,
        alarms_a_day: PositiveFloat | Literal["auto"] = "auto",
        alarm: Literal["budget", "savings"] = "budget",
        cost: NonNegative = 5.0,
    ) -> None:
        part = min(max(mean, 1e-6), 1 - 1e-6)
        self.prior = math.log(part / (1 - part))
        self.budget = alarms_a_day
        self.alarm = alarm
        self.cost = cost
        self.threshold = 0.5
        self.slope, self.offset = 1.0, 0.0  # of the logits
        self.chosen = ""  # what was chosen, in words

    @property
    def row_outputs(self) -> int:
        """One logit."""
        return 1

    def row_losses(self, outputs: Float[Tensor, "rows outputs"], answers: Float[Tensor, " rows"]) -> dict[str, Tensor]:
        """The mean binary cross-entropy."""
        return {"cross_entropy": F.binary_cross_entropy_with_logits(outputs[:, 0] + self.prior, answers)}

    def row_answers(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows answers"]:
        """The probability of being wrong."""
        return torch.sigmoid(self.slope * (outputs + self.prior) + self.offset)

    def row_in_numbers(self, answers: Float[Tensor, " answers"]) -> dict[str, Any]:
        """The score, and whether it is an alarm."""
        score = float(answers[0])
        return {"score": score, "alarm": score >= self.threshold}

    def decode(self, outputs: Float[Tensor, "batch time answers"]) -> list[dict[str, Any]]:
        """For each unit its alarms: the judged row, counted from 0, and the score; the highest score. The arrays `score` and
        `alarm` have the answers at all judged rows."""
        found = []
        for scores in outputs[:, :, 0].double().cpu().numpy():
            scores = scores[~np.isnan(scores)]
            flags = scores >= self.threshold
            alarms = [{"row": int(row), "score": round(float(scores[row]), 6)} for row in np.flatnonzero(flags)]
            highest = float(scores.max(initial=0.0))
            found.append(
                {
                    "alarms": alarms,
                    "rows": len(scores),
                    "highest": highest,
                    "score": scores,
                    "alarm": flags.astype(np.int64),
                }
            )
        return found

    def read_target(self, target: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """How many judged rows of each unit are known to be wrong; None where nothing is known."""
        answers = target["answers"]
        counts = [(row == 1).sum().item() if bool((~row.isnan()).any()) else None for row in answers]
        return [{"wrong": count} for count in counts]

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """A unit and its alarms, or a row of a stream: rows without an alarm are not printed there."""
        if "alarm" in prediction and not isinstance(prediction["alarm"], np.ndarray):
            unit = f"{prediction['unit']}  " if "unit" in prediction else ""
            return (
                f"{prediction['time']}  {unit}ALARM  {self.alarm_in_words(prediction)}" if prediction["alarm"] else ""
            )
        alarms = prediction["alarms"]
        lines = [
            f"{shown}: {len(alarms)} alarm{'' if len(alarms) == 1 else 's'} in {prediction['rows']:,} rows, highest score "
            f"{prediction['highest']:.3f}"
        ]
        lines += [f"  {each.get('time', each['row'])}  {self.alarm_in_words(each)}" for each in alarms[:SHOWN]]
        return "\n".join(lines + ([f"  … and {len(alarms) - SHOWN:,} more"] if len(alarms) > SHOWN else []))

    def alarm_in_words(self, alarm: Mapping[str, Any]) -> str:
        """What the terminal says of an alarm behind its time."""
        return f"score {alarm['score']:.3f}"

    def meter(self) -> Meter:
        """Average precision; recall, precision and alarms a day; what is saved."""
        return RareEventMeter(self.threshold, self.cost)

    def opponent_meter(self, on_validation: Callable[[], Iterable[tuple[Any, Any]]]) -> Meter:
        """With the opponent's own threshold."""
        rows = _everyone([Rows.of(outputs, target) for outputs, target in on_validation()])
        return RareEventMeter(self._threshold(rows), self.cost)

    def require(self, splits: Splits) -> None:
        """Check that there is something to learn, and to choose the checkpoint and the threshold by.

        Raises:
            DataError: no row of the training or of the validation split is known to be wrong, or none to be right.
        """
        for name, part in (("training", splits.train), ("validation", splits.val)):
            counts = _known(part)
            if not sum(counts):
                raise DataError(
                    f"no row of the {name} split has an answer (1 wrong, 0 right), and this task learns from answers; name their "
                    "column with data.target=COLUMN, or take task=unusual_events, which needs none"
                )
            if not all(counts):
                missing = "right" if not counts[0] else "wrong"
                raise DataError(
                    f"no row of the {name} split is known to be {missing}, of {sum(counts):,} with an answer: "
                    + (
                        "set data.val higher"
                        if name == "validation"
                        else "give it later rows with data.train, or more data"
                    )
                )

    def cautions(self, splits: Splits) -> list[str]:
        """Whether the scores of the test split rest on few wrong rows."""
        found = []
        for name, part in (("val", splits.val), ("test", splits.test)):
            right, wrong = _known(part)
            if right + wrong and not wrong:
                found.append(f"no row of the {name} split is known to be wrong: it has no scores of them")
            elif right + wrong and wrong < 30:
                found.append(
                    f"only {wrong} of {right + wrong:,} rows of the {name} split are known to be wrong: its scores say little"
                )
        return found

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose slope, offset and threshold on the validation split, from the rows of all processes."""
        self.slope, self.offset = 1.0, 0.0
        parts = []
        for batch in batches:
            logits = model(**batch.inputs).float() + self.prior
            parts.append(Rows.of(logits, batch.target))
        rows = _everyone(parts)
        known = ~np.isnan(rows.truth)
        self.slope, self.offset = platt(rows.scores[known], rows.truth[known])
        scores = torch.sigmoid(torch.from_numpy(self.slope * rows.scores + self.offset)).numpy()
        rows = Rows(scores, rows.truth, rows.amounts, rows.days, rows.new, rows.units)
        self.threshold = self._threshold(rows)
        alarms = int((rows.scores >= self.threshold).sum())
        self.chosen = (
            f"alarms from a score of {self.threshold:.3g} on: {alarms:,} in {rows.span:,.0f} days of the val split"
        )

    def _threshold(self, rows: Rows) -> float:
        if self.alarm == "savings":
            return saving_threshold(rows, self.cost)
        if self.budget != "auto":
            return budget_threshold(rows, self.budget)
        known = rows.truth[~np.isnan(rows.truth)]
        part = max(AUTO_PART, float(known.mean()) if len(known) else 0.0)
        return budget_threshold(rows, part * len(rows.scores) / rows.span)

    def advice(self) -> str:
        """Which threshold was chosen."""
        setting = "task.alarms_a_day" if self.alarm == "budget" else "task.cost"
        return f"{self.chosen}; {setting} changes it" if self.chosen else ""

    def state(self) -> dict[str, Any]:
        """What was chosen on the validation split."""
        names = ("prior", "threshold", "slope", "offset", "chosen")
        return {name: getattr(self, name) for name in names}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        for name, value in state.items():
            setattr(self, name, value)


def platt(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    r"""Slope a > 0 and offset b of $\sigma(a z + b)$ that fit the truth best, by maximum likelihood with Platt's softened targets
    (Platt 1999, "Probabilistic outputs for support vector machines", §2.2); 1 and 0 where one class is missing.

    Args:
        logits: (rows,)
        truth: (rows,), 0 or 1
    """
    from scipy.optimize import minimize

    wrong = truth == 1
    if not wrong.any() or wrong.all():
        return 1.0, 0.0
    high, low = (wrong.sum() + 1) / (wrong.sum() + 2), 1 / ((~wrong).sum() + 2)
    wanted = np.where(wrong, high, low)

    def loss(both: np.ndarray) -> tuple[float, np.ndarray]:
        z = np.exp(both[0]) * logits + both[1]
        apart = 1 / (1 + np.exp(-np.clip(z, -500, 500))) - wanted
        slope = np.array([(apart * np.exp(both[0]) * logits).mean(), apart.mean()])
        return float((np.logaddexp(0, z) - wanted * z).mean()), slope

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-4, 4), (-30, 30)]).x
    return float(np.exp(found[0])), float(found[1])


def _everyone(parts: list[Rows]) -> Rows:
    """The rows of all processes: all choose the same threshold."""
    return Rows.joined([part for own in gather_objects(parts) for part in own])


def _known(part: Any) -> tuple[int, int]:
    """How many judged rows of a split are known to be right, and to be wrong."""
    answers = [np.asarray(each.targets)[each.judged] for each in part if each.targets is not None]
    whole = np.concatenate(answers) if answers else np.empty(0)
    return int((whole == 0).sum()), int((whole == 1).sum())
