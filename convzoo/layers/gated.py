"""A convolution with gates: half of its outputs scale the other half."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from convzoo.core.arguments import Dimensions, Padding, Positive, Probability
from convzoo.layers.convolution import ConvolutionBlock


class GatedConvolution(nn.Module):
    r"""A gated linear unit over a convolution (Dauphin et al. 2017, arXiv:1612.08083): $y = (w * x + b) \odot \sigma(v * x + c)$.

    Weights are normalised, $w = g \, u / \|u\|$ for each kernel (Salimans & Kingma 2016, arXiv:1602.07868). They start normally
    distributed with variance $4p/n$, because the gate removes half of the signal, and dropout removes a part $1 - p$ before it
    (Gehring et al. 2017, arXiv:1705.03122, §3.5); n is the number of inputs of a kernel.

    Args:
        dimensions: spatial dimensions, 1 to 3
        in_channels: channels of the input
        out_channels: channels of the output
        kernel_size: width of a kernel
        padding: `same`, or `causal` to look only backwards in time
        dropout: the probability of the dropout before this layer (applied elsewhere); it only scales the initial weights

    Shape:
        x: (batch, in_channels, *space); output: (batch, out_channels, *space).
    """

    def __init__(
        self,
        dimensions: Dimensions,
        in_channels: Positive,
        out_channels: Positive,
        kernel_size: Positive,
        padding: Padding = "same",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.block = ConvolutionBlock(
            dimensions, in_channels, 2 * out_channels, kernel_size, padding=padding, activation="identity"
        )
        inputs = in_channels * kernel_size**dimensions
        normal_convolution(self.block.convolution, math.sqrt(4 * (1 - dropout) / inputs))
        self.history = kernel_size - 1

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch out *space"]:
        """All positions at once."""
        return F.glu(self.block(x), dim=1)

    def step(
        self, x: Float[Tensor, "batch channels"], history: Float[Tensor, "batch channels before"]
    ) -> tuple[Float[Tensor, "batch out"], Float[Tensor, "batch channels before"]]:
        """The output of a causal convolution at the next position, and the history for the position after it.

        Args:
            x: the input at the new position
            history: the `self.history` inputs before it; zeros before the first
        """
        window = torch.cat([history, x.unsqueeze(2)], dim=2)
        return F.glu(self.block.convolution(window).squeeze(2), dim=1), window[:, :, 1:]


def normal_convolution(convolution: nn.Module, deviation: float) -> nn.Module:
    """Initialise a convolution with normal weights of this deviation and zero bias, and normalise its weights."""
    nn.init.normal_(convolution.weight, 0.0, deviation)  # type: ignore[arg-type]
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return weight_norm(convolution)


def pointwise(in_channels: int, out_channels: int, dropout: float = 0.0) -> nn.Module:
    """The same linear map at each position of a sequence, with normalised weights that start normal with variance p/n."""
    return normal_convolution(nn.Conv1d(in_channels, out_channels, 1), math.sqrt((1 - dropout) / in_channels))
