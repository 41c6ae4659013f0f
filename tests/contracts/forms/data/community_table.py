"""A graph in two tables, with a label that only scores look at."""

from pathlib import Path
from typing import Any

from contracts.forms.data import graph_table


def form(folder: Path) -> dict[str, Any]:
    """`nodes.csv` and `edges.csv`."""
    return graph_table.form(folder)
