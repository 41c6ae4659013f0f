"""A table of nodes and one of edges, which are predicted."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """`nodes.csv` and `edges.csv`."""
    nodes = [f"n{n},{20 + n},{('red', 'blue')[n % 2]}" for n in range(30)]
    edges = [f"n{n},n{(n + step) % 30}" for n in range(30) for step in (2, 4)]
    files.lines(folder / "nodes.csv", ["id,age,colour", *nodes])
    files.lines(folder / "edges.csv", ["source,target", *edges])
    return {"path": str(folder), "test": 0.2, "val": 0.1}
