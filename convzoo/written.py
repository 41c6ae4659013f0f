"""What a run wrote outside its folder: only this may be written over."""

from collections.abc import Iterable
from pathlib import Path

from convzoo.core.errors import DataError, RecipeError
from convzoo.core.files import is_special, read_json, sha256_of, write_json

NAME = "written.json"


class Written:
    """The files that a run's predictions and exports were written to, by path, with their sha256: `written.json` in its folder.

    Args:
        folder: of the run
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def refuse(self, path: Path, setting: str) -> None:
        """Refuse to write over something that this run did not write, or that was changed since.

        Args:
            path: a file, or a folder for several files
            setting: that named it, for the error

        Raises:
            RecipeError: which file is in the way.
        """
        if path.resolve() == (self.folder / NAME).resolve():
            raise RecipeError(f"{setting}: {path}: is the run's own list of what it wrote; choose another name")
        if path.is_dir():
            known = self._known()
            for child in sorted(path.rglob("*")):
                if child.is_file() and not _is_same(child, known):
                    raise RecipeError(
                        f"{setting}: {path}: holds files that this run did not write ({child.relative_to(path)}); name a new "
                        "or empty folder"
                    )
        elif path.exists() and not is_special(path) and not _is_same(path, self._known()):
            raise RecipeError(
                f"{setting}: {path}: exists and was not written by this run, or was changed since; choose another name, or "
                "delete it"
            )

    def add(self, paths: Iterable[Path]) -> None:
        """Remember files that were written. Where the run's folder cannot be written, they are not remembered."""
        new = {str(path.resolve()): sha256_of(path) for path in paths if path.is_file()}
        try:
            write_json(self.folder / NAME, self._known() | new)
        except DataError:
            return

    def _known(self) -> dict[str, str]:
        try:
            found = read_json(self.folder / NAME)
        except DataError:
            return {}
        return found if isinstance(found, dict) else {}


def _is_same(path: Path, known: dict[str, str]) -> bool:
    digest = known.get(str(path.resolve()))
    return digest is not None and sha256_of(path) == digest
