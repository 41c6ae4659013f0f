"""A residual network of time-channel separable convolutions that gives tokens all along a spectrogram."""

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout


class QuartzNet1d(nn.Module):
    r"""QuartzNet-B×R (Kriman et al. 2019, arXiv:1910.10261): tokens for connectionist temporal classification.

    A time-channel separable convolution filters each channel along time, then mixes the channels at each frame. A strided
    convolution comes first, then B blocks of R such convolutions, then a dilated one, a pointwise one, and the tokens. A block
    adds a pointwise convolution of its input before its last activation: $y = \sigma(f_R(\ldots f_1(x)) + W x)$.

    Frames that only pad are set to zero before each kernel that is wider than one frame, so that no output depends on the other
    recordings of a batch. The frames are computed as an image of one column: with the channels last in memory, a processor's
    2-D convolutions are up to twice as fast as its 1-D ones.

    Args:
        channels: of the blocks
        outer_channels: of the layers before and after the blocks
        kernel_sizes: one for each block (B of them), in outputs
        repeats: number of convolutions in a block (R)
        first_kernel_size: of the layer before the blocks, in frames
        last_kernel_size: of the layer after the blocks, in outputs
        last_dilation: of the layer after the blocks
        padding: `same`, or `causal`, which looks only backwards: words can be written while they are said
        normalisation: after each convolution
        activation: of the blocks
        block_dropout: after each convolution within the blocks
        dropout: before the tokens

    Shape:
        spectrogram: (batch, mels, frames); frames: (batch,), how many of them are no padding; output: (batch, outputs,
        vocabulary_size), logits, with outputs = ⌈frames / stride⌉.
    """

    def __init__(
        self,
        mels: FromData[int],
        vocabulary_size: FromData[int],
        stride: FromData[int],
        channels: Positive = 96,
        outer_channels: Positive = 128,
        kernel_sizes: list[Positive] = [11, 13, 15],
        repeats: Positive = 2,
        first_kernel_size: Positive = 11,
        last_kernel_size: Positive = 15,
        last_dilation: Positive = 2,
        padding: Literal["same", "causal"] = "same",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        block_dropout: Probability = 0.0,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.stride = stride

        def block(before: int, after: int, kernel: int, stride: int = 1, dilation: int = 1) -> ConvolutionBlock:
            return ConvolutionBlock(
                2, before, after, (kernel, 1), (stride, 1), (dilation, 1), padding, separable=kernel > 1,
                normalisation=normalisation, activation=activation,
            )  # fmt: skip

        self.front = block(mels, outer_channels, first_kernel_size, stride)
        widths = [outer_channels] + [channels] * len(kernel_sizes)
        self.blocks = nn.ModuleList(
            MaskedSeparableBlock(before, channels, kernel, repeats, padding, normalisation, activation, block_dropout)
            for before, kernel in zip(widths, kernel_sizes, strict=False)
        )
        self.behind = block(widths[-1], outer_channels, last_kernel_size, dilation=last_dilation)
        self.mixing = block(outer_channels, outer_channels, 1)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.writer = nn.Linear(outer_channels, vocabulary_size)
        sums = [first_kernel_size - 1]
        sums += [stride * (kernel - 1) for kernel in kernel_sizes for _ in range(repeats)]
        sums += [stride * last_dilation * (last_kernel_size - 1)]
        before = (
            sums if padding == "causal" else [_left(total, 1 if at == 0 else stride) for at, total in enumerate(sums)]
        )
        self.context = (sum(before), sum(sums) - sum(before))

    def forward(
        self, spectrogram: Float[Tensor, "batch mels frames"], frames: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch outputs vocabulary_size"]:
        """Spectrograms to logits."""
        x = spectrogram.unsqueeze(3)  # (batch, mels, frames, 1)
        x = self.front(x.masked_fill(~counted(frames, x.shape[2]), 0.0))
        outputs = (frames + self.stride - 1).div(self.stride, rounding_mode="floor")
        there = counted(outputs, x.shape[2])
        for block in self.blocks:
            x = block(x, there)
        x = self.mixing(self.behind(x.masked_fill(~there, 0.0)))
        return self.writer(self.dropout(x.squeeze(3).transpose(1, 2)))


def counted(lengths: Int[Tensor, " batch"], longest: Any) -> Bool[Tensor, "batch 1 longest 1"]:
    """True for positions that are no padding."""
    return (torch.arange(longest, device=lengths.device) < lengths[:, None])[:, None, :, None]


def _left(total: int, unit: int) -> int:
    """How many frames a kernel looks back: half of what it spans, rounded down to whole outputs."""
    return total // unit // 2 * unit


class MaskedSeparableBlock(nn.Module):
    """Separable convolutions with a pointwise shortcut; the last activation comes after the sum."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        repeats: int,
        padding: Literal["same", "causal"],
        normalisation: Normalisation,
        activation: Activation,
        dropout: float,
    ) -> None:
        super().__init__()
        last = repeats - 1
        self.convolutions = nn.ModuleList(
            ConvolutionBlock(
                2, in_channels if index == 0 else out_channels, out_channels, (kernel_size, 1), padding=padding, separable=True,
                normalisation=normalisation, activation="identity" if index == last else activation,
                dropout=0.0 if index == last else dropout,
            )
            for index in range(repeats)
        )  # fmt: skip
        self.shortcut = ConvolutionBlock(
            2, in_channels, out_channels, 1, normalisation=normalisation, activation="identity"
        )
        self.activation = activation_layer(activation)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(
        self, x: Float[Tensor, "batch channels outputs 1"], there: Bool[Tensor, "batch 1 outputs 1"]
    ) -> Float[Tensor, "batch out outputs 1"]:
        """Apply the block; only the outputs that are `there` count."""
        short = self.shortcut(x)
        for convolution in self.convolutions:
            x = convolution(x.masked_fill(~there, 0.0))
        return self.dropout(self.activation(x + short))
