"""What items are called: the tables of films, books and products that come beside the interactions."""

from pathlib import Path

from convzoo.core.errors import DataError
from convzoo.reading.headings import read_with_heading
from convzoo.reading.lines import read_lines
from convzoo.reading.tables import is_table

TITLE = ("title", "name", "movie_title", "item_title", "book_title", "product_title", "item_name", "product_name")
"""What the column of the titles is usually called."""

FILES = ("u.item", "movies.dat", "movies.csv", "items.csv", "titles.csv", "items.tsv")
"""What such a table is usually called."""


def titles_beside(path: Path, usual: tuple[str, ...]) -> tuple[dict[str, str], Path | None]:
    """The titles in a file that lies beside the interactions, and the file; none where there is none that can be read.

    Args:
        path: of the interactions
        usual: what the column of the items' ids is usually called
    """
    inter = path.with_suffix(".item")
    candidates = [*([inter] if path.suffix == ".inter" else []), *(path.parent / name for name in FILES)]
    for file in candidates:
        if file.is_file() and file != path:
            try:
                return read_titles(file, usual), file
            except DataError:
                continue  # it is only an offer: recommendations need no titles
    return {}, None


def read_titles(path: Path, usual: tuple[str, ...]) -> dict[str, str]:
    """The titles by the items' ids: MovieLens' `u.item` and `movies.dat`, or a table with an id and a title.

    Args:
        path: of the file
        usual: what the column of the items' ids is usually called

    Raises:
        DataError: it cannot be read, or lacks a column.
    """
    if path.name in ("u.item", "movies.dat"):
        mark = "|" if path.name == "u.item" else "::"
        lines = [line.split(mark) for line in read_lines(path, "latin-1") if line.strip()]
        return {fields[0].strip(): fields[1].strip() for fields in lines if len(fields) > 1}
    if not is_table(path) and path.suffix != ".item":
        raise DataError(f"{path}: is no table of titles: u.item, movies.dat, or a table with an item and a title")
    table, _ = read_with_heading(path, ("item", "title"), {*usual, *TITLE, "id"})
    item, title = table.find("item", None, (*usual, "id")), table.find("title", None, TITLE)
    pairs = zip(table.optional_ids(item), table.optional_ids(title), strict=True)
    return {name: said for name, said in pairs if name and said}
