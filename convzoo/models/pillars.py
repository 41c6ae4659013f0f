"""Detection of objects in point clouds from pillars: PointPillars with centre heads."""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, Positive
from convzoo.layers.activation import activation_layer
from convzoo.layers.convolution import ConvolutionBlock, normalisation_layer
from convzoo.ops.pillars import cells_of, lowest_nearby, scatter_max, scatter_mean

REGRESSED = 10
"""Numbers of a box besides its class: offset in x and y, height above the ground relative to half the class's usual height,
logarithms of its size relative to the class's usual size, sine and cosine of twice its yaw and of its yaw."""

NEAR = 2.5
"""Metres to each side: the lowest pillar within this distance is taken as the ground."""

LARGEST_MAP = 1 << 26
"""The largest map of pillars, in numbers, that is made at once outside training."""


class Pillars(nn.Module):
    r"""Pillar features (Lang et al. 2019, PointPillars, arXiv:1812.05784), a 2-D backbone with a neck, and centre heads (Yin et
    al. 2021, CenterPoint, arXiv:2006.11275).

    Each point has nine numbers: x, y, z, intensity, its distance from the mean of its pillar's points (3) and from the pillar's
    centre (2). A linear layer makes features of them; each feature of a pillar is the maximum over its points:
    $f_p = \max_{i \in p} \sigma(N(W x_i))$. Pillars without points are 0. Then ordinary convolutions follow, and each stage
    halves the resolution; the neck brings all stages to the resolution of the first and joins them. All points count: the number
    of points in a pillar and of pillars in a frame has no limit. Heights are relative to the lowest pillar nearby, so that the
    layers need not learn where the ground is.

    Args:
        pillar_channels: number of features of a pillar
        channels: channels of each stage
        blocks: number of convolutions of each stage
        first_stride: of the first stage; the map of objects is coarser than the pillars by this factor
        neck_channels: of each stage's part of the neck
        head_channels: before the heads; twice as many before the boxes
        kernel_size: of every convolution
        normalisation: after each layer except the last
        activation: after each layer except the last; it must not give values below 0, because empty pillars are 0

    Shape:
        points: (points, 4), frame: (points,) the number of each point's frame in the batch, counts: (batch,) points of each
        frame; output: (batch, classes + 10, rows, columns), along y and x: for each class the logit that an object's centre is
        in the cell, then the offset of the centre from the cell's corner in cells (x, y), the height of the centre in metres
        minus half of the class's usual height, the logarithms of length, width and height relative to the usual ones, sine and
        cosine of twice the yaw (the direction of the box, without its front) and of the yaw (with its front).

    Raises:
        ValueError: the area is not a whole number of the coarsest stage's cells, or channels and blocks differ in number.
    """

    def __init__(
        self,
        classes: FromData[int],
        bounds: FromData[list[float]],
        pillar: FromData[float],
        pillar_channels: Positive = 32,
        channels: list[Positive] = [32, 64, 128],
        blocks: list[Positive] = [2, 3, 3],
        first_stride: Positive = 2,
        neck_channels: Positive = 32,
        head_channels: Positive = 32,
        kernel_size: Positive = 3,
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        if len(channels) != len(blocks):
            raise ValueError(f"channels has {len(channels)} values and blocks {len(blocks)}: give one for each stage")
        if normalisation == "instance":
            raise ValueError(
                "normalisation: instance does not work for points, because they are not a map; take batch, group or layer"
            )
        self.low = (bounds[0], bounds[2])
        self.pillar = pillar
        self.size = (round((bounds[3] - bounds[2]) / pillar), round((bounds[1] - bounds[0]) / pillar))
        coarsest = first_stride * 2 ** (len(channels) - 1)
        for name, count in zip(("y", "x"), self.size, strict=True):
            if count % coarsest:
                raise ValueError(
                    f"{count} pillars along {name} are not a multiple of {coarsest}, the coarsest stage's stride; choose "
                    f"encoder.{name} so that they are"
                )
        self.points = PillarFeatures(pillar_channels, normalisation, activation)
        self.stages = nn.ModuleList()
        self.neck = nn.ModuleList()
        before = pillar_channels
        for stage, (width, count) in enumerate(zip(channels, blocks, strict=True)):
            layers = []
            for index in range(count):
                stride = (first_stride if stage == 0 else 2) if index == 0 else 1
                layers.append(
                    ConvolutionBlock(
                        2, before, width, kernel_size, stride, normalisation=normalisation, activation=activation
                    )
                )
                before = width
            self.stages.append(nn.Sequential(*layers))
            self.neck.append(Upsampling(width, neck_channels, 2**stage, normalisation, activation))
        self.shared = ConvolutionBlock(
            2,
            neck_channels * len(channels),
            head_channels,
            kernel_size,
            normalisation=normalisation,
            activation=activation,
        )
        self.heat_map = nn.Conv2d(head_channels, classes, 1)
        # The box is predicted from one position only, so a hidden layer costs little here.
        hidden = ConvolutionBlock(
            2, head_channels, 2 * head_channels, 1, normalisation=normalisation, activation=activation
        )
        self.boxes = nn.Sequential(hidden, nn.Conv2d(2 * head_channels, REGRESSED, 1))
        # Nearly all cells are empty, so the initial prediction is "empty" (Lin et al. 2017, arXiv:1708.02002, §3.3).
        nn.init.constant_(self.heat_map.bias, -math.log(99))  # type: ignore[arg-type]
        self.kernel_size, self.first_stride = kernel_size, first_stride

    def forward(
        self, points: Float[Tensor, "points four"], frame: Int[Tensor, " points"], counts: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Points to a map of objects."""
        x, ground = self.pillars(points, frame, counts)
        joined = []
        for stage, up in zip(self.stages, self.neck, strict=True):
            x = stage(x)
            joined.append(up(x))
        x = self.shared(torch.cat(joined, dim=1))
        boxes = self.boxes(x)
        height = boxes[:, 2:3] + ground.unsqueeze(1).to(boxes.dtype)
        return torch.cat([self.heat_map(x), boxes[:, :2], height, boxes[:, 3:]], dim=1)

    def in_parts(
        self, points: Float[Tensor, "points four"], frame: Int[Tensor, " points"], counts: Int[Tensor, " batch"]
    ) -> Iterator[Float[Tensor, "part channels rows columns"]]:
        """The output of `forward`, a few frames at a time, so that the memory does not grow with the number of frames."""
        together = max(1, LARGEST_MAP // (self.size[0] * self.size[1] * self.points.linear.out_features))
        ends = [0, *counts.cumsum(0).tolist()]
        for first in range(0, len(counts), together):
            last = min(first + together, len(counts))
            chosen = slice(ends[first], ends[last])
            yield self(points[chosen], frame[chosen] - first, counts[first:last])

    def pillars(
        self, points: Float[Tensor, "points four"], frame: Int[Tensor, " points"], counts: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch channels rows columns"], Float[Tensor, "batch coarse_rows coarse_columns"]]:
        """The map of pillars, with 0 for empty ones; and the ground (the lowest pillar nearby) at each cell of the output."""
        frames = counts.shape[0]
        cells = frames * self.size[0] * self.size[1]
        cell = cells_of(points, frame, self.low, self.pillar, self.size, frames)
        # One extra cell collects the points outside the area.
        means, held = scatter_mean(points[:, :3], cell, cells + 1)
        place = torch.stack([points[:, 0] - self.low[0], points[:, 1] - self.low[1]], dim=1) / self.pillar
        within = (place - torch.floor(place) - 0.5) * self.pillar
        features = self.points(torch.cat([points, points[:, :3] - means[cell], within], dim=1))
        # In this memory order the map is already channels-last.
        grid = scatter_max(features, cell, cells + 1)[:cells]
        shape = frames, self.size[0], self.size[1]
        reach = max(1, round(NEAR / self.pillar))
        ground = lowest_nearby(
            means[:cells, 2].reshape(shape), held[:cells].reshape(shape) == 0, reach, self.first_stride
        )
        return grid.reshape(*shape, features.shape[1]).permute(0, 3, 1, 2), ground

    def receptive_fields(self, inputs: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """For each layer, how many pillars along y and x one of its outputs depends on."""
        kernel, reach, jump = self.kernel_size, 1, 1
        found: dict[str, tuple[int, ...]] = {}
        widest = 1
        for number, stage in enumerate(self.stages):
            for index, block in enumerate(stage.children()):
                reach += (kernel - 1) * jump
                if index == 0:
                    jump *= self.first_stride if number == 0 else 2
                found |= dict.fromkeys(self._names(f"stages.{number}.{index}", block), (reach, reach))
            # A transposed kernel as wide as its stride: one coarse cell for each fine one.
            found[f"neck.{number}"] = (reach, reach)
            widest = max(widest, reach)
        widest += (kernel - 1) * self.first_stride
        names = [*self._names("shared", self.shared), "heat_map", *self._names("boxes", self.boxes)]
        return {"points": (1, 1)} | found | dict.fromkeys(names, (widest, widest))

    @staticmethod
    def _names(prefix: str, block: nn.Module) -> list[str]:
        return [f"{prefix}.{name}" for name, module in block.named_modules() if name and not list(module.children())]


class PillarFeatures(nn.Module):
    """A linear layer, a normalisation and an activation, for each point separately."""

    def __init__(self, channels: int, normalisation: Normalisation, activation: Activation) -> None:
        super().__init__()
        if activation not in ("relu",):
            raise ValueError(
                f"activation: empty pillars are 0, so a pillar's features must not be below 0, but {activation} may give such; "
                "take relu"
            )
        self.linear = nn.Linear(9, channels, bias=normalisation in ("none", "layer"))
        self.norm = normalisation_layer(normalisation, 1, channels)
        self.activation = activation_layer(activation)

    def forward(self, points: Float[Tensor, "points nine"]) -> Float[Tensor, "points channels"]:
        """Points to features."""
        x = self.linear(points)
        if self.training and len(x) < 2 and isinstance(self.norm, nn.BatchNorm1d):
            # One point has no deviation: the statistics of earlier batches are used.
            norm = self.norm
            return self.activation(F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias))
        return self.activation(self.norm(x))

    def in_words(self) -> str:
        """For the description of the network."""
        return (
            f"Makes {self.linear.out_features} features of each point (position, intensity, distance from its pillar's centre); "
            "a pillar's features are the maxima over its points."
        )


class Upsampling(nn.Module):
    """A transposed convolution whose kernel is as wide as its stride, normalisation, activation."""

    def __init__(
        self, in_channels: int, out_channels: int, factor: int, normalisation: Normalisation, activation: Activation
    ) -> None:
        super().__init__()
        bias = normalisation in ("none", "layer")
        self.factor = factor
        self.convolution = nn.ConvTranspose2d(in_channels, out_channels, factor, factor, bias=bias)
        self.norm = normalisation_layer(normalisation, 2, out_channels)
        self.activation = activation_layer(activation)

    def forward(
        self, x: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch out fine_rows fine_columns"]:
        """Make the map finer."""
        return self.activation(self.norm(self.convolution(x)))

    def in_words(self) -> str:
        """For the description of the network."""
        maps = self.convolution.out_channels
        if self.factor == 1:
            return f"Mixes the {self.convolution.in_channels} maps at each position into {maps}."
        return f"Spreads {self.convolution.in_channels} coarse maps into {maps} that are {self.factor} times as fine."
