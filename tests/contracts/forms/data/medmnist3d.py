"""Volumes in a MedMNIST file."""

from pathlib import Path
from typing import Any

import numpy as np


def form(folder: Path) -> dict[str, Any]:
    """All three parts."""
    random = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = random.integers(0, 255, (6, 8, 8, 8)).astype(np.uint8)
        arrays[f"{part}_labels"] = (np.arange(6) % 2).astype(np.uint8)[:, None]
    np.savez(folder / "adrenalmnist3d.npz", **arrays)
    return {"path": str(folder / "adrenalmnist3d.npz")}
