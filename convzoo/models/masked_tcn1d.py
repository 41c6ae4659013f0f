"""A causal network that predicts each channel of a series from the others."""

from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Count, FromData, Positive, Probability
from convzoo.layers.causal import CausalBlock
from convzoo.models.tcn1d import State, TCN1d

FEW = 2
"""So few channels are forecast: the others say too little of one."""


class MaskedTCN1d(nn.Module):
    r"""Each channel is predicted from the others, present and past, and from its own values that are older than `own_after`
    steps: $\hat x_{tc} = f_c(x_{\le t, c' \ne c}, x_{\le t - n, c})$. One causal network of dilated convolutions (Bai et al.
    2018, arXiv:1803.01271) does this for all channels: it computes each group of channels once, with that group hidden, and is
    told which one it is (as a masked auto-encoder, Germain et al. 2015, arXiv:1502.03509).

    A channel that is wrong cannot explain itself, as it can where a network sees the value that it should reconstruct; and a
    fault does not become usual as soon as it lasts a little, as for a forecaster. With one or two channels the network is a
    forecaster: it predicts each step from all before it.

    Args:
        channels: of every block
        kernel_size: width of the kernels, in time steps
        dilations: one block each; together they see 1 + (kernel_size - 1) · Σ dilations steps
        own_after: a channel's own values are seen after so many steps; 0: never
        groups: channels are hidden in so many groups, or each alone where there are fewer; the network is computed once for
            each group
        separable: depthwise, then pointwise
        activation: of the blocks
        dropout: inside the blocks

    Shape:
        values: (batch, in_channels, time); output: the same shape, the expected value of each step.
    """

    hidden: Tensor
    """(groups, in_channels) of 0 and 1: which channels are predicted in which group."""

    def __init__(
        self,
        in_channels: FromData[int],
        channels: Positive = 32,
        kernel_size: Positive = 3,
        dilations: list[Positive] = [1, 2, 4, 8, 16],
        own_after: Count = 32,
        groups: Positive = 8,
        separable: bool = False,
        activation: Activation = "silu",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.forecasts = in_channels <= FEW
        self.own_after = 0 if self.forecasts else own_after
        settings: dict[str, Any] = {
            "channels": channels,
            "kernel_size": kernel_size,
            "dilations": dilations,
            "separable": separable,
            "activation": activation,
            "dropout": dropout,
        }
        count = 1 if self.forecasts else min(groups, in_channels)
        hidden = F.one_hot(torch.arange(in_channels) % count, count).T.float().contiguous()
        self.register_buffer("hidden", hidden, persistent=False)
        if self.forecasts:
            self.network = TCN1d(in_channels, **settings)
        else:
            # It sees the others, which channels are hidden, and perhaps these channels' older values.
            width = in_channels * (3 if own_after else 2)
            self.network = TCN1d(width, **settings, forecasts=False, out_channels=in_channels)

    @property
    def reach(self) -> tuple[int, int]:
        """An output depends on this many time steps before its own, and on none after it."""
        return self.own_after + self.network.reach[0], 0

    def receptive_fields(self, inputs: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """The time steps that each block sees. They cannot be measured: the network makes a batch of its groups of channels."""
        found: dict[str, tuple[int, ...]] = {}
        sees = 1
        for number, block in enumerate(cast("Iterable[CausalBlock]", self.network.blocks)):
            sees += block.memory
            for name, _ in block.named_modules(prefix=f"network.blocks.{number}"):
                found[name] = (sees,)
        for name, _ in self.network.readout.named_modules(prefix="network.readout"):
            found[name] = (self.own_after + sees,)
        return found

    def forward(self, values: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch channels time"]:
        """The expected values of each time step."""
        if self.forecasts:
            return self.network(values)
        older = F.pad(values, (self.own_after, 0))[..., : values.shape[2]]
        return self._shown(self.network(self._seen(values, older)))

    def _seen(self, values: Tensor, older: Tensor) -> Tensor:
        """What the network sees of each group, (batch · groups, width, time)."""
        hidden = self.hidden[None, :, :, None]  # (1, groups, channels, 1)
        batch, time = values.shape[0], values.shape[2]
        parts = [values[:, None] * (1 - hidden), hidden.expand(batch, -1, -1, time)]
        if self.own_after:
            parts.append(older[:, None] * hidden)
        return torch.cat(parts, dim=2).flatten(0, 1)

    def _shown(self, outputs: Tensor) -> Tensor:
        """Of the outputs of each group those of its own channels, (batch, channels, time)."""
        return (outputs.unflatten(0, (-1, len(self.hidden))) * self.hidden[None, :, :, None]).sum(dim=1)

    def start(self, batch: int = 1) -> State:
        """The state of a stream that has not begun."""
        if self.forecasts:
            return self.network.start(batch)
        older = next(self.parameters()).new_zeros(batch, self.in_channels, self.own_after)
        return [older, *self.network.start(batch * len(self.hidden))]

    def step(
        self, values: Float[Tensor, "batch channels time"], state: State
    ) -> tuple[Float[Tensor, "batch channels time"], State]:
        """For the next time steps of a stream, one or many: their expected values, and the state after them."""
        if self.forecasts:
            return self.network.step(values, state)
        time = values.shape[2]
        joined = torch.cat([state[0], values], dim=2)
        outputs, after = self.network.step(self._seen(values, joined[..., :time]), state[1:])
        return self._shown(outputs), [joined[..., time:], *after]
