"""LightGCN: vectors of users and items, spread over the graph that connects each user with the items that the user had."""

from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Count, FromData, Positive, PositiveFloat
from convzoo.ops.sparse import SparseMatrix, nodes_within, product


class LightGCN(nn.Module):
    r"""LightGCN (He et al. 2020, arXiv:2002.02126): $E^{(k+1)} = \tilde A E^{(k)}$, without weights or non-linearities; the final
    vectors are the mean $\frac{1}{K+1} \sum_k E^{(k)}$, and a user's score for an item is the inner product of their vectors.

    With 0 layers it is matrix factorisation.

    Args:
        users: number of users
        items: number of items
        adjacency: the normalised matrix of the training graph, users first, then items
        embedding_size: length of a vector
        layers: number of steps on the graph (K)
        initialisation: `normal`, as in the paper; `spectral` starts with the leading singular vectors of the interactions, which
            needs far fewer epochs
        initial_deviation: standard deviation of the initial vectors

    Shape:
        users: (batch,); items: (batch, candidates), or None for all.
        output: scores (batch, candidates), or (batch, items) for all. In training a dictionary of `scores` and `norms`,
        (batch,), half the squared norms of the vectors before the graph, which BPR's penalty needs.
    """

    def __init__(
        self,
        users: FromData[int],
        items: FromData[int],
        adjacency: FromData[SparseMatrix],
        embedding_size: Positive = 64,
        layers: Count = 3,
        initialisation: Literal["normal", "spectral"] = "normal",
        initial_deviation: PositiveFloat = 0.1,
    ) -> None:
        super().__init__()
        self.users = users
        self.layers = layers
        self.hops = layers
        # The graph is not a weight: the encoder saves it and gives it again, so it is not saved here.
        self.register_buffer("pointers", adjacency.pointers, persistent=False)
        self.register_buffer("columns", adjacency.columns, persistent=False)
        self.register_buffer("values", adjacency.values, persistent=False)
        first = (
            initial_deviation * torch.randn(users + items, embedding_size)
            if initialisation == "normal"
            else _spectral(adjacency, users, embedding_size, initial_deviation)
        )
        self.embedding = VectorTable(first, users)
        self.propagation = Propagation(layers)
        self.scoring = InnerProducts()
        self._spread: tuple[tuple, Tensor] | None = None

    def vectors(self) -> Tensor:
        """(users + items, size): all final vectors. Outside training they are kept until a weight changes."""
        weight = self.embedding.weight
        if torch.is_grad_enabled():
            return self._propagate()
        now = (weight.data_ptr(), weight._version, weight.dtype)
        if self._spread is None or self._spread[0] != now:
            self._spread = (now, self._propagate())
        return self._spread[1]

    def _propagate(self) -> Tensor:
        weight = self.embedding()
        return self.propagation(weight, self._matrix())

    def _matrix(self) -> SparseMatrix:
        return SparseMatrix(self.pointers, self.columns, self.values, len(self.embedding.weight))  # type: ignore[arg-type]

    def forward(self, users: Int[Tensor, " batch"], items: Int[Tensor, "batch candidates"] | None = None) -> Any:
        """Scores of users for items."""
        final = self.vectors()
        who = final[users]  # (batch, size)
        if items is None:
            return self.scoring(who, final[self.users :])
        rows = items + self.users
        scores = torch.einsum("bd,bcd->bc", who, final[rows])
        if not self.training:
            return scores
        first = F.embedding(torch.cat([users.unsqueeze(1), rows], dim=1), self.embedding.weight)
        return {"scores": scores, "norms": 0.5 * first.square().sum(dim=(1, 2))}

    def receptive_fields(self, inputs: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
        """How many users and items the first user's vector depends on."""
        sees = nodes_within(self._matrix(), int(inputs["users"][0]), self.layers)
        return {"embedding": (1,), "propagation": (sees[-1],)}

    def train(self, mode: bool = True) -> "LightGCN":
        """In training mode, forget the kept vectors: a fused optimizer changes weights without a new version number."""
        if mode:
            self._spread = None
        return super().train(mode)

    def exported(self, inputs: dict[str, Tensor]) -> tuple[nn.Module, dict[str, Tensor]]:
        """For export: the final vectors only, without the graph."""
        with torch.no_grad():
            final = self.vectors()
        return _FinalVectors(final[: self.users].clone(), final[self.users :].clone()), {"users": inputs["users"]}


class VectorTable(nn.Module):
    """A learnt vector for each user and each item, users first."""

    def __init__(self, first: Tensor, users: int) -> None:
        super().__init__()
        self.users = users
        self.weight = nn.Parameter(first)

    def forward(self) -> Tensor:
        """(users + items, size)."""
        return self.weight

    def in_words(self) -> str:
        """For `describe`."""
        count, size = self.weight.shape
        return f"A learnt vector of {size} numbers for each of {self.users:,} users and {count - self.users:,} items."


class Propagation(nn.Module):
    r"""$\frac{1}{K+1} \sum_{k=0}^{K} \tilde A^k x$."""

    def __init__(self, steps: Count) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor, matrix: SparseMatrix) -> Tensor:
        """(nodes, size) to the same."""
        total = x
        for _ in range(self.steps):
            x = product(matrix, x)
            total = total + x
        return total / (self.steps + 1)

    def in_words(self) -> str:
        """For `describe`."""
        return (
            f"Spreads all vectors {self.steps} steps over the graph of users and their items, weighted by the degrees, and "
            "averages the steps. Nothing here is learnt."
        )


class InnerProducts(nn.Module):
    """Scores of users for items."""

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """(batch, size) and (items, size) to (batch, items)."""
        return users @ items.T

    def in_words(self) -> str:
        """For `describe`."""
        return "A user's score for an item is the inner product of their vectors."


class _FinalVectors(nn.Module):
    def __init__(self, users: Tensor, items: Tensor) -> None:
        super().__init__()
        self.register_buffer("user_vectors", users)
        self.register_buffer("item_vectors", items)

    def forward(self, users: Int[Tensor, " batch"]) -> Float[Tensor, "batch items"]:
        """Users to the scores of all items."""
        return self.user_vectors[users] @ self.item_vectors.T  # type: ignore[index,operator]


def _spectral(adjacency: SparseMatrix, users: int, size: int, scale: float) -> Tensor:
    """Leading singular vectors of the normalised interactions, weighted by their singular values, with deviation `scale`.

    They are found by subspace iteration from random vectors, which needs only products with the matrix.
    """
    height = adjacency.shape[0]
    random = np.random.default_rng(0)
    width = min(size + 16, users, height - users)
    items = torch.from_numpy(random.standard_normal((height - users, width)).astype(np.float32))
    above, below = torch.zeros(users, width), torch.zeros(height - users, width)
    for _ in range(12):
        left, _ = torch.linalg.qr(product(adjacency, torch.cat([above, items]))[:users])
        items, triangle = torch.linalg.qr(product(adjacency, torch.cat([left, below]))[users:])
    # R^T left = items triangle, so the singular values of R are those of the triangle.
    inner, values, outer = torch.linalg.svd(triangle.T)
    kept = min(size, width)
    found = torch.cat([left @ inner[:, :kept], items @ outer[:kept].T]) * values[:kept].sqrt()
    full = torch.zeros(height, size)
    full[:, :kept] = found
    return full * (scale / found.std())
