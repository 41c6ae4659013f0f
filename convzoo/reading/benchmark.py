"""Where a benchmark's files lie: a folder of the user's, or the data set of that name from the cache, the mirror or the net."""

from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError


def benchmark_folder(dataset: str, path: str | None) -> tuple[Path, dict[str, Any]]:
    """The folder with a data set's files, and their hashes.

    Raises:
        DataError: there is no such folder, or the files cannot be had.
    """
    if path is not None:
        if not Path(path).is_dir():
            raise DataError(f"{path}: no such folder; data.path should hold the files of {dataset!r}")
        return Path(path), {}
    from convzoo.datasets.download import fetch

    fetched = fetch(dataset)
    return fetched.folder, {f"{dataset}/{name}": facts for name, facts in fetched.files.items()}
