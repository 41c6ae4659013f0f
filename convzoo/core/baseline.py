"""A baseline is what the network must beat: it sees the same examples and is scored by the same meter."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, ClassVar

from convzoo.core.arguments import LabelType


class Baseline(ABC):
    """A naive or classical opponent. Its outputs have the same shape as the model's, so that one meter scores both.

    An opponent should be as strong as it can be within seconds, whatever the data. So a setting that the right value depends on
    the data of (a penalty, a number of components) is an argument whose default is None, with its candidates in `choices`. The
    candidates are tried on the validation split, and the best is kept, as for the network.

    Attributes:
        label_type: the labels that it learns, which must be those of the task
        compared: whether the network is compared with it. Not where it only shows what a score gives to no skill at all (an alarm
            at every step), and nobody would use it.
        choices: candidates of each setting that is chosen on the validation split where the recipe leaves it open (None); the
            first is used where nothing can be chosen.
        fitted_on: how many training examples it was fitted on, where it takes a part of them; else None
    """

    label_type: ClassVar[LabelType] = "class"
    compared: ClassVar[bool] = True
    choices: ClassVar[Mapping[str, Sequence[Any]]] = {}
    fitted_on: int | None = None

    @abstractmethod
    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        """Learn from the training split.

        Args:
            examples: of the training split
            dims: the encoder's; for a classifier its `labels` in their order, for numbers `mean` and `deviation`

        Raises:
            DataError: the opponent is not defined for these examples (no features, too few of a class). It is then left out of
                the run, and the run says why.
        """

    @abstractmethod
    def outputs(self, examples: Sequence[Any]) -> Any:
        """Outputs for the examples, in the form that the task's meter takes; indexing with a list of indices gives a batch."""

    def setting(self, name: str) -> Any:
        """A setting: its argument, or its first candidate where that is open."""
        value = getattr(self, name)
        return self.choices[name][0] if value is None else value

    def candidates(self) -> list[dict[str, Any]]:
        """Every combination of the settings that are open; a single empty one if none is."""
        open_ones = [name for name in self.choices if getattr(self, name) is None]
        return [
            dict(zip(open_ones, values, strict=True)) for values in product(*(self.choices[name] for name in open_ones))
        ]
