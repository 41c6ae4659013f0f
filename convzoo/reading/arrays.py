"""The headers of NumPy's files: what they announce has to be there, before memory is taken for it."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np


def check_arrays(path: Path) -> None:
    """Compare the headers of a `.npy` or `.npz` file with its size.

    Raises:
        ValueError: an array has pickled objects, a negative size, or more values than the file holds.
        OSError, zipfile.BadZipFile: the file cannot be read.
    """
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
        file.seek(0)
        if not zipped:
            _check(file, path.stat().st_size, "the array")
            return
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".npy"):
                    with archive.open(member) as inner:
                        _check(inner, member.file_size, member.filename.removesuffix(".npy"))


def _check(file: Any, size: int, name: str) -> None:
    version = np.lib.format.read_magic(file)
    if version > (2, 0):
        return  # names of fields that are no ASCII: no kind of data here has them
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(file)
    except ValueError as error:  # may quote the whole header
        raise ValueError(f"the header of {name} is damaged ({str(error)[:80]!r})") from None
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled objects; arrays of numbers or of texts can be read")
    if any(length < 0 for length in shape):
        raise ValueError(f"{name} announces the shape {shape}")
    needed = math.prod(shape) * dtype.itemsize
    if needed > size:
        raise ValueError(f"{name} announces {needed:,} bytes of values, and the file holds {size:,}")
