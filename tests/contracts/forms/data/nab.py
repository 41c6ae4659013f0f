"""Two series of one value, with windows."""

import json
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """The benchmark's two folders."""
    windows = {}
    for number in range(2):
        name = f"artificial/{number}.csv"
        files.readings(folder / "data" / name, number, 400, one=True)
        windows[name] = [["2024-01-01 05:00:00", "2024-01-01 05:20:00"]]
    (folder / "labels").mkdir()
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    return {"path": str(folder)}
