"""A residual block that looks only backwards in time, and can be followed step by step."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Normalisation, Positive, Probability
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout


class CausalBlock(nn.Module):
    r"""A residual block of a causal dilated convolution (Bai et al. 2018, arXiv:1803.01271): $y = x + W D(\sigma(N(K *_d x)))$.

    Args:
        channels: of input and output
        kernel_size: width of the kernel K, in time steps
        dilation: d, the distance between its taps
        separable: depthwise, then pointwise
        activation: $\sigma$
        dropout: D, its probability
        normalisation: N; only `none` and `layer` keep a time step independent of later ones

    Attributes:
        memory: how many earlier inputs an output depends on

    Shape:
        x: (batch, channels, time); output: the same.
    """

    def __init__(
        self,
        channels: Positive,
        kernel_size: Positive,
        dilation: Positive,
        separable: bool = False,
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        normalisation: Normalisation = "none",
    ) -> None:
        super().__init__()
        self.memory = dilation * (kernel_size - 1)
        self.convolution = ConvolutionBlock(
            1,
            channels,
            channels,
            kernel_size,
            dilation=dilation,
            padding="causal",
            separable=separable,
            normalisation=normalisation,
            activation=activation,
        )
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch channels time"]:
        """Add what the kernels find to the input."""
        return x + self.mix(self.dropout(self.convolution(x)))

    def step(
        self, x: Float[Tensor, "batch channels time"], memory: Float[Tensor, "batch channels memory"]
    ) -> tuple[Float[Tensor, "batch channels time"], Float[Tensor, "batch channels memory"]]:
        """For the next time steps of a stream: the output, and the inputs that the kernel still needs."""
        joined = torch.cat([memory, x], dim=2)
        # The block pads its input with zeros, as at the beginning of a series; the outputs for this part are cut off.
        y = self.convolution(joined)[..., memory.shape[2] :]
        return x + self.mix(self.dropout(y)), joined[..., joined.shape[2] - memory.shape[2] :]
