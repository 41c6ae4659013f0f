"""Sequences of different lengths in one batch: positions that only pad stay zero, so that no output depends on its batch."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from convzoo.core.arguments import Positive


def max_pooled(
    x: Float[Tensor, "batch channels length"], counts: Bool[Tensor, "batch length"], size: Positive, stride: Positive
) -> tuple[Float[Tensor, "batch channels shorter"], Bool[Tensor, "batch shorter"]]:
    """The maximum of each window over the positions that count, and which windows have such a position; the others are zero.

    Windows begin at position 0, and the last one may reach over the end. So a sequence is cut in the same way in every batch.

    Args:
        x: feature maps
        counts: True for positions that count
        size: width of a window
        stride: step between windows, at most the size
    """
    lowest = torch.finfo(x.dtype).min
    # Padded by hand, since exporters and PyTorch differ in what `ceil_mode` does at the end. Pooled as an image of one row:
    # `torch.export` takes the length of `max_pool1d` for a constant.
    filled = F.pad(x.masked_fill(~counts.unsqueeze(1), lowest), (0, size - 1), value=lowest)
    touched = F.pad(counts.to(x.dtype), (0, size - 1))[:, None, None]
    shorter = F.max_pool2d(touched, (1, size), (1, stride))[:, 0, 0].bool()
    pooled = F.max_pool2d(filled.unsqueeze(2), (1, size), (1, stride)).squeeze(2)
    return pooled.masked_fill(~shorter.unsqueeze(1), 0.0), shorter
