"""Long inputs in overlapping pieces, to limit memory. Pieces overlap by the receptive field, so the result is the same."""

from collections.abc import Callable

import torch
from torch import Tensor


def in_pieces(function: Callable[[Tensor], Tensor], values: Tensor, reach: tuple[int, int], piece: int) -> Tensor:
    """`function(values)`, computed piece by piece along the last dimension.

    Args:
        function: keeps the last dimension; an output depends only on inputs within `reach`
        values: (batch, channels, time)
        reach: number of steps before and after its own step that an output depends on
        piece: steps of a piece; it and the first number of `reach` must be multiples of every stride inside `function`
    """
    time = values.shape[-1]
    if time <= piece:
        return function(values)
    before, after = reach
    done = []
    for start in range(0, time, piece):
        first = max(0, start - before)
        part = function(values[..., first : min(time, start + piece + after)])
        done.append(part[..., start - first : min(time, start + piece) - first])
    return torch.cat(done, dim=-1)
