"""Scans in a folder a class and a folder a patient, one of them copied."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two classes, eight patients each."""
    places = [(label, patient, scan) for label in ("ill", "well") for patient in range(8) for scan in range(2)]
    for number, (label, patient, scan) in enumerate(places):
        files.volume(folder / label / f"{label}{patient}" / f"{scan}.nii.gz", number)
    (folder / "ill" / "ill9").mkdir()
    shutil.copy(folder / "ill" / "ill0" / "0.nii.gz", folder / "ill" / "ill9" / "copy.nii.gz")
    return {"path": str(folder)}
