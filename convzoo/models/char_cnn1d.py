"""A convolutional network over characters or bytes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, NonNegative, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.embedding import PADDING, TokenEmbedding
from convzoo.layers.evidence import with_evidence
from convzoo.layers.masked import max_pooled
from convzoo.layers.pooling import Pooling


class CharCNN1d(nn.Module):
    r"""Convolutions over characters, after Zhang et al. 2015 (arXiv:1509.01626): wide kernels first, pooling between the layers.

    The first kernels see a short word letter by letter; after a pooling the next ones see a long word or two. Letters that are
    written in several ways (`e`, `3`, `€`) get vectors that are alike, so one kernel knows a word in many spellings. Unlike in
    the paper, characters have learnt vectors and not one-hot ones, and a pooling over the whole text takes the place of three
    dense layers: so texts may have any length, and few texts are enough. Padded positions do not count, so a text's output does
    not depend on its batch.

    Args:
        embedding_size: length of a character's vector
        embedding_dropout: on single elements of the vectors
        channels: of each layer
        kernel_sizes: width of each layer's kernels, in characters, or in places of the layer before
        pool_size: between two layers, the maximum of this many places becomes one; 1 for none
        every_layer: the classifier gets the pooled features of every layer, which see shorter and longer stretches; else those of
            the last layer only
        pooling: over the whole text
        k: for k_max pooling
        normalisation: after each convolution: `layer` or none; batch normalisation is not offered, because its statistics would
            include the padding
        activation: of the convolutions
        dropout: between the layers
        head_dropout: on the pooled features
        evidence_weight: of the evidence; null: it is learnt, and the network learns what the evidence leaves unexplained; a
            number: the network learns alone, and the evidence is added in prediction only, so that two judges whose mistakes
            differ vote together

    If the encoder gives `evidence`, decision values of a linear classifier, they are multiplied by a weight and added to the
    logits: a wide and deep network (Cheng et al. 2016, arXiv:1606.07792).

    Shape:
        tokens: (batch, length), 0 is padding; evidence: (batch, classes or 1); output: (batch, classes), logits.

    Raises:
        ValueError: the numbers of channels and of kernels differ.
    """

    def __init__(
        self,
        vocabulary_size: FromData[int],
        classes: FromData[int],
        embedding_size: Positive = 32,
        embedding_dropout: Probability = 0.1,
        channels: list[Positive] = [128, 128, 128],
        kernel_sizes: list[Positive] = [7, 5, 3],
        pool_size: Positive = 2,
        every_layer: bool = True,
        pooling: PoolingKind = "max",
        k: Positive = 2,
        normalisation: Normalisation = "none",
        activation: Activation = "relu",
        dropout: Probability = 0.1,
        head_dropout: Probability = 0.3,
        evidence_weight: NonNegative | None = None,
        evidence: FromData[bool] = False,
    ) -> None:
        super().__init__()
        if len(channels) != len(kernel_sizes):
            raise ValueError(
                f"{len(channels)} channels for {len(kernel_sizes)} kernel_sizes: give one of each for a layer"
            )
        if normalisation not in ("none", "layer"):
            raise ValueError(f"normalisation: {normalisation!r} would count the padding; take layer or none")
        self.embedding = TokenEmbedding(vocabulary_size, embedding_size, dropout=embedding_dropout)
        self.layers = nn.ModuleList(
            ConvolutionBlock(
                1, before, width, size, normalisation=normalisation, activation=activation, dropout=dropout
            )
            for before, width, size in zip([embedding_size, *channels], channels, kernel_sizes, strict=False)
        )
        self.pool_size = pool_size
        self.pooled_layers = range(len(channels)) if every_layer else range(len(channels) - 1, len(channels))
        self.poolings = nn.ModuleList(Pooling(1, pooling, channels=channels[at], k=k) for at in self.pooled_layers)
        self.dropout = Dropout(head_dropout) if head_dropout else nn.Identity()
        features = sum(channels[at] for at in self.pooled_layers) * (k if pooling == "k_max" else 1)
        self.classifier = nn.Linear(features, classes)
        self.learnt_weight = nn.Parameter(torch.tensor(1.0)) if evidence and evidence_weight is None else None
        self.evidence_weight = evidence_weight
        # Without normalisation, PyTorch's default initialisation would make the signal weaker from layer to layer.
        for module in self.layers.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(
        self, tokens: Int[Tensor, "batch length"], evidence: Float[Tensor, "batch evidence"] | None = None
    ) -> Float[Tensor, "batch classes"]:
        """Characters, and if the encoder gives it the evidence of a linear classifier, to logits."""
        counts = tokens.ne(PADDING)
        x = self.embedding(tokens)  # (batch, channels, length)
        pooled = []
        for number, layer in enumerate(self.layers):
            if number and self.pool_size > 1:
                x, counts = max_pooled(x, counts, self.pool_size, self.pool_size)
            x = layer(x) * counts.unsqueeze(1)
            if number in self.pooled_layers:
                pooled.append(self.poolings[number - self.pooled_layers.start](x, counts))
        logits = self.classifier(self.dropout(torch.cat(pooled, dim=1)))
        return with_evidence(logits, evidence, self.learnt_weight, self.evidence_weight, self.training)
