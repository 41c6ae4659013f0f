"""What the trainer tells its listeners."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Started:
    """Training begins or resumes.

    Attributes:
        step: number of steps already done
        total_steps: steps of the whole training
        steps_per_epoch: steps of one pass over the training split
        batch_size: examples in a step, over all processes
    """

    step: int
    total_steps: int
    steps_per_epoch: int
    batch_size: int


@dataclass(frozen=True)
class Progressed:
    """A step is done.

    Attributes:
        step: its number, from 1
        losses: the task's losses of this step, by name
    """

    step: int
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Scored:
    """The validation split is scored.

    Attributes:
        step: number of steps done
        epoch: the same in passes over the training split
        values: by name, the mean losses since the last validation, the scores and the learning rate
        is_best: whether this is the best score so far
        seconds: training time so far
    """

    step: int
    epoch: float
    values: Mapping[str, float]
    is_best: bool
    seconds: float


@dataclass(frozen=True)
class Ended:
    """Training is over.

    Attributes:
        step: number of steps done
        seconds: training time
    """

    step: int
    seconds: float


Event = Started | Progressed | Scored | Ended


@runtime_checkable
class Listener(Protocol):
    """What the trainer calls with each event: a function, or an object with `__call__`."""

    def __call__(self, event: Event, /) -> None:
        """Take note of an event.

        Args:
            event: `Started`, `Progressed`, `Scored` or `Ended`
        """
