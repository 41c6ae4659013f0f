"""Device, precision, processes and random states, over plain torch and torch.distributed."""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from convzoo.core.errors import ConvzooError, TrainingError
from convzoo.core.processes import all_reduce, broadcast, gather_objects
from convzoo.training.bf16 import fast_at_bf16
from convzoo.training.choice import choose_device
from convzoo.training.memory import keep_freed_memory

Made = TypeVar("Made")

_AUTOCAST = {"bf16": torch.bfloat16, "16": torch.float16}


@dataclass(frozen=True)
class Devices:
    """The device and precision of this process, its number (`rank`) and the number of processes (`world`)."""

    device: torch.device
    precision: str
    rank: int = 0
    world: int = 1

    @classmethod
    def open(cls, device: str, precision: str) -> "Devices":
        """Choose the device and, under torchrun or SLURM, join the other processes.

        Raises:
            TrainingError: this machine does not have the device, or the device does not have the precision.
        """
        keep_freed_memory()
        rank, world = _environment()
        if world > 1 and not distributed.is_initialized():
            on_cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
            distributed.init_process_group("nccl" if on_cuda else "gloo", rank=rank, world_size=world)
        chosen = choose_device(device, int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", 0))))
        if precision == "auto":
            # This is a measurement, so processes could disagree: the main process decides for all.
            precision = gather_objects("bf16" if fast_at_bf16(chosen) else "32")[0]
        if precision == "64" and chosen.type == "mps":
            raise TrainingError("train.precision: 64 is not possible on mps; use 32, or train.device: cpu")
        return cls(chosen, precision, rank, world)

    @property
    def is_main(self) -> bool:
        """True on rank 0, the only process that writes files."""
        return self.rank == 0

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights and of the encoder's tensors."""
        return torch.float64 if self.precision == "64" else torch.float32

    def autocast(self) -> AbstractContextManager:
        """Lower precision for the forward pass, in the operations where it is safe."""
        if self.precision not in _AUTOCAST:
            return nullcontext()
        return torch.autocast(self.device.type, _AUTOCAST[self.precision])

    def memory_format(self, model: nn.Module) -> torch.memory_format:
        """Channels-last if the model has 2-D or 3-D convolutions: it was measured to be faster on the CPU and on tensor cores."""
        kinds = ((nn.Conv3d, torch.channels_last_3d), (nn.Conv2d, torch.channels_last))
        found = [layout for kind, layout in kinds if any(isinstance(module, kind) for module in model.modules())]
        return found[0] if found and self.device.type != "mps" else torch.preserve_format

    def sum(self, *numbers: float) -> list[float]:
        """Each number summed over all processes."""
        if self.world == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        all_reduce(total)
        return total.tolist()

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum gradients over all processes, in one message for each data type."""
        if self.world == 1:
            return
        groups: dict[torch.dtype, list[nn.Parameter]] = {}
        for parameter in parameters:
            if parameter.requires_grad:
                groups.setdefault(parameter.dtype, []).append(parameter)
        for group in groups.values():
            gradients = []
            for parameter in group:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            all_reduce(flat)
            # Copied into place: fused optimizers expect that a gradient has the memory layout of its weight.
            for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view(gradient.shape))

    def same(self, tensors: Iterable[Tensor]) -> None:
        """Copy the main process's tensors to all processes (weights at the start, statistics of norms before scoring)."""
        if self.world > 1:
            for tensor in tensors:
                broadcast(tensor)

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, in the order of the processes."""
        return gather_objects(value)

    def from_main(self, make: Callable[[], Made]) -> Made:
        """What the main process makes, in every process; if it fails there, it fails everywhere.

        Raises:
            ConvzooError: of the main process.
        """
        made: Any = None
        error: ConvzooError | None = None
        if self.is_main:
            try:
                made = make()
            except ConvzooError as caught:
                error = caught
        made, error = self.gather((made, error))[0]
        if error is not None:
            raise error
        return made

    def close(self) -> None:
        """Leave the process group."""
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _environment() -> tuple[int, int]:
    """(rank, world) from torchrun's variables, else from SLURM's."""
    if "WORLD_SIZE" in os.environ:
        return int(os.environ.get("RANK", 0)), int(os.environ["WORLD_SIZE"])
    if int(os.environ.get("SLURM_NTASKS", 1)) > 1 and "SLURM_PROCID" in os.environ:
        if "MASTER_ADDR" not in os.environ:
            raise TrainingError(
                "several SLURM tasks need MASTER_ADDR, the name of the first node; or start torchrun on each"
            )
        os.environ.setdefault("MASTER_PORT", "29500")
        return int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
    return 0, 1
