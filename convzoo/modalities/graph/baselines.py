"""Opponents for the nodes of a graph: features without the graph, and the graph without features."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from convzoo.baselines.scikit import as_logits, class_numbers
from convzoo.core.arguments import Fraction, NonNegative, Positive
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.modalities.graph.example import Node
from convzoo.modalities.graph.matrices import graph_matrix


class FeatureMLP(Baseline):
    """A perceptron with one hidden layer on a node's own features. The network's lead over it is what the graph adds.

    Args:
        hidden: number of hidden neurons
        penalty: L2 penalty (scikit-learn's alpha)
        epochs: largest number of epochs
    """

    def __init__(self, hidden: Positive = 16, penalty: NonNegative = 3.0, epochs: Positive = 300) -> None:
        self.hidden = hidden
        self.penalty = penalty
        self.epochs = epochs

    def fit(self, examples: Sequence[Node], dims: Mapping[str, Any]) -> None:
        """Learn from the training nodes."""
        import warnings

        from sklearn.neural_network import MLPClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import MaxAbsScaler

        if not examples[0].graph.features.shape[1]:
            raise DataError("the nodes have no features to learn from")
        self.classes = len(dims["labels"])
        network = MLPClassifier((self.hidden,), alpha=self.penalty, max_iter=self.epochs, random_state=0)
        self.machine = make_pipeline(MaxAbsScaler(), network)  # columns of any size, zeros stay zeros
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no warning that it did not converge: the epochs are a setting
            self.machine.fit(_rows(examples), class_numbers(examples, dims))

    def outputs(self, examples: Sequence[Node]) -> Tensor:
        """(examples, classes), logarithms of probabilities."""
        return as_logits(self.machine.predict_proba(_rows(examples)), self.machine.classes_, self.classes)


class LabelPropagation(Baseline):
    r"""Label spreading (Zhou et al. 2003, "Learning with local and global consistency"): $F \leftarrow \alpha S F +
    (1 - \alpha) Y$ with $S = D^{-1/2} A D^{-1/2}$, from the training nodes' classes Y along the edges, without features.

    Args:
        alpha: weight of the neighbours at each step
        steps: number of steps along the edges
    """

    def __init__(self, alpha: Fraction = 0.9, steps: Positive = 50) -> None:
        self.alpha = alpha
        self.steps = steps

    def fit(self, examples: Sequence[Node], dims: Mapping[str, Any]) -> None:
        """Spread the training nodes' classes."""
        graph = examples[0].graph
        numbers = class_numbers(examples, dims)
        begin = np.zeros((len(graph), len(dims["labels"])), np.float32)
        begin[[example.index for example in examples], numbers] = 1
        matrix = graph_matrix(graph.edges, "symmetric", self_loops=False)
        found = begin
        for _ in range(self.steps):
            found = self.alpha * (matrix @ found) + (1 - self.alpha) * begin
        # Nodes that no label reaches get the class frequencies of the training split.
        found = found + 1e-9 * np.bincount(numbers, minlength=begin.shape[1])
        self.graph = graph
        self.found = np.log(found / found.sum(axis=1, keepdims=True)).astype(np.float32)

    def outputs(self, examples: Sequence[Node]) -> Tensor:
        """(examples, classes), logarithms of shares."""
        return torch.from_numpy(self.found[[example.index for example in examples]])


def _rows(examples: Sequence[Node]) -> Any:
    features = examples[0].graph.features[[example.index for example in examples]]
    return features.tocsr() if scipy.sparse.issparse(features) else features
