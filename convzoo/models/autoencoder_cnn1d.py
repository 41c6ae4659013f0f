"""A convolutional auto-encoder for sensor readings."""

from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.dropout import Dropout


class AutoencoderCNN1d(nn.Module):
    r"""Strided convolutions to a narrow code, and transposed ones back: $\hat x = g(f(x))$ (Masci et al. 2011,
    doi:10.1007/978-3-642-21735-7_7).

    The code has fewer numbers than the window, so the network can reconstruct only usual values; values that it cannot
    reconstruct are anomalies. Strides shorten the series instead of pooling, which would lose the positions.

    Args:
        channels: of each layer of the encoder; the last is the code's
        kernel_size: width of all kernels, in time steps
        stride: of every layer of the encoder
        activation: between the layers
        dropout: after each layer except the last

    Shape:
        values: (batch, in_channels, time); output: the same shape, the reconstructed values.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        channels: list[Positive] = [32, 8],
        kernel_size: Positive = 7,
        stride: Positive = 2,
        activation: Activation = "relu",
        dropout: Probability = 0.1,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0 or stride > kernel_size:
            raise ValueError(
                f"kernel_size should be odd and at least the stride, not {kernel_size} with stride {stride}"
            )
        half = kernel_size // 2
        down: list[nn.Module] = []
        for before, after in pairwise([in_channels, *channels]):
            down += [nn.Conv1d(before, after, kernel_size, stride, half), activation_layer(activation)]
            down += [Dropout(dropout)] if dropout else []
        up: list[nn.Module] = []
        for before, after in pairwise([channels[-1], *reversed(channels)]):
            up += [
                nn.ConvTranspose1d(before, after, kernel_size, stride, half, stride - 1),
                activation_layer(activation),
            ]
            up += [Dropout(dropout)] if dropout else []
        self.encode = nn.Sequential(*down)
        self.decode = nn.Sequential(*up, nn.Conv1d(channels[0], in_channels, kernel_size, padding=half))
        self.total_stride = stride ** len(channels)
        # Each layer of encoder and decoder sees half a kernel to both sides, in its own steps.
        self.looks = half * (2 * sum(stride**depth for depth in range(len(channels))) + stride ** len(channels))

    @property
    def reach(self) -> tuple[int, int]:
        """An output depends on this many time steps before its own, and on this many after it, in whole steps of the code."""
        steps = -(-2 * self.looks // self.total_stride) * self.total_stride
        return steps, steps

    def forward(self, values: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch channels time"]:
        """Reconstruct the readings from the code."""
        time = values.shape[2]
        # The padding is always one whole step of the code, so that an exported network takes any length.
        padded = F.pad(values, (0, self.total_stride))
        return self.decode(self.encode(padded))[..., :time]
