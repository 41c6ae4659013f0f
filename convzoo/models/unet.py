"""The U-Net for segmentation of 2-D images and 3-D volumes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, Positive, Probability
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.pooling import Pooling
from convzoo.layers.residual import ResidualBlock


class UNet(nn.Module):
    r"""A residual U-Net with deep supervision (Ronneberger et al. 2015, arXiv:1505.04597; Çiçek et al. 2016, arXiv:1606.06650;
    with the choices of Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).

    In the encoder, each stage has residual blocks $x + f(x)$ and is coarser than the one before. In the decoder, each stage is
    upsampled by $2 \times 2 (\times 2)$ kernels that do not overlap, and concatenated with the maps of the encoder's stage at
    this resolution; a block then mixes both. In training, coarser stages also have outputs, each with its own loss.

    Space may have any size: a side that is not a multiple of the stride is rounded up, and cut again in the decoder.

    Args:
        dimensions: 2 for images, 3 for volumes
        strides: for each stage, the stride along each axis; the first stage has ones. Chosen from the data: an axis is halved
            while it is long enough, and not while its spacing is far coarser than that of the others
        flat: for each stage, the axes along which kernels have width 1, because the spacing along them is too coarse
        base_channels: number of maps of the first stage; each stage has twice as many as the one before
        max_channels: the largest number of maps of a stage
        blocks: number of residual blocks of a stage in the encoder
        decoder_blocks: number of residual blocks of a stage in the decoder
        kernel_size: of the convolutions, along axes that are not flat
        separable: depthwise, then pointwise kernels
        downsampling: by the stride of the first kernel of a stage, or by max or average pooling before it
        normalisation: after each convolution
        activation: of the blocks
        dropout: inside the residual blocks
        deep_supervision: in training, coarser stages also have outputs with a loss, except the two coarsest

    Shape:
        image: (batch, in_channels, *space); output: (batch, classes, *space), logits. In training with deep supervision a
        list: these first, then those of coarser stages.

    Raises:
        ValueError: strides do not begin with ones, or have another number of axes.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        dimensions: FromData[int] = 3,
        strides: FromData[Any] = None,
        flat: FromData[Any] = None,
        base_channels: Positive = 16,
        max_channels: Positive = 320,
        blocks: Positive = 1,
        decoder_blocks: Positive = 1,
        kernel_size: Positive = 3,
        separable: bool = False,
        downsampling: Literal["stride", "max", "average"] = "stride",
        normalisation: Normalisation = "instance",
        activation: Activation = "leaky_relu",
        dropout: Probability = 0.0,
        deep_supervision: bool = True,
    ) -> None:
        super().__init__()
        steps = [tuple(step) for step in strides or [(1,) * dimensions, *[(2,) * dimensions] * 3]]
        if set(steps[0]) != {1} or any(len(step) != dimensions for step in steps) or len(steps) < 2:
            raise ValueError(f"strides should be two stages or more of {dimensions} axes, the first all 1, not {steps}")
        thin = [tuple(axes) for axes in flat or [(False,) * dimensions for _ in steps]]
        kernels = [tuple(1 if is_flat else kernel_size for is_flat in axes) for axes in thin]
        widths = [min(base_channels * 2**stage, max_channels) for stage in range(len(steps))]
        self.steps = steps
        self.deep_supervision = deep_supervision

        def block(before: int, width: int, kernel: Sequence[int], step: Sequence[int]) -> ResidualBlock:
            first = ConvolutionBlock(
                dimensions, before, width, kernel, step, separable=separable, normalisation=normalisation,
                activation=activation, dropout=dropout,
            )  # fmt: skip
            second = ConvolutionBlock(
                dimensions,
                width,
                width,
                kernel,
                separable=separable,
                normalisation=normalisation,
                activation="identity",
            )
            return ResidualBlock(dimensions, before, width, first, second, step, normalisation, activation)

        down: list[nn.Module] = []
        before = in_channels
        for width, step, kernel in zip(widths, steps, kernels, strict=True):
            parts: list[nn.Module] = []
            if set(step) != {1} and downsampling != "stride":
                parts.append(Coarser(dimensions, downsampling, step))
                step = (1,) * dimensions
            for index in range(blocks):
                taken = step if index == 0 else (1,) * dimensions
                parts.append(block(before, width, kernel, taken))
                before = width
            down.append(nn.Sequential(*parts))
        self.down = nn.ModuleList(down)
        self.finer = nn.ModuleList()
        self.up = nn.ModuleList()
        self.heads = nn.ModuleList()
        convolution: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        for stage in reversed(range(len(steps) - 1)):
            width = widths[stage]
            self.finer.append(Finer(dimensions, widths[stage + 1], width, steps[stage + 1]))
            parts = [
                block(2 * width if index == 0 else width, width, kernels[stage], (1,) * dimensions)
                for index in range(decoder_blocks)
            ]
            self.up.append(nn.Sequential(*parts))
            speaks = stage == 0 or (deep_supervision and stage < len(steps) - 2)
            self.heads.append(convolution(width, classes, 1) if speaks else nn.Identity())
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, a=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Float[Tensor, "batch channels *space"]) -> Tensor | list[Tensor]:
        """Images or volumes to the logits of each pixel or voxel."""
        seen, x = [], image
        for stage in self.down:
            x = stage(x)
            seen.append(x)
        outputs: list[Tensor] = []
        for finer, stage, head, beside in zip(self.finer, self.up, self.heads, reversed(seen[:-1]), strict=True):
            x = stage(torch.cat([_cut(finer(x), beside.shape[2:]), beside], dim=1))
            last = len(x.shape) > 0 and stage is self.up[-1]
            if last or (self.training and self.deep_supervision and not isinstance(head, nn.Identity)):
                outputs.insert(0, head(x))
        return outputs if self.training and self.deep_supervision else outputs[0]

    def receptive_fields(self, inputs: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """The receptive field of each layer, by its name: the number of positions along each axis of the input.

        Counted from kernels and strides. Norms do not count: their statistics depend on the whole map, but not on positions.
        """
        space = tuple(inputs["image"].shape[2:])
        found: dict[str, tuple[int, ...]] = {}
        ones = tuple(1 for _ in space)
        state = (ones, ones)  # the receptive field, and the distance of two neighbours, in positions of the input
        sights = []

        def walk(name: str, module: nn.Module, state: tuple) -> tuple:
            if isinstance(module, ResidualBlock):
                short = walk(f"{name}.shortcut", module.shortcut, state)
                state = walk(f"{name}.second", module.second, walk(f"{name}.first", module.first, state))
                found[f"{name}.activation"] = state[0]
                return tuple(max(a, b) for a, b in zip(state[0], short[0], strict=True)), state[1]
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | Pooling):
                kernel: Any = module.size if isinstance(module, Pooling) else module.kernel_size
                step: Any = module.stride
                sees, apart = state
                sees = tuple(s + (k - 1) * a for s, k, a in zip(sees, kernel, apart, strict=True))
                state = (sees, tuple(a * s for a, s in zip(apart, step, strict=True)))
            else:
                for child, inner in module.named_children():
                    state = walk(f"{name}.{child}", inner, state)
                if isinstance(module, ConvolutionBlock) and module.taken:
                    steps = [part.step or 1 for part in module.taken[2:]]
                    state = (state[0], tuple(a * s for a, s in zip(state[1], steps, strict=True)))
            found[name] = state[0]
            return state

        for index, stage in enumerate(self.down):
            state = walk(f"down.{index}", stage, state)
            sights.append(state)
        for index, (finer, stage) in enumerate(zip(self.finer, self.up, strict=True)):
            beside = sights[-2 - index]
            coarse = walk(f"finer.{index}", finer, state)
            seen = tuple(max(a, b) for a, b in zip(coarse[0], beside[0], strict=True))
            state = walk(f"up.{index}", stage, (seen, beside[1]))
            found[f"heads.{index}"] = state[0]
        return {name: tuple(min(a, b) for a, b in zip(sees, space, strict=True)) for name, sees in found.items()}


class Coarser(nn.Module):
    """Pooling of windows that do not overlap. If a side is not a multiple of the window, its last plane is repeated."""

    def __init__(self, dimensions: int, kind: Literal["max", "average"], step: Sequence[int]) -> None:
        super().__init__()
        self.step = tuple(step)
        self.pooling = Pooling(dimensions, kind, size=self.step)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *less"]:
        """Pool."""
        lacks = [-size % step for size, step in zip(x.shape[2:], self.step, strict=True)]
        if any(lacks):
            x = F.pad(x, [width for lack in reversed(lacks) for width in (0, lack)], mode="replicate")
        return self.pooling(x)


class Finer(nn.Module):
    r"""A transposed convolution with a kernel as wide as its stride, $y_{s i + r} = W_r x_i$: each position becomes a block.

    It is computed as a pointwise convolution whose maps are then put side by side: on the CPU this was measured to take a tenth
    of the time of `ConvTranspose3d`.

    Args:
        dimensions: spatial dimensions
        in_channels: maps of the input
        out_channels: maps of the output
        step: how many times finer each axis becomes

    Shape:
        x: (batch, in_channels, *space); output: (batch, out_channels, *space times step).
    """

    def __init__(self, dimensions: int, in_channels: int, out_channels: int, step: Sequence[int]) -> None:
        super().__init__()
        self.step = tuple(step)
        kind: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        self.pointwise = kind(in_channels, out_channels * math.prod(self.step), 1, bias=False)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch out *more"]:
        """Make each position a block."""
        axes = len(self.step)
        x = self.pointwise(x).unflatten(1, (-1, *self.step))  # (batch, out, *step, *space)
        pairs = [axis for pair in zip(range(2 + axes, 2 + 2 * axes), range(2, 2 + axes), strict=True) for axis in pair]
        x = x.permute(0, 1, *pairs)  # (batch, out, space, step, space, step …)
        for axis in range(axes):
            x = x.flatten(2 + axis, 3 + axis)
        return x

    def in_words(self) -> str:
        """What it does, in a sentence."""
        by = "×".join(map(str, self.step))
        return f"Makes the map {by} times finer: each position becomes a block of {by}, by learnt kernels that do not overlap."


def _cut(x: Tensor, space: Sequence[int]) -> Tensor:
    """The beginning of each axis: the positions that rounding up added are at the end."""
    for axis, size in enumerate(space, start=2):
        if x.shape[axis] != size:
            x = x.narrow(axis, 0, size)
    return x
