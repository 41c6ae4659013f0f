"""What a model or a layer may offer besides `forward`.

A model is a plain `nn.Module`, and none of this is required: whoever asks for one of these says what happens without it. A model
offers something by having the method or attribute; it inherits from nothing here. Define methods on the class: from Python 3.12
on, `isinstance` does not find a submodule of that name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

Memory = Mapping[str, Tensor]
"""What is kept of some sources: tensors whose first axis is the source."""

State = Mapping[str, Tensor]
"""What is kept of some unfinished sequences: tensors whose first axis is the sequence."""


@runtime_checkable
class StreamFollower(Protocol):
    """Follows a series as it is measured. `AnomalyDetection.follow` (`predict RUN -`) asks; it refuses other models.

    Stepping through a series, one time step or many at a time, gives the same as `forward` on the whole of it.
    """

    def start(self, batch: int = 1) -> Any:
        """The state of so many streams before their first time step; what it is made of is the model's own business."""

    def step(
        self, values: Float[Tensor, "batch channels time"], state: Any
    ) -> tuple[Float[Tensor, "batch channels time"], Any]:
        """For the next time steps of each stream: what was expected of them, and the state after them."""


@runtime_checkable
class TokenWriter(Protocol):
    """Writes a sequence token by token. `Translation.predict` asks; it refuses other models.

    Stepping through a target gives the same as `forward(source, target_in)` on the whole of it.
    """

    def encode(self, source: Int[Tensor, "batch source"]) -> Memory:
        """What writing needs of each source."""

    def start(self, memory: Memory) -> State:
        """The state of one sequence for each row of the memory, before its first token."""

    def step(
        self, tokens: Int[Tensor, " batch"], memory: Memory, state: State
    ) -> tuple[Float[Tensor, "batch vocabulary"], Float[Tensor, "batch source"], State]:
        """After one more token of each sequence: the logits of the next one, how much each source token was looked at (sums
        to 1), and the new state."""


@runtime_checkable
class ShowsAttention(Protocol):
    """Says which source tokens it looks at. The report of a translation asks; other models get no such picture."""

    def attention(
        self, source: Int[Tensor, "batch source"], target_in: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target source"]:
        """How much it looks at each source token while it writes the token after each of `target_in`; rows sum to 1."""


@runtime_checkable
class HasReach(Protocol):
    """Knows how far its outputs look. `AnomalyDetection` asks, to score a long series in pieces; others see it whole."""

    @property
    def reach(self) -> tuple[int, int]:
        """How many time steps before and after its own an output depends on."""


@runtime_checkable
class HasTotalStride(Protocol):
    """Works in strides, so that a piece of a series must start at a multiple of them. Asked with `HasReach`; 1 without it.

    Attributes:
        total_stride: the product of all strides, in time steps
    """

    total_stride: int


@runtime_checkable
class ComputesInParts(Protocol):
    """Limits its own memory. `Detection.predict` asks; other models compute a batch at once."""

    def in_parts(self, **inputs: Any) -> Iterator[Any]:
        """Takes the arguments of `forward`. Gives its output in parts, which joined along the batch are that of `forward`."""


@runtime_checkable
class HasExportedForm(Protocol):
    """Is exported in another form, because exporters do not take its inputs (sparse matrices). `export` asks; other models are
    exported as they are."""

    def exported(self, inputs: dict[str, Any]) -> tuple[nn.Module, dict[str, Tensor]]:
        """Takes the arguments of `forward`. Gives a module and its arguments, tensors only; its output is that of `forward`."""


@runtime_checkable
class HasReceptiveFields(Protocol):
    """Counts its own receptive fields. `describe` asks; it measures those of other models, which needs an input that is a grid
    or a sequence."""

    def receptive_fields(self, inputs: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """Takes the arguments of `forward` for one example. Gives by a layer's name how many positions along each axis of the
        input (of a graph: how many nodes) one of the layer's values depends on."""


@runtime_checkable
class HasVectors(Protocol):
    """Gives users and items vectors. The report of a recommender asks, to show which items lie together."""

    def vectors(self) -> Float[Tensor, "users_and_items size"]:
        """The final vectors, users first; a score is the inner product of two."""


@runtime_checkable
class HasPillars(Protocol):
    """Makes a map of a point cloud's pillars. The report of a detector asks, to draw it."""

    def pillars(self, **inputs: Any) -> tuple[Float[Tensor, "batch channels rows columns"], Tensor]:
        """Takes the arguments of `forward`. Gives the features of each pillar, rows along y, columns along x, 0 where there is
        no point; and the height of the ground at each cell of the output."""


@runtime_checkable
class HasOwnDecay(Protocol):
    """A layer whose own weights get another weight decay. The optimizer asks each module; 1 without it.

    Attributes:
        decay: the part of the recipe's weight decay that the weights of this module get, but not those of its submodules
    """

    decay: float


@runtime_checkable
class DrawsNumbers(Protocol):
    """A layer with a random generator of its own. Training seeds it, and checkpoints keep its state."""

    def seed(self, seed: int) -> None:
        """Begin anew; equal seeds draw equal numbers."""

    def random_state(self) -> dict[str, Any]:
        """The generator's state, as plain values that JSON takes."""

    def load_random_state(self, state: dict[str, Any]) -> None:
        """Take back what `random_state` gave: the numbers that follow are those that followed then."""


@runtime_checkable
class DescribesItself(Protocol):
    """A layer that says what it does. `describe` asks, and shows it as one layer, without its parts."""

    def in_words(self) -> str:
        """One or two sentences, with a full stop."""
