"""What a recipe is: its parts, its training and the scores that it expects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convzoo.core.config import TrainConfig

PART_KEYS = ("data", "encoder", "model", "task")


KEYS = ("about", "modality", *PART_KEYS, "train", "baselines", "with_data", "repeat", "expect", "reference")


WITH_DATA_KEYS = ("encoder", "model", "task", "train", "baselines")
"""The sections that `with_data` may change."""


REFERENCE_KEYS = ("dataset", "metric", "value", "source", "protocol")


KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Part:
    """One of a recipe's parts.

    Attributes:
        name: a registry name, `"file.py:Class"`, `"module:Class"` or a class
        args: its arguments by name
    """

    name: str | type
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """A published result, to compare our score with."""

    dataset: str
    metric: str
    value: float
    source: str
    protocol: str = ""


@dataclass(frozen=True)
class Recipe:
    """What `convzoo run` runs.

    Attributes:
        data: the reader or the generator
        encoder: what turns its examples into tensors
        model: the network
        task: the objective
        train: how it is trained
        baselines: the opponents
        expect: by score (`test/accuracy`), the lowest and the highest value that a correct run gives
        reference: published results, to compare the scores with
        with_data: what changes when `--data` puts a person's own data in the place of the recipe's: settings by section
        repeat: one setting (`data.fold`) and its values; the recipe is run once with each
        name: of the recipe, and of its runs' folders
        about: what it does, in a line
        modality: the kind of data
        folder: of the recipe's file; paths to a user's own parts are relative to it
        origins: where each value came from, by its path
    """

    data: Part
    encoder: Part
    model: Part
    task: Part
    train: TrainConfig = field(default_factory=TrainConfig)
    baselines: tuple[Part, ...] = ()
    expect: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reference: tuple[Reference, ...] = ()
    with_data: Mapping[str, Any] = field(default_factory=dict)
    repeat: Mapping[str, list[Any]] = field(default_factory=dict)
    name: str = "recipe"
    about: str = ""
    modality: str | None = None
    folder: Path = field(default_factory=Path)
    origins: Mapping[KeyPath, str] = field(default_factory=dict)
