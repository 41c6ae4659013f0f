"""Sums and collections over the processes of a run, for meters. With one process they return what they get."""

from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor


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
    distributed.all_gather_object(gathered, value)
    return gathered


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
