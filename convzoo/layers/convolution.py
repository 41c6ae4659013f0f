"""One convolution block for 1, 2 and 3 spatial dimensions."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Dimensions, Normalisation, Padding, Positive, Probability
from convzoo.layers.activation import NEVER_FALLING, activation_layer
from convzoo.layers.dropout import Dropout
from convzoo.layers.pooling import Pooling, _each

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_BATCH_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE_NORMS = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}


class ConvolutionBlock(nn.Module):
    r"""Convolution, normalisation, activation, pooling, dropout, in this order: $y = D(P(\sigma(N(w * x + b))))$.

    If the pooling is a maximum and the activation never falls, pooling comes first: the two commute, so the output is the same,
    and the activation has a fraction of the work.

    Args:
        dimensions: spatial dimensions, 1 to 3
        in_channels: channels of the input
        out_channels: channels of the output: the number of kernels
        kernel_size: width of a kernel, one number, or one for each dimension
        stride: step of the kernel
        dilation: distance between a kernel's taps
        padding: `valid` none; `same` keeps the size at stride 1; `causal` looks only backwards in the first dimension (time)
            and is `same` in the others; `full` adds every position that a kernel touches
        groups: channels are split into this many groups that do not see each other
        separable: a kernel for each channel, then a pointwise convolution (Chollet 2017, arXiv:1610.02357)
        normalisation: between convolution and activation
        activation: by name
        pooling: a pooling layer, or None
        dropout: probability, after pooling
        bias: by default only if no normalisation follows

    Shape:
        x: (batch, in_channels, *space); output: (batch, out_channels, *space out).

    Raises:
        ValueError: the kernel, stride or padding is not possible.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        in_channels: Positive,
        out_channels: Positive,
        kernel_size: int | Sequence[int] = 3,
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        padding: Padding = "same",
        groups: Positive = 1,
        separable: bool = False,
        normalisation: Normalisation = "none",
        activation: Activation = "relu",
        pooling: Pooling | None = None,
        dropout: Probability = 0.0,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        kernel = _each(kernel_size, dimensions)
        dilations = _each(dilation, dimensions)
        strides = _each(stride, dimensions)
        self.sides = _sides(kernel, dilations, padding)
        # A kernel of width 1 does not need the positions that a stride skips. With channels last, oneDNN's strided backward pass
        # writes past its workspace (https://github.com/uxlfoundation/oneDNN/issues/6035), so we skip these positions ourselves.
        self.taken: tuple[slice, ...] = ()
        if set(kernel) == {1} and set(strides) != {1} and set(self.sides) == {(0, 0)}:
            self.taken = (slice(None), slice(None), *(slice(None, None, stride) for stride in strides))
            strides = (1,) * dimensions
        even = all(left == right for left, right in self.sides)
        # The depth that a padded kernel spans. If a volume is less deep, oneDNN's bf16 gradient of the weights has uninitialised
        # memory (seen with torch 2.13), so we pad such a volume ourselves.
        padded = dimensions == 3 and even and self.sides[0][0] > 0
        self.span = dilations[0] * (kernel[0] - 1) + 1 if padded else 0
        self.depth_stride = strides[0]
        kind: Any = _CONVOLUTIONS[dimensions]
        if bias is None:
            bias = normalisation in ("none", "layer")
        own = tuple(left for left, _ in self.sides) if even else 0
        if even:
            self.sides = ()
        if separable:
            depthwise = kind(
                in_channels, in_channels, kernel, strides, own, dilations, groups=in_channels, bias=False
            )  # fmt: skip
            self.convolution: nn.Module = nn.Sequential(depthwise, kind(in_channels, out_channels, 1, bias=bias))
        else:
            self.convolution = kind(in_channels, out_channels, kernel, strides, own, dilations, groups, bias)
        self.normalisation = normalisation_layer(normalisation, dimensions, out_channels)
        self.activation = activation_layer(activation)
        self.pooling = pooling
        self.pools_first = pooling is not None and pooling.kind == "max" and activation in NEVER_FALLING
        self.dropout = Dropout(dropout) if dropout else None

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch out *space_out"]:
        """Apply the block."""
        if self.taken:
            x = x[self.taken]
        if self.sides:
            # F.pad counts from the last dimension backwards.
            x = F.pad(x, [width for left_right in reversed(self.sides) for width in left_right])
        shallow = self.span > 0 and x.shape[2] < self.span and x.device.type == "cpu"
        x = self.normalisation(self._shallow(x) if shallow else self.convolution(x))
        if self.pools_first and self.pooling is not None:
            x = self.activation(self.pooling(x))
        else:
            x = self.activation(x)
            if self.pooling is not None:
                x = self.pooling(x)
        return self.dropout(x) if self.dropout is not None else x

    def _shallow(self, x: Tensor) -> Tensor:
        """The convolution of a volume that is padded with zeros in depth; the outputs of the padding are cut off."""
        steps = -(-self.span // self.depth_stride)
        more = steps * self.depth_stride
        found = self.convolution(F.pad(x, (0, 0, 0, 0, more, more)))
        return found[:, :, steps : found.shape[2] - steps]


class ChannelLayerNorm(nn.Module):
    """Layer normalisation over the channels at each position (Ba et al. 2016, arXiv:1607.06450)."""

    def __init__(self, channels: Positive) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """Normalise each position."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


def normalisation_layer(name: Normalisation, dimensions: Dimensions, channels: Positive) -> nn.Module:
    """The normalisation with this name, for feature maps (batch, channels, *space).

    Raises:
        ValueError: there is no such normalisation.
    """
    if name == "none":
        return nn.Identity()
    if name == "batch":
        return _BATCH_NORMS[dimensions](channels)
    if name == "instance":
        return _INSTANCE_NORMS[dimensions](channels, affine=True)
    if name == "layer":
        return ChannelLayerNorm(channels)
    if name == "group":
        groups = next(count for count in (8, 4, 2, 1) if channels % count == 0)
        return nn.GroupNorm(groups, channels)
    raise ValueError(f"no normalisation {name!r}")


def _sides(kernel: tuple[int, ...], dilations: tuple[int, ...], padding: Padding) -> tuple[tuple[int, int], ...]:
    sides = []
    for axis, (size, dilation) in enumerate(zip(kernel, dilations, strict=True)):
        total = dilation * (size - 1)
        if padding == "valid":
            sides.append((0, 0))
        elif padding == "full":
            sides.append((total, total))
        elif padding == "causal" and axis == 0:
            sides.append((total, 0))
        elif padding in ("same", "causal"):
            sides.append((total // 2, total - total // 2))
        else:
            raise ValueError(f"no padding {padding!r}")
    return tuple(sides)
