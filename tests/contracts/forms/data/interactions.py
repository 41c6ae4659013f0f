"""Who had what, without times."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """A table of twelve users with eight items each, one of them twice."""
    rows = [f"u{user},i{(user * 3 + item) % 20}" for user in range(12) for item in range(8)]
    return {"path": str(files.lines(folder / "had.csv", ["user,item", *rows, rows[0]]))}
