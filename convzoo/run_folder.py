"""The folder of a run while it is made: taken by one process, begun, and finished."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError, RecipeError, TrainingError
from convzoo.core.files import explain, json_text, null_for_nan, write_text
from convzoo.core.lock import LOCK, OWNER, only_here
from convzoo.manifest import Manifest
from convzoo.training.events import Ended, Event, Scored


@contextmanager
def claimed(name: str, place: Path | None, resumed: bool) -> Iterator[Path]:
    """Inside this context a folder belongs to this process alone. A folder in which nothing was begun is removed at the end.

    Args:
        name: of the recipe
        place: the folder; None: a new one in `runs/`
        resumed: the folder holds a run, which goes on

    Raises:
        RecipeError: another process works there; the folder of a new run holds a run already, or other files.
        DataError: it cannot be made.
    """
    try:
        folder, is_new = (place, False) if resumed and place is not None else _made(name, place)
    except OSError as error:
        raise DataError(f"{place or 'runs'}: cannot be written: {explain(error)}") from None
    try:
        was_locked = (folder / LOCK).exists()
        with only_here(folder):
            if not resumed:
                try:
                    _refuse_full(folder)
                except RecipeError:
                    if not was_locked:  # a folder of other files stays as it was
                        (folder / LOCK).unlink(missing_ok=True)
                    raise
            remove_leftovers(folder)
            try:
                yield folder
            finally:
                # While it is locked: nothing can go on with what is in a new folder without a header.
                if is_new and not (folder / "run.json").exists():
                    shutil.rmtree(folder, ignore_errors=True)
    finally:
        if is_new and place is None and not folder.exists():
            _remove_if_empty(folder.parent)


def _remove_if_empty(folder: Path) -> None:
    with _no_matter():
        folder.rmdir()


def _made(name: str, place: Path | None) -> tuple[Path, bool]:
    """The folder, and whether it was made now. Two processes that begin in the same second get two folders."""
    if place is not None:
        is_new = not place.exists()
        place.mkdir(parents=True, exist_ok=True)
        return place, is_new
    Path("runs").mkdir(exist_ok=True)
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    count = 1
    while True:
        folder = Path("runs") / (stem if count == 1 else f"{stem}-{count}")
        try:
            folder.mkdir()
            return folder, True
        except FileExistsError:
            count += 1


def _refuse_full(folder: Path) -> None:
    if (folder / "run.json").exists():
        raise RecipeError(f"{folder}: holds a run already; choose another --out, or go on with --resume {folder}")
    others = sorted(child.name for child in folder.iterdir() if child.name not in (LOCK, OWNER))
    if others:
        raise RecipeError(
            f"{folder}: holds other files ({others[0]}{' …' if len(others) > 1 else ''}), which a run could overwrite; name a "
            "new or empty folder with --out"
        )


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process had begun to write."""
    for path in folder.rglob(".*.part"):
        with _no_matter():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _no_matter() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


AT_THE_START = ("recipe.yaml", "run.json", "encoder.json", "encoder.safetensors", "split.csv", "skipped.csv")
AT_THE_END = (*AT_THE_START, "environment.json", "task.json", "model.safetensors", "predictions.csv")


def note_start(folder: Path, data: Mapping[str, str] | None) -> None:
    """Write the manifest of a run that has begun.

    Args:
        folder: of the run
        data: the sha256 of the files of its data; None for a repeated run, whose parts have them
    """
    Manifest.of(folder).write(data, [*AT_THE_START, *_code(folder)])


def finish(folder: Path, results: Mapping[str, Any]) -> None:
    """Write the manifest and the scores. The scores come last: where they are, the run is finished.

    Raises:
        TrainingError: the folder was deleted.
    """
    FolderWatch(folder).look()
    text = json_text(null_for_nan(results))
    scores = {"scores.json": hashlib.sha256(text.encode()).hexdigest()}
    Manifest.of(folder).write(None, [*AT_THE_END, *_code(folder)], scores)
    write_text(folder / "scores.json", text)


def _code(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sorted((folder / "code").glob("*.py"))]


class FolderWatch:
    """Stops the training if its folder was deleted: what is written later would be of no use.

    Args:
        folder: of the run
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, event: Event) -> None:
        """Look before something is written.

        Raises:
            TrainingError: the folder was deleted.
        """
        if isinstance(event, Scored | Ended):
            self.look()

    def look(self) -> None:
        """
        Raises:
            TrainingError: the folder was deleted.
        """
        if not (self.folder / "run.json").exists():
            raise TrainingError(f"{self.folder}: was deleted while the run wrote in it; run the recipe again")
