"""Folders of generated files in the cache. They are made once, by one process, and are either complete or do not exist."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from convzoo.core.errors import DataError
from convzoo.core.files import explain


def make_once(folder: Path, is_whole: Callable[[Path], bool], write: Callable[[Path], None], what: str) -> None:
    """Write files into a temporary folder beside `folder`, then rename it. Do nothing if the files already exist.

    Args:
        folder: in the cache
        is_whole: whether a folder has all files with the right lengths (a user may have deleted some of the cache)
        write: writes all files into the empty folder that it is given
        what: the files, for the error message: `recordings`

    Raises:
        DataError: the cache folder cannot be written.
    """
    if is_whole(folder):
        return
    import filelock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.parent / f".{folder.name}.lock"):
            if is_whole(folder):  # another process was faster
                return
            temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
            try:
                write(temporary)
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(temporary, folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{folder}: the {what} cannot be written: {explain(error)}; CONVZOO_DATA names another folder"
        ) from error
