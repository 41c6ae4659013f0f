"""The plain 2-D convolutional network: blocks of convolution, pooling and dropout, then dense layers."""

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import (
    Activation,
    Count,
    FromData,
    Initialisation,
    Normalisation,
    Padding,
    PoolingKind,
    Positive,
    Probability,
)
from convzoo.layers.activation import activation_layer
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.initialisation import initialise
from convzoo.layers.pooling import Pooling


class CNN2d(nn.Module):
    """Convolution, activation, pooling and dropout, repeated; then one hidden dense layer and the classes (LeCun et al. 1998,
    doi:10.1109/5.726791).

    With the defaults, an image of 48×48 and 7 classes, this is a network of 224,263 parameters, in the terms of Keras:
    Conv2D(32, 3×3, relu), MaxPooling2D(2×2), Dropout(.25), the same with 64 and .25, with 128 and .4, Flatten,
    Dense(64, relu), Dropout(.5), Dense(classes). The softmax of the last layer is part of the loss.

    Args:
        channels: kernels of each block
        kernel_size: width and height of the kernels, one number, or one for each block
        padding: at the borders of each convolution
        dropouts: after each block
        hidden: width of the dense layer; 0 for none
        hidden_dropout: after the dense layer
        pooling: how 2×2 windows are summarised
        pool_size: width and height of a window, one number, or one for each block; 1 for no pooling
        normalisation: between convolution and activation
        activation: of the convolutions and of the dense layer
        initialisation: of the weights; `keras` is Glorot-uniform with zero biases

    Shape:
        image: (batch, in_channels, height, width); output: (batch, classes), logits.

    Raises:
        ValueError: channels, dropouts and kernel sizes differ in number; the image is too small for that many blocks.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        height: FromData[int],
        width: FromData[int],
        classes: FromData[int],
        channels: list[Positive] = [32, 64, 128],
        kernel_size: Positive | list[Positive] = 3,
        padding: Padding = "valid",
        dropouts: list[Probability] = [0.25, 0.25, 0.4],
        hidden: Count = 64,
        hidden_dropout: Probability = 0.5,
        pooling: PoolingKind = "max",
        pool_size: Positive | list[Positive] = 2,
        normalisation: Normalisation = "none",
        activation: Activation = "relu",
        initialisation: Initialisation = "torch",
    ) -> None:
        super().__init__()
        kernels = [kernel_size] * len(channels) if isinstance(kernel_size, int) else kernel_size
        windows = [pool_size] * len(channels) if isinstance(pool_size, int) else pool_size
        for name, values in (("dropouts", dropouts), ("kernel_size", kernels), ("pool_size", windows)):
            if len(values) != len(channels):
                raise ValueError(
                    f"channels has {len(channels)} values and {name} {len(values)}: give one for each block"
                )
        blocks = []
        before = in_channels
        for count, dropout, kernel, window in zip(channels, dropouts, kernels, windows, strict=True):
            pool = Pooling(2, pooling, size=window, channels=count) if window > 1 else None
            blocks.append(
                ConvolutionBlock(
                    2, before, count, kernel, padding=padding, normalisation=normalisation,
                    activation=activation, pooling=pool, dropout=dropout,
                )
            )  # fmt: skip
            before = count * (pool.outputs_per_channel if pool is not None else 1)
            growth = {"valid": 1 - kernel, "same": 0, "causal": 0, "full": kernel - 1}[padding]
            height, width = ((side + growth) // window for side in (height, width))
            if min(height, width) < 1:
                raise ValueError(f"the image is too small for {len(channels)} blocks: use fewer, or padding 'same'")
        self.blocks = nn.Sequential(*blocks)
        features = before * height * width
        self.hidden = nn.Linear(features, hidden) if hidden else None
        self.activation = activation_layer(activation) if hidden else None
        self.dropout = Dropout(hidden_dropout) if hidden and hidden_dropout else None
        self.classifier = nn.Linear(hidden or features, classes)
        initialise(self, initialisation)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Images to logits."""
        x = self.blocks(image)
        # Flattened as (height, width, channels): no copy in channels-last memory, and the same order as in Keras.
        x = x.permute(0, 2, 3, 1).flatten(1)
        if self.hidden is not None and self.activation is not None:
            x = self.activation(self.hidden(x))
            if self.dropout is not None:
                x = self.dropout(x)
        return self.classifier(x)
