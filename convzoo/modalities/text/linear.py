"""A linear classifier on n-grams of words and characters, as evidence that a network may take into account."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convzoo.core.targets import Target, Targets

MAX_FEATURES = 50_000
FOLDS = 5
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
FIRST = 2
"""The penalty that is tried first; then its neighbours, as long as the folds get better."""
SCALES = (-3.0, 5.0)
"""The logarithms of the scales that turn decision values into logits are sought between these."""


class LinearNgrams:
    """A linear support vector machine on the TF-IDF of n-grams of words (1 to 2) and of characters inside words (2 to 5): the
    wide part of a wide and deep network (Cheng et al. 2016, arXiv:1606.07792), and the strongest quick classifier of short
    texts. It equals a bank of frozen convolution filters, one for each n-gram, summed over the text. For numbers it is a ridge
    regression.

    It is fitted before the network. The evidence of a training text comes from a machine that was fitted on the other folds: so
    the network sees in training how much such evidence is worth on new texts, and learns what it leaves unexplained.

    Args:
        words: the number and the weight of each n-gram of words
        characters: the same for n-grams of characters
        coefficients: (n-grams, outputs), words first
        offsets: (outputs,)
        fitted: by the hash of a training text, its evidence
    """

    def __init__(
        self,
        words: "Vocabulary",
        characters: "Vocabulary",
        coefficients: np.ndarray,
        offsets: np.ndarray,
        fitted: Mapping[int, np.ndarray],
    ) -> None:
        self.words = words
        self.characters = characters
        self.coefficients = coefficients
        self.offsets = offsets
        self.fitted = fitted

    @classmethod
    def of(
        cls, texts: Sequence[str], tokens: Sequence[Sequence[str]], targets: Sequence[Target], kind: Targets
    ) -> "LinearNgrams":
        """Fit the machine on a training split; its penalty is the best one over the folds.

        Args:
            texts: as they are encoded, for the n-grams of characters
            tokens: of each text
            targets: of each text: the number of its class, a standardised number, or a row of 0 and 1
            kind: what the targets are
        """
        counted = [word_ngrams(each) for each in tokens], [character_ngrams(text) for text in texts]
        words, characters = (Vocabulary.of(each) for each in counted)
        features = _matrix(words, characters, *counted)
        target, outputs = np.array(targets), kind.dims["classes"]
        fold = np.random.default_rng(0).permutation(len(target)) % FOLDS

        def tried(at: int) -> tuple[float, int, np.ndarray]:
            """How good a penalty is, its place, and the decision values of texts that the machine has not seen."""
            held_out = np.zeros((len(target), outputs))
            for number in range(FOLDS):
                inside = fold != number
                coefficients, offsets = _fit(features[inside], target[inside], outputs, kind, PENALTIES[at])
                held_out[~inside] = features[~inside] @ coefficients + offsets
            return _goodness(held_out, target, kind), at, held_out

        best = tried(FIRST)
        for step in (-1, 1):
            at = best[1] + step
            while 0 <= at < len(PENALTIES):
                found = tried(at)
                if found[0] <= best[0]:
                    break
                best, at = found, at + step
            if best[1] != FIRST:
                break
        coefficients, offsets = _fit(features, target, outputs, kind, PENALTIES[best[1]])
        scale = _scale(best[2], target, kind)
        keys = [_key(text) for text in texts]
        fitted = dict(zip(keys, (scale * best[2]).astype(np.float32), strict=True))
        coefficients, offsets = ((scale * each).astype(np.float32) for each in (coefficients, offsets))
        return cls(words, characters, coefficients, offsets, fitted)

    def evidence(self, text: str, tokens: Sequence[str], training: bool = True) -> Tensor:
        """(outputs,): the decision values of a text, or its number.

        Args:
            text: as it is encoded
            tokens: of the text
            training: whether a text of the training split gets what the machine of the other folds said of it
        """
        known = self.fitted.get(_key(text)) if training else None
        if known is not None:
            return torch.from_numpy(known)
        found = self.offsets.copy()
        pairs = ((self.words, word_ngrams(tokens), 0), (self.characters, character_ngrams(text), len(self.words)))
        for vocabulary, counts, first in pairs:
            at, weights = vocabulary.weighed(counts)
            found += weights @ self.coefficients[at + first]
        return torch.from_numpy(found)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values and tensors."""
        return {
            "linear_words": list(self.words.index),
            "linear_word_weights": self.words.weights,
            "linear_characters": list(self.characters.index),
            "linear_character_weights": self.characters.weights,
            "linear_coefficients": self.coefficients,
            "linear_offsets": self.offsets,
            "linear_fitted_keys": np.array(list(self.fitted), dtype=np.int64),
            "linear_fitted": np.stack(list(self.fitted.values())),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "LinearNgrams":
        """Restore what `state` gave."""
        arrays = {
            key: value.numpy()
            for key, value in state.items()
            if key.startswith("linear_") and isinstance(value, Tensor)
        }
        return cls(
            Vocabulary(state["linear_words"], arrays["linear_word_weights"]),
            Vocabulary(state["linear_characters"], arrays["linear_character_weights"]),
            arrays["linear_coefficients"],
            arrays["linear_offsets"],
            dict(zip(arrays["linear_fitted_keys"].tolist(), arrays["linear_fitted"], strict=True)),
        )


def _matrix(
    words: "Vocabulary",
    characters: "Vocabulary",
    of_words: Sequence[Counter[str]],
    of_characters: Sequence[Counter[str]],
) -> Any:
    """(texts, n-grams), sparse: the weights of both kinds, words first."""
    from scipy.sparse import csr_matrix

    places, values, ends = [], [], [0]
    for pair in zip(of_words, of_characters, strict=True):
        for vocabulary, counts, first in zip((words, characters), pair, (0, len(words)), strict=True):
            at, weights = vocabulary.weighed(counts)
            places.append(at + first)
            values.append(weights)
        ends.append(ends[-1] + len(places[-2]) + len(places[-1]))
    shape = len(of_words), len(words) + len(characters)
    return csr_matrix((np.concatenate(values), np.concatenate(places), np.array(ends)), shape)


def _fit(
    features: Any, target: np.ndarray, outputs: int, kind: Targets, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients (n-grams, outputs) and offsets (outputs,) of a linear machine with this inverse penalty."""
    from sklearn.linear_model import Ridge
    from sklearn.svm import LinearSVC

    if kind.label_type == "number":
        machine = Ridge(alpha=1 / penalty, solver="sparse_cg").fit(features, target)
        return machine.coef_[:, None], np.array([machine.intercept_])
    coefficients, offsets = np.zeros((features.shape[1], outputs)), np.full(outputs, -1.0)
    several = kind.label_type == "classes"
    for number in range(outputs):
        inside = target[:, number] == 1 if several else target == number
        if inside.all() or not inside.any():  # a class that these folds do not have, or have only
            offsets[number] = 1.0 if inside.all() else -1.0
        elif outputs == 2 and not several and number == 1:  # the other side of the same machine
            coefficients[:, 1], offsets[1] = -coefficients[:, 0], -offsets[0]
        else:
            machine = LinearSVC(C=penalty, random_state=0).fit(features, inside)
            coefficients[:, number], offsets[number] = machine.coef_[0], machine.intercept_[0]
    return coefficients, offsets


def _goodness(found: np.ndarray, target: np.ndarray, kind: Targets) -> float:
    """The accuracy of decision values, or minus the squared error of numbers."""
    if kind.label_type == "number":
        return -float(np.square(found[:, 0] - target).mean())
    if kind.label_type == "classes":
        return float(((found > 0) == (target == 1)).mean())
    return float((found.argmax(axis=1) == target).mean())


def _scale(found: np.ndarray, target: np.ndarray, kind: Targets) -> float:
    """What turns decision values of unseen texts into logits: the scale with the smallest cross-entropy (Platt 1999, with one
    parameter). So the evidence is as sure as it may be, and a network that adds nothing is as good as the machine. As there, one
    text of n + 2 counts as of another class: without a mistake the scale would have no bound, and the network nothing to learn.
    A number is its own evidence."""
    if kind.label_type == "number":
        return 1.0
    from scipy.optimize import minimize_scalar
    from scipy.special import log_expit, log_softmax

    rows, doubt = np.arange(len(target)), 1 / (len(target) + 2)

    def loss(logarithm: float) -> float:
        logits = math.exp(logarithm) * found
        if kind.label_type == "classes":
            signed = np.where(target == 1, logits, -logits)
            return -float(((1 - doubt) * log_expit(signed) + doubt * log_expit(-signed)).mean())
        found_logits = log_softmax(logits, axis=1)
        true = found_logits[rows, target]
        others = (found_logits.sum(axis=1) - true) / max(found_logits.shape[1] - 1, 1)
        return -float(((1 - doubt) * true + doubt * others).mean())

    return math.exp(minimize_scalar(loss, bounds=SCALES, method="bounded").x)


class Vocabulary:
    """The n-grams that are counted, with the logarithm of their inverse document frequency.

    Args:
        ngrams: in the order of their numbers
        weights: (n-grams,)
    """

    def __init__(self, ngrams: Sequence[str], weights: np.ndarray) -> None:
        self.index = {ngram: number for number, ngram in enumerate(ngrams)}
        self.weights = weights

    @classmethod
    def of(cls, counted: Sequence[Counter[str]]) -> "Vocabulary":
        """The most frequent n-grams; those of one text only are left out, except in a few texts."""
        texts = Counter(ngram for counts in counted for ngram in counts)
        least = 2 if len(counted) >= 100 else 1
        kept = [(ngram, count) for ngram, count in texts.most_common(MAX_FEATURES) if count >= least]
        weights = np.log((1 + len(counted)) / (1 + np.array([count for _, count in kept], dtype=np.float64))) + 1
        return cls([ngram for ngram, _ in kept], weights.astype(np.float32))

    def weighed(self, counts: Counter[str]) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of a text's n-grams and their TF-IDF, of unit length: $(1 + \\log n) \\cdot \\mathrm{idf}$."""
        known = [(self.index[ngram], count) for ngram, count in counts.items() if ngram in self.index]
        if not known:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        at = np.array([number for number, _ in known])
        found = (1 + np.log(np.array([count for _, count in known], dtype=np.float32))) * self.weights[at]
        return at, found / max(float(np.linalg.norm(found)), 1e-9)

    def __len__(self) -> int:
        return len(self.index)


def word_ngrams(tokens: Sequence[str]) -> Counter[str]:
    """How often a text has each word and each pair of words."""
    pairs = (f"{first} {second}" for first, second in pairwise(tokens))
    return Counter([*tokens, *pairs])


def character_ngrams(text: str, shortest: int = 2, longest: int = 5) -> Counter[str]:
    """How often a text has each n-gram of characters inside a word; a space marks both ends of a word."""
    found: Counter[str] = Counter()
    for word in text.split():
        marked = f" {word} "
        for size in range(shortest, longest + 1):
            found.update(marked[start : start + size] for start in range(max(len(marked) - size + 1, 1)))
            if size >= len(marked):  # a short word counts once
                break
    return found


def _key(text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True
    )
