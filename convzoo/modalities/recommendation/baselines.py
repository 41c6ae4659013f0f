"""Opponents for recommendation: popularity, item-based filtering, EASE, matrix factorisation."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.linalg
import scipy.sparse
import torch
from torch import Tensor

from convzoo.core.arguments import NonNegative, Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.outputs.rankings import Ranking
from convzoo.modalities.recommendation.example import Rows, User, Users
from convzoo.ops.ranking import best_items

KEPT = 100
"""Number of items that an opponent ranks for a user; lists that are scored are not longer."""
_BLOCK = 1024


class Popularity(Baseline):
    """Ranks items by their number of users in training; the ranking is the same for every user."""

    def fit(self, examples: Sequence[User], dims: Mapping[str, Any]) -> None:
        """Count."""
        known: Rows = dims["known"]
        self.counts = torch.from_numpy(np.bincount(known.items, minlength=dims["items"]).astype(np.float32))

    def outputs(self, examples: Sequence[User]) -> Ranking:
        """The most popular items that each user has not had."""
        return _rank(examples, lambda chosen: self.counts.expand(chosen.stop - chosen.start, -1))


class ItemNeighbours(Baseline):
    """Item-based collaborative filtering (Sarwar et al. 2001, doi:10.1145/371920.372071): an item's score is the sum of its
    cosines with those of its nearest items that the user had. As in Deshpande & Karypis 2004 (doi:10.1145/963770.963776),
    active users count less: each item of a user with n items has the weight n^(-activity / 2).

    Args:
        neighbours: number of nearest items of each item that count, or `all`; null: chosen on the validation split
        activity: 0: all users count alike (plain cosines); 1: each user's row has unit length; null: chosen on the validation
            split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"neighbours": ("all", 50), "activity": (0.5, 1.0, 0.0)}

    def __init__(
        self, neighbours: Positive | Literal["all"] | None = None, activity: NonNegative | None = None
    ) -> None:
        self.neighbours = neighbours
        self.activity = activity

    def fit(self, examples: Sequence[User], dims: Mapping[str, Any]) -> None:
        """The nearest items of each, a block of items at a time."""
        self.had = _matrix(dims["known"], dims["items"])
        users, items = (
            np.maximum(np.asarray(self.had.sum(axis=axis)).ravel(), 1).astype(np.float32) for axis in (1, 0)
        )
        most, activity = self.setting("neighbours"), self.setting("activity")
        scaled = scipy.sparse.diags(users ** (-activity / 2)) @ self.had @ scipy.sparse.diags(items**-0.5)
        scaled = scaled.tocsc()
        blocks = []
        for first in range(0, dims["items"], _BLOCK):
            similar = (scaled[:, first : first + _BLOCK].T @ scaled).tocsr()
            for row in range(similar.shape[0]):
                begin, end = similar.indptr[row], similar.indptr[row + 1]
                values = similar.data[begin:end]
                values[similar.indices[begin:end] == first + row] = 0  # its cosine with itself
                if most != "all" and len(values) > most:
                    values[np.argpartition(values, -most)[:-most]] = 0
            similar.eliminate_zeros()
            blocks.append(similar)
        self.nearest = scipy.sparse.vstack(blocks, format="csr").T.tocsr()  # from what was had to what is scored

    def outputs(self, examples: Sequence[User]) -> Ranking:
        """The items nearest to what each user had."""
        users = np.array([example.index for example in examples])

        def score(chosen: slice) -> Tensor:
            return torch.from_numpy(np.asarray((self.had[users[chosen]] @ self.nearest).todense(), np.float32))

        return _rank(examples, score)


class EASE(Baseline):
    r"""EASE (Steck 2019, arXiv:1905.03375): items regressed on items, with a zero diagonal, in closed form: with
    $P = (X^T X + \lambda I)^{-1}$, $B_{ij} = -P_{ij} / P_{jj}$ and the scores $X B$.

    The smaller of two systems is solved: with $K = X X^T + \lambda I$ over the users, $X P = K^{-1} X$ and
    $P_{jj} = (1 - x_j^T K^{-1} x_j) / \lambda$. Only one dense matrix of users × users is held, and
    scores are made a block of items at a time.

    Args:
        penalty: λ, the L2 penalty; null: chosen on the validation split, which inverts the matrix once for each candidate
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"penalty": (200.0, 50.0, 1000.0)}

    def __init__(self, penalty: PositiveFloat | None = None) -> None:
        self.penalty = penalty

    def fit(self, examples: Sequence[User], dims: Mapping[str, Any]) -> None:
        """Invert the users' Gram matrix, in place."""
        self.had = _matrix(dims["known"], dims["items"])
        users = self.had.shape[0]
        gram = np.zeros((users, users), np.float32, order="F")
        for first in range(0, users, _BLOCK):
            gram[:, first : first + _BLOCK] = (self.had @ self.had[first : first + _BLOCK].T).toarray()
        gram[np.diag_indices(users)] += self.setting("penalty")
        factor, fault = scipy.linalg.lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
        inverse, other = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
        if fault or other:
            raise ValueError(
                f"the users' Gram matrix is not positive definite; raise penalty above {self.setting('penalty'):g}"
            )
        for first in range(0, users, _BLOCK):  # LAPACK fills one triangle
            last = min(first + _BLOCK, users)
            square = np.tril(inverse[first:last, first:last])
            inverse[first:last, first:last] = square + np.tril(square, -1).T
            inverse[first:last, last:] = inverse[last:, first:last].T
        self.inverse = inverse

    def outputs(self, examples: Sequence[User]) -> Ranking:
        """The best items of each user, of a block of items at a time; only the best are kept."""
        users = torch.tensor([example.index for example in examples])
        pointers, seen = _seen(examples)
        rows = torch.repeat_interleave(torch.arange(len(users)), pointers.diff())
        columns = self.had.T.tocsr()
        items, scores = torch.zeros(len(users), 0, dtype=torch.int64), torch.zeros(len(users), 0)
        for first in range(0, self.had.shape[1], _BLOCK):
            block = columns[first : first + _BLOCK]
            solved = block @ self.inverse  # (block, users): X^T K^-1, and K is its own transpose
            had = block.toarray()
            diagonal = (1 - (had * solved).sum(axis=1)) / self.setting("penalty")
            found = torch.from_numpy((had - solved / np.maximum(diagonal, 1e-12)[:, None]).T.astype(np.float32))[users]
            inside = (seen >= first) & (seen < first + had.shape[0])
            found[rows[inside], seen[inside] - first] = -torch.inf
            joined = torch.cat([scores, found], dim=1)
            numbers = torch.arange(first, first + had.shape[0]).expand(len(users), -1)
            numbers = torch.cat([items, numbers], dim=1)
            top = joined.topk(min(KEPT, joined.shape[1]), dim=1)
            scores, items = top.values, numbers.gather(1, top.indices)
        return Ranking(torch.where(scores == -torch.inf, -1, items), scores)


class MatrixFactorisation(Baseline):
    """Matrix factorisation with BPR (Rendle et al. 2009, arXiv:1205.2618): what LightGCN is without its graph. Adagrad, in
    batches; the best epoch is not chosen, because an opponent sees no validation split.

    Args:
        embedding_size: length of a vector
        epochs: passes over the training pairs
        batch_size: number of pairs in a step
        lr: learning rate of Adagrad
        penalty: L2 penalty on the vectors of a pair, as for the network
        seed: random seed of the first vectors, the order and the negatives
    """

    def __init__(
        self,
        embedding_size: Positive = 64,
        epochs: Positive = 100,
        batch_size: Positive = 1024,
        lr: PositiveFloat = 0.05,
        penalty: NonNegative = 1e-3,
        seed: int = 0,
    ) -> None:
        self.embedding_size = embedding_size
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.penalty = penalty
        self.seed = seed

    def fit(self, examples: Sequence[User], dims: Mapping[str, Any]) -> None:
        """Learn the vectors of users and items."""
        known: Rows = dims["known"]
        users, items = torch.from_numpy(known.users()).long(), torch.from_numpy(known.items).long()
        count = dims["items"]
        pairs = users * count + items
        generator = torch.Generator().manual_seed(self.seed)
        who, what = (
            0.1 * torch.randn(number, self.embedding_size, generator=generator)
            for number in (dims["users"], dims["items"])
        )
        sums = {id(table): torch.full((len(table), 1), 1e-8) for table in (who, what)}
        for _ in range(self.epochs):
            for chosen in torch.randperm(len(users), generator=generator).split(self.batch_size):
                u, i = users[chosen], items[chosen]
                j = torch.randint(count, i.shape, generator=generator)
                keys = u * count + j
                wrong = pairs[torch.searchsorted(pairs, keys).clamp(max=len(pairs) - 1)] == keys
                keep = ~wrong
                u, i, j = u[keep], i[keep], j[keep]
                a, b, c = who[u], what[i], what[j]
                slope = torch.sigmoid(-(a * (b - c)).sum(dim=1, keepdim=True))
                steps = [
                    (who, u, slope * (b - c) - self.penalty * a),
                    (what, torch.cat([i, j]), torch.cat([slope * a - self.penalty * b, -slope * a - self.penalty * c])),
                ]
                for table, rows, gradient in steps:
                    seen = sums[id(table)]
                    seen.index_add_(0, rows, gradient.square().mean(dim=1, keepdim=True))
                    table.index_add_(0, rows, self.lr * gradient / seen[rows].sqrt())
        self.who, self.what = who, what

    def outputs(self, examples: Sequence[User]) -> Ranking:
        """The items with the largest inner product."""
        users = torch.tensor([example.index for example in examples])
        return _rank(examples, lambda chosen: self.who[users[chosen]] @ self.what.T)


def _rank(examples: Sequence[User], score: Any) -> Ranking:
    pointers, seen = _seen(examples)
    return best_items(score, len(examples), pointers, seen, KEPT)


def _seen(examples: Sequence[User]) -> tuple[Tensor, Tensor]:
    if isinstance(examples, Users):
        rows = examples.seen.of_users(examples.indices)
        return torch.from_numpy(rows.pointers), torch.from_numpy(rows.items).long()
    lists = [example.seen for example in examples]
    pointers = np.r_[0, np.cumsum([len(items) for items in lists])].astype(np.int64)
    return torch.from_numpy(pointers), torch.from_numpy(np.concatenate(lists)).long()


def _matrix(known: Rows, items: int) -> Any:
    ones = np.ones(len(known.items), np.float32)
    return scipy.sparse.csr_matrix((ones, known.items, known.pointers), (len(known.pointers) - 1, items))
