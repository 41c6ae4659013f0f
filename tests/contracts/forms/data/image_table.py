"""A manifest of images with the patients that they show; one image was copied under another patient."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """A table beside the images."""
    rows = []
    for number in range(24):
        files.image(folder / f"{number}.png", number)
        rows.append(f"{number}.png,{('ill', 'well')[number % 2]},patient {number // 3}")
    shutil.copy(folder / "0.png", folder / "copy.png")
    rows.append("copy.png,ill,patient 9")
    return {"path": str(files.lines(folder / "manifest.csv", ["path,label,patient", *rows]))}
