"""The papers of `planetoid`, whose citations are predicted."""

from pathlib import Path
from typing import Any

from contracts.forms.data import planetoid


def form(folder: Path) -> dict[str, Any]:
    """The eight files."""
    return {**planetoid.form(folder), "test": 0.2, "val": 0.1}
