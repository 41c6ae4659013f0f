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


WORDS = ("garden", "garage", "cellar", "balcony")


def numbers(folder: Path) -> dict[str, Any]:
    """Texts with a number each."""
    rows = [
        f"a house with {n % 7} rooms and a {WORDS[n % 4]} in street {n},{20 * (n % 7) + n % 4}.5" for n in range(90)
    ]
    return {"path": str(files.lines(folder / "prices.csv", ["text,label", *rows]))}


def several(folder: Path) -> dict[str, Any]:
    """Texts with several classes each, or none."""
    rows = []
    for number in range(90):
        named = [word for at, word in enumerate(WORDS) if number >> at & 1]
        rows.append(f"house {number} with {' and '.join(named) or 'nothing'},{'|'.join(named)}")
    return {"path": str(files.lines(folder / "houses.csv", ["text,label", *rows]))}
