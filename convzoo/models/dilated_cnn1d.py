"""A deep residual network of dilated convolutions over tokens."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.embedding import PADDING, TokenEmbedding
from convzoo.layers.evidence import with_evidence
from convzoo.layers.pooling import Pooling


class DilatedCNN1d(nn.Module):
    r"""Residual blocks whose dilation doubles: $x_{l+1} = x_l + f(x_l)$, so n blocks see about $2^{n+1}$ tokens or more.

    The dilations are from Strubell et al. 2017 (arXiv:1702.02098), the pre-activated residuals from He et al. 2016
    (arXiv:1603.05027). Padding is set to zero after each block, so that a sentence's output does not depend on its batch.

    Args:
        embedding: learnt vectors, static pre-trained ones, or both
        embedding_size: length of a learnt vector, if the encoder has no pre-trained `vectors`
        embedding_dropout: on single elements of the word vectors
        channels: of every block
        kernel_size: width of the kernels, in tokens
        dilations: one block each
        separable: depthwise, then pointwise
        normalisation: `layer` or none; batch normalisation is not offered, because its statistics would include the padding
        pooling: over the whole sentence
        activation: of the convolutions
        dropout: inside the blocks and before the classes

    If the encoder gives `evidence`, decision values of a linear classifier, they are multiplied by a weight that is learnt and
    added to the logits: a wide and deep network (Cheng et al. 2016, arXiv:1606.07792).

    Shape:
        tokens: (batch, length), 0 is padding; evidence: (batch, classes or 1); output: (batch, classes), logits.
    """

    def __init__(
        self,
        vocabulary_size: FromData[int],
        classes: FromData[int],
        vectors: FromData[Tensor | None] = None,
        embedding: Literal["learned", "static", "both"] = "learned",
        embedding_size: Positive = 128,
        embedding_dropout: Probability = 0.2,
        channels: Positive = 128,
        kernel_size: Positive = 3,
        dilations: list[Positive] = [1, 2, 4],
        separable: bool = False,
        normalisation: Literal["none", "layer"] = "layer",
        pooling: PoolingKind = "max",
        activation: Activation = "gelu",
        dropout: Probability = 0.3,
        evidence: FromData[bool] = False,
    ) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(vocabulary_size, embedding_size, embedding, vectors, dropout=embedding_dropout)
        self.project = nn.Conv1d(self.embedding.channels, channels, 1)
        self.blocks = nn.ModuleList(
            _ResidualBlock(channels, kernel_size, dilation, separable, normalisation, activation, dropout)
            for dilation in dilations
        )
        self.pooling = Pooling(1, pooling, channels=channels)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(channels * self.pooling.outputs_per_channel, classes)
        self.evidence_weight = nn.Parameter(torch.tensor(1.0)) if evidence else None

    def forward(
        self, tokens: Int[Tensor, "batch length"], evidence: Float[Tensor, "batch evidence"] | None = None
    ) -> Float[Tensor, "batch classes"]:
        """Tokens, and if the encoder gives it the evidence of a linear classifier, to logits."""
        counts = tokens.ne(PADDING)
        mask = counts.unsqueeze(1)
        x = self.project(self.embedding(tokens)) * mask
        for block in self.blocks:
            x = block(x, mask)
        logits = self.classifier(self.dropout(self.pooling(x, counts)))
        return with_evidence(logits, evidence, self.evidence_weight)


class _ResidualBlock(nn.Module):
    def __init__(
        self,
        channels: int,
        kernel_size: int,
        dilation: int,
        separable: bool,
        normalisation: Normalisation,
        activation: Activation,
        dropout: float,
    ) -> None:
        super().__init__()
        self.first = ConvolutionBlock(
            1, channels, channels, kernel_size, dilation=dilation, separable=separable, normalisation=normalisation,
            activation=activation, dropout=dropout,
        )  # fmt: skip
        self.second = ConvolutionBlock(
            1, channels, channels, kernel_size, dilation=dilation, separable=separable, normalisation=normalisation,
            activation="identity",
        )  # fmt: skip

    def forward(
        self, x: Float[Tensor, "batch channels length"], mask: Tensor
    ) -> Float[Tensor, "batch channels length"]:
        return (x + self.second(self.first(x) * mask)) * mask
