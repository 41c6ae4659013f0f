"""Classical opponents for texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from convzoo.baselines.scikit import as_logits, class_numbers, decision_as_logits
from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.words import split_words


def words(text: str) -> list[str]:
    """Words and punctuation marks, lower-case."""
    return split_words(text.lower())


class TfidfLogisticRegression(Baseline):
    """Logistic regression on the TF-IDF of n-grams.

    Args:
        ngrams: the longest n-gram, in words
        inverse_penalty: inverse of the regularisation (scikit-learn's C)
    """

    def __init__(self, ngrams: Positive = 1, inverse_penalty: PositiveFloat = 3.0) -> None:
        self.ngrams = ngrams
        self.inverse_penalty = inverse_penalty

    def fit(self, examples: Sequence[Text], dims: Mapping[str, Any]) -> None:
        """Learn weights and coefficients from the training split."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        vectorizer = TfidfVectorizer(
            tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, self.ngrams), sublinear_tf=True
        )
        self.pipeline = make_pipeline(vectorizer, LogisticRegression(C=self.inverse_penalty, max_iter=1000))
        self.classes = len(dims["labels"])
        self.pipeline.fit([example.text for example in examples], class_numbers(examples, dims))

    def outputs(self, examples: Sequence[Text]) -> Tensor:
        """(examples, classes), logarithms of probabilities."""
        probabilities = self.pipeline.predict_proba([example.text for example in examples])
        return as_logits(probabilities, self.pipeline.classes_, self.classes)


class NBSVM(Baseline):
    r"""NBSVM (Wang & Manning 2012, aclanthology.org/P12-2018): a linear SVM on features weighted by
    $r = \log \frac{p / |p|_1}{q / |q|_1}$, with p and q the smoothed counts of each n-gram in and outside a class; the weights
    are drawn towards their mean magnitude by `interpolation` (β of the paper).

    Args:
        ngrams: the longest n-gram, in words
        inverse_penalty: inverse of the regularisation (C)
        smoothing: added to the counts (α)
        interpolation: fraction of the SVM's own weights (β)
    """

    def __init__(
        self,
        ngrams: Positive = 2,
        inverse_penalty: PositiveFloat = 1.0,
        smoothing: PositiveFloat = 1.0,
        interpolation: PositiveFloat = 0.25,
    ) -> None:
        self.ngrams = ngrams
        self.inverse_penalty = inverse_penalty
        self.smoothing = smoothing
        self.interpolation = interpolation

    def fit(self, examples: Sequence[Text], dims: Mapping[str, Any]) -> None:
        """One weighted SVM a class against the rest (for two classes, one)."""
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.svm import LinearSVC

        self.vectorizer = CountVectorizer(
            tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, self.ngrams), binary=True
        )
        counts = self.vectorizer.fit_transform([example.text for example in examples])
        numbers = class_numbers(examples, dims)
        self.classes = len(dims["labels"])
        self.present = np.unique(numbers)
        self.weights, self.biases = [], []
        for chosen in self.present[1:] if len(self.present) == 2 else self.present:
            inside = numbers == chosen
            ratio = self._log_ratio(counts[inside]) - self._log_ratio(counts[~inside])
            machine = LinearSVC(C=self.inverse_penalty, random_state=0).fit(counts.multiply(ratio).tocsr(), inside)
            weights = machine.coef_[0]
            weights = (1 - self.interpolation) * np.abs(weights).mean() + self.interpolation * weights
            self.weights.append(ratio * weights)
            self.biases.append(self.interpolation * machine.intercept_[0])

    def outputs(self, examples: Sequence[Text]) -> Tensor:
        """(examples, classes), decision values."""
        counts = self.vectorizer.transform([example.text for example in examples])
        decision = counts @ np.stack(self.weights, axis=1) + np.array(self.biases)
        return decision_as_logits(decision[:, 0] if decision.shape[1] == 1 else decision, self.present, self.classes)

    def _log_ratio(self, counts: Any) -> np.ndarray:
        total = self.smoothing + np.asarray(counts.sum(axis=0)).ravel()
        return np.log(total / total.sum())
