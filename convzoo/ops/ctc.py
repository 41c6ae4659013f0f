"""Reading the outputs of connectionist temporal classification (CTC; Graves et al. 2006, doi:10.1145/1143844.1143891).

Each output is a distribution over the tokens, of which token 0 is the blank. A path has one token an output; it stands for the
sequence that is left when equal neighbours are joined and then blanks are taken out. All probabilities are natural logarithms.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

BLANK = 0
LOWEST = -1e30
_LEAST = math.log(1e-4)


class Hypothesis(NamedTuple):
    """A sequence of tokens.

    Attributes:
        tokens: without blanks
        score: the log-probability of all its paths, with what a language model adds
    """

    tokens: tuple[int, ...]
    score: float


class Heard(NamedTuple):
    """A token in a path: the outputs `start` to `end` (not included) are its own."""

    token: int
    start: int
    end: int


Extend = Callable[[Any, int], tuple[Any, float]]
"""Takes a state and the token that comes next; gives the state after it, and what is added to the score."""


def best_path(log_probs: np.ndarray) -> tuple[list[Heard], float]:
    """The tokens of the single most probable path, and its log-probability.

    Args:
        log_probs: (outputs, tokens)
    """
    path = log_probs.argmax(axis=1)
    if not len(path):
        return [], 0.0
    edges = np.flatnonzero(np.diff(path)) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(path)]])
    runs = zip(path[starts].tolist(), starts.tolist(), ends.tolist(), strict=True)
    return [Heard(*run) for run in runs if run[0] != BLANK], float(log_probs.max(axis=1).sum())


def prefix_beam_search(
    log_probs: np.ndarray,
    width: int,
    extend: Extend | None = None,
    start: Any = None,
    finish: Callable[[Any], float] | None = None,
    least: float = _LEAST,
    most: int | None = None,
) -> list[Hypothesis]:
    """The most probable sequences, each by the sum over all its paths (Hannun et al. 2014, arXiv:1408.2873, algorithm 1).

    Of each sequence two numbers are kept: the probability of its paths that end with a blank, and that of the others, since
    only after a blank the same token begins anew.

    Args:
        log_probs: (outputs, tokens)
        width: how many sequences are kept after each output
        extend: what a language model adds when a token is appended; None: nothing
        start: its state before the first token
        finish: what it adds at the end of a sequence
        least: tokens that are less probable than this at an output are not tried there; the most probable one always is
        most: at most so many tokens are tried at an output, the most probable ones; None: all

    Returns:
        at most `width` sequences, the best first
    """
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, LOWEST)}
    known: dict[tuple[int, ...], tuple[Any, float]] = {(): (start, 0.0)}
    for row in log_probs.tolist():
        best = max(row)
        tried = [(token, value) for token, value in enumerate(row) if value >= least or value == best]
        if most is not None and len(tried) > most:
            tried = sorted(tried, key=lambda pair: -pair[1])[:most]
        found: dict[tuple[int, ...], list[float]] = {}
        for prefix, (ended, going) in beam.items():
            whole = _add(ended, going)
            last = prefix[-1] if prefix else BLANK
            for token, value in tried:
                if token == BLANK:
                    pair = found.setdefault(prefix, [LOWEST, LOWEST])
                    pair[0] = _add(pair[0], whole + value)
                    continue
                longer = (*prefix, token)
                if token == last:
                    pair = found.setdefault(prefix, [LOWEST, LOWEST])
                    pair[1] = _add(pair[1], going + value)
                    pair = found.setdefault(longer, [LOWEST, LOWEST])
                    pair[1] = _add(pair[1], ended + value)
                else:
                    pair = found.setdefault(longer, [LOWEST, LOWEST])
                    pair[1] = _add(pair[1], whole + value)
                if extend is not None and longer not in known:
                    state, added = known[prefix]
                    after, more = extend(state, token)
                    known[longer] = after, added + more

        def rank(item: tuple[tuple[int, ...], list[float]]) -> tuple[float, tuple[int, ...]]:
            bonus = known[item[0]][1] if extend is not None else 0.0
            return -(_add(*item[1]) + bonus), item[0]

        kept = sorted(
            ((rank(item), item) for item in found.items() if max(item[1]) > LOWEST), key=lambda pair: pair[0]
        )[:width]
        beam = {prefix: (pair[0], pair[1]) for _, (prefix, pair) in kept}
    hypotheses = []
    for prefix, ends in beam.items():
        score = _add(*ends)
        if extend is not None:
            state, added = known[prefix]
            score += added + (finish(state) if finish is not None else 0.0)
        hypotheses.append(Hypothesis(prefix, score))
    return sorted(hypotheses, key=lambda each: (-each.score, each.tokens))


def align(log_probs: np.ndarray, tokens: Sequence[int]) -> list[Heard]:
    """Where each token of a sequence is, by the most probable of its paths (Viterbi).

    Args:
        log_probs: (outputs, tokens)
        tokens: without blanks

    Raises:
        ValueError: there are too few outputs for the sequence.
    """
    if not len(tokens):
        return []
    wide = np.zeros(2 * len(tokens) + 1, dtype=np.int64)
    wide[1::2] = tokens
    # A token may follow the one before it without a blank, unless they are equal.
    skips = np.zeros(len(wide), dtype=bool)
    skips[3::2] = wide[3::2] != wide[1:-2:2]
    emitted = log_probs[:, wide]  # (outputs, 2 tokens + 1)
    came = np.zeros(emitted.shape, dtype=np.int8)
    score = np.full(len(wide), LOWEST)
    score[:2] = emitted[0, :2]
    for time in range(1, len(emitted)):
        one = np.concatenate([[LOWEST], score[:-1]])
        two = np.where(skips, np.concatenate([[LOWEST, LOWEST], score[:-2]]), LOWEST)
        steps = np.stack([score, one, two])
        came[time] = steps.argmax(axis=0)
        score = steps.max(axis=0) + emitted[time]
    place = len(wide) - 1 if score[-1] >= score[-2] else len(wide) - 2
    if score[place] <= LOWEST / 2:
        raise ValueError(f"{len(log_probs)} outputs are too few for {len(tokens)} tokens")
    path = np.empty(len(emitted), dtype=np.int64)
    for time in range(len(emitted) - 1, -1, -1):
        path[time] = place
        place -= int(came[time, place])
    found = []
    for number, token in enumerate(tokens):
        own = np.flatnonzero(path == 2 * number + 1)
        found.append(Heard(int(token), int(own[0]), int(own[-1]) + 1))
    return found


def _add(one: float, other: float) -> float:
    """The logarithm of the sum of two probabilities."""
    if one < other:
        one, other = other, one
    return one if other <= LOWEST else one + math.log1p(math.exp(other - one))
