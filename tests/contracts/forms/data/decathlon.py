"""Scans with masks as the Decathlon lays them out, one case copied."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Twelve cases, no listing."""
    for number in range(12):
        files.volume(folder / "imagesTr" / f"case_{number:02d}.nii.gz", number)
        files.volume(folder / "labelsTr" / f"case_{number:02d}.nii.gz", number, mask=True)
    for place in ("imagesTr", "labelsTr"):
        shutil.copy(folder / place / "case_00.nii.gz", folder / place / "case_99.nii.gz")
    return {"path": str(folder)}
