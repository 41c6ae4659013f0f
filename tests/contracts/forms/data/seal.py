"""A network in a MATLAB file."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse


def form(folder: Path) -> dict[str, Any]:
    """A ring with chords."""
    at = np.arange(30)
    matrix = sum(scipy.sparse.csr_matrix((np.ones(30), (at, (at + step) % 30)), (30, 30)) for step in (1, 3))
    scipy.io.savemat(folder / "Ring.mat", {"net": matrix + matrix.T})
    return {"path": str(folder / "Ring.mat"), "test": 0.2, "val": 0.1}
