"""Graphs as matrices."""

from typing import Any, Literal

import numpy as np
import scipy.sparse

MatrixKind = Literal["symmetric", "random_walk", "adjacency", "laplacian"]


def degrees(edges: Any, self_loops: bool) -> np.ndarray:
    """(nodes,): the sum of each node's weights, with its self-loop if `self_loops` is true."""
    return np.asarray(edges.sum(axis=1), np.float64).ravel() + self_loops


def graph_matrix(edges: Any, kind: MatrixKind, self_loops: bool) -> Any:
    r"""The matrix by which messages are weighted, as SciPy CSR of float32.

    With $A$ the weights of the edges, $\hat A = A + I$ where there are self-loops, and $D$ the diagonal of its row sums:

    * `symmetric`: $D^{-1/2} \hat A D^{-1/2}$ (Kipf & Welling 2017, arXiv:1609.02907, eq. 2)
    * `random_walk`: $D^{-1} \hat A$, the mean over the neighbours
    * `adjacency`: $\hat A$, their sum
    * `laplacian`: $2 L / \lambda - I$ with $L = I - D^{-1/2} A D^{-1/2}$ and its bound $\lambda = 2$, so
      $-D^{-1/2} A D^{-1/2}$: what Chebyshev polynomials take (Defferrard et al. 2016, arXiv:1606.09375, §2.1)

    A node without edges (and without a loop) gets an empty row.
    """
    loops = self_loops and kind != "laplacian"
    degree = degrees(edges, loops)
    if loops:
        edges = edges + scipy.sparse.identity(edges.shape[0], np.float32, format="csr")
        edges.sort_indices()
    # Only the values are new: for a large graph, another copy of the columns would take much memory.
    values = edges.data.astype(np.float32)
    if kind != "adjacency":
        power = -1.0 if kind == "random_walk" else -0.5
        scale = np.power(degree, power, out=np.zeros_like(degree), where=degree > 0).astype(np.float32)
        values *= np.repeat(scale, np.diff(edges.indptr))
        if kind != "random_walk":
            values *= scale[edges.indices]
        if kind == "laplacian":
            np.negative(values, out=values)
    return scipy.sparse.csr_matrix((values, edges.indices, edges.indptr), edges.shape, copy=False)


def entry_scale(row_degree: np.ndarray, column_degree: np.ndarray, kind: MatrixKind) -> np.ndarray:
    """What an entry's weight is multiplied by, given the degrees of its row's and its column's node."""
    if kind == "adjacency":
        return np.ones(len(row_degree), np.float32)
    if kind == "random_walk":
        return np.divide(1, row_degree, out=np.zeros_like(row_degree), where=row_degree > 0).astype(np.float32)
    both = row_degree * column_degree
    scale = np.divide(1, np.sqrt(np.maximum(both, 0)), out=np.zeros_like(both), where=both > 0)
    return (-scale if kind == "laplacian" else scale).astype(np.float32)
