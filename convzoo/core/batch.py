"""What flows from the encoder through the model to the task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Tensors for one step.

    Attributes:
        inputs: keyword arguments of the model's `forward`.
        target: what the task compares the outputs with; the trainer does not look inside.
        size: the number of things that the losses are means over (examples, tokens, voxels). It is the weight of this batch
            when a step has several batches.
    """

    inputs: dict[str, Any]
    target: Any
    size: int

    def to(
        self,
        device: torch.device,
        dtype: torch.dtype | None = None,
        memory_format: torch.memory_format = torch.preserve_format,
    ) -> "Batch":
        """The same batch on `device`, with floating-point tensors as `dtype` and images in `memory_format`."""

        def move(value: Any) -> Any:
            if isinstance(value, Tensor):
                wanted = dtype if dtype is not None and value.is_floating_point() else value.dtype
                if value.device != device or value.dtype != wanted:
                    value = value.to(device=device, dtype=wanted, non_blocking=True)
                fits = (memory_format == torch.channels_last and value.ndim == 4) or (
                    memory_format == torch.channels_last_3d and value.ndim == 5
                )
                return value.contiguous(memory_format=memory_format) if fits else value
            if isinstance(value, Mapping):
                return {key: move(item) for key, item in value.items()}
            if isinstance(value, tuple | list):
                if value and isinstance(value[0], str):  # names: nothing to move, and there may be many
                    return value
                return type(value)(move(item) for item in value)
            if hasattr(value, "to"):  # a graph or a sparse matrix, which has its own way to move
                return value.to(device, dtype)
            return value

        return Batch(move(self.inputs), move(self.target), self.size)
