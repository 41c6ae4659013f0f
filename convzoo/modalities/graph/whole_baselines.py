"""Opponents for whole graphs: counts of what is in a graph, and of small neighbourhoods, without a network."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from convzoo.baselines.numbers import FeatureRegressor, fitted_ridge
from convzoo.baselines.scikit import FeatureClassifier
from convzoo.core.arguments import Count, Positive, PositiveFloat
from convzoo.modalities.graph.whole import WholeGraph, colours
from convzoo.modalities.graph.whole_encoder import return_chances
from convzoo.modalities.graph.whole_formats import Structure

DEGREES = 8
"""Nodes with so many neighbours or more are counted together."""
CYCLES = 7
"""The chances of a random walk to be back are taken up to so many steps: they tell of cycles."""
_MOST_COLUMNS = 400


class GraphTable:
    """A table of what is in each graph: how many nodes of each kind, edges of each kind, bonds between each two kinds, nodes of
    each degree; sums, means and largest values of numbers; size, density, components' cycles, and random walks that return."""

    def learn(self, examples: Sequence[WholeGraph]) -> "GraphTable":
        """Which columns there are: those of training, the most frequent ones."""
        counts: Counter[str] = Counter()
        for example in examples:
            counts.update(contents(example.read()).keys())
        self.place = {name: at for at, (name, _) in enumerate(counts.most_common(_MOST_COLUMNS))}
        return self

    def table(self, examples: Sequence[WholeGraph]) -> np.ndarray:
        """(graphs, columns)."""
        found = np.zeros((len(examples), len(self.place)))
        for row, example in enumerate(examples):
            for name, value in contents(example.read()).items():
                if name in self.place:
                    found[row, self.place[name]] = value
        return found


def contents(structure: Structure) -> dict[str, float]:
    """What is in a graph, by name."""
    rows, columns, which = structure.entries()
    degrees = np.bincount(rows, minlength=structure.count)
    once = slice(None) if structure.directed else rows < columns
    rows, columns, which = rows[once], columns[once], which[once]
    found: Counter[str] = Counter()
    kinds = {name: values for name, values in structure.nodes.items() if values.dtype.kind == "U"}
    bonds = {name: values[which] for name, values in structure.edges.items() if values.dtype.kind == "U"}
    for name, values in kinds.items():
        found.update(f"{name}={value}" for value in values.tolist())
        for values_of in bonds.values() if bonds else [np.full(len(rows), "")]:
            ends = np.sort(np.stack([values[rows], values[columns]], axis=1), axis=1)
            found.update(f"{a} {bond} {b}" for (a, b), bond in zip(ends.tolist(), values_of.tolist(), strict=True))
    for name, values in bonds.items():
        found.update(f"edge {name}={value}" for value in values.tolist())
    found.update(f"degree {min(degree, DEGREES)}" for degree in degrees.tolist())
    table: dict[str, float] = {name: float(count) for name, count in found.items()}
    for what, held in (("node", structure.nodes), ("edge", structure.edges)):
        for name, values in held.items():
            if values.dtype.kind == "f" and len(values):
                table |= {
                    f"{what} {name} {how}": float(value)
                    for how, value in (("sum", values.sum()), ("mean", values.mean()), ("largest", values.max()))
                }
    size, edges = structure.count, len(rows)
    table |= {
        "nodes": size,
        "edges": edges,
        "mean degree": degrees.mean(),
        "largest degree": float(degrees.max(initial=0)),
    }
    table |= {"density": edges / max(size * (size - 1) / 2, 1), "cycles": edges - size}
    chances = return_chances(structure, CYCLES - 1).mean(axis=0)
    return table | {f"back after {step} steps": float(chance) for step, chance in enumerate(chances.tolist(), 2)}


class GraphForest(FeatureClassifier):
    """A random forest on a table of what is in each graph (`GraphTable`).

    Args:
        trees: number of trees
        seed: of the forest
    """

    max_examples = 20_000

    def __init__(self, trees: Positive = 300, seed: Count = 0) -> None:
        self.trees = trees
        self.seed = seed

    def prepare(self, examples: Sequence[WholeGraph], dims: Mapping[str, Any]) -> None:
        """Learn which columns there are."""
        self.columns = GraphTable().learn(examples)

    def features(self, examples: Sequence[WholeGraph]) -> np.ndarray:
        """(graphs, columns)."""
        return self.columns.table(examples)

    def machine(self, features: Any) -> Any:
        """A random forest."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(self.trees, random_state=self.seed)


class GraphForestRegression(FeatureRegressor):
    """A random forest that predicts a number from a table of what is in each graph (`GraphTable`).

    Args:
        trees: number of trees
        seed: of the forest
    """

    max_examples = 20_000

    def __init__(self, trees: Positive = 200, seed: Count = 0) -> None:
        self.trees = trees
        self.seed = seed

    def fit(self, examples: Sequence[WholeGraph], dims: Mapping[str, Any]) -> None:
        """Learn which columns there are, and the forest."""
        self.columns = GraphTable().learn(examples)
        super().fit(examples, dims)

    def features(self, examples: Sequence[WholeGraph]) -> np.ndarray:
        """(graphs, columns)."""
        return self.columns.table(examples)

    def fitted(self, features: np.ndarray, numbers: np.ndarray) -> Any:
        """A random forest."""
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(self.trees, random_state=self.seed, max_features=0.33).fit(features, numbers)


def colour_counts(
    examples: Sequence[WholeGraph], rounds: int, place: dict[str, int] | None = None
) -> tuple[Any, dict[str, int]]:
    """How many nodes of each colour a graph has, after 0, 1, … rounds (Shervashidze et al. 2011, JMLR 12): sparse (graphs,
    colours), and the column of each colour.

    Args:
        examples: the graphs
        rounds: of refinement
        place: the columns of colours that are known; others are left out. None: all are new
    """
    learning = place is None
    known: dict[str, int] = {} if place is None else place
    rows, columns, values = [], [], []
    for row, example in enumerate(examples):
        structure = example.read()
        start = None
        if not any(column.dtype.kind == "U" for column in structure.nodes.values()):
            start = [str(degree) for degree in np.bincount(structure.entries()[0], minlength=structure.count).tolist()]
        counts = Counter(
            f"{step} {colour}" for step, now in enumerate(colours(structure, rounds, start)) for colour in now
        )
        for name, count in counts.items():
            if learning:
                known.setdefault(name, len(known))
            if name in known:
                rows.append(row)
                columns.append(known[name])
                values.append(float(count))
    return scipy.sparse.csr_matrix((values, (rows, columns)), (len(examples), len(known))), known


class WeisfeilerLehmanSVM(FeatureClassifier):
    """A linear support vector machine on the counts of Weisfeiler and Lehman's colours, each graph's scaled to length 1: the
    subtree kernel (Shervashidze et al. 2011, JMLR 12).

    Args:
        rounds: of refinement; null: chosen on the validation split
        inverse_penalty: scikit-learn's C; null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"rounds": (2, 1, 3), "inverse_penalty": (1.0, 10.0, 100.0)}
    max_examples = 10_000

    def __init__(self, rounds: Count | None = None, inverse_penalty: PositiveFloat | None = None) -> None:
        self.rounds = rounds
        self.inverse_penalty = inverse_penalty

    def prepare(self, examples: Sequence[WholeGraph], dims: Mapping[str, Any]) -> None:
        """Learn the colours of the training graphs."""
        most = max(self.choices["rounds"]) if self.rounds is None else self.rounds
        _, self.place = colour_counts(examples, most)
        self.most = most
        self.step_of = np.array([int(name.partition(" ")[0]) for name in self.place])

    def features(self, examples: Sequence[WholeGraph]) -> Any:
        """(graphs, colours), sparse."""
        return colour_counts(examples, self.most, self.place)[0]

    def machine(self, features: Any) -> Any:
        """A linear support vector machine on the colours of as many rounds as are set."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, Normalizer
        from sklearn.svm import LinearSVC

        chosen = np.flatnonzero(self.step_of <= self.setting("rounds"))
        columns = FunctionTransformer(lambda table: table[:, chosen], accept_sparse=True)
        return make_pipeline(columns, Normalizer(), LinearSVC(C=self.setting("inverse_penalty"), random_state=0))


class WeisfeilerLehmanRidge(FeatureRegressor):
    """Ridge regression on the counts of Weisfeiler and Lehman's colours.

    Args:
        rounds: of refinement
    """

    max_examples = 5_000

    def __init__(self, rounds: Count = 2) -> None:
        self.rounds = rounds

    def fit(self, examples: Sequence[WholeGraph], dims: Mapping[str, Any]) -> None:
        """Learn the colours, and the regression. Colours that fewer than two training graphs have are left out."""
        counts, known = colour_counts(examples, self.rounds)
        common = np.flatnonzero(np.asarray((counts > 0).sum(axis=0)).ravel() > 1)
        names = list(known)
        self.place = {names[at]: number for number, at in enumerate(common.tolist())}
        super().fit(examples, dims)

    def features(self, examples: Sequence[WholeGraph]) -> np.ndarray:
        """(graphs, colours)."""
        return np.asarray(colour_counts(examples, self.rounds, self.place)[0].todense())

    def fitted(self, features: np.ndarray, numbers: np.ndarray) -> Any:
        """A ridge regression."""
        return fitted_ridge(features, numbers)
