"""Users and items by number, with new negatives for every step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import torch

from convzoo.core.arguments import Positive
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words
from convzoo.modalities.recommendation.example import Catalogue, Pairs, Rows, User, Users, number_of
from convzoo.ops.sparse import SparseMatrix

_ROUNDS = 50
"""How often a negative is drawn again if the user has that item; a user who has all items then keeps one of them."""


class InteractionEncoder(Encoder):
    r"""Training: pairs of a user and one of its items, each with negatives (items that the user never had), drawn
    uniformly. Scoring: users, with their earlier items.

    The graph is the matrix of a bipartite graph, users first, then items, normalised symmetrically:
    $\tilde A = D^{-1/2} A D^{-1/2}$ (He et al. 2020, arXiv:2002.02126, eq. 8), of the training split alone.

    Args:
        negatives: how many are drawn for each pair of a user and an item
    """

    example = User
    takes_ids = True
    cached = False

    def __init__(self, negatives: Positive = 1) -> None:
        self.negatives = negatives
        self.catalogue = Catalogue((), ())
        self._accepted: Catalogue | None = None  # one that was read again and is the same
        self._keep(Rows(np.zeros(1, np.int64), np.zeros(0, np.int32)))

    def fit(self, examples: Sequence[User]) -> None:
        """Keep the training interactions."""
        self.catalogue = examples[0].catalogue
        self._keep(_rows(examples, "wanted", len(self.catalogue.users)))

    def _keep(self, known: Rows) -> None:
        self.known = known
        # One number for each pair, sorted: a search then finds whether a user had an item.
        self._pairs = known.users().astype(np.int64) * max(1, len(self.catalogue.items)) + known.items
        self._user_numbers: dict[str, int] = {}
        self._matrix: SparseMatrix | None = None

    def pieces(self, examples: Sequence[User]) -> Sequence[Any]:
        """The pairs of a training split; the users of other splits."""
        if isinstance(examples, Users) and examples.wanted.pointers[-1] == self.known.pointers[-1]:
            return Pairs(examples.wanted)
        return examples

    def prepare(self, example: User | tuple[int, int]) -> Any:
        """The example itself: it is only a reference."""
        return example

    def survey(self, examples: Sequence[User], items: Sequence[Any] | None) -> Survey:
        """How many users and items there are, and how many items a user has."""
        counts = [len(example.wanted) for example in examples]
        return Survey(
            {
                "catalogue": f"{len(self.catalogue.users):,} users, {len(self.catalogue.items):,} items",
                "items": f"{sum(counts):,} of {len(counts):,} users ({lengths_in_words(counts)})",
            }
        )

    def collate(self, items: Sequence[Any], draws: Draws | None = None) -> Batch:
        """A list of pairs or of users to a batch."""
        return self.gather(items, range(len(items)), draws)

    def gather(self, examples: Sequence[Any], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """Pairs with `draws`: (batch,) users and (batch, 1 + negatives) items, the first of them had by the user. Else (batch,)
        users, and as the target the items that they had before and afterwards."""
        at = np.asarray(indices)
        if draws is not None:
            if isinstance(examples, Pairs):
                users, items = examples.users[at], examples.items[at]
            else:
                users, items = (np.array(column) for column in zip(*(examples[index] for index in at)))
            drawn = self._draw(users, draws)
            inputs = {
                "users": torch.from_numpy(users.astype(np.int64)),
                "items": torch.from_numpy(np.concatenate([items[:, None], drawn], axis=1).astype(np.int64)),
            }
            return Batch(inputs, None, len(users))
        if isinstance(examples, Pairs):
            users = examples.users[at]
            seen, wanted = self.known.of_users(users), Rows(np.arange(len(at) + 1), examples.items[at])
        elif isinstance(examples, Users):
            self._require_catalogue(examples.catalogue)
            users = examples.indices[at]
            seen, wanted = examples.seen.of_users(users), examples.wanted.of_users(users)
        else:
            chosen = [examples[index] for index in at]
            if chosen and isinstance(chosen[0], tuple):
                chosen = [self._known_user(user) for user, _ in chosen]
            if chosen:
                self._require_catalogue(chosen[0].catalogue)
            users = np.array([user.index for user in chosen])
            seen, wanted = (_listed(chosen, name) for name in ("seen", "wanted"))
        target = {"seen": _tensors(seen), "wanted": _tensors(wanted)}
        return Batch({"users": torch.from_numpy(users.astype(np.int64))}, target, len(users))

    def _require_catalogue(self, catalogue: Catalogue) -> None:
        """Refuse users and items that are not those of training, in their order: numbers would stand for others."""
        if catalogue is self.catalogue or catalogue is self._accepted:
            return
        for what, names, given in (
            ("user", self.catalogue.users, catalogue.users),
            ("item", self.catalogue.items, catalogue.items),
        ):
            if list(names) != list(given):
                known = set(names)
                strange = next((name for name in given if name not in known), None)
                count = f"{len(given):,} of {len(names):,} {what}s"
                found = count if strange is None else f"{what} {strange!r} was not there"
                raise DataError(
                    f"the data have other {what}s than training ({found}): what was learnt of one is not known of another; score "
                    "the users and items of training, or train on these data"
                )
        self._accepted = catalogue

    def _draw(self, users: np.ndarray, draws: Draws) -> np.ndarray:
        """(batch, negatives): items that the users never had, with equal probabilities."""
        count = len(self.catalogue.items)
        found = np.empty((len(users), self.negatives), np.int64)
        missing = np.ones(found.shape, bool)
        for stream in range(_ROUNDS):
            rows = np.flatnonzero(missing.any(axis=1))
            if not len(rows):
                break
            chosen = Draws(draws.seed, draws.epoch, np.asarray(draws.indices)[rows])
            drawn = (chosen.uniform(stream, self.negatives) * count).astype(np.int64)
            found[rows] = np.where(missing[rows], drawn, found[rows])
            keys = users[rows].astype(np.int64)[:, None] * count + found[rows]
            at = np.minimum(np.searchsorted(self._pairs, keys), len(self._pairs) - 1)
            missing[rows] = self._pairs[at] == keys
        return found

    def from_inputs(self, values: Sequence[Any]) -> list[User]:
        """Users by their ids.

        Raises:
            DataError: training had no such user.
        """
        if not self._user_numbers:
            self._user_numbers = {name: number for number, name in enumerate(self.catalogue.users)}
        found = []
        for value in values:
            if isinstance(value, User):
                found.append(value)
            else:
                found.append(self._known_user(number_of(str(value), self.catalogue.users, self._user_numbers, "user")))
        return found

    def from_lines(self, lines: Sequence[str]) -> list[User]:
        """Users by their ids, one on each line."""
        return self.from_inputs([line.strip() for line in lines if line.strip()])

    def _known_user(self, number: int) -> User:
        return User(self.catalogue, number, self.known[number], np.zeros(0, np.int32))

    @property
    def matrix(self) -> SparseMatrix:
        """The normalised matrix of the training graph, (users + items, users + items)."""
        if self._matrix is None:
            users, items = len(self.catalogue.users), len(self.catalogue.items)
            self._matrix = bipartite_matrix(self.known, users, items)
        return self._matrix

    @property
    def dims(self) -> Mapping[str, Any]:
        """How many users and items, their ids, and the training graph."""
        return {
            "users": len(self.catalogue.users),
            "items": len(self.catalogue.items),
            "adjacency": self.matrix,
            "item_ids": self.catalogue.items,
            "known": self.known,
        }

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The ids of users and items."""
        return {"users": self.catalogue.users, "items": self.catalogue.items}

    def state(self) -> dict[str, Any]:
        """Ids and training interactions."""
        return {
            "users": list(self.catalogue.users),
            "items": list(self.catalogue.items),
            "pointers": self.known.pointers,
            "pairs": self.known.items,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.catalogue = Catalogue(state["users"], state["items"])
        self._keep(Rows(np.asarray(state["pointers"]), np.asarray(state["pairs"])))


def bipartite_matrix(known: Rows, users: int, items: int) -> SparseMatrix:
    """The symmetric normalised matrix of the graph of users and items; users and items without interactions have empty rows."""
    ones = np.ones(len(known.items), np.float32)
    had = scipy.sparse.csr_matrix((ones, known.items, known.pointers), (users, items))
    user_scale, item_scale = (
        1 / np.sqrt(np.maximum(np.asarray(had.sum(axis=axis), np.float64).ravel(), 1)) for axis in (1, 0)
    )
    had = scipy.sparse.diags(user_scale) @ had @ scipy.sparse.diags(item_scale)
    matrix = scipy.sparse.bmat([[None, had], [had.T, None]], format="csr").astype(np.float32)
    matrix.sort_indices()
    return SparseMatrix.of(matrix, symmetric=True)


def _rows(examples: Sequence[User], name: str, users: int) -> Rows:
    if isinstance(examples, Users) and len(examples) == len(examples.catalogue.users):
        return getattr(examples, name)
    lists = [getattr(example, name) for example in examples]
    indices = np.repeat([example.index for example in examples], [len(items) for items in lists])
    return Rows.of(indices, np.concatenate(lists), users)


def _listed(users: Sequence[User], name: str) -> Rows:
    lists = [getattr(user, name) for user in users]
    items = np.concatenate([*lists, np.zeros(0, np.int32)]).astype(np.int32)
    return Rows(np.r_[0, np.cumsum([len(part) for part in lists])].astype(np.int64), items)


def _tensors(rows: Rows) -> dict[str, torch.Tensor]:
    return {"pointers": torch.from_numpy(rows.pointers), "items": torch.from_numpy(rows.items.astype(np.int64))}
