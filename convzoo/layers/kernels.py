"""Convolution blocks with full kernels, or with flatter ones in their place: a switch for volumes and clips."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Dimensions, Kernels, Normalisation, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.convolution import ConvolutionBlock, normalisation_layer
from convzoo.layers.dropout import Dropout
from convzoo.layers.factorised import FactorisedBlock
from convzoo.layers.pooling import Pooling


class KernelBlock(nn.Module):
    r"""Convolution, normalisation, activation, pooling, dropout, with kernels of one of three kinds. In three dimensions:

    * `full`: $k^3$ weights for each pair of channels
    * `factorised`: $1 \times k \times k$ within the slices, then normalisation and activation, then $k \times 1 \times 1$ across
      them (Tran et al. 2018, arXiv:1711.11248, §3.5). Between the two are M channels, with
      $M = \lfloor k \cdot k^2 N_{in} N_{out} / (k^2 N_{in} + k N_{out}) \rfloor$, so that both together have about as many
      weights as one full kernel.
    * `acs`: flat kernels in every orientation: the output channels are divided into one group for each axis. The kernels of a
      group have width 1 along its axis, $1 \times k \times k$, $k \times 1 \times k$, $k \times k \times 1$: axial, coronal,
      sagittal (Yang et al. 2021, arXiv:1911.10477). They need 1/k of the weights and of the work.

    Args:
        dimensions: spatial dimensions, 2 or 3
        in_channels: channels of the input
        out_channels: channels of the output
        kernels: the kind of kernels
        kernel_size: k, odd
        stride: along every axis
        across: for `factorised`, the axis of the second convolution: 0 for the time of clips, the last for the slices of a scan
        normalisation: after each convolution
        activation: after each convolution; after the last one `last_activation`, if it is given
        last_activation: after the last convolution
        pooling: a pooling layer, or None
        dropout: probability, after pooling

    Shape:
        x: (batch, in_channels, *space); output: (batch, out_channels, *space out).

    Raises:
        ValueError: an even kernel, one dimension for flat kernels, or fewer output channels than axes for `acs`.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        in_channels: Positive,
        out_channels: Positive,
        kernels: Kernels = "full",
        kernel_size: Positive = 3,
        stride: Positive = 1,
        across: int = -1,
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        last_activation: Activation | None = None,
        pooling: Pooling | None = None,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if kernels != "full" and (dimensions < 2 or kernel_size % 2 == 0):
            raise ValueError(f"{kernels} kernels need 2 or 3 dimensions and an odd kernel_size, not {kernel_size}")
        last = last_activation or activation
        self.views: nn.ModuleList | None = None
        if kernels == "full":
            self.block: nn.Module = ConvolutionBlock(
                dimensions, in_channels, out_channels, kernel_size, stride, normalisation=normalisation, activation=last,
                pooling=pooling, dropout=dropout,
            )  # fmt: skip
        elif kernels == "factorised":
            self.block = FactorisedBlock(
                in_channels, out_channels, kernel_size, stride=stride, normalisation=normalisation, activation=activation,
                last_activation=last, pooling=pooling, dropout=dropout, dimensions=dimensions, across=across,
            )  # fmt: skip
        else:
            if out_channels < dimensions:
                raise ValueError(
                    f"acs kernels need at least {dimensions} output channels, one a view, not {out_channels}"
                )
            self.views = nn.ModuleList()
            for axis in range(dimensions):
                size = [kernel_size] * dimensions
                size[axis] = 1
                share = out_channels // dimensions + (axis < out_channels % dimensions)
                self.views.append(
                    ConvolutionBlock(
                        dimensions,
                        in_channels,
                        share,
                        size,
                        stride,
                        activation="identity",
                        bias=normalisation in ("none", "layer"),
                    )
                )
            after = [normalisation_layer(normalisation, dimensions, out_channels), activation_layer(last)]
            after += [pooling] if pooling is not None else []
            after += [Dropout(dropout)] if dropout else []
            self.block = nn.Sequential(*after)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch out *space_out"]:
        """Apply the block."""
        if self.views is not None:
            x = torch.cat([view(x) for view in self.views], dim=1)
        return self.block(x)

    @property
    def last_normalisation(self) -> nn.Module:
        """The normalisation after the last convolution."""
        if self.views is not None:
            return self.block[0]  # type: ignore[index]
        last = self.block.across if isinstance(self.block, FactorisedBlock) else self.block
        return last.normalisation  # type: ignore[return-value]
