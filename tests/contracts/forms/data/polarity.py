"""Sentences of two classes, a file each."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """MR's files."""
    for word, name in (("bad", "rt-polarity.neg"), ("good", "rt-polarity.pos")):
        files.lines(folder / name, [f"a {word} caf\xe9 number {number}" for number in range(40)], "latin-1")
    return {"path": str(folder)}
