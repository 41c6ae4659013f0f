"""A manifest of videos with the people in them; one video was copied under another person."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """A table beside the videos."""
    rows = []
    for number in range(24):
        files.video(folder / f"{number}.mp4", number)
        rows.append(f"{number}.mp4,{('run', 'walk')[number % 2]},person {number // 3}")
    shutil.copy(folder / "0.mp4", folder / "copy.mp4")
    rows.append("copy.mp4,run,person 9")
    return {"path": str(files.lines(folder / "manifest.csv", ["path,label,person", *rows]))}


def numbers(folder: Path) -> dict[str, Any]:
    """A table beside videos, with a number each."""
    for number in range(24):
        files.video(folder / f"{number}.mp4", number)
    rows = [f"{number}.mp4,{number / 4}" for number in range(24)]
    return {"path": str(files.lines(folder / "manifest.csv", ["path,label", *rows]))}
