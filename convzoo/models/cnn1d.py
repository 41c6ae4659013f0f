"""The sentence CNN: parallel kernels of several widths over word vectors, and one pooling over the whole sentence."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, NonNegative, PoolingKind, Positive, PositiveFloat, Probability
from convzoo.layers.activation import NEVER_FALLING, activation_layer
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.embedding import PADDING, TokenEmbedding
from convzoo.layers.evidence import with_evidence
from convzoo.layers.pooling import Pooling


class CNN1d(nn.Module):
    r"""Kim's sentence CNN (Kim 2014, arXiv:1408.5882): $c_i = \sigma(w \cdot x_{i:i+h-1} + b)$, $\hat c = \max_i c_i$.

    Each kernel of width h is a detector of h-grams; pooling over the sentence finds whether its h-gram occurs anywhere. The
    padding is `full`, as in the paper's code, and padded positions do not count, so a sentence's output does not depend on
    its batch.

    Args:
        embedding: learnt vectors, static pre-trained ones, or both
        embedding_size: length of a learnt vector, if the encoder has no pre-trained `vectors`
        embedding_scale: learnt vectors start uniform between minus and plus this value
        embedding_dropout: on single elements of the word vectors
        kernel_sizes: widths of the kernels, in tokens
        channels: kernels of each width
        pooling: over the whole sentence
        k: for k_max pooling
        activation: of the convolutions
        dropout: on the pooled features
        max_norm: largest norm of a row of the last layer (Hinton et al. 2012, arXiv:1207.0580); null for no limit
        evidence_weight: of the evidence; null: it is learnt, and the network learns what the evidence leaves unexplained; a
            number: the network learns alone, and the evidence is added in prediction only, so that two judges whose mistakes
            differ vote together

    If the encoder gives `evidence`, decision values of a linear classifier, they are multiplied by a weight and added to the
    logits: a wide and deep network (Cheng et al. 2016, arXiv:1606.07792).

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
        embedding_scale: PositiveFloat = 0.25,
        embedding_dropout: Probability = 0.0,
        kernel_sizes: list[Positive] = [3, 4, 5],
        channels: Positive = 100,
        pooling: PoolingKind = "max",
        k: Positive = 2,
        activation: Activation = "relu",
        dropout: Probability = 0.5,
        max_norm: PositiveFloat | None = None,
        evidence_weight: NonNegative | None = None,
        evidence: FromData[bool] = False,
    ) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(
            vocabulary_size, embedding_size, embedding, vectors, embedding_scale, embedding_dropout
        )
        self.convolutions = nn.ModuleList(
            ConvolutionBlock(1, self.embedding.channels, channels, width, padding="full", activation="identity")
            for width in kernel_sizes
        )
        self.poolings = nn.ModuleList(Pooling(1, pooling, channels=channels, k=k) for _ in kernel_sizes)
        # Maximum and activation commute: after pooling, the activation has a fraction of the work.
        self.activates_last = pooling == "max" and activation in NEVER_FALLING
        self.activation = activation_layer(activation)
        self.kernel_sizes = list(kernel_sizes)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        features = channels * len(kernel_sizes) * (k if pooling == "k_max" else 1)
        self.classifier = nn.Linear(features, classes)
        self.max_norm = max_norm
        self.evidence_weight = nn.Parameter(torch.tensor(1.0)) if evidence and evidence_weight is None else None
        self.fixed_weight = evidence_weight

    def forward(
        self, tokens: Int[Tensor, "batch length"], evidence: Float[Tensor, "batch evidence"] | None = None
    ) -> Float[Tensor, "batch classes"]:
        """Tokens, and if the encoder gives it the evidence of a linear classifier, to logits."""
        vectors = self.embedding(tokens)  # (batch, channels, length)
        pooled = []
        for width, convolution, pooling in zip(self.kernel_sizes, self.convolutions, self.poolings, strict=True):
            features = convolution(vectors)  # (batch, channels, length + width - 1)
            # A position counts if its kernel touches a token: the last token's reach ends width - 1 after it.
            counts = torch.nn.functional.pad(tokens.ne(PADDING), (width - 1, 0), value=True)
            if not self.activates_last:
                features = self.activation(features)
            pooled.append(pooling(features, counts))
        x = torch.cat(pooled, dim=1)
        if self.activates_last:
            x = self.activation(x)
        if self.training and self.max_norm is not None:
            with torch.no_grad():
                self.classifier.weight.copy_(torch.renorm(self.classifier.weight, 2, 0, self.max_norm))
        logits = self.classifier(self.dropout(x))
        return with_evidence(logits, evidence, self.evidence_weight, self.fixed_weight, self.training)
