"""Videos in a folder an action, one of them copied."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two actions, no split."""
    for number in range(24):
        files.video(folder / ("run", "walk")[number % 2] / f"{number}.mp4", number)
    shutil.copy(folder / "run" / "0.mp4", folder / "run" / "copy.mp4")
    return {"path": str(folder)}
