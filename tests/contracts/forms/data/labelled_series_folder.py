"""A folder a class, with a table for each series."""

from pathlib import Path
from typing import Any

import numpy as np
from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two classes, two channels and a column of times."""
    random = np.random.default_rng(0)
    for number in range(30):
        rows = [
            f"{step},{x:.4f},{y:.4f}" for step, (x, y) in enumerate(random.normal(number % 2, 1, (15 + number % 2, 2)))
        ]
        files.lines(folder / "ab"[number % 2] / f"{number}.csv", ["time,x,y", *rows])
    return {"path": str(folder)}
