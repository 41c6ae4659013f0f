"""Long inputs in pieces that overlap by what a network sees, so that memory is bounded and the result is the whole's."""

from collections.abc import Callable

import torch
from torch import Tensor


def in_pieces(function: Callable[[Tensor], Tensor], values: Tensor, reach: tuple[int, int], piece: int) -> Tensor:
    """`function(values)` along the last dimension, piece by piece.

    Args:
        function: keeps the last dimension; an output depends on inputs within `reach` only
        values: (batch, channels, time)
        reach: how many steps before and after its own an output depends on
        piece: steps of a piece, a multiple of every stride inside `function`, as is the reach before
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
