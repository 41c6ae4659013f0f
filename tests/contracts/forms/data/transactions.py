"""Transactions of nine accounts, with fraud that is reported after two days."""

from pathlib import Path
from typing import Any

from recipes.transactions_cnn1d import table


def form(folder: Path) -> dict[str, Any]:
    """A table."""
    return {"path": str(table(folder / "transactions.csv"))}
