"""Actions in Weizmann's layout."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two actions of four people."""
    places = [(action, person) for action in ("run", "walk") for person in ("daria", "denis", "eli", "ido")]
    for number, (action, person) in enumerate(places):
        files.video(folder / action / f"{person}_{action}.avi", number)
    return {"path": str(folder)}
