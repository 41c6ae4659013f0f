"""A temporal convolutional network: a causal forecaster or auto-encoder of time steps."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.causal import CausalBlock

State = list[Tensor]
"""What a causal network must keep of a stream: for each layer, the last inputs that its kernel still needs."""


class TCN1d(nn.Module):
    r"""Residual blocks of causal dilated convolutions (Bai et al. 2018, arXiv:1803.01271), as a forecaster or an auto-encoder.

    Each block is $y = x + W(\sigma(K *_d x))$ with a causal kernel of width k and dilation d, then a pointwise mixing W. No layer
    looks ahead, so a stream can be followed step by step: `step` gives the same as `forward` on the whole series. Before the
    first step the network sees zeros, which are the channels' means.

    Without `code`, each step is forecast from those before it, $\hat x_t = f(x_{<t})$. A forecaster has a large error at every
    outside change (a machine is switched on), and soon gets used to a fault. With `code` = n, each step is first compressed to n
    numbers and then predicted from them, $\hat x_t = f(g(x_{\le t}))$ with $g(x_t) \in \mathbb R^n$. This is enough for changes
    of all channels together, but too few for a change of a single channel. If there are no more than n channels, the code could
    hold everything, so each step is forecast instead.

    Args:
        channels: of every block
        kernel_size: width of the kernels, in time steps
        dilations: one block each; together they see 1 + (kernel_size - 1) · Σ dilations steps
        separable: depthwise, then pointwise
        activation: of the blocks
        dropout: inside the blocks
        code: length of a step's code; null, or at least the number of channels: a forecaster
        forecasts: whether a network without a code sees only the steps before the one that it predicts
        out_channels: number of predicted values; by default in_channels

    Shape:
        values: (batch, in_channels, time); output: (batch, out_channels, time), the expected value of each
        step.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        channels: Positive = 32,
        kernel_size: Positive = 3,
        dilations: list[Positive] = [1, 2, 4, 8, 16],
        separable: bool = False,
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        code: Positive | None = None,
        forecasts: bool = True,
        out_channels: Positive | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.delay = 0 if (code is not None and code < in_channels) or not forecasts else 1
        self.lift: nn.Module = nn.Conv1d(in_channels, channels, 1)
        if code is not None and code < in_channels:
            narrow = nn.Conv1d(channels, code, 1)
            self.lift = nn.Sequential(self.lift, activation_layer(activation), narrow, nn.Conv1d(code, channels, 1))
        self.blocks = nn.ModuleList(
            CausalBlock(channels, kernel_size, dilation, separable, activation, dropout) for dilation in dilations
        )
        self.readout = nn.Sequential(activation_layer(activation), nn.Conv1d(channels, out_channels or in_channels, 1))
        self.channels = channels

    @property
    def reach(self) -> tuple[int, int]:
        """An output depends on this many time steps before its own, and on none after it."""
        return self.delay + sum(block.memory for block in self.blocks), 0  # type: ignore[misc]

    def forward(self, values: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch outputs time"]:
        """The expected values of each time step."""
        x = self.lift(F.pad(values, (self.delay, 0))[..., : values.shape[2]])
        for block in self.blocks:
            x = block(x)
        return self.readout(x)

    def start(self, batch: int = 1) -> State:
        """The state of a stream that has not begun."""
        like = next(self.parameters())
        blocks: Any = self.blocks
        inner = [like.new_zeros(batch, self.channels, block.memory) for block in blocks]
        return [like.new_zeros(batch, self.in_channels, self.delay), *inner]

    def step(
        self, values: Float[Tensor, "batch channels time"], state: State
    ) -> tuple[Float[Tensor, "batch outputs time"], State]:
        """For the next time steps of a stream, one or many: their expected values, and the state after them."""
        joined = torch.cat([state[0], values], dim=2)
        after = [joined[..., values.shape[2] :]]
        x = self.lift(joined[..., : values.shape[2]])
        for block, memory in zip(self.blocks, state[1:], strict=True):
            x, kept = block.step(x, memory)  # type: ignore[operator]
            after.append(kept)
        return self.readout(x), after
