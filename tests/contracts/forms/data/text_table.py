"""Reviews with their authors, two of which were copied by another author."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """A table with a column for the group."""
    rows = [
        f"the {('dull', 'fine')[n % 2]} plot number {n},{('bad', 'good')[n % 2]},author {n // 4}" for n in range(60)
    ]
    rows += ["the  DULL plot number 0,bad,author 20", "the fine plot number 9,good,author 21"]
    return {"path": str(files.lines(folder / "reviews.csv", ["text,label,author", *rows])), "group": "author"}
