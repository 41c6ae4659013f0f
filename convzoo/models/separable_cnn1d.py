"""A residual network of time-channel separable convolutions over spectrogram frames."""

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.pooling import Pooling


class SeparableCNN1d(nn.Module):
    r"""MatchboxNet-B×R×C (Majumdar & Ginsburg 2020, arXiv:2004.08531), with the blocks of QuartzNet (arXiv:1910.10261).

    A time-channel separable convolution filters each band along time, then mixes the bands at each frame. A strided convolution
    comes first, then B blocks of R such convolutions, then a dilated one. A block adds a pointwise convolution of its input
    before its last activation: $y = \sigma(f_R(\ldots f_1(x)) + W x)$.

    Args:
        channels: of the blocks (C)
        outer_channels: of the layers before and after the blocks
        kernel_sizes: one for each block (B of them), in frames
        repeats: number of convolutions in a block (R)
        first_kernel_size: of the layer before the blocks, in frames
        first_stride: stride of the layer before the blocks, in frames
        last_kernel_size: of the layer after the blocks, in frames
        last_dilation: of the layer after the blocks
        pooling: over all time
        normalisation: after each convolution
        activation: of the blocks
        block_dropout: after each convolution within the blocks
        dropout: before the classes

    Shape:
        spectrogram: (batch, mels, frames); output: (batch, classes), logits.
    """

    def __init__(
        self,
        mels: FromData[int],
        classes: FromData[int],
        channels: Positive = 64,
        outer_channels: Positive = 128,
        kernel_sizes: list[Positive] = [13, 15, 17],
        repeats: Positive = 2,
        first_kernel_size: Positive = 11,
        first_stride: Positive = 2,
        last_kernel_size: Positive = 29,
        last_dilation: Positive = 2,
        pooling: PoolingKind = "average",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        block_dropout: Probability = 0.0,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()

        def block(before: int, after: int, kernel: int, stride: int = 1, dilation: int = 1) -> ConvolutionBlock:
            return ConvolutionBlock(
                1, before, after, kernel, stride, dilation, separable=kernel > 1, normalisation=normalisation,
                activation=activation,
            )  # fmt: skip

        self.front = block(mels, outer_channels, first_kernel_size, first_stride)
        widths = [outer_channels] + [channels] * len(kernel_sizes)
        self.blocks = nn.Sequential(
            *(
                SeparableBlock(before, channels, kernel, repeats, normalisation, activation, block_dropout)
                for before, kernel in zip(widths, kernel_sizes, strict=False)
            )
        )
        self.behind = nn.Sequential(
            block(widths[-1], outer_channels, last_kernel_size, dilation=last_dilation),
            block(outer_channels, outer_channels, 1),
        )
        self.pooling = Pooling(1, pooling, channels=outer_channels)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(outer_channels * self.pooling.outputs_per_channel, classes)

    def forward(self, spectrogram: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch classes"]:
        """Spectrograms to logits."""
        x = self.behind(self.blocks(self.front(spectrogram)))
        return self.classifier(self.dropout(self.pooling(x)))


class SeparableBlock(nn.Module):
    """Separable convolutions with a pointwise shortcut; the last activation comes after the sum."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        repeats: int,
        normalisation: Normalisation,
        activation: Activation,
        dropout: float,
    ) -> None:
        super().__init__()
        last = repeats - 1
        self.convolutions = nn.Sequential(
            *(
                ConvolutionBlock(
                    1, in_channels if index == 0 else out_channels, out_channels, kernel_size, separable=True,
                    normalisation=normalisation, activation="identity" if index == last else activation,
                    dropout=0.0 if index == last else dropout,
                )
                for index in range(repeats)
            )
        )  # fmt: skip
        self.shortcut = ConvolutionBlock(
            1, in_channels, out_channels, 1, normalisation=normalisation, activation="identity"
        )
        self.activation = activation_layer(activation)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Float[Tensor, "batch channels frames"]) -> Float[Tensor, "batch out frames"]:
        """Apply the block."""
        return self.dropout(self.activation(self.convolutions(x) + self.shortcut(x)))
