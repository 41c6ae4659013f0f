"""What a translator that writes the references gives."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convzoo.core.outputs.translations import PADDING, Translations
from convzoo.core.task import Task


def perfect(task: Task, target: Mapping[str, Any]) -> Translations:
    """The references, with no loss."""
    counts = target["tokens"].ne(PADDING).sum(dim=1).double().numpy()
    losses = np.stack([np.zeros_like(counts), counts, counts], axis=1)
    return Translations([[text] for text in target["references"]], [[0.0]] * len(counts), losses)
