"""Engines in NASA's text files."""

from pathlib import Path
from typing import Any

import numpy as np


def form(folder: Path) -> dict[str, Any]:
    """Six training and three test engines, in six operating conditions as FD002's."""
    random = np.random.default_rng(0)
    for kind, lengths in (("train", (40, 45, 50, 42, 38, 60)), ("test", (30, 20, 35))):
        rows = []
        for engine, length in enumerate(lengths, start=1):
            for cycle in range(1, length + 1):
                condition = int(random.integers(6))
                settings = [f"{value:.4f}" for value in (7.0 * condition, 0.14 * condition, 100.0)]
                sensors = [f"{value:.2f}" for value in 500 + 20 * condition + random.normal(size=21) + cycle / 10]
                rows.append(" ".join([str(engine), str(cycle), *settings, *sensors]) + "  ")
        (folder / f"{kind}_FD002.txt").write_text("\n".join(rows) + "\n")
    (folder / "RUL_FD002.txt").write_text("12 \n40 \n5 \n")
    return {"path": str(folder), "subset": "FD002", "val": 0.34, "cuts": 2}
