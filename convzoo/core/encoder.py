"""An encoder knows how an example becomes tensors."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.core.randomness import Draws


class Encoder(ABC):
    """Turns examples into batches: in two steps, so that the first can be cached.

    `prepare` is deterministic and is done once an example; `collate` pads, augments and stacks. Everything that is learnt
    (vocabulary, mean, labels) is learnt in `fit`, from the training split alone, and is saved with the run.

    Where the data are one large object (a long series, a graph, a table of interactions), an example is a reference into it.
    Then `pieces` says which references the training split is batched as, and `gather` encodes a list of them at once.

    Attributes:
        example: the type of example it takes.
        cached: whether prepared examples are kept in memory; False where preparing costs nothing, as with references.
        at_once: how many examples are predicted together; 1 where one may fill the memory.
    """

    example: ClassVar[type]
    cached: ClassVar[bool] = True
    at_once: ClassVar[int] = 64

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
        """What is set from the data in the model and the task: arguments marked `FromData`, by name."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What `fit` learnt, as plain JSON values and tensors or arrays; never pickle."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""

    def encode(self, examples: Sequence[Any]) -> Batch:
        """Examples to one batch, without augmentation."""
        return self.gather(examples, range(len(examples)))

    def pieces(self, examples: Sequence[Any]) -> Sequence[Any]:
        """What the loader batches of the training split: by default the examples, else references into them."""
        return examples

    def gather(self, examples: Sequence[Any], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """Some of the examples, or of their `pieces`, to one batch. Overridden where many at once are faster than one by one."""
        return self.collate([self.prepare(examples[index]) for index in indices], draws)

    def from_inputs(self, values: Sequence[Any]) -> list[Any]:
        """What a person gives to `predict` as examples; overridden where it names parts of what the encoder holds.

        Raises:
            DataError: an input cannot be read.
        """
        return self.example.from_inputs(values)  # type: ignore[attr-defined]

    def from_lines(self, lines: Sequence[str]) -> list[Any]:
        """Lines of standard input as examples.

        Raises:
            DataError: a line cannot be read.
        """
        return self.example.from_lines(lines)  # type: ignore[attr-defined]

    def stream(self, lines: Iterable[str], series: str = "") -> Iterator[Any]:
        """Rows of a stream as its lines come, for a task that follows it.

        Args:
            lines: as they come
            series: the series of the run's data that the stream goes on with; empty: none

        Raises:
            RecipeError: examples of this kind do not come in lines one by one.
        """
        raise RecipeError(f"{type(self).__name__} reads no stream")

    def write_files(
        self, path: Path, examples: Sequence[Any], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Path] | None:
        """Write predictions to `path` in the field's own format: a mask in the space of its scan, a folder of label files.

        Returns:
            the files written; None where the field has no format of its own, and a table is written instead

        Raises:
            RecipeError: `path` is no name for such files.
        """
        return None

    def advice(self) -> str:
        """What `fit` chose by itself, and how to choose otherwise, in a line that is printed; empty where there is nothing."""
        return ""

    def annotate(self, example: Any, prediction: dict[str, Any]) -> dict[str, Any]:
        """A prediction with what only the encoder knows of its example: the times of rows, the names of neighbours."""
        return prediction

    def length(self, item: Any) -> int | tuple[int, ...] | None:
        """The length of a prepared item, by which batches are bucketed; of several sequences, each one's, the weightier first;
        None where all have one size."""
        return None

    def input_names(self, item: Any) -> list[str] | None:
        """What the positions of a prepared item are called (its tokens), for pictures; None where they have no names."""
        return None
