"""Thirty papers of three classes in the Planetoid files."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """The eight files: 8 nodes to learn from, 16 to validate on, 6 to test on."""
    features = scipy.sparse.csr_matrix((np.random.default_rng(0).random((30, 12)) < 0.3).astype(np.float32))
    classes = np.eye(3, dtype=np.int32)[np.arange(30) % 3]
    parts = {
        "x": features[:8], "y": classes[:8], "allx": features[:24], "ally": classes[:24], "tx": features[24:],
        "ty": classes[24:], "graph": {node: [(node + 3) % 30, (node - 3) % 30, (node + 1) % 30] for node in range(30)},
    }  # fmt: skip
    for name, value in parts.items():
        (folder / f"ind.cora.{name}").write_bytes(pickle.dumps(value))
    files.lines(folder / "ind.cora.test.index", [str(node) for node in range(24, 30)])
    return {"path": str(folder)}
