"""Actions in UCF101's layout, with its lists."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two actions, six groups, two clips; group 1 is tested on."""
    places = [(action, group, clip) for action in ("Run", "Walk") for group in range(1, 7) for clip in (1, 2)]
    names = [f"{action}/v_{action}_g{group:02d}_c{clip:02d}.avi" for action, group, clip in places]
    for number, name in enumerate(names):
        files.video(folder / "UCF-101" / name, number)
    files.lines(folder / "trainlist01.txt", [f"{name} 1" for name in names if "_g01_" not in name])
    files.lines(folder / "testlist01.txt", [name for name in names if "_g01_" in name])
    return {"path": str(folder), "val": 0.3}
