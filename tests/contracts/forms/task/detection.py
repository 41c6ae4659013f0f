"""What a detector that finds all objects where they are gives."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convzoo.core.task import Task
from convzoo.metrics.detection import Detections, Found


def perfect(task: Task, target: Mapping[str, Any]) -> Detections:
    """The labelled boxes of the classes to find."""
    frames = []
    for example in target["frames"]:
        kept = [at for at, name in enumerate(example.objects.names) if name in task.labels]
        labels = np.array([task.labels.index(example.objects.names[at]) for at in kept], np.int64)
        frames.append(Found(example.objects.boxes[kept], labels, np.ones(len(kept))))
    return Detections(frames)
