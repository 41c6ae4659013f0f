"""What opponents from scikit-learn share that predict a number."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import LabelType
from convzoo.core.baseline import Baseline
from convzoo.ops.moments import evenly_spaced

PENALTIES = tuple(10.0**power for power in range(-2, 6))
"""The penalties of a ridge regression that are tried."""

HELD_OUT = 5
"""One example of this many is held out to choose the penalty."""


def standardised(examples: Sequence[Any], dims: Mapping[str, Any]) -> np.ndarray:
    """The numbers of examples in the units that the encoder gives to the task: mean 0, deviation 1."""
    return (np.array([example.label for example in examples], dtype=np.float64) - dims["mean"]) / dims["deviation"]


def fitted_ridge(features: Any, numbers: np.ndarray) -> Any:
    """A ridge regression (Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634). The penalty is the one with the smallest
    error on a fifth of the examples, which is held out for that; then all examples are learnt from.

    Args:
        features: (examples, features), an array or a sparse matrix
        numbers: (examples,)
    """
    from sklearn.linear_model import Ridge

    held = np.random.default_rng(0).permutation(len(numbers)) % HELD_OUT == HELD_OUT - 1
    penalty = PENALTIES[len(PENALTIES) // 2]
    if held.any():
        errors = [
            np.square(Ridge(value).fit(features[~held], numbers[~held]).predict(features[held]) - numbers[held]).mean()
            for value in PENALTIES
        ]
        penalty = PENALTIES[int(np.argmin(errors))]
    return Ridge(penalty).fit(features, numbers)


def as_outputs(numbers: np.ndarray) -> Tensor:
    """(examples, 1), as a regression without intervals gives them."""
    return torch.from_numpy(np.asarray(numbers, np.float32)[:, None])


class FeatureRegressor(Baseline):
    """A regression of scikit-learn on features of the examples.

    Attributes:
        max_examples: the largest number of training examples that are used, evenly spaced; None for all
    """

    label_type: ClassVar[LabelType] = "number"
    max_examples: int | None = None

    @abstractmethod
    def features(self, examples: Sequence[Any]) -> np.ndarray:
        """(examples, features)."""

    def fitted(self, features: np.ndarray, numbers: np.ndarray) -> Any:
        """A regression that has learnt from standardised features: by default a ridge."""
        return fitted_ridge(features, numbers)

    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        """Learn from the training split."""
        from sklearn.preprocessing import StandardScaler

        if self.max_examples is not None:
            examples = [examples[index] for index in evenly_spaced(len(examples), self.max_examples)]
        features = np.asarray(self.features(examples), np.float64)
        self.scaler = StandardScaler().fit(features)
        self.machine = self.fitted(self.scaler.transform(features), standardised(examples, dims))

    def outputs(self, examples: Sequence[Any]) -> Tensor:
        """(examples, 1), standardised numbers."""
        return as_outputs(self.machine.predict(self.scaler.transform(np.asarray(self.features(examples), np.float64))))
