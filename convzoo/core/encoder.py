"""An encoder turns examples into tensors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import nn

from convzoo.core.batch import Batch
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey


class Encoder(ABC):
    """Turns examples into batches, in two steps, so that the result of the first can be cached.

    `prepare` is deterministic and is done once for each example; `collate` pads, augments and stacks. `fit` learns everything
    that is learnt (vocabulary, mean, labels), from the training split only, and it is saved with the run.

    If the data are one large object (a long series, a graph, a table of interactions), an example is a reference into it.
    Then `pieces` gives the references that training batches are made of, and `gather` encodes a list of them at once.

    Attributes:
        example: the type of example it takes.
        takes_ids: whether inputs may be ids of parts of the data that the encoder holds (`predict --nodes`, `--user`).
        cached: whether prepared examples are kept in memory; False if preparing costs nothing, as with references.
        at_once: how many examples are predicted together; 1 if a single one may fill the memory.
        streams: what `stream` takes: lines, or a raw stream of bytes.
    """

    example: ClassVar[type]
    takes_ids: ClassVar[bool] = False
    cached: ClassVar[bool] = True
    at_once: ClassVar[int] = 64
    streams: ClassVar[Literal["lines", "stream"]] = "lines"

    @abstractmethod
    def fit(self, examples: Sequence[Any]) -> None:
        """Learn what encoding needs, from the training split."""

    @abstractmethod
    def prepare(self, example: Any) -> Any:
        """The part of encoding that is the same every time: tensors of one example, or a tuple of them.

        Raises:
            DataError: the example cannot be encoded (an unknown label, a damaged file).
        """

    @abstractmethod
    def collate(self, items: Sequence[Any], draws: Draws | None = None) -> Batch:
        """Make one batch of prepared items. With `draws` the batch is for training and may be augmented."""

    @property
    @abstractmethod
    def dims(self) -> Mapping[str, Any]:
        """The values that the model and the task take from the data (their arguments marked `FromData`), by name."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What `fit` learnt, as plain JSON values and tensors or arrays; nothing is pickled."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""

    def encode(self, examples: Sequence[Any]) -> Batch:
        """Make one batch of examples, without augmentation."""
        return self.gather(examples, range(len(examples)))

    def pieces(self, examples: Sequence[Any]) -> Sequence[Any]:
        """The items that the loader makes training batches of: by default the examples, else references into them."""
        return examples

    def sample(self, examples: Sequence[Any]) -> Batch:
        """What the network sees of some examples, to describe it by: a piece, or an example where none is long enough for one."""
        pieces = self.pieces(examples)
        return self.gather(pieces if len(pieces) else examples, [0])

    def gather(self, examples: Sequence[Any], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """Make one batch of some of the examples, or of their `pieces`. Overridden if encoding many at once is faster."""
        return self.collate([self.prepare(examples[index]) for index in indices], draws)

    def from_inputs(self, values: Sequence[Any]) -> list[Any]:
        """Turn what a person gives to `predict` into examples. Overridden if the inputs name parts of the data that the
        encoder holds (a node, a user).

        Raises:
            DataError: an input cannot be read.
        """
        return self.example.from_inputs(values)  # type: ignore[attr-defined]

    def from_lines(self, lines: Sequence[str]) -> list[Any]:
        """Turn lines of standard input into examples.

        Raises:
            DataError: a line cannot be read.
        """
        return self.example.from_lines(lines)  # type: ignore[attr-defined]

    def holds(self, head: bytes) -> Literal["lines", "file", "stream"]:
        """What standard input holds, by its first bytes: lines of text, the content of one file, or a raw stream (of sound)."""
        return "lines"

    def from_content(self, content: bytes) -> list[Any]:
        """Turn the content of a file on standard input into examples, where `holds` says that it is one.

        Raises:
            DataError: it is damaged.
        """
        raise NotImplementedError(f"{type(self).__name__} takes lines")

    def matched(self, examples: Sequence[Any], split: Mapping[str, Collection[str]]) -> tuple[Sequence[Any], list[str]]:
        """Examples of other data than the run's, for `evaluate --data`, as the run knows them: users, items, nodes and columns
        are found by their ids and names. Overridden where an example is a reference into data that have such.

        Args:
            examples: of the other data
            split: by name of the run's splits, the sources of their examples, where the run wrote them down

        Returns:
            the examples that can be scored, and what a person should know of the others, a sentence each

        Raises:
            DataError: nothing of them can be matched.
        """
        return examples, []

    def learnt_vectors(self, model: nn.Module) -> list[dict[str, Any]]:
        """The vectors that a model learnt of the parts of the data that the encoder holds (users, items), a row each.

        Raises:
            RecipeError: nothing has a vector of its own.
        """
        raise RecipeError("--vectors: is for recommendation, whose users and items have a vector each")

    def keep_known(self) -> None:
        """From now on, recommend also what is known already. Only for encoders of users.

        Raises:
            RecipeError: nothing is left out that could be kept.
        """
        raise RecipeError("--keep-known: is for recommendation, which leaves out what a user has already")

    def stream(
        self, lines: Iterable[Any], series: str = "", refused: Callable[[DataError], None] | None = None
    ) -> Iterator[Any]:
        """Give each row of a stream as soon as its line arrives, for a task that follows streams.

        Args:
            lines: the lines of the stream, as they arrive; of a raw stream its bytes
            series: the series of the run's data that the stream continues; empty: none
            refused: is called with the error of a row that cannot be read, and the stream goes on; None: the error is raised

        Raises:
            RecipeError: examples of this kind cannot be read line by line.
        """
        raise RecipeError(f"{type(self).__name__} reads no stream")

    def write_files(
        self, path: Path, examples: Sequence[Any], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Path] | None:
        """Write predictions to `path` in the field's own format: a mask in the space of its scan, a folder of label files.

        Returns:
            the files written; None if the field has no format of its own: then the caller writes a table

        Raises:
            RecipeError: `path` is not a valid name for such files.
        """
        return None

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """For sizes in `dims` that count things with names, these names in order: the classes, the tokens of a vocabulary. A
        training that starts from an earlier run's weights (`train.start_from`) finds by them which weights belong together."""
        labels, classes = self.dims.get("labels"), self.dims.get("classes")
        if not labels or not isinstance(classes, int):  # numbers have no names
            return {}
        # The classes of a segmentation have the background before the structures.
        return {"classes": [*(f"<background {number}>" for number in range(classes - len(labels))), *labels]}

    def keep(self, earlier: Any, examples: Sequence[Any]) -> None:
        """After `fit`: take over what an earlier run's weights expect of their inputs (means, deviations, a vocabulary), but not
        its classes. By default nothing.

        Args:
            earlier: the earlier run's encoder, of the same class
            examples: the training split
        """

    def reading(self) -> Mapping[str, Any]:
        """What the reader found in training's table, such as the columns of values; other files are read like it
        (`Reader.read_like`). By default nothing."""
        return {}

    def advice(self) -> str:
        """One line to print: what `fit` chose automatically, and which setting changes it; empty if it chose nothing."""
        return ""

    def survey(self, examples: Sequence[Any], items: Sequence[Any] | None) -> Survey:
        """Look at a split before the first step: what the network is given of it, and which examples hold nothing to learn from.

        Args:
            examples: the split, after `fit`
            items: the prepared examples, in the same order; None where they are not kept in memory

        Raises:
            DataError: nothing can be learnt from the split, or a class in it is unknown.
        """
        return Survey()

    def read_with(self, settings: Mapping[str, Any]) -> None:
        """Read inputs from now on with other settings of the tables (`predict RUN FILE data.missing=forward`), by their names.

        Raises:
            RecipeError: the encoder reads with none, or has no such setting.
        """
        raise RecipeError(
            f"data.{next(iter(settings))}: {type(self).__name__} reads inputs as the run's data were read"
        )

    def annotate(self, example: Any, prediction: dict[str, Any]) -> dict[str, Any]:
        """Add to a prediction what only the encoder knows about its example: the times of rows, the names of neighbours."""
        return prediction

    def parts(self, example: Any) -> Sequence[tuple[int, int]] | None:
        """The parts of an input that can be left out one by one, to see what each says (`predict --explain`): for a text, where
        each word begins and ends. Parts that the network is not given are not among them. None: there is no such thing."""
        return None

    def without(self, example: Any, part: tuple[int, int] | None) -> Any:
        """An example without one of its `parts`, and without its label; None: with all of them."""
        raise NotImplementedError(f"{type(self).__name__} has no parts")

    def length(self, item: Any) -> int | tuple[int, ...] | None:
        """The length of a prepared item, which buckets are made by; None if all items have the same size.

        An item of several sequences gives the length of each, the sequence that costs most first."""
        return None

    def input_names(self, item: Any) -> list[str] | None:
        """The names of the positions of a prepared item (its tokens), for pictures; None if they have no names."""
        return None
