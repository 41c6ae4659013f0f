"""What the report of a run shows of one kind of example."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """

    model: nn.Module
    encoder: Encoder
    examples: Sequence[Any]
    predictions: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Section:
    """A heading and the HTML below it."""

    title: str
    html: Any


class Pages:
    """What a report shows of one kind of example; the registry says which class is for which kind.

    A kind without pages of its own gets this class: an example is shown as its `repr`.

    Attributes:
        plural: what examples of this kind are called
    """

    plural: ClassVar[str] = "examples"

    def picture(self, example: Any) -> str:
        """An example as HTML that needs no other file."""
        return f"<code>{html.escape(repr(example)[:300])}</code>"

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Any]) -> str:
        """HTML that shows what the first layer's kernels look for; empty if there is nothing to show.

        Args:
            model: with its best weights, on the CPU
            encoder: fitted
            examples: some examples of the test split, at least one
        """
        return ""

    def sections(self, task: Task, material: Material) -> list[Section]:
        """What the page shows of the predictions, besides the sections that every classification has."""
        return []
