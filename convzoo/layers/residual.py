"""Two layers beside a shortcut."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Normalisation
from convzoo.layers.activation import activation_layer
from convzoo.layers.convolution import ConvolutionBlock


class ResidualBlock(nn.Module):
    r"""$\sigma(f_2(f_1(x)) + s(x))$ (He et al. 2016, arXiv:1512.03385, eq. 1 and 2). The shortcut $s$ is the input itself, or a
    pointwise convolution if there is a stride or the number of channels changes.

    Args:
        dimensions: 1, 2 or 3 spatial dimensions
        in_channels: channels of the input
        out_channels: channels of the output
        first: f₁, from `in_channels` to `out_channels`, with the stride
        second: f₂, from `out_channels` to `out_channels`, without an activation at its end
        stride: of `first`, for all axes or for each
        normalisation: of the shortcut's convolution
        activation: after the sum
        squeeze: scales the output of f₂ before the sum (squeeze-and-excitation); None for no scaling

    Shape:
        x: (batch, in_channels, *space); output: (batch, out_channels, *less), the space divided by the stride.
    """

    def __init__(
        self,
        dimensions: int,
        in_channels: int,
        out_channels: int,
        first: nn.Module,
        second: nn.Module,
        stride: int | Sequence[int],
        normalisation: Normalisation,
        activation: Activation,
        squeeze: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.squeeze = nn.Identity() if squeeze is None else squeeze
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels or set([stride] if isinstance(stride, int) else stride) != {1}:
            self.shortcut = ConvolutionBlock(
                dimensions, in_channels, out_channels, 1, stride, normalisation=normalisation, activation="identity"
            )
        self.activation = activation_layer(activation)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch out *less"]:
        """Apply the block."""
        return self.activation(self.squeeze(self.second(self.first(x))) + self.shortcut(x))
