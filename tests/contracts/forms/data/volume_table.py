"""A table of scans with patients; one scan was copied under another patient."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """A table beside the scans."""
    rows = []
    for number in range(24):
        files.volume(folder / f"scan{number:02d}.nii.gz", number)
        rows.append(f"scan{number:02d}.nii.gz,{('well', 'ill')[number % 2]},p{number // 3}")
    shutil.copy(folder / "scan00.nii.gz", folder / "copy.nii.gz")
    rows.append("copy.nii.gz,well,p9")
    return {"path": str(files.lines(folder / "scans.csv", ["image,label,patient", *rows]))}


def numbers(folder: Path) -> dict[str, Any]:
    """A table beside scans, with a number each."""
    for number in range(40):
        files.volume(folder / f"scan{number:02d}.nii.gz", number)
    rows = [f"scan{number:02d}.nii.gz,{number / 4}" for number in range(40)]
    return {"path": str(files.lines(folder / "scans.csv", ["image,label", *rows]))}
