"""The classical opponent for texts with several labels at once."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import LabelType, Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.modalities.text.baselines import words
from convzoo.modalities.text.example import Text


class TfidfOneVsRest(Baseline):
    """A logistic regression for each label, on the TF-IDF of n-grams.

    Args:
        ngrams: the longest n-gram, in words
        inverse_penalty: inverse of the regularisation (scikit-learn's C)
    """

    label_type: ClassVar[LabelType] = "classes"

    def __init__(self, ngrams: Positive = 2, inverse_penalty: PositiveFloat = 3.0) -> None:
        self.ngrams = ngrams
        self.inverse_penalty = inverse_penalty

    def fit(self, examples: Sequence[Text], dims: Mapping[str, Any]) -> None:
        """Learn weights and coefficients from the training split."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self.vectorizer = TfidfVectorizer(
            tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, self.ngrams), sublinear_tf=True
        )
        features = self.vectorizer.fit_transform([example.text for example in examples])
        labels: list[Any] = [example.label for example in examples]
        self.machines: list[Any] = []
        for name in dims["labels"]:
            there = np.array([name in label for label in labels])
            machine = LogisticRegression(C=self.inverse_penalty, max_iter=1000)
            # A label that all examples have, or none, is nothing to learn.
            self.machines.append(float(there[0]) if there.all() or not there.any() else machine.fit(features, there))

    def outputs(self, examples: Sequence[Text]) -> Tensor:
        """(examples, labels), logits."""
        features = self.vectorizer.transform([example.text for example in examples])
        columns = [
            np.full(len(examples), 20.0 * machine - 10.0) if isinstance(machine, float) else machine.decision_function(features)
            for machine in self.machines
        ]  # fmt: skip
        return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))
