"""Graphs in a folder a class, one of them copied."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two classes, no split."""
    for number in range(24):
        files.graph(folder / ("ring", "chain")[number % 2] / f"{number}.json", number)
    shutil.copy(folder / "ring" / "0.json", folder / "ring" / "copy.json")
    return {"path": str(folder)}
