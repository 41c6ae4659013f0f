"""What `predict` is given: examples, and the rows of tables that they stand in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError


@dataclass(frozen=True)
class InputTable:
    """A table whose rows are predicted.

    Attributes:
        path: of its file
        columns: its columns, in their order
        taken: which column was taken for what, in words
    """

    path: Path
    columns: Sequence[str]
    taken: str


@dataclass(frozen=True)
class Given:
    """One input of `predict`.

    Attributes:
        example: what the encoder takes; the error where the input cannot be read
        row: its number in its table or in the stream that it came from, from 1; None: it stands in neither
        table: that it is a row of; None for other inputs
        cells: the person's own columns of that row
    """

    example: Any
    row: int | None = None
    table: InputTable | None = None
    cells: Mapping[str, Any] | None = None

    @property
    def damaged(self) -> bool:
        """Whether there is no example, but the error that says why."""
        return isinstance(self.example, DataError)


def joined(
    given: Sequence[Given], predictions: Sequence[Mapping[str, Any]], name_of: Callable[[Any], str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The rows of a table of predictions, and the predicted columns that got another name.

    A row of a person's table keeps all its columns, and what is predicted stands behind them. Where a column has the name of a
    predicted one (`label`), the person's keeps it and the other becomes `predicted_label`. Of several inputs, the first
    column says the file. Other inputs have `input`, and `row` where all of them stand in a stream; damaged ones are left out.

    Args:
        given: the inputs
        predictions: one for each; `{"damaged": reason}` for one that cannot be read
        name_of: what an example is called
    """
    columns = {name for one in given if one.table is not None for name in one.table.columns}
    names: dict[str, str] = {}
    for name in dict.fromkeys(name for found in predictions for name in found):
        names[name] = name
        while names[name] in columns:
            names[name] = f"predicted_{names[name]}"
    tables = {one.table.path for one in given if one.table is not None}
    mixed = len(tables) > 1 or (tables and any(one.table is None for one in given))
    numbered = all(one.row is not None for one in given)
    file = "file"
    while file in columns:
        file = f"input_{file}"
    rows = []
    for one, found in zip(given, predictions, strict=True):
        answer = {names[name]: value for name, value in found.items()}
        if one.table is not None:
            rows.append({**({file: str(one.table.path)} if mixed else {}), **(one.cells or {}), **answer})
        elif "damaged" not in found:
            rows.append({**({"row": one.row} if numbered else {}), "input": name_of(one.example), **answer})
    return rows, {name: other for name, other in names.items() if name != other and columns}
