"""What a tagger that finds everything gives."""

from collections.abc import Mapping
from typing import Any

from convzoo.core.outputs.spans import Spans
from convzoo.core.task import Task


def perfect(task: Task, target: Mapping[str, Any]) -> Spans:
    """The true entities, all of them sure."""
    texts = target["texts"]
    return Spans([text.spans for text in texts], [[1.0] * len(text.spans) for text in texts], texts)
