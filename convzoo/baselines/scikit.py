"""What the opponents from scikit-learn share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def class_numbers(examples: Sequence[Any], dims: Mapping[str, Any]) -> np.ndarray:
    """The classes of examples, numbered as the encoder does."""
    number = {label: index for index, label in enumerate(dims["labels"])}
    return np.array([number[example.label] for example in examples])


def as_logits(probabilities: np.ndarray, present: np.ndarray, classes: int) -> Tensor:
    """Probabilities of the classes that training had to logarithms for all classes."""
    full = np.zeros((len(probabilities), classes), dtype=np.float32)
    full[:, present] = probabilities
    return torch.from_numpy(np.log(np.maximum(full, 1e-9)))


def decision_as_logits(decision: np.ndarray, present: np.ndarray, classes: int) -> Tensor:
    """Decision values (one column for two classes, else one a class) to logits."""
    if decision.ndim == 1:
        decision = np.stack([-decision, decision], axis=1) / 2
    full = np.full((len(decision), classes), decision.min() - 10, dtype=np.float32)
    full[:, present] = decision
    return torch.from_numpy(full)
