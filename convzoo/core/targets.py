"""How labels become tensors, for every encoder of labelled examples."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import LabelType
from convzoo.core.errors import DataError
from convzoo.core.labels import Label, Labels, Tags

Target = int | float | np.ndarray


class Targets:
    """What the labels of a training split are, and each label as a target. The type of the labels says what they are.

    | `label_type` | a label | its target | unlabelled |
    |---|---|---|---|
    | class | text | the number of the class, int64 | -1 |
    | number | a float | $(y - \\text{mean}) / \\text{deviation}$, float32 | NaN |
    | classes | a tuple of text | (labels,) of 0 and 1, float32 | a row of NaN |

    Args:
        label_type: what a label is
        names: the classes in their order; empty for numbers
        counts: how many training examples each class has
        examples: how many training examples have a label
        mean: of the training split's numbers
        deviation: their standard deviation
    """

    def __init__(
        self,
        label_type: LabelType = "class",
        names: Iterable[str] = (),
        counts: Iterable[int] = (),
        examples: int = 0,
        mean: float = 0.0,
        deviation: float = 1.0,
    ) -> None:
        self.label_type: LabelType = label_type
        self.labels = Labels(names)
        self.counts = tuple(counts)
        self.examples = examples
        self.mean = mean
        self.deviation = deviation

    @classmethod
    def of(cls, labels: Iterable[Label | None]) -> "Targets":
        """Learn from the labels of a training split.

        Raises:
            DataError: there are fewer than two classes or two different numbers, or no name at all.
        """
        found = [label for label in labels if label is not None]
        if any(isinstance(label, Tags) for label in found):
            raise DataError("the labels are sequences of tags, which this encoder does not take")
        if any(isinstance(label, float) for label in found):
            return cls._numbers(found)
        if any(isinstance(label, tuple) for label in found):
            return cls._several(found)
        classes = Labels.of(found)  # type: ignore[arg-type]
        counts = Counter(found)
        return cls("class", classes.names, [counts[name] for name in classes.names], len(found))

    @classmethod
    def _numbers(cls, found: Sequence[Any]) -> "Targets":
        values = np.array(found, dtype=np.float64)
        if len(set(found)) < 2:
            raise DataError(f"all labels of the training split are {found[0]:g}; a regression needs different numbers")
        return cls("number", examples=len(found), mean=float(values.mean()), deviation=float(values.std()))

    @classmethod
    def _several(cls, found: Sequence[Any]) -> "Targets":
        counts = Counter(name for label in found for name in set(label))
        if not counts:
            raise DataError("no example of the training split has a label; fill the column of labels")
        names = sorted(counts)
        return cls("classes", names, [counts[name] for name in names], len(found))

    def target(self, label: Label | None, source: str) -> Target:
        """The target of one label.

        Args:
            label: None if unlabelled
            source: where the example comes from, for errors

        Raises:
            DataError: the label is of another kind than in training, or is a class that the training split does not have.
        """
        if self.label_type == "class" and (label is None or isinstance(label, str)):
            return self.labels.number(label, source)
        if self.label_type == "number" and (label is None or isinstance(label, float)):
            return math.nan if label is None else (label - self.mean) / self.deviation
        if self.label_type == "classes" and (label is None or isinstance(label, tuple)):
            row = np.full(len(self.labels), np.nan if label is None else 0.0, np.float32)
            row[[self.labels.number(name, source) for name in label or ()]] = 1
            return row
        wanted = {"class": "a class", "number": "a number", "classes": "several classes"}[self.label_type]
        raise DataError(f"{source}: the label is {label!r}; in training each was {wanted}")

    def unlabelled(self) -> Target:
        """The target of an example without a label."""
        return self.target(None, "")

    def batch(self, targets: Sequence[Target]) -> Tensor:
        """The targets of a batch: (batch,), or (batch, labels) for several classes."""
        if self.label_type == "class":
            return torch.tensor(targets, dtype=torch.int64)
        return torch.from_numpy(np.asarray(targets, dtype=np.float32))

    @property
    def dims(self) -> Mapping[str, Any]:
        """`classes`, the number of outputs; for classes `labels`, `counts` and `examples`, for numbers `mean` and `deviation`."""
        if self.label_type == "number":
            return {"classes": 1, "labels": (), "mean": self.mean, "deviation": self.deviation}
        return {
            "classes": len(self.labels),
            "labels": self.labels.names,
            "counts": self.counts,
            "examples": self.examples,
        }

    def state(self) -> dict[str, Any]:
        """What was learnt, under names that no encoder uses for something else."""
        return {
            "labels": list(self.labels.names),
            "label_type": self.label_type,
            "label_counts": list(self.counts),
            "label_examples": self.examples,
            "label_mean": self.mean,
            "label_deviation": self.deviation,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Targets":
        """Restore what `state` gave. Runs of former versions have `labels` only."""
        return cls(
            state.get("label_type", "class"),
            state["labels"],
            state.get("label_counts", ()),
            state.get("label_examples", 0),
            state.get("label_mean", 0.0),
            state.get("label_deviation", 1.0),
        )
