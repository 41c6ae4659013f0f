"""Tables without a heading, with `::` between their fields, or with RecBole's heading: as people's tables of pairs come."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from convzoo.core.errors import DataError
from convzoo.core.files import no_such
from convzoo.core.survey import listed
from convzoo.reading.damaged import Damaged
from convzoo.reading.lines import plain_suffix
from convzoo.reading.tables import TEXT_SUFFIXES, Table, as_number, beginning, read_table

_TYPED = re.compile(r"(.+):(?:token|float|token_seq|float_seq)")
"""A column of RecBole's atomic files names its type: `user_id:token`."""

SUFFIXES = (".inter", ".user", ".item")
"""How RecBole's atomic files end."""


def read_with_heading(
    path: Path,
    roles: Sequence[str],
    usual: Collection[str],
    heading: Sequence[str] | None = None,
    damaged: Damaged | None = None,
) -> tuple[Table, list[str]]:
    """A table, and a note where it has no heading.

    A first row that has no usual name and that holds a number is no heading: then the columns are the roles, in their order.

    Args:
        path: of the file
        roles: what the columns of a table without a heading are, in their order
        usual: what the columns of such a table are usually called, in lower case
        heading: the names of the columns, where a person said that there is no heading
        damaged: as for `read_table`

    Raises:
        DataError: as `read_table`; or `heading` has more or fewer names than the table has columns.
    """
    if not path.is_file():
        raise no_such(path, "file")
    if plain_suffix(path) in SUFFIXES:
        table = read_table(path, separator="\t", damaged=damaged)
        columns = {_typed(name): values for name, values in table.columns.items()}
        return Table(path, columns, table.lines, table.separator, table.broken), []
    if plain_suffix(path) not in TEXT_SUFFIXES[:2]:
        return read_table(path, damaged=damaged), []
    first = beginning(path)[0].lstrip("\n").partition("\n")[0]
    separator = "::" if "::" in first else None
    if heading is not None:
        return read_table(path, heading, separator, damaged=damaged), []
    probe = read_table(path, separator=separator, damaged=Damaged(skip=True, what="rows"))
    names = [name.strip() for name in probe.columns]
    if any(name.lower() in usual for name in names) or all(as_number(name) is None for name in names):
        return read_table(path, separator=separator, damaged=damaged), []
    found = [*roles[: len(names)], *(f"column {number}" for number in range(len(roles) + 1, len(names) + 1))]
    table = read_table(path, found, separator, damaged=damaged)
    return table, [
        f"{path.name}: its first row is {listed(names, 4)}, so it has no heading: the columns are taken as {', '.join(found)}; "
        "data.heading=[…] names them"
    ]


def no_heading_hint(path: Path, error: DataError) -> DataError:
    """An error about a missing column, with what to say where the first row is no heading."""
    return DataError(f"{error}; if the first row is no heading, name all columns with data.heading=[…]")


def _typed(name: str) -> str:
    found = _TYPED.fullmatch(name.strip())
    return found[1] if found else name.strip()
