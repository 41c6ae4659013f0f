"""The very deep convolutional network over characters."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.embedding import PADDING, TokenEmbedding
from convzoo.layers.evidence import with_evidence
from convzoo.layers.masked import max_pooled
from convzoo.layers.pooling import Pooling

BLOCKS = {9: (1, 1, 1, 1), 17: (2, 2, 2, 2), 29: (5, 5, 2, 2), 49: (8, 8, 5, 3)}
"""Blocks of two convolutions at each width, by the number of convolutional layers (Conneau et al. 2016, table 2)."""


class VDCNN1d(nn.Module):
    r"""VDCNN (Conneau et al. 2016, arXiv:1606.01781): small kernels over characters in many layers,
    $x_{l+1} = \sigma(f(x_l) + x_l)$.

    The length is halved three times, each time with twice as many channels, so the last layers see whole phrases. Unlike in the
    paper, layer normalisation takes the place of batch normalisation, whose statistics would include the padding, and one dense
    layer that of three. Padded positions do not count, so a text's output does not depend on its batch.

    Args:
        embedding_size: length of a character's vector
        depth: number of convolutional layers
        channels: of the first of the four widths; each further one has twice as many
        kernel_size: of all kernels
        shortcuts: add the input of a block to its output (He et al. 2016, arXiv:1512.03385)
        pooling: over the whole text
        k: for k_max pooling
        normalisation: after each convolution: `layer` or none
        activation: of the convolutions
        dropout: on the pooled features

    If the encoder gives `evidence`, decision values of a linear classifier, they are multiplied by a weight that is learnt and
    added to the logits.

    Shape:
        tokens: (batch, length), 0 is padding; evidence: (batch, classes or 1); output: (batch, classes), logits.

    Raises:
        ValueError: a normalisation that would count the padding.
    """

    def __init__(
        self,
        vocabulary_size: FromData[int],
        classes: FromData[int],
        embedding_size: Positive = 16,
        depth: Literal[9, 17, 29, 49] = 9,
        channels: Positive = 64,
        kernel_size: Positive = 3,
        shortcuts: bool = True,
        pooling: PoolingKind = "k_max",
        k: Positive = 8,
        normalisation: Normalisation = "layer",
        activation: Activation = "relu",
        dropout: Probability = 0.3,
        evidence: FromData[bool] = False,
    ) -> None:
        super().__init__()
        if normalisation not in ("none", "layer"):
            raise ValueError(f"normalisation: {normalisation!r} would count the padding; take layer or none")
        self.embedding = TokenEmbedding(vocabulary_size, embedding_size)
        self.first = ConvolutionBlock(1, embedding_size, channels, kernel_size, activation="identity")
        self.stages = nn.ModuleList()
        before = channels
        for number, count in enumerate(BLOCKS[depth]):
            width = channels * 2**number
            blocks = nn.ModuleList()
            for _ in range(count):
                blocks.append(_Block(before, width, kernel_size, shortcuts, normalisation, activation))
                before = width
            self.stages.append(blocks)
        self.pooling = Pooling(1, pooling, channels=before, k=k)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(before * self.pooling.outputs_per_channel, classes)
        self.evidence_weight = nn.Parameter(torch.tensor(1.0)) if evidence else None

    def forward(
        self, tokens: Int[Tensor, "batch length"], evidence: Float[Tensor, "batch evidence"] | None = None
    ) -> Float[Tensor, "batch classes"]:
        """Characters, and if the encoder gives it the evidence of a linear classifier, to logits."""
        counts = tokens.ne(PADDING)
        x = self.first(self.embedding(tokens)) * counts.unsqueeze(1)
        for number, blocks in enumerate(self.stages):
            if number:
                x, counts = max_pooled(x, counts, 3, 2)
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, counts)
        logits = self.classifier(self.dropout(self.pooling(x, counts)))
        return with_evidence(logits, evidence, self.evidence_weight)


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which is a pointwise convolution where the number of channels changes."""

    def __init__(
        self,
        before: int,
        width: int,
        kernel_size: int,
        shortcut: bool,
        normalisation: Normalisation,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.first = ConvolutionBlock(1, before, width, kernel_size, normalisation=normalisation, activation=activation)
        self.second = ConvolutionBlock(1, width, width, kernel_size, normalisation=normalisation, activation="identity")
        self.last = activation_layer(activation)
        self.shortcut = None if not shortcut else nn.Identity() if before == width else nn.Conv1d(before, width, 1)

    def forward(
        self, x: Float[Tensor, "batch channels length"], counts: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch out length"]:
        """Apply the block."""
        mask = counts.unsqueeze(1)
        found = self.second(self.first(x) * mask)
        if self.shortcut is not None:
            found = found + self.shortcut(x)
        return self.last(found) * mask
