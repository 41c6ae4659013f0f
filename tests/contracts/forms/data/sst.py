"""Sentences of the Stanford Sentiment Treebank."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """The files of two classes."""
    for part in ("train", "dev", "test"):
        files.lines(folder / f"stsa.binary.{part}", [f"{n % 2} sentence {n} of {part}" for n in range(10)])
    return {"path": str(folder)}
