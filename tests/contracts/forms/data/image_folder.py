"""Images in a folder a class, one of them copied."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two classes, no split."""
    for number in range(24):
        files.image(folder / ("cat", "dog")[number % 2] / f"{number}.png", number)
    shutil.copy(folder / "cat" / "0.png", folder / "cat" / "copy.png")
    return {"path": str(folder)}
