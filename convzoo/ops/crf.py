r"""The linear-chain conditional random field (Lafferty et al. 2001): scores of tag sequences, their sum, and the best one.

A sequence of tags $y$ of one sentence has the score
$s(y) = \sum_t e_{t, y_t} + \sum_{t > 0} A_{y_{t-1}, y_t} + A_{S, y_0} + A_{y_n, S}$, with the emissions $e$ of a network and
the transitions $A$. Transitions are (tags + 1, tags + 1): the last row has the scores of the first tag, the last column those of
the last tag. A forbidden transition has the score `FORBIDDEN`.
"""

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

FORBIDDEN = -1e4
"""Low enough that its exponential is 0, and finite, so that no difference of two of them is undefined."""


def log_partition(
    emissions: Float[Tensor, "batch length tags"],
    transitions: Float[Tensor, "states states"],
    lengths: Int[Tensor, " batch"],
) -> Float[Tensor, " batch"]:
    r"""$\log \sum_y e^{s(y)}$ over all tag sequences of each sentence, by the forward algorithm.

    Args:
        emissions: positions from the sentence's length on are ignored
        transitions: (tags + 1, tags + 1)
        lengths: of each sentence, at least 1
    """
    return _LogPartition.apply(emissions, transitions, lengths)  # type: ignore[no-any-return]


class _LogPartition(torch.autograd.Function):
    """The gradient of the log-partition is the probability of each tag and of each transition. The backward algorithm gives it
    directly; it is several times as fast as autograd through each step of the forward algorithm."""

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, transitions: Tensor, lengths: Tensor) -> Tensor:
        ctx.kind = emissions.dtype
        wide = _wide(emissions)
        emissions, transitions = emissions.to(wide), transitions.to(wide)
        forward = _forward_scores(emissions, transitions)
        last = forward[torch.arange(len(lengths), device=lengths.device), lengths - 1]
        total = (last + transitions[:-1, -1]).logsumexp(dim=1)
        ctx.save_for_backward(emissions, transitions, lengths, forward, total)
        return total.to(ctx.kind)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        emissions, transitions, lengths, forward, total = ctx.saved_tensors
        (gradient,) = gradients
        backward = _backward_scores(emissions, transitions, lengths)
        mask = _mask(lengths, emissions.shape[1])
        # Behind a sentence's end the scores say nothing, and their exponential may overflow.
        states = (forward + backward - total[:, None, None]).masked_fill(~mask.unsqueeze(2), FORBIDDEN).exp()
        states = states * gradient[:, None, None]
        moves = torch.zeros_like(transitions)
        moves[:-1, :-1] = _moves(forward, emissions + backward, transitions[:-1, :-1], total, mask, gradient)
        moves[-1, :-1] = states[:, 0].sum(dim=0)
        moves[:-1, -1] = states[torch.arange(len(lengths), device=lengths.device), lengths - 1].sum(dim=0)
        return states.to(ctx.kind), moves.to(ctx.kind), None


def _moves(
    forward: Tensor, later: Tensor, inner: Tensor, total: Tensor, mask: Tensor, gradient: Tensor
) -> Float[Tensor, "tags tags"]:
    """How often each transition is expected, in all sentences together, weighted by the gradient.

    A transition from i at t to j at t + 1 has the probability exp(forward_i + A_ij + e_j + backward_j) / Z. The sum over all t is
    one product of matrices. It needs the range of 64 bits, since each factor alone may be far from 1: where a transition is
    forbidden, the second one has no bound.
    """
    before, after = forward[:, :-1], later[:, 1:] - total[:, None, None]
    shift = before.amax(dim=2, keepdim=True)
    most = 0.98 * math.log(torch.finfo(forward.dtype).max)
    right = (after + shift).clamp(max=most).exp() * (mask[:, 1:] * gradient[:, None]).unsqueeze(2)
    found = (before - shift).exp().flatten(0, 1).T @ right.flatten(0, 1)
    return found * inner.exp()


def _mask(lengths: Tensor, length: int) -> Tensor:
    return torch.arange(length, device=lengths.device) < lengths[:, None]


def _forward_scores(emissions: Tensor, transitions: Tensor) -> Tensor:
    """(batch, length, tags): the logarithm of the sum over all beginnings that end at a position with a tag, its emission
    included."""
    inner = transitions[:-1, :-1].exp()
    now = emissions[:, 0] + transitions[-1, :-1]
    found = [now]
    for position in range(1, emissions.shape[1]):
        now = _times(now, inner) + emissions[:, position]
        found.append(now)
    return torch.stack(found, dim=1)


def _backward_scores(emissions: Tensor, transitions: Tensor, lengths: Tensor) -> Tensor:
    """(batch, length, tags): the logarithm of the sum over all ends that follow a tag at a position, its emission excluded."""
    inner = transitions[:-1, :-1].exp().T.contiguous()
    end = transitions[:-1, -1].expand(len(lengths), -1)
    now, found = end, [end]
    for position in range(emissions.shape[1] - 2, -1, -1):
        later = _times(now + emissions[:, position + 1], inner)
        now = torch.where((position < lengths - 1)[:, None], later, end)
        found.append(now)
    return torch.stack(found[::-1], dim=1)


def _times(logarithms: Tensor, factors: Tensor) -> Tensor:
    """The logarithm of a product of matrices, of which the first is given by its logarithms, (batch, tags). What is smaller than
    the largest of a row by more than the range of the numbers (e^708 in 64 bits) counts as nothing."""
    shift = logarithms.amax(dim=1, keepdim=True)
    product = (logarithms - shift).exp() @ factors
    least = torch.finfo(product.dtype).tiny
    return product.clamp(min=least).log().masked_fill(product <= least, FORBIDDEN) + shift


def _wide(emissions: Tensor) -> torch.dtype:
    """The numbers that chains are computed in: 64 bits for their range, where the device has them."""
    return emissions.dtype if emissions.device.type == "mps" else torch.float64


def path_score(
    emissions: Float[Tensor, "batch length tags"],
    transitions: Float[Tensor, "states states"],
    tags: Int[Tensor, "batch length"],
    lengths: Int[Tensor, " batch"],
) -> Float[Tensor, " batch"]:
    """The score of one tag sequence for each sentence.

    Args:
        emissions: positions from the sentence's length on are ignored
        transitions: (tags + 1, tags + 1)
        tags: of each position; those from the sentence's length on are ignored
        lengths: of each sentence, at least 1
    """
    mask = _mask(lengths, emissions.shape[1])
    tags = tags.masked_fill(~mask, 0)
    last = emissions.shape[2]
    there = emissions.gather(2, tags.unsqueeze(2)).squeeze(2) * mask
    # An embedding is looked up: the gradient of an index in two axes takes many times as long.
    table = transitions.reshape(-1, 1)
    moves = F.embedding(tags[:, :-1] * len(transitions) + tags[:, 1:], table).squeeze(2) * mask[:, 1:]
    end = tags.gather(1, (lengths - 1).unsqueeze(1)).squeeze(1)
    return there.sum(dim=1) + moves.sum(dim=1) + transitions[last, tags[:, 0]] + transitions[end, last]


def best_paths(
    emissions: Float[Tensor, "batch length tags"],
    transitions: Float[Tensor, "states states"],
    lengths: Int[Tensor, " batch"],
) -> list[list[int]]:
    """The tag sequence with the largest score for each sentence, by the Viterbi algorithm; of equal ones the one with the lower
    tag numbers at the end."""
    now = emissions[:, 0] + transitions[-1, :-1]
    inner = transitions[:-1, :-1]
    came: list[Tensor] = []
    for position in range(1, emissions.shape[1]):
        best, origin = (now.unsqueeze(2) + inner).max(dim=1)
        there = (position < lengths)[:, None]
        now = torch.where(there, best + emissions[:, position], now)
        came.append(torch.where(there, origin, torch.arange(inner.shape[0], device=origin.device)))
    last = (now + transitions[:-1, -1]).argmax(dim=1)
    path = [last]
    for origin in reversed(came):
        path.append(origin.gather(1, path[-1].unsqueeze(1)).squeeze(1))
    found = torch.stack(path[::-1], dim=1).tolist()
    return [tags[:length] for tags, length in zip(found, lengths.tolist(), strict=True)]


class Chances:
    r"""Probabilities of parts of tag sequences, from one pass of the forward and the backward algorithm.

    Args:
        emissions: (batch, length, tags)
        transitions: (tags + 1, tags + 1)
        lengths: of each sentence, at least 1
    """

    def __init__(
        self,
        emissions: Float[Tensor, "batch length tags"],
        transitions: Float[Tensor, "states states"],
        lengths: Int[Tensor, " batch"],
    ) -> None:
        self.emissions = emissions.double().cpu()
        self.transitions = transitions.double().cpu()
        lengths = lengths.cpu()
        self.forward = _forward_scores(self.emissions, self.transitions)
        self.backward = _backward_scores(self.emissions, self.transitions, lengths)
        rows = torch.arange(len(lengths))
        self.total = (self.forward[rows, lengths - 1] + self.transitions[:-1, -1]).logsumexp(dim=1)

    def of_part(self, row: int, start: int, tags: list[int]) -> float:
        """The probability that a sentence has these tags from position `start` on, whatever the others are."""
        found = self.forward[row, start, tags[0]]
        for place, (before, after) in enumerate(pairwise(tags), start + 1):
            found = found + self.transitions[before, after] + self.emissions[row, place, after]
        found = found + self.backward[row, start + len(tags) - 1, tags[-1]] - self.total[row]
        return float(found.exp().clamp(max=1))
