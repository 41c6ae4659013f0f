"""What the opponents from scikit-learn share."""

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
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
    _kept: dict[tuple[int, int], tuple[Any, Any]] | None = None
    _trained_on: Any = None

    @abstractmethod
    def features(self, examples: Sequence[Any]) -> Any:
        """(examples, features): an array, or a sparse matrix of SciPy."""

    @abstractmethod
    def machine(self, features: Any) -> Any:
        """A pipeline of scikit-learn for features of this shape, not yet fitted: `regression` or `linear_svm`."""

    def prepare(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        """Learn what `features` needs from the training examples (a vocabulary, say), once for a training split."""

    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        """Learn from the training split.

        Raises:
            DataError: all training examples have one class, or there are no features, or these are all alike.
        """
        from sklearn.exceptions import ConvergenceWarning

        chosen: Sequence[int] = range(len(examples))
        if self.max_examples is not None and len(examples) > self.max_examples:
            chosen = self.some(len(examples), self.max_examples).tolist()
            self.fitted_on = len(chosen)
        self.classes = len(dims["labels"])
        used = [examples[at] for at in chosen]
        numbers = class_numbers(used, dims)
        if len(np.unique(numbers)) < 2:
            raise DataError("all training examples have the same class")
        if self._trained_on is not examples:
            self._kept, self._trained_on = {}, examples
            self.prepare(used, dims)
        features = self._features_of(examples, chosen)
        if not features.shape[1]:
            raise DataError("the examples have no features to learn from")
        if not scipy.sparse.issparse(features) and (features == features[0]).all():
            raise DataError("the features of all training examples are the same")
        with warnings.catch_warnings():
            # The number of iterations is a setting; where it does not suffice, the opponent is what it is by then.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.pipeline = self.machine(features).fit(features, numbers)

    def some(self, count: int, most: int) -> np.ndarray:
        """The places of `most` of `count` training examples, where there are more than it takes: evenly spaced."""
        return evenly_spaced(count, most)

    def outputs(self, examples: Sequence[Any]) -> Tensor:
        """(examples, classes): log-probabilities, or decision values if the machine gives no probabilities."""
        features, present = self._features_of(examples, range(len(examples))), self.pipeline.classes_
        if hasattr(self.pipeline, "predict_proba"):
            return as_logits(self.pipeline.predict_proba(features), present, self.classes)
        return decision_as_logits(self.pipeline.decision_function(features), present, self.classes)

    def _features_of(self, examples: Sequence[Any], chosen: Sequence[int]) -> Any:
        """The features of some examples of a split, computed once. The split is kept too, so that no other gets its id."""
        if self._kept is None:
            self._kept = {}
        key = id(examples), len(chosen)
        if key not in self._kept:
            self._kept[key] = examples, self.features([examples[at] for at in chosen])
        return self._kept[key][1]


class ComponentSVM(FeatureClassifier):
    """A support vector machine with a radial kernel on the principal components of the features. Its width is one over the
    components' total variance (scikit-learn's `scale`).

    The components are found once, as many as the largest candidate asks for; fewer are the first of them.

    Attributes:
        components: number of components; limited by the number of features, and below the number of examples
        whiten: give every component the same variance, so that weak ones count as much as strong ones
        inverse_penalty: C
    """

    components: int | None
    whiten: bool | None
    inverse_penalty: float | None
    _found: tuple[Any, Any] | None = None

    def machine(self, features: np.ndarray) -> Any:
        """A support vector machine on principal components."""
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import SVC

        if self._found is None or self._found[0] is not features:
            most = max([self.setting("components"), *self.choices.get("components", ())])
            self._found = features, _principal_components(features, most)
        first = _FirstComponents(self._found[1], self.setting("components"), self.setting("whiten"))
        return make_pipeline(first, SVC(C=self.setting("inverse_penalty"), decision_function_shape="ovr"))


class _FirstComponents:
    """A transformer of scikit-learn: the first of the components that were found before."""

    def __init__(self, projection: Any, count: int, whiten: bool) -> None:
        self.projection = projection
        strengths = projection.explained_variance_
        # A direction without variance would become noise when it is whitened.
        self.count = min(count, max(int((strengths > 1e-10 * strengths[0]).sum()), 1))
        self.scale = np.sqrt(strengths[: self.count]) if whiten else np.sqrt(strengths[0])

    def fit(self, features: np.ndarray, numbers: np.ndarray) -> "_FirstComponents":
        """Nothing to learn."""
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        """(examples, components)."""
        return self.projection.transform(features)[:, : self.count] / self.scale


def _principal_components(features: np.ndarray, most: int) -> Any:
    """At most `most` principal components of the features, fewer than there are examples."""
    from sklearn.decomposition import PCA

    return PCA(min(most, len(features) - 1, features.shape[1]), random_state=0).fit(features)


def regression(inverse_penalty: float, iterations: int, tolerance: float = 1e-4) -> Any:
    """Logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=inverse_penalty, max_iter=iterations, tol=tolerance))
