"""The papers of `planetoid`, which are grouped."""

from pathlib import Path
from typing import Any

from contracts.forms.data import planetoid


def form(folder: Path) -> dict[str, Any]:
    """The eight files."""
    return planetoid.form(folder)
