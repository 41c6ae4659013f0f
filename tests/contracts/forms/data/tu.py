"""Forty graphs of two classes in the text files of the TU collection."""

from pathlib import Path
from typing import Any

import numpy as np
from contracts import files


def _written(folder: Path, labels: str, values: list[str]) -> dict[str, Any]:
    random = np.random.default_rng(0)
    pairs, homes, kinds, bonds = [], [], [], []
    for graph in range(40):
        size, first = 4 + graph % 7, len(homes)
        ends = [(first + at, first + at + 1) for at in range(size - 1)] + (
            [(first, first + size - 1)] if graph % 2 else []
        )
        pairs += [f"{a + 1}, {b + 1}" for one, other in ends for a, b in ((one, other), (other, one))]
        bonds += [str(at % 2) for at in range(len(ends)) for _ in range(2)]
        homes += [str(graph + 1)] * size
        kinds += [str(kind) for kind in random.integers(0, 3, size)]
    for name, lines in (("A", pairs), ("graph_indicator", homes), ("node_labels", kinds), ("edge_labels", bonds)):
        files.lines(folder / f"BEADS_{name}.txt", lines)
    files.lines(folder / f"BEADS_{labels}.txt", values)
    return {"path": str(folder)}


def form(folder: Path) -> dict[str, Any]:
    """With a class for each graph."""
    return _written(folder, "graph_labels", [str(graph % 2) for graph in range(40)])


def numbers(folder: Path) -> dict[str, Any]:
    """With a number for each graph."""
    return _written(folder, "graph_attributes", [f"{graph % 2 + graph / 100:.2f}" for graph in range(40)])
