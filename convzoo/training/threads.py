"""How many threads a run computes with on the CPU.

OpenMP's threads wait by spinning. On an idle machine all cores are fastest; on one that other processes use too, threads that
spin wait for threads that do not run, and a step takes many times as long as with a single thread. So a few steps are timed at
the start with each number of threads, and the fastest is used. Results depend on the number of threads in their last bits, so it
is stored in the run, and a resumed run uses the same one.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from convzoo.core.batch import Batch
from convzoo.training.random_states import load_random_states, random_states
from convzoo.training.trainer import Trainer

_AT_IMPORT = torch.get_num_threads()

SECONDS = 2.0
"""The trial ends after about this time, at the latest after one step with each number of threads."""
ADVANTAGE = 0.95
"""More threads are used only if a step takes at most this part of the time: they disturb other processes."""


@contextmanager
def kept_threads() -> Iterator[None]:
    """Inside this context the number of threads may be changed; afterwards it is what it was before."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def use_threads(trainer: Trainer, chosen: int | Literal["auto"], earlier: int | None = None) -> int:
    """Set the number of threads for a run, and return it.

    Args:
        trainer: before its first step; the trial changes neither its weights nor its random numbers
        chosen: the recipe's `train.threads`
        earlier: of the run that is resumed
    """
    if chosen == "auto" and earlier is not None and not _set_by_user():
        chosen = earlier
    if chosen == "auto":
        chosen = (
            torch.get_num_threads() if _set_by_user() or trainer.devices.device.type != "cpu" else _fastest(trainer)
        )
    torch.set_num_threads(chosen)
    return chosen


def _set_by_user() -> bool:
    """Whether the environment or the calling program chose a number, which is then kept."""
    named = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY")
    return any(name in os.environ for name in named) or torch.get_num_threads() != _AT_IMPORT


def gradient(trainer: Trainer, batches: list[Batch]) -> None:
    """The forward and the backward pass of a step, without the step itself."""
    trainer.model.train()
    for batch in batches:
        batch = trainer.place(batch)
        with trainer.devices.autocast():
            terms = trainer.task.losses(trainer.model(**batch.inputs), batch.target)
        sum(terms.values()).backward()  # type: ignore[union-attr]


def _fastest(trainer: Trainer) -> int:
    most = torch.get_num_threads()
    candidates = sorted({most, max(1, most // 2), 1}, reverse=True)
    if len(candidates) == 1:
        return most
    # At most a fiftieth of the training is spent on the trial, and at least one step with each number.
    rounds = min(10, max(1, trainer.total_steps // (50 * len(candidates))))
    batches = next(trainer.train.steps(0))
    states = random_states(trainer.model)
    buffers = [buffer.clone() for buffer in trainer.model.buffers()]
    # Sums, not the best of each: on a busy machine a step with several threads is fast now and then.
    times = dict.fromkeys(candidates, 0.0)
    began = time.perf_counter()
    try:
        gradient(trainer, batches)  # the first step of all is slower: memory is reserved, kernels are chosen
        for _ in range(rounds):
            for count in candidates:
                torch.set_num_threads(count)
                start = time.perf_counter()
                gradient(trainer, batches)
                times[count] += time.perf_counter() - start
            if time.perf_counter() - began > SECONDS:
                break
    finally:
        torch.set_num_threads(most)
        trainer.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, kept in zip(trainer.model.buffers(), buffers, strict=True):
                buffer.copy_(kept)
        load_random_states(trainer.model, states)
    best = candidates[-1]
    for count in reversed(candidates[:-1]):
        if times[count] < ADVANTAGE * times[best]:
            best = count
    return best
