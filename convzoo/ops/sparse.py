"""Sparse matrices as plain tensors, and their product with a dense matrix: the step that all graph convolutions share."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


class SparseMatrix:
    """A matrix in compressed rows (CSR), with what the gradient of its product needs.

    torch's own CSR product takes 25 times as long for the transposed matrix as for the matrix itself (2.13, CPU). So the
    transposed matrix is kept in compressed rows too: `back` has the position of each of its entries in `values`.

    Attributes:
        pointers: (rows + 1,), where each row begins among the entries
        columns: (entries,)
        values: (entries,)
        back: the same of the transposed matrix, (pointers, columns, order of the values); None if the matrix is symmetric (it is
            its own transpose) or if no gradient is needed
    """

    def __init__(
        self,
        pointers: Tensor,
        columns: Tensor,
        values: Tensor,
        width: int,
        back: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> None:
        self.pointers = pointers
        self.columns = columns
        self.values = values
        self.width = width
        self.back = back
        self._moved: SparseMatrix | None = None

    @classmethod
    def of(cls, matrix: Any, symmetric: bool = False, gradient: bool = True) -> "SparseMatrix":
        """From a SciPy CSR matrix (or array) whose values are float32.

        Args:
            matrix: with sorted columns
            symmetric: it equals its transpose
            gradient: products with it will be differentiated
        """
        kind = np.int32 if max(matrix.nnz, *matrix.shape) < 2**31 else np.int64
        back = None
        if gradient and not symmetric:
            numbered = matrix.copy()
            numbered.data = np.arange(matrix.nnz, dtype=np.int64)
            turned = numbered.T.tocsr()
            back = tuple(torch.from_numpy(part.astype(kind)) for part in (turned.indptr, turned.indices, turned.data))
        pointers, columns = (
            torch.from_numpy(part.astype(kind, copy=False)) for part in (matrix.indptr, matrix.indices)
        )
        return cls(pointers, columns, torch.from_numpy(matrix.data), matrix.shape[1], back)  # type: ignore[arg-type]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.pointers) - 1, self.width

    @property
    def device(self) -> torch.device:
        """The device of its tensors."""
        return self.values.device

    def with_values(self, values: Tensor) -> "SparseMatrix":
        """The same entries with other values (dropped or scaled)."""
        return SparseMatrix(self.pointers, self.columns, values, self.width, self.back)

    def part(self, first: int, last: int) -> "SparseMatrix":
        """The rows from `first` up to, but without, `last`, for products without a gradient."""
        pointers = self.pointers[first : last + 1]
        inside = slice(int(pointers[0]), int(pointers[-1]))
        return SparseMatrix(pointers - pointers[0], self.columns[inside], self.values[inside], self.width)

    def transposed(self) -> "SparseMatrix":
        """The pattern of the transposed matrix; all values are 1."""
        assert self.back is not None, "only a matrix that was made for gradients has its transpose"
        pointers, columns, _ = self.back
        return SparseMatrix(pointers, columns, torch.ones_like(self.values), self.shape[0])

    def rows(self) -> Tensor:
        """(entries,): the row of each entry."""
        return torch.repeat_interleave(torch.arange(self.shape[0], device=self.device), self.pointers.diff().long())

    def entries(self) -> "EdgeList":
        """The same matrix as a list of its entries, for layers that change the message of each edge."""
        return EdgeList(self.rows(), self.columns.long(), self.values, self.shape[0])

    def dense(self) -> Tensor:
        """The whole matrix."""
        found = torch.zeros(self.shape, dtype=self.values.dtype, device=self.device)
        return found.index_put_((self.rows(), self.columns.long()), self.values, accumulate=True)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "SparseMatrix":
        """The same on a device, values as `dtype`. The copy is kept, so that it is made once and not at every step."""
        dtype = dtype or self.values.dtype
        if self.device == device and self.values.dtype == dtype:
            return self
        kept = self._moved
        if kept is None or kept.device != device or kept.values.dtype != dtype:
            back = tuple(part.to(device) for part in self.back) if self.back is not None else None
            kept = SparseMatrix(
                self.pointers.to(device), self.columns.to(device), self.values.to(device, dtype), self.width, back,  # type: ignore[arg-type]
            )  # fmt: skip
            self._moved = kept
        return kept


class EdgeList:
    """A sparse matrix as three tensors with one row for each entry, the form that exporters take.

    Attributes:
        rows: (entries,)
        columns: (entries,)
        values: (entries,)
        height: rows of the matrix
    """

    def __init__(self, rows: Tensor, columns: Tensor, values: Tensor, height: Any) -> None:
        self.rows = rows
        self.columns = columns
        self.values = values
        self.height = height


def product(matrix: SparseMatrix | EdgeList, x: Tensor) -> Tensor:
    r"""$A x$: each row of the result is the sum of rows of `x`, weighted by that row of the matrix.

    Args:
        matrix: (rows, columns)
        x: (columns, features)

    Returns:
        (rows, features), in the type of `x`. The values of the matrix get no gradient.
    """
    if isinstance(matrix, EdgeList):
        messages = x.index_select(0, matrix.columns) * matrix.values.unsqueeze(1)
        index = matrix.rows.unsqueeze(1).expand_as(messages)
        return x.new_zeros(matrix.height, x.shape[1]).scatter_add(0, index, messages)
    return _Product.apply(x, matrix)


def nodes_within(matrix: SparseMatrix, node: int, hops: int) -> list[int]:
    """The number of nodes that are at most 0, 1, … `hops` steps away from a node, with the node itself."""
    ones = matrix.with_values(torch.ones_like(matrix.values))
    reached = torch.zeros(matrix.shape[0], 1, dtype=matrix.values.dtype, device=matrix.device)
    reached[node] = 1
    back = matrix.transposed() if matrix.back is not None else ones
    counts = [1]
    for _ in range(hops):
        reached = (reached + product(back, reached)).clamp(max=1)
        counts.append(int(reached.sum()))
    return counts


def _multiply(pointers: Tensor, columns: Tensor, values: Tensor, x: Tensor) -> Tensor:
    # A weighted sum of rows is a bag of embeddings: torch's fastest sparse product on a CPU, and it runs on GPUs too. Autocast
    # does not change this function, so an x in lower precision is converted to the precision of the values.
    x = x.to(values.dtype).contiguous()
    return F.embedding_bag(columns, x, pointers, mode="sum", per_sample_weights=values, include_last_offset=True)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: SparseMatrix) -> Tensor:
        ctx.matrix = matrix
        ctx.dtype = x.dtype
        return _multiply(matrix.pointers, matrix.columns, matrix.values, x).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        matrix = ctx.matrix
        if matrix.back is None:
            found = _multiply(matrix.pointers, matrix.columns, matrix.values, gradient)
        else:
            pointers, columns, order = matrix.back
            found = _multiply(pointers, columns, matrix.values.index_select(0, order), gradient)
        return found.to(ctx.dtype), None


class GraphTensors:
    """A graph in the form that models take, or several graphs side by side, without edges between them.

    Attributes:
        features: (nodes, features), dense or sparse
        adjacency: (nodes, nodes), the matrix that messages are weighted by
        edge_features: (entries of the matrix, edge features); None where edges have none
    """

    def __init__(
        self,
        features: Tensor | SparseMatrix,
        adjacency: SparseMatrix | EdgeList,
        edge_features: Tensor | None = None,
    ) -> None:
        self.features = features
        self.adjacency = adjacency
        self.edge_features = edge_features
        self._moved: GraphTensors | None = None

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "GraphTensors":
        """The same on a device. The copy is kept, so that it is made once and not at every step."""
        assert isinstance(self.adjacency, SparseMatrix)
        features, adjacency = self.features.to(device, dtype), self.adjacency.to(device, dtype)
        if features is self.features and adjacency is self.adjacency:
            return self
        if self._moved is None or self._moved.adjacency is not adjacency:
            edge_features = self.edge_features
            if edge_features is not None:
                edge_features = edge_features.to(device, dtype or edge_features.dtype)
            self._moved = GraphTensors(features, adjacency, edge_features)  # type: ignore[arg-type]
        return self._moved
