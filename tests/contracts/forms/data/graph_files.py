"""A table of graphs with the scaffolds that they have; one graph was copied under another scaffold."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """A table beside the graphs."""
    rows = []
    for number in range(24):
        files.graph(folder / f"{number}.json", number)
        rows.append(f"{number}.json,{('ring', 'chain')[number % 2]},scaffold {number // 3}")
    shutil.copy(folder / "0.json", folder / "copy.json")
    rows.append("copy.json,ring,scaffold 9")
    return {"path": str(files.lines(folder / "manifest.csv", ["path,label,scaffold", *rows]))}
