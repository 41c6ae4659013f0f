"""Convolutions that share a kernel between many channels, or compute it at each position."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Positive, Probability
from convzoo.layers.dropout import Dropout


class LightweightConvolution(nn.Module):
    r"""Lightweight and dynamic convolutions over a sequence (Wu et al. 2019, arXiv:1901.10430, §3 and §4).

    $y_{c,t} = \sum_j \mathrm{softmax}_j(w_{h(c)})_j \, x_{c,\, t + j - l}$: a depthwise convolution with H kernels. The C/H
    channels of a head share one kernel, whose weights sum to 1. l taps are before the position: all except one if causal, else
    half of them. A dynamic convolution computes its kernels from the input at the position, $w = W x_t$.

    Args:
        channels: of input and output
        heads: number of kernels; it must divide the channels
        kernel_size: number of taps
        kind: `light`: each head has one kernel; `dynamic`: the kernel is computed at each position
        causal: look only backwards
        dropout: of single taps (DropConnect), after the softmax

    Shape:
        x: (batch, channels, length); output: the same.

    Raises:
        ValueError: the heads do not divide the channels.
    """

    def __init__(
        self,
        channels: Positive,
        heads: Positive,
        kernel_size: Positive,
        kind: Literal["light", "dynamic"] = "light",
        causal: bool = False,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{heads} heads do not divide {channels} channels")
        self.channels, self.heads, self.kernel_size, self.kind = channels, heads, kernel_size, kind
        self.before = kernel_size - 1 if causal else (kernel_size - 1) // 2
        self.history = kernel_size - 1
        if kind == "light":
            self.weight = nn.Parameter(torch.empty(heads, kernel_size))
            nn.init.xavier_uniform_(self.weight)
        else:
            self.maker = nn.Conv1d(channels, heads * kernel_size, 1, bias=False)
            nn.init.xavier_uniform_(self.maker.weight)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch channels length"]:
        """All positions at once."""
        padded = F.pad(x, (self.before, self.kernel_size - 1 - self.before))
        if self.kind == "light":
            return F.conv1d(padded, self._kernels().to(x.dtype).unsqueeze(1), groups=self.channels)
        kernels = self._made(x)
        y = torch.zeros_like(x).unflatten(1, (self.heads, -1))
        for tap in range(
            self.kernel_size
        ):  # (batch, heads, 1, length) of the one, (batch, heads, share, length) of the other
            y = y + kernels[:, :, tap : tap + 1] * padded[:, :, tap : tap + x.shape[2]].unflatten(1, (self.heads, -1))
        return y.flatten(1, 2)

    def step(
        self, x: Float[Tensor, "batch channels"], history: Float[Tensor, "batch channels before"]
    ) -> tuple[Float[Tensor, "batch channels"], Float[Tensor, "batch channels before"]]:
        """The output of a causal convolution at the next position, and the history for the position after it.

        Args:
            x: the input at the new position
            history: the `self.history` inputs before it; zeros before the first
        """
        window = torch.cat([history, x.unsqueeze(2)], dim=2)
        if self.kind == "light":
            y = (window * self._kernels().to(x.dtype)).sum(dim=2)
        else:
            kernels = self._made(x.unsqueeze(2))[..., 0].unsqueeze(2)  # (batch, heads, 1, taps)
            y = (window.unflatten(1, (self.heads, -1)) * kernels).sum(dim=3).flatten(1)
        return y, window[:, :, 1:]

    def _kernels(self) -> Tensor:
        """(channels, taps)."""
        return self.dropout(self.weight.softmax(dim=1)).repeat_interleave(self.channels // self.heads, dim=0)

    def _made(self, x: Tensor) -> Tensor:
        """(batch, heads, taps, length)."""
        return self.dropout(self.maker(x).unflatten(1, (self.heads, -1)).softmax(dim=2))

    def extra_repr(self) -> str:
        return f"{self.channels}, heads={self.heads}, kernel_size={self.kernel_size}, kind={self.kind}"
