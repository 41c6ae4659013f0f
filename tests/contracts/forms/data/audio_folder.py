"""Sounds in Speech Commands' layout, one of them copied by another speaker."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two words, eight speakers, two takes."""
    places = [(word, who, take) for word in ("down", "up") for who in range(8) for take in range(2)]
    for number, (word, who, take) in enumerate(places):
        files.sound(folder / word / f"{who:08x}_nohash_{take}.wav", number)
    shutil.copy(folder / "up" / "00000000_nohash_0.wav", folder / "up" / "00000009_nohash_0.wav")
    return {"path": str(folder)}
