"""Recordings in YESNO's form."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Twenty recordings, whose names are their transcripts."""
    for number in range(20):
        files.sound(folder / f"{'_'.join(f'{number:08b}')}.wav", number)
    return {"path": str(folder), "val": 3}
