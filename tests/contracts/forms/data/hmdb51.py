"""Actions in HMDB51's layout, with its lists."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two actions, six films, two clips; film 0 is left out, film 5 is tested on."""
    for label in ("run", "climb_stairs"):
        rows = []
        for film in range(6):
            for take in range(2):
                name = f"Film{film}_{label}_f_cm_np1_ba_med_{take}.avi"
                files.video(folder / "clips" / label / name, len(label) * 100 + film * 10 + take)
                rows.append(f"{name} {2 if film == 5 else 1 if film else 0} ")
        files.lines(folder / "testTrainMulti_7030_splits" / f"{label}_test_split1.txt", rows)
    return {"path": str(folder), "val": 0.4}
