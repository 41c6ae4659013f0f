"""Interactions in LightGCN's text format."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """A line a user, in two files."""
    for name, first, last in (("train", 0, 8), ("test", 8, 10)):
        rows = [
            " ".join(map(str, [user, *((user * 3 + item) % 20 for item in range(first, last))])) for user in range(12)
        ]
        files.lines(folder / f"{name}.txt", rows)
    return {"path": str(folder), "val": 0.2}
