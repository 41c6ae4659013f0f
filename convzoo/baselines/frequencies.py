"""The naive opponent for several labels at once: how frequent each label is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from convzoo.core.arguments import LabelType
from convzoo.core.baseline import Baseline


class Frequencies(Baseline):
    """Gives every example the fraction of training examples that have each label."""

    label_type: ClassVar[LabelType] = "classes"

    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        """Count the labels."""
        counts = Counter(name for example in examples for name in set(example.label))
        fractions = torch.tensor([counts[name] / len(examples) for name in dims["labels"]], dtype=torch.float32)
        self.logits = fractions.clamp(1e-6, 1 - 1e-6).logit()

    def outputs(self, examples: Sequence[Any]) -> Tensor:
        """(examples, labels), the same row for each."""
        return self.logits.expand(len(examples), -1)
