"""Opponents for the nodes of a graph: features without the graph, the graph without features, and both without a network."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from convzoo.baselines.scikit import FeatureClassifier, as_logits, class_numbers
from convzoo.core.arguments import Count, Fraction, NonNegative, Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.modalities.graph.example import Graph, Node
from convzoo.modalities.graph.matrices import graph_matrix
from convzoo.modalities.graph.places import both_ways, directions, places


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
        alpha: weight of the neighbours at each step; null: chosen on the validation split
        steps: number of steps along the edges
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"alpha": (0.9, 0.5, 0.99)}

    def __init__(self, alpha: Fraction | None = None, steps: Positive = 50) -> None:
        self.alpha = alpha
        self.steps = steps

    def fit(self, examples: Sequence[Node], dims: Mapping[str, Any]) -> None:
        """Spread the training nodes' classes."""
        graph = examples[0].graph
        numbers = class_numbers(examples, dims)
        begin = np.zeros((len(graph), len(dims["labels"])), np.float32)
        begin[[example.index for example in examples], numbers] = 1
        matrix = graph_matrix(both_ways(graph), "symmetric", self_loops=False)
        alpha = self.setting("alpha")
        found = begin
        for _ in range(self.steps):
            found = alpha * (matrix @ found) + (1 - alpha) * begin
        # Nodes that no label reaches get the class frequencies of the training split.
        found = found + 1e-9 * np.bincount(numbers, minlength=begin.shape[1])
        self.graph = graph
        found = np.maximum(found / found.sum(axis=1, keepdims=True), 1e-12)  # a class that training lacks
        self.found = np.log(found).astype(np.float32)

    def outputs(self, examples: Sequence[Node]) -> Tensor:
        """(examples, classes), logarithms of shares."""
        return torch.from_numpy(self.found[[example.index for example in examples]])


class NeighbourLogisticRegression(FeatureClassifier):
    """Logistic regression on a node's own features beside the means over its neighbours and over their neighbours: what the
    surroundings say, without a network.

    Where nodes have no features, the strongest directions of the normalised adjacency matrix (its singular vectors) and the
    logarithms of the degrees take their place.

    Args:
        steps: number of steps along the edges; 0: own features only
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (1.0, 10.0, 0.1, 100.0)}

    def __init__(self, steps: Count = 2, inverse_penalty: PositiveFloat | None = None) -> None:
        self.steps = steps
        self.inverse_penalty = inverse_penalty

    def prepare(self, examples: Sequence[Node], dims: Mapping[str, Any]) -> None:
        """Take the means over the neighbours, in the whole graph."""
        graph = examples[0].graph
        matrix = graph_matrix(both_ways(graph), "random_walk", self_loops=False)
        tables = [node_features(graph)]
        for _ in range(self.steps):
            tables.append(matrix @ tables[-1])
        self.table = _joined([_unit(table) for table in tables])

    def features(self, examples: Sequence[Node]) -> Any:
        """(nodes, (steps + 1) × features)."""
        return self.table[[example.index for example in examples]]

    def machine(self, features: Any) -> Any:
        """Logistic regression."""
        return _regression(self.setting("inverse_penalty"))


class SmoothedLogisticRegression(FeatureClassifier):
    r"""Logistic regression on features that are spread along the edges, $S^k X$ with $S = D^{-1/2} (A + I) D^{-1/2}$: SGC (Wu et
    al. 2019, arXiv:1902.07153), a graph convolution of k steps of which only the last layer learns.

    Where nodes have no features, it takes what `NeighbourLogisticRegression` takes in their place.

    Args:
        steps: number of steps along the edges (k); null: chosen on the validation split
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"steps": (2, 3, 5), "inverse_penalty": (1.0, 10.0, 0.1)}

    def __init__(self, steps: Positive | None = None, inverse_penalty: PositiveFloat | None = None) -> None:
        self.steps = steps
        self.tried = sorted(self.choices["steps"]) if steps is None else [steps]
        self.inverse_penalty = inverse_penalty

    def prepare(self, examples: Sequence[Node], dims: Mapping[str, Any]) -> None:
        """Spread the features, in the whole graph."""
        graph = examples[0].graph
        matrix = graph_matrix(both_ways(graph), "symmetric", self_loops=True)
        table = node_features(graph)
        self.tables = []
        for step in range(1, self.tried[-1] + 1):
            table = matrix @ table
            if step in self.tried:
                self.tables.append(_unit(table))

    def features(self, examples: Sequence[Node]) -> Any:
        """(nodes, features × number of steps that are tried): one table beside another."""
        rows = [example.index for example in examples]
        return _joined([table[rows] for table in self.tables])

    def machine(self, features: Any) -> Any:
        """Logistic regression on the table of as many steps as are set."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        width = features.shape[1] // len(self.tried)
        first = self.tried.index(self.setting("steps")) * width
        columns = FunctionTransformer(lambda table: table[:, first : first + width], accept_sparse=True)
        return make_pipeline(columns, _regression(self.setting("inverse_penalty")))


_MOST_VALUES = 20_000_000
"""With more nodes × features than this, features are replaced by their strongest directions: means over neighbours are dense."""


def node_features(graph: Graph) -> Any:
    """(nodes, features) of float64. Columns of numbers are standardised, those of a sparse table are scaled to at most 1. Nodes
    without features get their places in the graph instead."""
    table = graph.features
    if not table.shape[1]:
        table = places(graph)
    table = table.astype(np.float64)
    if scipy.sparse.issparse(table):
        largest = np.maximum(abs(table).max(axis=0).toarray().ravel(), 1e-300)
        table = (table @ scipy.sparse.diags(1 / largest)).tocsr()  # zeros stay zeros
    else:
        numbers = ~((table == 0) | (table == 1)).all(axis=0)  # not what is there or is not
        middle, spread = table[:, numbers].mean(axis=0), table[:, numbers].std(axis=0)
        table[:, numbers] = (table[:, numbers] - middle) / np.maximum(spread, 1e-300)
    return directions(table) if table.shape[0] * table.shape[1] > _MOST_VALUES else table


def _joined(tables: Sequence[Any]) -> Any:
    """Tables beside each other; sparse where all are."""
    if all(scipy.sparse.issparse(table) for table in tables):
        return scipy.sparse.hstack(tables, format="csr")
    return np.hstack([table.toarray() if scipy.sparse.issparse(table) else table for table in tables])


def _unit(table: Any) -> Any:
    """A table whose rows have a mean squared length of 1, so that one penalty suits features of any number and size. Columns are
    not scaled one by one: that would make rare words as strong as common ones."""
    squares = table.multiply(table).sum() if scipy.sparse.issparse(table) else np.square(table).sum()
    return table / max(float(np.sqrt(squares / table.shape[0])), 1e-300)


def _regression(inverse_penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=inverse_penalty, max_iter=300)


def _rows(examples: Sequence[Node]) -> Any:
    features = examples[0].graph.features[[example.index for example in examples]]
    return features.tocsr() if scipy.sparse.issparse(features) else features
