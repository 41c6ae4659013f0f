"""Features of nodes on a common scale."""

from typing import Any, Literal

import numpy as np
import scipy.sparse

Scaling = Literal["none", "length", "standard", "auto"]


def scaling_of(features: Any, kind: Scaling) -> str:
    """`auto` is `length` where at least half of the values are zero (words), else `standard`."""
    if kind != "auto":
        return kind
    filled = features.nnz if scipy.sparse.issparse(features) else np.count_nonzero(features)
    return "length" if filled <= 0.5 * features.shape[0] * features.shape[1] else "standard"


def unit_rows(features: Any) -> Any:
    """(nodes, features) of float32: each node's features with length 1; a node without any keeps zeros."""
    squares = (
        features.multiply(features).sum(axis=1) if scipy.sparse.issparse(features) else np.square(features).sum(axis=1)
    )
    scale = 1 / np.sqrt(np.maximum(np.asarray(squares, np.float64).ravel(), 1e-12))
    found = scipy.sparse.diags(scale) @ features
    return found.tocsr().astype(np.float32) if scipy.sparse.issparse(found) else np.asarray(found, np.float32)


def means_and_deviations(features: Any) -> tuple[np.ndarray, np.ndarray]:
    """Of each feature over the nodes, float32; a feature that never varies has the deviation 1."""
    dense = np.asarray(features.todense()) if scipy.sparse.issparse(features) else features
    deviation = dense.std(axis=0, dtype=np.float64)
    return dense.mean(axis=0, dtype=np.float64).astype(np.float32), np.where(deviation > 1e-8, deviation, 1).astype(
        np.float32
    )
