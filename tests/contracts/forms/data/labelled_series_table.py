"""Tables of series: a row a step, with two channels, times and persons; or, with numbers to predict, a row a series."""

from pathlib import Path
from typing import Any

import numpy as np
from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """A row a step."""
    random = np.random.default_rng(0)
    rows = []
    for unit in range(40):
        for step in range(12 + unit % 3):
            x, y = random.normal(unit % 2, 1, 2)
            rows.append(f"{unit},{step},{x:.4f},{y:.4f},{'ab'[unit % 2]},p{unit // 4}")
    files.lines(folder / "steps.csv", ["unit,time,x,y,label,person", *rows])
    return {"path": str(folder / "steps.csv")}


def numbers(folder: Path) -> dict[str, Any]:
    """A row a series, and a number for each."""
    random = np.random.default_rng(0)
    rows = []
    for _ in range(40):
        number = random.uniform(1, 3)
        values = number * np.sin(np.arange(16)) + random.normal(0, 0.1, 16)
        rows.append(",".join([f"{number:.3f}", *(f"{value:.4f}" for value in values)]))
    files.lines(folder / "rows.csv", [",".join(["label", *(f"t{at}" for at in range(16))]), *rows])
    return {"path": str(folder / "rows.csv")}
