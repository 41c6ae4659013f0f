"""Questions of TREC."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Both files."""
    kinds = ("NUM:dist", "HUM:ind", "LOC:city")
    for name, count in (("train_5500.label", 60), ("TREC_10.label", 12)):
        files.lines(folder / name, [f"{kinds[n % 3]} What is number {n} of {name} ?" for n in range(count)])
    return {"path": str(folder)}


def fine(folder: Path) -> dict[str, Any]:
    """The same with the fine classes."""
    return {**form(folder), "granularity": "fine"}
