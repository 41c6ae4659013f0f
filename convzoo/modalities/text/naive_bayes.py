"""Naive Bayes on n-grams, as evidence that a network may take into account."""

from collections.abc import Sequence

import torch
from torch import Tensor


class NaiveBayes:
    r"""Multinomial naive Bayes on the presence of n-grams: $\log P(c | x) = \sum_{g \in x} \log P(g | c) + \ldots$

    It counts texts, not occurrences, with add-one smoothing, as in the first half of NBSVM (Wang & Manning 2012,
    aclanthology.org/P12-2018). It equals a bank of frozen convolution filters over one-hot words, one for each n-gram.

    Args:
        index: the number of each n-gram
        likelihoods: (n-grams, classes), log P(n-gram | class) minus its mean over the classes
        max_ngram: the longest n-gram
    """

    def __init__(self, index: dict[str, int], likelihoods: Tensor, max_ngram: int) -> None:
        self.index = index
        self.likelihoods = likelihoods
        self.max_ngram = max_ngram

    @classmethod
    def of(cls, texts: Sequence[Sequence[str]], labels: Sequence[int], classes: int, max_ngram: int) -> "NaiveBayes":
        """Count a training split."""
        index: dict[str, int] = {}
        pairs = [
            (index.setdefault(ngram, len(index)), label)
            for tokens, label in zip(texts, labels, strict=True)
            for ngram in ngrams(tokens, max_ngram)
        ]
        counts = torch.ones(len(index), classes)
        places = torch.tensor(pairs)
        counts.index_put_((places[:, 0], places[:, 1]), torch.ones(len(pairs)), accumulate=True)
        likelihoods = (counts / counts.sum(dim=0)).log()
        return cls(index, likelihoods - likelihoods.mean(dim=1, keepdim=True), max_ngram)

    def evidence(self, tokens: Sequence[str]) -> Tensor:
        """(classes,): the sum over a text's n-grams; those that are not in the training split are left out."""
        known = [self.index[ngram] for ngram in ngrams(tokens, self.max_ngram) if ngram in self.index]
        return self.likelihoods[known].sum(dim=0)


def ngrams(tokens: Sequence[str], max_ngram: int) -> list[str]:
    """The different n-grams of a text, in the order of their first occurrence."""
    found = (
        " ".join(tokens[start : start + size])
        for size in range(1, max_ngram + 1)
        for start in range(len(tokens) - size + 1)
    )
    return list(dict.fromkeys(found))
