"""A baseline is what the network must beat: it sees the same examples and is scored by the same meter."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from convzoo.core.arguments import LabelType


class Baseline(ABC):
    """A naive or classical opponent. Its outputs have the same shape as the model's, so that one meter scores both.

    Attributes:
        label_type: the labels that it learns, which must be those of the task
    """

    label_type: ClassVar[LabelType] = "class"

    @abstractmethod
    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        """Learn from the training split.

        Args:
            examples: of the training split
            dims: the encoder's; for a classifier its `labels` in their order, for numbers `mean` and `deviation`
        """

    @abstractmethod
    def outputs(self, examples: Sequence[Any]) -> Any:
        """Outputs for the examples, in the form that the task's meter takes; indexing with a list of indices gives a batch."""
