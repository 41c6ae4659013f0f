"""What a network on rare events must beat: a rule of amounts, an isolation forest, and boosted trees on hand-made aggregates."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Count, Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.modalities.series.event_features import aggregates
from convzoo.modalities.series.history import History, UnitRows


class LargestAmount(Baseline):
    """The larger the amount, the more suspicious; without amounts, the larger the first column of numbers."""

    def fit(self, examples: Sequence[History], dims: Mapping[str, Any]) -> None:
        """Look whether there are amounts.

        Raises:
            DataError: there is no column of numbers.
        """
        table = examples[0].table
        if "amount" not in table.extra and not table.number_names:
            raise DataError("largest_amount needs a column of amounts")

    def outputs(self, examples: Sequence[History]) -> Tensor:
        """The amounts, (examples, time, 1)."""
        return padded(examples, [_amounts(each.table)[each.start : each.stop] for each in examples])


def _amounts(table: UnitRows) -> np.ndarray:
    return np.nan_to_num(np.asarray(table.extra.get("amount", table.numbers[:, 0]), dtype=np.float64))


class _OnAggregates(Baseline):
    """Keeps the aggregates of the tables it has seen."""

    def _features(self, table: UnitRows) -> np.ndarray:
        kept: dict[int, Any] = getattr(self, "_kept", {})
        if id(table.numbers) not in kept:
            kept = {**dict(list(kept.items())[-1:]), id(table.numbers): (table.numbers, aggregates(table)[0])}
            self._kept = kept
        return kept[id(table.numbers)][1]

    def _rows(self, examples: Sequence[History]) -> tuple[np.ndarray, np.ndarray]:
        """(rows, features) and (rows,) the answers of all judged rows, NaN where they are unknown."""
        features, answers = [], []
        for each in examples:
            features.append(self._features(each.table)[each.judged_from : each.stop])
            known = each.table.targets
            size = each.stop - each.judged_from
            answers.append(np.full(size, np.nan) if known is None else known[each.judged_from : each.stop])
        return np.concatenate(features), np.concatenate(answers)


class AggregateForest(_OnAggregates):
    """Isolation forest (Liu et al. 2008, doi:10.1109/ICDM.2008.17) on hand-made aggregates of each event; it uses no answers.

    Args:
        max_rows: largest number of training rows that are used
        trees: number of trees
        seed: random seed
    """

    def __init__(self, max_rows: Positive = 50_000, trees: Positive = 100, seed: Count = 0) -> None:
        self.max_rows = max_rows
        self.trees = trees
        self.seed = seed

    def fit(self, examples: Sequence[History], dims: Mapping[str, Any]) -> None:
        """Grow the trees on evenly spaced training rows."""
        from sklearn.ensemble import IsolationForest

        features, _ = self._rows(examples)
        self.fitted_on = min(len(features), self.max_rows)
        some = features[np.linspace(0, len(features) - 1, self.fitted_on).astype(int)]
        self.forest = IsolationForest(n_estimators=self.trees, random_state=self.seed).fit(np.nan_to_num(some))

    def outputs(self, examples: Sequence[History]) -> Tensor:
        """The forest's scores, (examples, time, 1)."""
        return judged_rows(
            examples, self._rows(examples)[0], lambda rows: -self.forest.score_samples(np.nan_to_num(rows))
        )


class AggregateTrees(_OnAggregates):
    """Gradient-boosted trees (as LightGBM, Ke et al. 2017) on hand-made aggregates of each event and those before it:
    gaps, counts and sums over an hour, a day and a week, distances from the unit's means, how usual each category is.

    Args:
        rounds: number of trees
        learning_rate: of each tree
        leaves: of a tree at most; null: chosen on the validation split
        max_right: the largest number of right rows that are used; the wrong ones are all used
        seed: random seed
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"leaves": (15, 31)}

    def __init__(
        self,
        rounds: Positive = 200,
        learning_rate: PositiveFloat = 0.05,
        leaves: Positive | None = None,
        max_right: Positive = 200_000,
        seed: Count = 0,
    ) -> None:
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.max_right = max_right
        self.seed = seed

    def fit(self, examples: Sequence[History], dims: Mapping[str, Any]) -> None:
        """Grow the trees on the training rows whose answer is known.

        Raises:
            DataError: all of them have the same answer.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        features, answers = self._rows(examples)
        wrong, right = np.flatnonzero(answers == 1), np.flatnonzero(answers == 0)
        if not len(wrong) or not len(right):
            raise DataError(
                "aggregate_trees needs rows that are known to be wrong, and rows that are known to be right"
            )
        right = right[np.linspace(0, len(right) - 1, min(len(right), self.max_right)).astype(int)]
        rows = np.sort(np.concatenate([wrong, right]))
        self.fitted_on = len(rows)
        self.trees = HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.rounds,
            max_leaf_nodes=self.setting("leaves"),
            l2_regularization=1.0,
            early_stopping=False,
            random_state=self.seed,
        ).fit(features[rows], answers[rows])

    def outputs(self, examples: Sequence[History]) -> Tensor:
        """The probabilities, (examples, time, 1)."""
        return judged_rows(examples, self._rows(examples)[0], lambda rows: self.trees.predict_proba(rows)[:, 1])


def judged_rows(examples: Sequence[History], rows: np.ndarray, score: Any) -> Tensor:
    """(examples, time, 1): the scores of all judged rows, computed at once; NaN at the others."""
    scores = score(rows)
    found, at = [], 0
    for each in examples:
        size = each.stop - each.judged_from
        found.append(np.concatenate([np.full(each.judged_from - each.start, np.nan), scores[at : at + size]]))
        at += size
    return padded(examples, found)


def padded(examples: Sequence[History], found: Sequence[np.ndarray]) -> Tensor:
    """(examples, time, 1), NaN behind the last row of each example."""
    longest = max((len(each) for each in examples), default=0)
    values = np.full((len(examples), longest, 1), np.nan)
    for row, each in enumerate(found):
        values[row, : len(each), 0] = each
    return torch.from_numpy(values)
