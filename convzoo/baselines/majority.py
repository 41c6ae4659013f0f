"""The naive opponent: always the most frequent class."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convzoo.core.baseline import Baseline


class Majority(Baseline):
    """Gives every example the frequencies of the classes in training, so it predicts the most frequent class."""

    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        """Count the classes."""
        counts = Counter(example.label for example in examples)
        frequencies = torch.tensor([counts[label] for label in dims["labels"]], dtype=torch.float32)
        self.logits = (frequencies / frequencies.sum()).clamp(min=1e-9).log()

    def outputs(self, examples: Sequence[Any]) -> Tensor:
        """(examples, classes), the same row for each."""
        return self.logits.expand(len(examples), -1)
