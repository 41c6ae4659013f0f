"""Units and their rows: the cycles of an engine, the transactions of an account. An example is a reference to such rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.references import References
from convzoo.core.splits import Skipped


@dataclass(frozen=True)
class UnitForm:
    """How a table of units was read, so that other tables and streams are read in the same way.

    Attributes:
        unit: the column that names the unit; None: the table is one unit
        time: the column with the times; None: rows are in their order
        target: the column with the answer; None: there is none
        separator: between the cells of a CSV file; None: found
        encoding: of a text file; None: found
        day_first: whether 03.04.2024 and 03/04/2024 are in April
    """

    unit: str | None = None
    time: str | None = None
    target: str | None = None
    separator: str | None = None
    encoding: str | None = None
    day_first: bool = False


@dataclass(frozen=True, eq=False)
class UnitRows:
    """All rows of all units of a table, sorted by unit, and in a unit by time.

    Attributes:
        name: of the table, such as its file
        numbers: (rows, numbers) of any floating type; NaN where a cell is empty
        number_names: their columns
        categories: (rows, categories) the position of each value in `category_values`; -1 where a cell is empty
        category_names: their columns
        category_values: for each such column, its values
        times: (rows,) of datetime64 or numbers; None: the rows of a unit are one step apart
        targets: (rows,) of any floating type, the answer at each row, NaN where it is unknown; None: nothing is known
        units: the names of the units
        starts: (units + 1,) unit u has the rows from starts[u] to before starts[u + 1]
        lines: (rows,) the place of each row in its file; None: unknown
        extra: other facts of each row by name, (rows,) each: the amount of a transaction, its kind of fraud
        columns: which column was taken for what, in words
        form: how the table was read; None: it was not a table
        skipped: the rows that were left out because they are damaged
        files: the files of the table; empty: it was made otherwise
        file_numbers: (rows,) the position of each row's file among them; None: there is one at most
    """

    name: str
    numbers: np.ndarray
    number_names: tuple[str, ...]
    categories: np.ndarray
    category_names: tuple[str, ...]
    category_values: tuple[tuple[str, ...], ...]
    times: np.ndarray | None
    targets: np.ndarray | None
    units: tuple[str, ...]
    starts: np.ndarray
    lines: np.ndarray | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    columns: str = ""
    form: UnitForm | None = None
    skipped: Skipped = field(default_factory=Skipped)
    files: tuple[Path, ...] = ()
    file_numbers: np.ndarray | None = None

    def __post_init__(self) -> None:
        rows = len(self.numbers)
        shapes = (self.numbers.shape, self.categories.shape)
        wanted = ((rows, len(self.number_names)), (rows, len(self.category_names)))
        if shapes != wanted:
            raise DataError(
                f"{self.name}: numbers and categories should be {wanted[0]} and {wanted[1]}, not {shapes[0]} and {shapes[1]}"
            )
        if len(self.starts) != len(self.units) + 1 or self.starts[0] != 0 or self.starts[-1] != rows:
            raise DataError(f"{self.name}: the units should have all {rows} rows")

    def __len__(self) -> int:
        return len(self.numbers)

    def place(self, row: int) -> str:
        """`file:line` of a row; `file unit n row k` where its line is not known."""
        if self.lines is not None:
            return f"{self.file_of(row) or self.name}:{int(self.lines[row])}"
        unit = int(np.searchsorted(self.starts, row, side="right")) - 1
        return f"{self.name} unit {self.units[unit]} row {row - int(self.starts[unit]) + 1}"

    def file_of(self, row: int) -> Path | None:
        """The file that a row stands in; None where it stands in none."""
        if not self.files:
            return None
        return self.files[0 if self.file_numbers is None else int(self.file_numbers[row])]

    def time_of(self, row: int) -> str:
        """When a row was recorded; its number in its unit, from 1, where the table has no times."""
        if self.times is None:
            unit = int(np.searchsorted(self.starts, row, side="right")) - 1
            return str(row - int(self.starts[unit]) + 1)
        time = self.times[row]
        return str(time).replace("T", " ") if isinstance(time, np.datetime64) else f"{time.item():g}"


@dataclass(frozen=True, eq=False, slots=True)
class History:
    """Rows of one unit up to some time: a reference, never a copy. The answer at a row depends on the rows up to it.

    Attributes:
        table: all rows of all units
        unit: the number of the unit
        start: the first row of the table that belongs to it
        stop: the row after the last
        judged_from: from this row on, answers are learnt from and scored; the rows before it are context only
    """

    table: UnitRows
    unit: int
    start: int
    stop: int
    judged_from: int
    sample_input: ClassVar[str] = "units.csv"

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def name(self) -> str:
        """The unit's name."""
        return self.table.units[self.unit]

    @property
    def group(self) -> str:
        """What must not be split: the unit."""
        return self.name

    @property
    def numbers(self) -> np.ndarray:
        """(time, numbers), a view."""
        return self.table.numbers[self.start : self.stop]

    @property
    def categories(self) -> np.ndarray:
        """(time, categories), a view."""
        return self.table.categories[self.start : self.stop]

    @property
    def times(self) -> np.ndarray | None:
        """(time,), a view, or None."""
        return None if self.table.times is None else self.table.times[self.start : self.stop]

    @property
    def targets(self) -> np.ndarray | None:
        """(time,), a view, or None."""
        return None if self.table.targets is None else self.table.targets[self.start : self.stop]

    @property
    def judged(self) -> np.ndarray:
        """(time,) True at the rows whose answers count."""
        return np.arange(self.start, self.stop) >= self.judged_from

    @property
    def skipped(self) -> Skipped:
        """The rows of its table that were left out because they are damaged."""
        return self.table.skipped

    @property
    def source(self) -> str:
        """Where it comes from: the unit, and its judged rows where these are not all."""
        first, last = (int(edge) for edge in self.table.starts[self.unit : self.unit + 2])
        if (self.judged_from, self.stop) == (first, last):
            return f"{self.table.name} {self.name}"
        return f"{self.table.name} {self.name} rows {self.judged_from - first + 1} to {self.stop - first}"

    @classmethod
    def whole(cls, table: UnitRows, unit: int) -> "History":
        """All rows of a unit."""
        start, stop = (int(edge) for edge in table.starts[unit : unit + 2])
        return cls(table, unit, start, stop, start)

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[History]":
        """Whole tables as a history for each unit, and histories. The run's reader reads files.

        Raises:
            DataError: a value is none of these.
        """
        found: list[History] = []
        for value in values:
            if isinstance(value, UnitRows):
                found += [cls.whole(value, unit) for unit in range(len(value.units))]
            elif isinstance(value, cls):
                found.append(value)
            else:
                what = type(value).__name__
                raise DataError(
                    f"an input should be a table of units (.csv, .parquet), UnitRows or a History, not {what}"
                )
        return found


class Pieces(References[History]):
    """Histories in pieces of at most `chunk` judged rows, each with up to `context` rows of its unit before them.

    No piece crosses the end of a unit, and every judged row is in one piece.

    Args:
        histories: what is cut
        chunk: judged rows in a piece
        context: rows before them that the network sees
    """

    def __init__(self, histories: Sequence[History], chunk: int, context: int) -> None:
        self.histories = histories
        self.chunk = chunk
        self.context = context
        self.firsts = np.array([history.judged_from for history in histories], dtype=np.int64)
        rows = np.array([history.stop for history in histories], dtype=np.int64) - self.firsts
        # Chunks of one unit are about equally long: a last chunk of a few rows would count as much in a batch as a full one.
        self.counts = -(-rows // chunk)
        self.sizes = rows / np.maximum(self.counts, 1)
        self.ends = np.cumsum(self.counts)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def reference(self, index: int) -> History:
        """A piece."""
        number = int(np.searchsorted(self.ends, index, side="right"))
        history = self.histories[number]
        part = index - int(self.ends[number] - self.counts[number])
        first, stop = (int(self.firsts[number] + round(self.sizes[number] * edge)) for edge in (part, part + 1))
        return History(history.table, history.unit, max(history.start, first - self.context), stop, first)


class TimedHistory(History):
    """A history of a unit that is split in time: its rows may stand in several splits, each at other times."""

    __slots__ = ()

    @property
    def group(self) -> None:  # type: ignore[override]
        """None: the split is in time."""
        return None
