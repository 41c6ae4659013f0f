"""A convolution directly over one-hot words, summed over the sentence."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import FromData, NonNegative, Positive, PositiveFloat, Probability
from convzoo.layers.dropout import Dropout
from convzoo.layers.embedding import PADDING, TokenEmbedding
from convzoo.layers.evidence import with_evidence


class RegionCNN1d(nn.Module):
    r"""Region embeddings (Johnson & Zhang 2015, arXiv:1504.01255, "seq-CNN"): $z_t = \sum_{i<k} W_i x_{t+i} + b$ with x one-hot.

    The product of a kernel with a one-hot word is a row of a table, one table for each of the kernel's k positions, so a
    convolution is k look-ups and a sum. The pooling is $\sum_t \max(z_t, 0) / (2 \sqrt n)$ over the n words of a sentence: it
    measures how much a pattern occurs, not only whether it does.

    If the encoder gives `evidence`, it is multiplied by a weight and added to the logits. That of `naive_bayes` has the weight
    `evidence_weight`, in prediction only, because the evidence of a training text was computed with the class of that text. That
    of a linear classifier (`evidence: linear`) comes from other folds, so its weight is learnt, starting from 1.

    Args:
        kernel_sizes: widths of the kernels, in words
        channels: kernels of each width
        embedding_scale: weights start uniform between minus and plus this value
        embedding_dropout: on single elements of the look-ups
        dropout: on the pooled features
        evidence_weight: of the evidence of naive Bayes

    Shape:
        tokens: (batch, length), 0 is padding; evidence: (batch, classes or 1); output: (batch, classes), logits.
    """

    def __init__(
        self,
        vocabulary_size: FromData[int],
        classes: FromData[int],
        kernel_sizes: list[Positive] = [1, 2, 3],
        channels: Positive = 32,
        embedding_scale: PositiveFloat = 0.1,
        embedding_dropout: Probability = 0.5,
        dropout: Probability = 0.5,
        evidence_weight: NonNegative = 0.15,
        evidence: FromData[bool] = False,
    ) -> None:
        super().__init__()
        self.kernel_sizes = list(kernel_sizes)
        self.channels = channels
        self.table = TokenEmbedding(
            vocabulary_size, channels * sum(kernel_sizes), scale=embedding_scale, dropout=embedding_dropout
        )
        self.biases = nn.ParameterList(torch.zeros(channels) for _ in kernel_sizes)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(channels * len(kernel_sizes), classes)
        self.evidence_weight = evidence_weight
        self.learnt_weight = nn.Parameter(torch.tensor(1.0)) if evidence else None

    def forward(
        self, tokens: Int[Tensor, "batch length"], evidence: Float[Tensor, "batch evidence"] | None = None
    ) -> Float[Tensor, "batch classes"]:
        """Tokens to logits."""
        counts = tokens.ne(PADDING)
        looked_up = self.table(tokens)  # (batch, channels * sum of widths, length)
        places = looked_up.split(self.channels, dim=1)
        pooled = []
        first = 0
        for width, bias in zip(self.kernel_sizes, self.biases, strict=True):
            # Position i of a kernel that starts at t sees word t + i; a kernel may start width - 1 before the sentence.
            shifted = [F.pad(places[first + i], (width - 1 - i, i)) for i in range(width)]
            first += width
            region = torch.stack(shifted).sum(dim=0) + bias[:, None]  # (batch, channels, length + width - 1)
            touches = F.pad(counts, (width - 1, 0), value=True).unsqueeze(1)
            pooled.append((region.relu() * touches).sum(dim=2))
        words = counts.sum(dim=1, keepdim=True).clamp(min=1)
        features = torch.cat(pooled, dim=1) / (2 * words.to(looked_up.dtype).sqrt())
        logits = self.classifier(self.dropout(features))
        return with_evidence(logits, evidence, self.learnt_weight, self.evidence_weight, self.training)
