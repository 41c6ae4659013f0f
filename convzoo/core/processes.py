"""Sums and collections over the processes of a run, for meters. With one process they return what they get."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor

from convzoo.core.errors import TrainingError


def sum_over_processes(tensor: Tensor) -> Tensor:
    """The tensor summed over all processes."""
    if not _together():
        return tensor
    return torch.stack(gather_objects(tensor)).sum(dim=0)


def gather_all(tensor: Tensor) -> Tensor:
    """The tensors of all processes, joined along the first dimension; they may differ in length."""
    return torch.cat(gather_objects(tensor)) if _together() else tensor


def gather_objects(value: Any) -> list[Any]:
    """Every process's value, in the order of the processes."""
    if not _together():
        return [value]
    gathered: list[Any] = [None] * distributed.get_world_size()
    with reaching_others():
        distributed.all_gather_object(gathered, value)
    return gathered


def all_reduce(tensor: Tensor) -> None:
    """Sum a tensor over all processes, in place."""
    with reaching_others():
        distributed.all_reduce(tensor)


def broadcast(tensor: Tensor) -> None:
    """Copy the main process's tensor to all processes, in place."""
    with reaching_others():
        distributed.broadcast(tensor.detach(), 0)


class LostProcess(TrainingError):
    """Another process of the run has ended, so that this one cannot go on."""


_LOST = re.compile(r"(?i)connection (closed|reset|refused)|broken pipe|socket|timed? ?out|recv|remote (process|worker)")
"""What gloo, NCCL and torch's store say in one of their ways where a process is not there any more."""


@contextmanager
def reaching_others() -> Iterator[None]:
    """Inside this context the processes of a run exchange something.

    Raises:
        LostProcess: one of them has ended.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if not _LOST.search(str(error)):
            raise
        world, rank = distributed.get_world_size(), distributed.get_rank()
        other = f"process {1 - rank}" if world == 2 else f"one of the other {world - 1} processes"
        raise LostProcess(f"{other} has ended (this is process {rank}); its own last line says why") from None


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
