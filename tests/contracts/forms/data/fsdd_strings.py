"""Strings of recordings in FSDD's form."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Three speakers, each with eight recordings of four digits."""
    for number in range(96):
        speaker, take = ("ann", "bob", "cid")[number % 3], number // 12
        files.sound(folder / "recordings" / f"{number // 3 % 4}_{speaker}_{take}.wav", number)
    return {"path": str(folder), "speaker": "bob", "digits": 3}
