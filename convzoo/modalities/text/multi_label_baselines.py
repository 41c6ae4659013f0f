"""The classical opponents for texts with several labels at once."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Count, LabelType, Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.modalities.text.baselines import joined_features, tfidf_vectorizers
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.words import normal


class TfidfOneVsRest(Baseline):
    """A logistic regression for each label, on the TF-IDF of n-grams.

    Args:
        ngrams: the longest n-gram, in words
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    label_type: ClassVar[LabelType] = "classes"
    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (3.0, 1.0, 0.3, 30.0)}
    _trained_on: Any = None
    _kept: dict[int, tuple[Any, Any]]

    def __init__(self, ngrams: Positive = 2, inverse_penalty: PositiveFloat | None = None) -> None:
        self.ngrams = ngrams
        self.characters = 0
        self.inverse_penalty = inverse_penalty

    def fit(self, examples: Sequence[Text], dims: Mapping[str, Any]) -> None:
        """Learn weights and coefficients from the training split."""
        if self._trained_on is not examples:  # n-grams are counted once, however many candidates are tried
            texts = [normal(example.text) for example in examples]
            self.vectorizers = [each.fit(texts) for each in tfidf_vectorizers(texts, self.ngrams, self.characters)]
            self._trained_on, self._kept = examples, {}
        features = self._features(examples)
        labels: list[Any] = [example.label for example in examples]
        self.machines: list[Any] = []
        for name in dims["labels"]:
            there = np.array([name in label for label in labels])
            # A label that all examples have, or none, is nothing to learn.
            constant = there.all() or not there.any()
            self.machines.append(float(there[0]) if constant else self.machine().fit(features, there))

    def outputs(self, examples: Sequence[Text]) -> Tensor:
        """(examples, labels), logits or decision values."""
        features = self._features(examples)
        columns = [
            np.full(len(examples), 20.0 * machine - 10.0) if isinstance(machine, float) else machine.decision_function(features)
            for machine in self.machines
        ]  # fmt: skip
        return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))

    def machine(self) -> Any:
        """The classifier of one label, not yet fitted."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.setting("inverse_penalty"), max_iter=1000)

    def _features(self, examples: Sequence[Text]) -> Any:
        """The features of a split, computed once. The split is kept too, so that no other gets its id."""
        if id(examples) not in self._kept:
            self._kept[id(examples)] = examples, joined_features(self.vectorizers, examples)
        return self._kept[id(examples)][1]


class SVMOneVsRest(TfidfOneVsRest):
    """A linear support vector machine for each label, on the TF-IDF of n-grams of words and of characters inside words.

    Args:
        ngrams: the longest n-gram, in words
        characters: the longest n-gram, in characters; 0: words only
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (1.0, 0.3, 3.0, 0.1)}

    def __init__(
        self, ngrams: Positive = 2, characters: Count = 5, inverse_penalty: PositiveFloat | None = None
    ) -> None:
        super().__init__(ngrams, inverse_penalty)
        self.characters = characters

    def machine(self) -> Any:
        """A linear support vector machine."""
        from sklearn.svm import LinearSVC

        return LinearSVC(C=self.setting("inverse_penalty"), random_state=0)
