"""Frames of five drives in KITTI's layout."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Scans, labels and calibrations; no lists."""
    camera = [
        "P2: 700 0 600 0 0 700 170 0 0 0 1 0",
        "R0_rect: 1 0 0 0 1 0 0 0 1",
        "Tr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0",
    ]
    for number in range(15):
        name = f"drive{number // 3}_{number % 3}"
        files.cloud(folder / "velodyne" / f"{name}.bin", number)
        files.lines(folder / "calib" / f"{name}.txt", camera)
        kind = ("Car", "Cyclist")[number % 2]
        files.lines(
            folder / "label_2" / f"{name}.txt",
            [f"{kind} 0.00 0 0.0 100 100 200 200 1.5 1.6 4.0 1.0 1.7 {10 + number}.0 0.0"],
        )
    return {"path": str(folder)}
