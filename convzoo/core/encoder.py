"""An encoder knows how an example becomes tensors."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from convzoo.core.batch import Batch
from convzoo.core.randomness import Draws


class Encoder(ABC):
    """Turns examples into batches: in two steps, so that the first can be cached.

    `prepare` is deterministic and is done once an example; `collate` pads, augments and stacks. Everything that is learnt
    (vocabulary, mean, labels) is learnt in `fit`, from the training split alone, and is saved with the run.

    Attributes:
        example: the type of example it takes.
    """

    example: ClassVar[type]

    @abstractmethod
    def fit(self, examples: Sequence[Any]) -> None:
        """Learn from the training split what encoding needs."""

    @abstractmethod
    def prepare(self, example: Any) -> Any:
        """The part of encoding that is the same every time: tensors of one example, or a tuple of them.

        Raises:
            DataError: the example cannot be encoded (an unknown label, a damaged file).
        """

    @abstractmethod
    def collate(self, items: Sequence[Any], draws: Draws | None = None) -> Batch:
        """Prepared items to one batch. With `draws` the batch is for training and may be augmented."""

    @property
    @abstractmethod
    def dims(self) -> Mapping[str, Any]:
        """What only the data can tell the model and the task: arguments marked `FromData`, by name."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What `fit` learnt, as plain JSON values and tensors or arrays; never pickle."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""

    def encode(self, examples: Sequence[Any]) -> Batch:
        """Examples to one batch, without augmentation."""
        return self.collate([self.prepare(example) for example in examples])

    def length(self, item: Any) -> int | None:
        """The length of a prepared item, by which batches are bucketed; None where all have one size."""
        return None

    def input_names(self, item: Any) -> list[str] | None:
        """What the positions of a prepared item are called (its tokens), for pictures; None where they have no names."""
        return None
