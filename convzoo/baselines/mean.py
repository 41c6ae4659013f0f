"""The naive opponent for numbers: always the mean."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from convzoo.core.arguments import LabelType
from convzoo.core.baseline import Baseline


class Mean(Baseline):
    """Gives every example the mean of the training split."""

    label_type: ClassVar[LabelType] = "number"

    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        """The mean is the encoder's: in its standardised units it is 0."""

    def outputs(self, examples: Sequence[Any]) -> Tensor:
        """(examples, 1), zeros."""
        return torch.zeros(len(examples), 1)
