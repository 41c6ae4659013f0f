"""A manifest of utterances with speakers; one sound was copied by another speaker."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """A table beside a folder of sounds."""
    rows = []
    for number in range(30):
        files.sound(folder / "sounds" / f"{number}.wav", number)
        rows.append(f"sounds/{number}.wav,{('go up', 'down')[number % 2]},speaker {number // 4}")
    shutil.copy(folder / "sounds" / "0.wav", folder / "sounds" / "copy.wav")
    rows.append("sounds/copy.wav,go up,speaker 9")
    return {"path": str(files.lines(folder / "manifest.csv", ["path,transcript,speaker", *rows]))}
