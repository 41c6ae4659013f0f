"""What a recogniser that hears everything gives."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convzoo.core.outputs.transcripts import Transcripts
from convzoo.core.task import Task


def perfect(task: Task, target: Mapping[str, Any]) -> Transcripts:
    """The true transcripts, all of them certain."""
    references = target["references"]
    losses = np.stack([np.zeros(len(references)), target["lengths"].numpy()], axis=1)
    return Transcripts([[text] for text in references], [[] for _ in references], [[0.0] for _ in references], losses)
