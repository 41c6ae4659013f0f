"""Folders of generated files in the cache: made once, whole or absent, by one process of several."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from convzoo.core.errors import DataError
from convzoo.core.files import explain


def make_once(folder: Path, is_whole: Callable[[Path], bool], write: Callable[[Path], None], what: str) -> None:
    """Write files into a folder beside `folder`, then rename it; nothing where they are there already.

    Args:
        folder: in the cache
        is_whole: whether all files are in a folder and none has another length: somebody may have tidied up the cache
        write: writes all files into the empty folder that it is given
        what: the files, for the fault: `recordings`

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
