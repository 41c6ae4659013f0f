"""A graph in two tables; one node has no class."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """`nodes.csv` and `edges.csv`."""
    nodes = [f"n{n},{'ab'[n % 2] if n else ''},{20 + n},{('red', 'blue')[n % 2]}" for n in range(30)]
    edges = [f"n{n},n{(n + step) % 30}" for n in range(30) for step in (2, 4)]
    files.lines(folder / "nodes.csv", ["id,label,age,colour", *nodes])
    files.lines(folder / "edges.csv", ["source,target", *edges])
    return {"path": str(folder)}


def numbers(folder: Path) -> dict[str, Any]:
    """The same with a number for each node."""
    nodes = [f"n{n},{n % 7 + n / 10},{20 + n},{('red', 'blue')[n % 2]}" for n in range(40)]
    edges = [f"n{n},n{(n + step) % 40}" for n in range(40) for step in (2, 4)]
    files.lines(folder / "nodes.csv", ["id,label,age,colour", *nodes])
    files.lines(folder / "edges.csv", ["source,target", *edges])
    return {"path": str(folder)}
