"""A task is an objective, not a data set."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from convzoo.core.arguments import LabelType
from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.core.splits import Splits


@runtime_checkable
class Meter(Protocol):
    """Counts over a whole split, with the methods of torchmetrics' `Metric`; `compute` also sums over processes."""

    def update(self, outputs: Any, target: Any) -> None:
        """Count a batch: the outputs of `Task.predict`, and the target of the batch."""

    def compute(self) -> Mapping[str, Any]:
        """The scores of everything that was counted, by name."""
        ...


@runtime_checkable
class ResampledMeter(Meter, Protocol):
    """A meter that keeps what it counted of each example, so that its scores can be computed again for other examples of the
    same kind: for intervals, and to compare two methods on the same examples. Other meters give scores without intervals."""

    def units(self) -> np.ndarray:
        """(units,) for each thing that is drawn again, the number of the example that it belongs to, in the order of `update`
        over all processes. Most meters draw whole examples, so this is 0, 1, 2 …; long series are drawn in pieces."""
        ...

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """Scores by name, each (draws,), if unit u counts `weights[d, u]` times in draw d. A score whose resampling would take
        too long is left out.

        Args:
            weights: (draws, units), 0 or more
        """
        ...


class Task(ABC):
    """What is learnt: the losses, how outputs are read, and how they are scored.

    Attributes:
        judged_by: the scores that the network is compared with its opponents by, where the recipe expects none: the first that
            there is counts; where there is none of them, nothing is compared. Empty: the first score of all
        label_type: what the label of an example is: one class, a number, or several classes; readers of own data read their
            column of labels as that.
        learns_answers: whether it learns from what is known of the training examples. If not, readers that know how to leave
            it out of training do, and it serves the scores of the other splits only
        best_by: the validation score that chooses the best checkpoint; with a leading minus, lower is better.
        follows: whether `predict RUN -` takes standard input as a stream, row by row.
        errors: the scores of its meter where less is better, without `val/` or `test/`; a name stands for its parts too
            (`hd95_mm` for `hd95_mm_liver`).
        output_axes: where the outputs of the network are one tensor, what its axes count: `batch`, or a name of `model_dims`. A
            network of one's own is held to it before training; empty: it is not
        outputs: the tensors that the network gives, in their order: the name of each, and what its axes count. Exported models
            have these names
        sides: how a part of the input is introduced that makes an answer stronger, and one that makes it weaker
    """

    label_type: ClassVar[LabelType] = "class"
    learns_answers: ClassVar[bool] = True
    judged_by: Sequence[str] = ()
    best_by: str
    follows: ClassVar[bool] = False
    errors: ClassVar[frozenset[str]] = frozenset()
    output_axes: ClassVar[tuple[str, ...]] = ()
    outputs: Mapping[str, tuple[str, ...]] = {}
    sides: ClassVar[tuple[str, str]] = ("speaks for it", "speaks against it")

    @classmethod
    def is_error(cls, score: str) -> bool:
        """Whether less is better for a score, with or without `val/` or `test/` before its name."""
        name = score.rpartition("/")[2]
        return any(name == error or name.startswith(f"{error}_") for error in cls.errors)

    @abstractmethod
    def losses(self, outputs: Any, target: Any) -> dict[str, Tensor]:
        """Named scalar terms, each a mean over the batch; the trainer minimises their sum and logs each."""

    @abstractmethod
    def decode(self, outputs: Any) -> list[dict[str, Any]]:
        """One plain dictionary for each example, for a person to read."""

    @abstractmethod
    def read_target(self, target: Any) -> list[dict[str, Any]]:
        """The truth of each example, in the form that `decode` gives to a prediction."""

    @abstractmethod
    def meter(self) -> Meter:
        """A new meter. It is given every batch of a split and computed once."""

    def opponent_meter(self, on_validation: Callable[[], Iterable[tuple[Any, Any]]]) -> Meter:
        """A new meter for an opponent. Overridden where scores need thresholds: an opponent gets its own, as the network.

        Args:
            on_validation: gives this process's share of the validation split in batches, the opponent's outputs and the target
        """
        return self.meter()

    def predict(self, model: nn.Module, batch: Batch) -> Any:
        """Outputs for scoring and decoding. Overridden where generation differs from training (beams, sliding windows)."""
        return model(**batch.inputs)

    def model_dims(self, dims: Mapping[str, Any]) -> Mapping[str, Any]:
        """The encoder's `dims` as the model gets them. Overridden where the objective needs another number of outputs."""
        return dims

    def require(self, splits: Splits) -> None:
        """Refuse data that the task cannot be calibrated or scored on, before the first step. Most tasks accept all data.

        Raises:
            DataError: what is missing.
        """

    def cautions(self, splits: Splits) -> list[str]:
        """Scores that say little on these data, or cannot be computed, a sentence each: a split without positives."""
        return []

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose thresholds and temperatures, from validation data only. Most tasks have none.

        Args:
            model: trained
            batches: this process's share of the validation split; all processes must choose the same values
        """

    def advice(self) -> str:
        """One line to print after `calibrate`: what could not be chosen as the recipe asked; empty if all was."""
        return ""

    def follow(self, model: nn.Module, rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """Predict each row of a stream as soon as it arrives.

        Raises:
            RecipeError: the task or the model cannot do this.
        """
        raise RecipeError(f"{type(self).__name__} cannot follow a stream")

    def answers(self, count: int) -> None:
        """From now on, `decode` gives `count` answers to each input: n-best translations, a list of recommendations.

        Raises:
            RecipeError: the task gives only one answer.
        """
        raise RecipeError(f"--top: {type(self).__name__} gives one answer to each input")

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """A prediction as the terminal shows it, in one or several lines.

        Args:
            prediction: what `decode` gave
            shown: the input, or its source
        """
        values = (value for value in prediction.values() if not isinstance(value, dict))
        words = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in values]
        return "  ".join([*words, shown])

    def strengths(self, prediction: Mapping[str, Any]) -> Mapping[str, float]:
        """How strong each possible answer is in a prediction, by its name: its probability, or the number itself. What changes in
        it when a part of the input is left out explains the answer. Empty: answers are not explained so."""
        return {}

    def said(self, prediction: Mapping[str, Any]) -> list[str]:
        """The names in `strengths` of what a prediction says, which are explained."""
        return []

    def marks(self, prediction: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The parts of the input text that a prediction names, in their order: `start` and `end` in characters, and `label`. A
        terminal with colours shows them in the text."""
        return ()

    def state(self) -> dict[str, Any]:
        """What `calibrate` chose, as plain JSON values."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
