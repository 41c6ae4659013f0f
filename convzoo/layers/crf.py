"""The transitions of a conditional random field, which turn scores of single tags into scores of whole sequences."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.outputs.spans import complete, may_follow
from convzoo.ops.crf import FORBIDDEN

ChainScores = tuple[Tensor, Tensor]
"""Scores of tag sequences: the emissions (batch, length, tags), of each tag at each token, and the transitions
(tags + 1, tags + 1), of each tag behind each other; their last row is for the first tag of a sequence, their last column for its
last one."""


class LinearChainCRF(nn.Module):
    """Learns how likely a tag stands behind another (Lafferty et al. 2001; over a network: Collobert et al. 2011,
    arXiv:1103.0398, §3.3.2). Sequences that say no well-formed entities are forbidden.

    Args:
        tags: the names of the tags, such as B-PER, in IOB2 or BIOES
        learned: whether the scores of allowed transitions are learnt; if not, all are 0, and only the forbidden ones count

    Shape:
        emissions: (batch, length, tags); output: `ChainScores`
    """

    def __init__(self, tags: Sequence[str], learned: bool = True) -> None:
        super().__init__()
        names = [*tags, None]
        bioes = any(tag.startswith(("E-", "S-")) for tag in tags)
        allowed = [
            [may_follow(before, after) and (not bioes or complete(before, after)) for after in names]
            for before in names
        ]
        self.register_buffer("forbidden", ~torch.tensor(allowed), persistent=False)
        self.forbidden: Tensor
        self.weight = nn.Parameter(torch.zeros(len(names), len(names)), requires_grad=learned)

    def forward(self, emissions: Float[Tensor, "batch length tags"]) -> ChainScores:
        """The emissions with the transitions."""
        return emissions, self.weight.masked_fill(self.forbidden, FORBIDDEN)

    def in_words(self) -> str:
        """For `describe`."""
        count = len(self.weight) - 1
        return f"A conditional random field: scores how {count} tags follow each other, so that whole sequences are compared."
