"""What the trainer tells its listeners."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on, at `step` of `total_steps`."""

    step: int
    total_steps: int
    steps_per_epoch: int
    batch_size: int


@dataclass(frozen=True)
class Progressed:
    """A step is done."""

    step: int
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Scored:
    """The validation split is scored. `values` has the mean losses since the last time, the scores and the learning rate."""

    step: int
    epoch: float
    values: Mapping[str, float]
    is_best: bool
    seconds: float


@dataclass(frozen=True)
class Ended:
    """Training is over."""

    step: int
    seconds: float


Event = Started | Progressed | Scored | Ended
Listener = Callable[[Event], None]
