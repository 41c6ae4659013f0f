"""What a model or a layer may offer besides `forward`.

A model is a plain `nn.Module`, and nothing here is required: each protocol says who uses it and what happens without it. A model
has the method or attribute itself; it does not inherit from these classes. Define methods on the class: from Python 3.12 on,
`isinstance` does not find a submodule of that name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

Memory = Mapping[str, Tensor]
"""What the model keeps of its source sequences: tensors whose first axis is the source."""

State = Mapping[str, Tensor]
"""What the model keeps of its unfinished sequences: tensors whose first axis is the sequence."""


@runtime_checkable
class StreamFollower(Protocol):
    """Follows a series while it is measured. `AnomalyDetection.follow` (`predict RUN -`) uses it, and refuses other models.

    Stepping through a series, one time step or many at a time, gives the same as `forward` on the whole of it.
    """

    def start(self, batch: int = 1) -> Any:
        """The state of `batch` streams before their first time step; the model decides what this state is."""

    def step(
        self, values: Float[Tensor, "batch channels time"], state: Any
    ) -> tuple[Float[Tensor, "batch channels time"], Any]:
        """For the next time steps of each stream: the values that the model expected, and the state after them."""


@runtime_checkable
class HistoryFollower(Protocol):
    """Follows the histories of units row by row. `ByRow.follow` (`predict RUN -`) uses it, and refuses other models.

    Advancing through a history, one row or many at a time, gives the same as `forward` on the whole of it.
    """

    def begin(self, batch: int = 1) -> Any:
        """The state of `batch` histories before their first row; the model decides what this state is."""

    def advance(self, inputs: Mapping[str, Tensor], state: Any) -> tuple[Float[Tensor, "batch time outputs"], Any]:
        """Takes the arguments of `forward` for the next rows of each history, but for their lengths. Gives the answers at these
        rows, and the state after them."""


@runtime_checkable
class TokenWriter(Protocol):
    """Writes a sequence token by token. `Translation.predict` uses it, and refuses other models.

    Stepping through a target gives the same as `forward(source, target_in)` on the whole of it.
    """

    def encode(self, source: Int[Tensor, "batch source"]) -> Memory:
        """What `step` needs of each source."""

    def start(self, memory: Memory) -> State:
        """The state before the first token, one sequence for each row of the memory."""

    def step(
        self, tokens: Int[Tensor, " batch"], memory: Memory, state: State
    ) -> tuple[Float[Tensor, "batch vocabulary"], Float[Tensor, "batch source"], State]:
        """After one more token of each sequence: the logits of the next token, the attention on each source token (sums to
        1), and the new state."""


@runtime_checkable
class ShowsAttention(Protocol):
    """Says which source tokens it attends to. The report of a translation uses it; other models get no such picture."""

    def attention(
        self, source: Int[Tensor, "batch source"], target_in: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target source"]:
        """The attention on each source token while the model writes the token after each of `target_in`; rows sum to 1."""


@runtime_checkable
class MapsClasses(Protocol):
    """Says how much each step of a series speaks for each class. The report of classified series draws it; other models get no
    such picture.

    Attributes:
        maps_classes: whether it does; not with every kind of pooling
    """

    maps_classes: bool

    def class_map(
        self, series: Float[Tensor, "batch channels time"], mask: Any = None
    ) -> Float[Tensor, "batch classes time"]:
        """Takes the arguments of `forward`. Of one network, the mean over the steps that count differs from its logits by a
        constant for each class."""


@runtime_checkable
class HasReach(Protocol):
    """Knows how far its outputs look. `AnomalyDetection` uses it to score a long series in pieces; other models get the whole
    series at once."""

    @property
    def reach(self) -> tuple[int, int]:
        """An output depends on this many time steps before its own time step, and on this many after it."""


@runtime_checkable
class HasTotalStride(Protocol):
    """Has strides, so that a piece of a series must start at a multiple of them. Used with `HasReach`; 1 without it.

    Attributes:
        total_stride: the product of all strides, in time steps
    """

    total_stride: int


@runtime_checkable
class ComputesInParts(Protocol):
    """Limits its own memory. `Detection.predict` uses it; other models compute a batch at once."""

    def in_parts(self, **inputs: Any) -> Iterator[Any]:
        """Takes the arguments of `forward`. Gives the output in parts: joined along the batch, they are that of `forward`."""


@runtime_checkable
class HasExportedForm(Protocol):
    """Is exported in another form, because exporters do not take its inputs (sparse matrices). `export` uses it; other models
    are exported as they are."""

    def exported(self, inputs: dict[str, Any]) -> tuple[nn.Module, dict[str, Tensor]]:
        """Takes the arguments of `forward`. Gives a module with the same output, and its arguments, which are tensors only."""


@runtime_checkable
class HasReceptiveFields(Protocol):
    """Counts its own receptive fields. `describe` uses it; it measures those of other models, which needs an input that is a
    grid or a sequence."""

    def receptive_fields(self, inputs: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """Takes the arguments of `forward` for one example. Gives the receptive field of each layer, by the layer's name: one of
        its values depends on so many positions along each axis of the input (for a graph: on so many nodes)."""


@runtime_checkable
class HasHops(Protocol):
    """Computes on a graph, and knows how far its outputs look. The report of a graph uses it, to show what one output sees.

    Attributes:
        hops: an output depends on nodes that are at most so many steps away along the edges
    """

    hops: int


@runtime_checkable
class HasVectors(Protocol):
    """Has a vector for each user and item. The report of a recommender uses it, to show which items lie together."""

    def vectors(self) -> Float[Tensor, "users_and_items size"]:
        """The final vectors, users first; a score is the inner product of a user's and an item's vector."""


@runtime_checkable
class HasPillars(Protocol):
    """Makes a map of a point cloud's pillars. The report of a detector draws it."""

    def pillars(self, **inputs: Any) -> tuple[Float[Tensor, "batch channels rows columns"], Tensor]:
        """Takes the arguments of `forward`. Gives the features of each pillar (rows along y, columns along x, 0 for a pillar
        without points), and the height of the ground at each cell of the output."""


@runtime_checkable
class HasOwnDecay(Protocol):
    """A layer whose own weights get another weight decay. `make_optimizer` reads it from each module; 1 without it.

    Attributes:
        decay: the recipe's weight decay is multiplied by this for the module's own weights, not for those of its submodules
    """

    decay: float


@runtime_checkable
class DrawsNumbers(Protocol):
    """A layer with a random generator of its own. Training seeds it before each micro-batch."""

    def seed_generator(self, seed: int) -> None:
        """Restart the generator; equal seeds (64 bits) give equal numbers."""


@runtime_checkable
class DescribesItself(Protocol):
    """A layer that says what it does. `describe` uses it, and shows the layer as one, without its parts."""

    def in_words(self) -> str:
        """One or two sentences, with a full stop."""


@runtime_checkable
class HasContext(Protocol):
    """Reads a spectrogram of any length, and knows how far its outputs look. `Transcription` uses it to compute long recordings
    in pieces, and streams as they arrive; other models get a whole recording at once.

    Attributes:
        context: an output depends on this many frames before its own first frame, and on this many after it
    """

    context: tuple[int, int]
