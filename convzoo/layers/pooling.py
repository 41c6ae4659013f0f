"""One pooling layer for 1, 2 and 3 spatial dimensions."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from convzoo.core.arguments import Dimensions, PoolingKind, Positive

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class Pooling(nn.Module):
    r"""Summarise windows of a feature map, or the whole map.

    $x_1 \ldots x_n$ are the values of one channel in a window:

    * `max`: $\max_i x_i$
    * `average`: $\frac{1}{n} \sum_i x_i$
    * `log_sum_exp`: $\frac{1}{r} \log \frac{1}{n} \sum_i e^{r x_i}$ with r learnt, from average (r → 0) to maximum (r → ∞)
      (Pinheiro & Collobert 2015, arXiv:1411.6228, eq. 6)
    * `attention`: $\sum_i a_i x_i$ with $a = \mathrm{softmax}(w \cdot x)$ over the positions
      (as in Lin et al. 2017, arXiv:1703.03130, with one hop)
    * `k_max`: the k largest values in the order of their positions (Kalchbrenner et al. 2014, arXiv:1404.2188); each channel
      becomes k channels.

    Windows are strided (`size`) or adaptive (`output_size`); without both, there is one window, the whole map.

    Args:
        dimensions: spatial dimensions, 1 to 3
        kind: the kind of summary
        size: width of a window in each dimension
        stride: step between windows; by default `size`
        output_size: for adaptive pooling, the number of windows in each dimension
        channels: of the input; needed by `attention`
        k: for `k_max`

    Shape:
        x: (batch, channels, *space); mask: (batch, *space), True for positions that count, only for the whole map.
        output: (batch, channels[*k], *windows); without spatial dimensions if the whole map is pooled.

    Raises:
        ValueError: size and output_size are both given; attention without channels; a mask together with windows.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        kind: PoolingKind = "max",
        size: int | Sequence[int] | None = None,
        stride: int | Sequence[int] | None = None,
        output_size: int | Sequence[int] | None = None,
        channels: int | None = None,
        k: Positive = 2,
    ) -> None:
        super().__init__()
        if size is not None and output_size is not None:
            raise ValueError("give size (windows of that width) or output_size (that many windows), not both")
        if kind not in ("max", "average", "attention", "k_max", "log_sum_exp"):
            raise ValueError(f"no pooling {kind!r}")
        self.dimensions = dimensions
        self.kind = kind
        self.size: Any = _each(size, dimensions) if size is not None else None
        self.stride: Any = (_each(stride, dimensions) if stride is not None else self.size) if self.size else None
        self.output_size = _each(output_size, dimensions) if output_size is not None else None
        self.k = k
        if kind == "attention":
            if channels is None:
                raise ValueError("attention pooling needs the number of channels")
            self.score = nn.Linear(channels, 1, bias=False)
        if kind == "log_sum_exp":
            self.sharpness = nn.Parameter(torch.tensor(1.0))

    @property
    def outputs_per_channel(self) -> int:
        """How many values one channel becomes, in each window."""
        return self.k if self.kind == "k_max" else 1

    def forward(
        self, x: Float[Tensor, "batch channels *space"], mask: Bool[Tensor, "batch *space"] | None = None
    ) -> Float[Tensor, "batch outputs *windows"]:
        """Pool `x`; positions where `mask` is False do not count."""
        if self.size is None and self.output_size is None:
            values = x.flatten(2)
            scores = self.score(values.transpose(1, 2)).squeeze(2) if self.kind == "attention" else None
            return self._whole(values, scores, mask.flatten(1) if mask is not None else None).flatten(1)
        if mask is not None:
            raise ValueError("a mask is for pooling of the whole map, not for windows")
        if self.output_size is not None:
            return self._adaptive(x)
        if self.kind == "max":
            return _MAX[self.dimensions](x, self.size, self.stride)
        if self.kind == "average":
            return _AVERAGE[self.dimensions](x, self.size, self.stride)
        values, scores = self._windows(x), None
        if self.kind == "attention":
            score = torch.einsum("bc...,c->b...", x, self.score.weight[0]).unsqueeze(1)
            scores = self._windows(score)
        pooled = self._reduce(values, scores, None)  # (batch, channels, *windows, k)
        return self._merge(pooled)

    def _windows(self, x: Tensor) -> Tensor:
        assert self.size is not None and self.stride is not None
        for axis, (size, stride) in enumerate(zip(self.size, self.stride, strict=True)):
            x = x.unfold(2 + axis, size, stride)
        return x.flatten(2 + self.dimensions)  # (batch, channels, *windows, positions)

    def _whole(self, values: Tensor, scores: Tensor | None, mask: Tensor | None) -> Tensor:
        if self.kind == "max" and mask is None:
            return values.amax(dim=2)
        pooled = self._reduce(
            values, scores.unsqueeze(1) if scores is not None else None, mask.unsqueeze(1) if mask is not None else None
        )
        return pooled.flatten(1)

    def _reduce(self, values: Tensor, scores: Tensor | None, mask: Tensor | None) -> Tensor:
        """Reduce the last dimension, the positions of a window, to one value or to k values."""
        lowest = torch.finfo(values.dtype).min
        if self.kind == "max":
            return (values if mask is None else values.masked_fill(~mask, lowest)).amax(dim=-1, keepdim=True)
        if self.kind == "average":
            if mask is None:
                return values.mean(dim=-1, keepdim=True)
            return (values * mask).sum(dim=-1, keepdim=True) / mask.sum(dim=-1, keepdim=True).clamp(min=1)
        if self.kind == "log_sum_exp":
            sharp = values * self.sharpness
            count: Tensor | int = values.shape[-1]
            if mask is not None:
                sharp = sharp.masked_fill(~mask, lowest)
                count = mask.sum(dim=-1, keepdim=True).clamp(min=1)
            offset = torch.as_tensor(count, dtype=values.dtype, device=values.device).log()
            return (sharp.logsumexp(dim=-1, keepdim=True) - offset) / self.sharpness
        if self.kind == "attention":
            assert scores is not None
            if mask is not None:
                scores = scores.masked_fill(~mask, lowest)
            return (values * scores.softmax(dim=-1)).sum(dim=-1, keepdim=True)
        if mask is not None:
            values = values.masked_fill(~mask, lowest)
        if values.shape[-1] < self.k:
            values = F.pad(values, (0, self.k - values.shape[-1]), value=lowest)
        positions = values.sort(dim=-1, descending=True, stable=True).indices[..., : self.k].sort(dim=-1).values
        largest = values.gather(-1, positions)
        # If a window has fewer than k positions that count, the remaining values are 0.
        return largest.masked_fill(largest == lowest, 0.0)

    def _adaptive(self, x: Tensor) -> Tensor:
        assert self.output_size is not None
        if self.kind in ("max", "average"):
            name = f"adaptive_{'max' if self.kind == 'max' else 'avg'}_pool{self.dimensions}d"
            return getattr(F, name)(x, self.output_size)
        bins = [
            [(i * size // count, math.ceil((i + 1) * size / count)) for i in range(count)]
            for size, count in zip(x.shape[2:], self.output_size, strict=True)
        ]
        pooled = []
        for index in range(math.prod(self.output_size)):
            part = x
            rest = index
            for axis in reversed(range(self.dimensions)):
                rest, at = divmod(rest, self.output_size[axis])
                start, stop = bins[axis][at]
                part = part.narrow(2 + axis, start, stop - start)
            values = part.flatten(2)
            scores = self.score(values.transpose(1, 2)).transpose(1, 2) if self.kind == "attention" else None
            pooled.append(self._reduce(values, scores, None))  # (batch, channels, k)
        stacked = torch.stack(pooled, dim=2)  # (batch, channels, windows, k)
        return self._merge(stacked.unflatten(2, tuple(self.output_size)))

    def _merge(self, pooled: Tensor) -> Tensor:
        """(batch, channels, *windows, k) to (batch, channels * k, *windows)."""
        return pooled.movedim(-1, 2).flatten(1, 2)

    def extra_repr(self) -> str:
        where = f"size={self.size}" if self.size else f"output_size={self.output_size}" if self.output_size else "whole"
        return f"{self.kind}, {where}"


def _each(value: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    values = (value,) * dimensions if isinstance(value, int) else tuple(value)
    if len(values) != dimensions or min(values) < 1:
        raise ValueError(f"should be one number of at least 1, or {dimensions} of them, not {value}")
    return values
