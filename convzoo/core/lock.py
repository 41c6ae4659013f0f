"""One process works in a folder at a time."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from convzoo.core.errors import RecipeError
from convzoo.core.files import write_json

LOCK = ".lock"
OWNER = ".owner.json"


@contextmanager
def only_here(folder: Path) -> Iterator[None]:
    """Inside this context no other process works in the folder. The operating system frees the lock of a process that has died.

    Where the file system has no locks (some network drives), nothing is locked.

    Raises:
        RecipeError: another process works there; its number and its machine.
    """
    import filelock

    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RecipeError(
            f"{folder}: {_owner(folder)} works in this folder; wait until it has ended, or stop it"
        ) from None
    except (OSError, NotImplementedError):
        yield
        return
    try:
        began = datetime.now().astimezone().isoformat(timespec="seconds")
        write_json(folder / OWNER, {"pid": os.getpid(), "host": socket.gethostname(), "since": began})
        yield
    finally:
        (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def _owner(folder: Path) -> str:
    try:
        about = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return f"process {about['pid']} on {about['host']} (since {about['since']})"
    except (OSError, ValueError, KeyError, TypeError):  # it has the lock, and has not written its name yet
        return "another process"
