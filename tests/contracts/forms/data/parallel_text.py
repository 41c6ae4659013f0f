"""Two parallel files; a sentence stands in them twice."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """`corpus.de` and `corpus.en`."""
    numbers = [*range(60), 3]
    files.lines(folder / "corpus.en", [f"the dog number {number}" for number in numbers])
    path = files.lines(folder / "corpus.de", [f"der Hund Nummer {number}" for number in numbers])
    return {"path": str(path)}
