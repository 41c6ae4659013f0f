"""Two runs of a water circuit."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """SKAB's folders, with shorter runs."""
    for number, place in enumerate(("valve1/0.csv", "other/1.csv")):
        path = files.readings(folder / place, number, 120, [int(80 <= row < 90) for row in range(120)])
        rows = path.read_text().replace("timestamp", "datetime").splitlines()
        files.lines(path, [rows[0] + ",changepoint", *(row + ",0" for row in rows[1:])])
    return {"path": str(folder), "train": 50}
