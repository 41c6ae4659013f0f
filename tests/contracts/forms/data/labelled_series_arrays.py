"""An archive of arrays with two channels and groups."""

from pathlib import Path
from typing import Any

import numpy as np


def form(folder: Path) -> dict[str, Any]:
    """Sixty series of two classes."""
    random = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = random.normal(y[:, None, None], 1, (60, 2, 14))  # noqa: N806 (its name in the file)
    np.savez(folder / "a.npz", X=X, y=y, groups=np.arange(60) // 3)
    return {"path": str(folder / "a.npz")}
