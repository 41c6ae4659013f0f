"""A convolutional network on the raw waveform."""

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, Padding, PoolingKind, Positive, Probability
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.pooling import Pooling


class WaveformCNN1d(nn.Module):
    r"""Convolutions over samples, after M5 (Dai et al. 2017, arXiv:1610.00087): one wide, strided kernel, then narrow ones.

    The first layer, $c_{k,t} = \sum_{\tau<80} w_{k,\tau}\, x_{st+\tau}$, is a bank of learnt band-pass filters: 80 samples
    at 8 kHz are 10 ms, one or two periods of a voice. Each later block sees four times as much. The mean over time makes the
    output independent of the position of the word in the recording.

    Args:
        channels: of each block; the first is the number of learnt filters
        first_kernel_size: width of the filters, in samples
        first_stride: stride of the filters, in samples
        kernel_size: of the later convolutions
        dilations: of each block's convolution, one number for each block, or one for all
        pool_size: after each block, this many positions become one
        pooling: within these
        global_pooling: over all time
        padding: of the convolutions
        normalisation: after each convolution
        activation: of the blocks
        dropout: before the classes

    Shape:
        waveform: (batch, in_channels, samples); output: (batch, classes), logits.

    Raises:
        ValueError: the numbers of dilations and of blocks differ.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        channels: list[Positive] = [128, 128, 256, 512],
        first_kernel_size: Positive = 80,
        first_stride: Positive = 4,
        kernel_size: Positive = 3,
        dilations: list[Positive] = [1],
        pool_size: Positive = 4,
        pooling: PoolingKind = "max",
        global_pooling: PoolingKind = "average",
        padding: Padding = "same",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        dilations = list(dilations) * len(channels) if len(dilations) == 1 else list(dilations)
        if len(dilations) != len(channels):
            raise ValueError(
                f"{len(dilations)} dilations for {len(channels)} blocks: give one for each, or one for all"
            )
        blocks = []
        before = in_channels
        for index, (width, dilation) in enumerate(zip(channels, dilations, strict=True)):
            first = index == 0
            factor = 1
            pool = Pooling(1, pooling, size=pool_size, channels=width) if pool_size > 1 else None
            if pool is not None:
                factor = pool.outputs_per_channel
            blocks.append(
                ConvolutionBlock(
                    1, before, width, first_kernel_size if first else kernel_size, first_stride if first else 1, dilation,
                    padding, normalisation=normalisation, activation=activation, pooling=pool,
                )
            )  # fmt: skip
            before = width * factor
        self.blocks = nn.Sequential(*blocks)
        self.pooling = Pooling(1, global_pooling, channels=before)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(before * self.pooling.outputs_per_channel, classes)
        # Without normalisation, PyTorch's default initialisation would make the signal weaker from block to block.
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, waveform: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch classes"]:
        """Waveforms to logits."""
        return self.classifier(self.dropout(self.pooling(self.blocks(waveform))))
