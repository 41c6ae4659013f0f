"""What the report of a run shows of one kind of example."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.task import Task


@dataclass(frozen=True)
class Material:
    """What the sections are made from.

    Attributes:
        model: with its best weights, on the CPU
        encoder: fitted
        examples: the test split
        predictions: one row for each example
        scores: by competitor, its scores; the first is this network's
    """

    model: nn.Module
    encoder: Encoder
    examples: Sequence[Any]
    predictions: Sequence[Mapping[str, Any]]
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A heading and the HTML below it."""

    title: str
    html: Any


@dataclass(frozen=True)
class Panel:
    """One of the tabs of the gallery: a title, a sentence, and HTML."""

    title: str
    about: str
    html: str


@dataclass(frozen=True)
class Slices:
    """The test examples divided by something that may make them hard: their length, their speaker, their distance.

    Attributes:
        title: what divides them: `length`
        about: a sentence of what the table shows
        groups: by name, the positions of their rows in `Material.predictions`, in the order in which they are shown
    """

    title: str
    about: str
    groups: Mapping[str, Sequence[int]]


class Pages:
    """What a report shows of one kind of example; the registry says which class is for which kind.

    A kind without pages of its own gets this class: an example is shown as its `repr`.

    Attributes:
        plural: what examples of this kind are called
        card_size: of the cards of the gallery: empty, `wide` or `full`
        stand_in_all_splits: whether the same examples stand in several splits (users, of whom each split holds other items)
    """

    plural: ClassVar[str] = "examples"
    card_size: ClassVar[str] = ""
    stand_in_all_splits: ClassVar[bool] = False

    def picture(self, example: Any) -> str:
        """An example as HTML that needs no other file."""
        return f"<code>{html.escape(repr(example)[:300])}</code>"

    def explained(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        """The picture of a test example in the gallery, with what made the network say so, where that can be shown.

        Args:
            row: of `material.predictions`; `index` is the position of its example
        """
        return self.picture(material.examples[int(row["index"])])

    def shown(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        """What `explained` gives, or the plain picture where that fails: an encoder of one's own may refuse an example that was
        changed to see what it does, and a finished run must have its page."""
        try:
            return self.explained(task, material, row)
        except Exception:
            return f'<div class="body quote">{self.picture(material.examples[int(row["index"])])}</div>'

    def legend(self, task: Task, material: Material) -> str:
        """HTML above the gallery: what is shown, and what its colours mean."""
        return ""

    def title(self, task: Task, material: Material, count: int) -> str:
        """The question that the page answers, and the data: `What is wrong, and when? 6 pumps`. Empty: the task knows one.

        Args:
            count: of the examples in all splits
        """
        return ""

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """Panels of examples, for tasks that no general gallery knows (classes, numbers, labels)."""
        return []

    def cases(self, task: Task, material: Material) -> list[float]:
        """The main score of each test example, to show single cases where there are too few for an interval."""
        return []

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By what the test examples are divided to see where the network is right."""
        return []

    def sections(self, task: Task, material: Material) -> list[Section]:
        """More of where it is right, besides what every classification, regression or labelling has."""
        return []

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """HTML that draws, on a real example, how much of the input one output depends on; empty where that cannot be drawn.

        Args:
            sees: the largest receptive field of the layers, along each axis
        """
        return ""

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Any]) -> str:
        """HTML that shows what the first layer's kernels look for; empty if there is nothing to show.

        Args:
            model: with its best weights, on the CPU
            encoder: fitted
            examples: some examples of the test split, at least one
        """
        return ""

    def data(self, material: Material) -> str:
        """HTML about the data, below the list of what was read: lengths, sizes, columns."""
        return ""
