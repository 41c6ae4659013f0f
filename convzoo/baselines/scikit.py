"""What the opponents from scikit-learn share."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convzoo.core.baseline import Baseline
from convzoo.ops.moments import evenly_spaced


def class_numbers(examples: Sequence[Any], dims: Mapping[str, Any]) -> np.ndarray:
    """The classes of examples, with the encoder's numbers."""
    number = {label: index for index, label in enumerate(dims["labels"])}
    return np.array([number[example.label] for example in examples])


def as_logits(probabilities: np.ndarray, present: np.ndarray, classes: int) -> Tensor:
    """From probabilities of the classes that occurred in training to log-probabilities of all classes."""
    full = np.zeros((len(probabilities), classes), dtype=np.float32)
    full[:, present] = probabilities
    return torch.from_numpy(np.log(np.maximum(full, 1e-9)))


def decision_as_logits(decision: np.ndarray, present: np.ndarray, classes: int) -> Tensor:
    """From decision values (one column for two classes, else one for each class) to logits."""
    if decision.ndim == 1:
        decision = np.stack([-decision, decision], axis=1) / 2
    full = np.full((len(decision), classes), decision.min() - 10, dtype=np.float32)
    full[:, present] = decision
    return torch.from_numpy(full)


class FeatureClassifier(Baseline):
    """A classifier of scikit-learn on features of the examples.

    Features are computed once for the examples of a split, however many candidates of a setting are tried on them.

    Attributes:
        max_examples: the largest number of training examples that are used, evenly spaced; None for all
    """

    max_examples: int | None = None
    _kept: dict[int, tuple[Any, np.ndarray]] | None = None

    @abstractmethod
    def features(self, examples: Sequence[Any]) -> np.ndarray:
        """(examples, features)."""

    @abstractmethod
    def machine(self, features: np.ndarray) -> Any:
        """A pipeline of scikit-learn for features of this shape, not yet fitted: `regression` or `component_svm`."""

    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        """Learn from the training split."""
        chosen: Sequence[int] = range(len(examples))
        if self.max_examples is not None and len(examples) > self.max_examples:
            chosen = evenly_spaced(len(examples), self.max_examples).tolist()
        self.classes = len(dims["labels"])
        features = self._features_of(examples, chosen)
        self.pipeline = self.machine(features).fit(features, class_numbers([examples[at] for at in chosen], dims))

    def outputs(self, examples: Sequence[Any]) -> Tensor:
        """(examples, classes): log-probabilities, or decision values if the machine gives no probabilities."""
        features, present = self._features_of(examples, range(len(examples))), self.pipeline.classes_
        if hasattr(self.pipeline, "predict_proba"):
            return as_logits(self.pipeline.predict_proba(features), present, self.classes)
        return decision_as_logits(self.pipeline.decision_function(features), present, self.classes)

    def _features_of(self, examples: Sequence[Any], chosen: Sequence[int]) -> np.ndarray:
        """The features of some examples of a split, computed once. The split is kept too, so that no other gets its id."""
        if self._kept is None:
            self._kept = {}
        if id(examples) not in self._kept:
            self._kept[id(examples)] = examples, self.features([examples[at] for at in chosen])
        return self._kept[id(examples)][1]


def regression(inverse_penalty: float, iterations: int, tolerance: float = 1e-4) -> Any:
    """Logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=inverse_penalty, max_iter=iterations, tol=tolerance))


def component_svm(features: np.ndarray, components: int, inverse_penalty: float, solver: str = "auto") -> Any:
    """A support vector machine with a radial kernel on the whitened principal components of the features.

    Args:
        features: (examples, features)
        components: number of components; limited by the number of features, and below the number of examples
        inverse_penalty: C
        solver: of scikit-learn's PCA
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    components = min(components, len(features) - 1, features.shape[1])
    projection = PCA(components, whiten=True, svd_solver=solver, random_state=0)
    return make_pipeline(projection, SVC(C=inverse_penalty, decision_function_shape="ovr"))
