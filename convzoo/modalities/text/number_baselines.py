"""The classical opponent for texts with a number."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from convzoo.baselines.numbers import as_outputs, fitted_ridge, standardised
from convzoo.core.arguments import LabelType, Positive
from convzoo.core.baseline import Baseline
from convzoo.modalities.text.baselines import MOST_TEXTS, some_texts, words
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.words import normal


class TfidfRidge(Baseline):
    """Ridge regression on the TF-IDF of n-grams; the penalty is chosen on a fifth of the training texts.

    Args:
        ngrams: the longest n-gram, in words
    """

    label_type: ClassVar[LabelType] = "number"

    def __init__(self, ngrams: Positive = 2) -> None:
        self.ngrams = ngrams

    def fit(self, examples: Sequence[Text], dims: Mapping[str, Any]) -> None:
        """Learn weights and coefficients from the training split."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectorizer = TfidfVectorizer(
            tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, self.ngrams), sublinear_tf=True
        )
        if len(examples) > MOST_TEXTS:
            examples = [examples[at] for at in some_texts(len(examples)).tolist()]
            self.fitted_on = len(examples)
        features = self.vectorizer.fit_transform([normal(example.text) for example in examples])
        self.machine = fitted_ridge(features, standardised(examples, dims))

    def outputs(self, examples: Sequence[Text]) -> Tensor:
        """(examples, 1), standardised numbers."""
        return as_outputs(
            self.machine.predict(self.vectorizer.transform([normal(example.text) for example in examples]))
        )
