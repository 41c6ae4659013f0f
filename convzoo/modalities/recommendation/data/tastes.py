"""Generated users and items with known tastes; popular items are taken more often."""

import numpy as np
import scipy.sparse

from convzoo.core.arguments import Count, Fraction, NonNegative, Positive, PositiveFloat
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.recommendation.data.holding_out import hold_out_items, users_of
from convzoo.modalities.recommendation.example import Catalogue, Rows, User


class Tastes(Reader):
    r"""A user's tastes and an item's traits are points in one space. Users take close items and popular items more often than
    others.

    User u takes $n_u$ different items, one after another, each with a probability in proportion to $e^{b_i + s\, u \cdot v_i}$
    (Gumbel-top-k), with directions u and v around a few common tastes, popularities b and the strength s. The items are split
    by chance into training, validation and test.

    The ceiling ranks by exactly this probability. The test items are drawn from the same distribution, so no ranking can be
    expected to find more of them, unless it knows the draw itself.

    Args:
        users: number of users
        items: number of items
        mean: mean number of items of a user
        dimensions: number of dimensions of the space of tastes
        tastes: number of common tastes that users and items lie around
        strength: weight of the taste
        popularity: standard deviation of the items' popularity
        val: fraction of each user's items used for validation
        test: fraction of each user's items used for testing
        recall_at: the list length of the ceiling
        seed: random seed
    """

    example = User

    def __init__(
        self,
        users: Positive = 2000,
        items: Positive = 1200,
        mean: PositiveFloat = 24.0,
        dimensions: Positive = 8,
        tastes: Positive = 12,
        strength: NonNegative = 7.0,
        popularity: NonNegative = 0.8,
        val: Fraction = 0.1,
        test: Fraction = 0.2,
        recall_at: Positive = 20,
        seed: Count = 0,
    ) -> None:
        self.users = users
        self.items = items
        self.mean = mean
        self.dimensions = dimensions
        self.tastes = tastes
        self.strength = strength
        self.popularity = popularity
        self.val = val
        self.test = test
        self.recall_at = recall_at
        self.seed = seed

    def read(self) -> Splits:
        """Draw users, items and interactions.

        Raises:
            DataError: users want more items than there are.
        """
        if self.mean > self.items / 3:
            raise DataError(f"data.mean={self.mean:g} should be at most a third of data.items={self.items}")
        random = np.random.default_rng(self.seed)
        centres = random.standard_normal((self.tastes, self.dimensions))
        who, what = (
            _directions(centres[random.integers(self.tastes, size=count)], random) for count in (self.users, self.items)
        )
        utility = self.strength * who @ what.T + self.popularity * random.standard_normal(self.items)
        counts = np.clip(random.poisson(self.mean * random.gamma(4, 1 / 4, self.users)), 6, self.items // 2)
        order = np.argsort(-(utility + random.gumbel(size=utility.shape)), axis=1)
        users = np.repeat(np.arange(self.users), counts)
        place = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = Rows.of(users, order[users, place], self.users)
        rest, test = hold_out_items(rows, self.test, self.seed, at_least=3)
        train, val = hold_out_items(rest, self.val / (1 - self.test), self.seed + 1)
        catalogue = Catalogue(
            [f"u{number}" for number in range(self.users)], [f"item {number}" for number in range(self.items)]
        )
        splits = users_of(catalogue, train, val, test, f"drawn here, seed {self.seed}", {})
        best = recall(utility, train.joined(val), splits.test.wanted, self.recall_at)  # type: ignore[attr-defined]
        ceiling = {f"test/recall_at_{self.recall_at}": best}
        return Splits(splits.train, splits.val, splits.test, ceiling, splits.origin)


def recall(utility: np.ndarray, seen: Rows, wanted: Rows, k: int) -> float:
    """The mean recall at k of a ranking by `utility` (users, items), without the items in `seen`."""
    utility = utility.copy()
    utility[seen.users(), seen.items] = -np.inf
    top = np.argsort(-utility, axis=1, kind="stable")[:, :k]
    counts = wanted.counts()
    ones = np.ones(len(wanted.items))
    truth = scipy.sparse.csr_matrix((ones, wanted.items, wanted.pointers), utility.shape)
    hits = np.asarray(truth[np.arange(len(top))[:, None], top].sum(axis=1)).ravel()
    asked = counts > 0
    return float((hits[asked] / counts[asked]).mean())


def _directions(centres: np.ndarray, random: np.random.Generator) -> np.ndarray:
    around = centres / np.linalg.norm(centres, axis=1, keepdims=True) + 0.25 * random.standard_normal(centres.shape)
    return around / np.linalg.norm(around, axis=1, keepdims=True)
