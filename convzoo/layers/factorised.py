"""A convolution in two steps: within each slice (or frame), then across them."""

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Dimensions, Normalisation, Positive, Probability
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.pooling import Pooling


class FactorisedBlock(nn.Module):
    r"""R(2+1)D's convolution (Tran et al. 2018, arXiv:1711.11248, §3.5): $y = D(P(\sigma(N(w_t * \sigma(N(w_s * x))))))$.

    $w_s$ is 1×d×d and has M kernels, $w_t$ is t×1×1; `across` puts the axes in another order.
    With $M = \lfloor t d^2 N_{in} N_{out} / (d^2 N_{in} + t N_{out}) \rfloor$
    both together have about as many weights as one kernel of t×d×d. Between them there is one more activation.

    Args:
        in_channels: channels of the input
        out_channels: channels of the output
        kernel_size: d, width of the kernels within a slice
        depth: t, width of the kernels across slices; by default `kernel_size`
        stride: step within a slice
        depth_stride: step across slices; by default `stride`
        middle: M; by default from the formula
        normalisation: after each convolution
        activation: after each convolution; after the last one `last_activation`, if it is given
        last_activation: after the second convolution
        pooling: a pooling layer, or None
        dropout: probability, after pooling
        dimensions: spatial dimensions, 2 or 3
        across: the axis of the second convolution: 0 for the time of clips, -1 for the slices of a scan

    Shape:
        x: (batch, in_channels, *space); output: (batch, out_channels, *space out).
    """

    def __init__(
        self,
        in_channels: Positive,
        out_channels: Positive,
        kernel_size: Positive = 3,
        depth: Positive | None = None,
        stride: Positive = 1,
        depth_stride: Positive | None = None,
        middle: Positive | None = None,
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        last_activation: Activation | None = None,
        pooling: Pooling | None = None,
        dropout: Probability = 0.0,
        dimensions: Dimensions = 3,
        across: int = 0,
    ) -> None:
        super().__init__()
        depth = depth or kernel_size
        depth_stride = depth_stride or stride
        between = middle or middle_channels(in_channels, out_channels, kernel_size, depth, dimensions)
        sizes, steps, sizes_across, steps_across = ([each] * dimensions for each in (kernel_size, stride, 1, 1))
        sizes[across], steps[across], sizes_across[across], steps_across[across] = 1, 1, depth, depth_stride
        self.within = ConvolutionBlock(
            dimensions, in_channels, between, sizes, steps, normalisation=normalisation, activation=activation
        )
        self.across = ConvolutionBlock(
            dimensions, between, out_channels, sizes_across, steps_across, normalisation=normalisation,
            activation=last_activation or activation, pooling=pooling, dropout=dropout,
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch out *space_out"]:
        """Apply the block."""
        return self.across(self.within(x))


def middle_channels(
    in_channels: int, out_channels: int, kernel_size: int = 3, depth: int = 3, dimensions: int = 3
) -> int:
    """M, so that both kernels together have as many weights as the full one, or slightly fewer."""
    area = kernel_size ** (dimensions - 1)
    return max(1, depth * area * in_channels * out_channels // (area * in_channels + depth * out_channels))
