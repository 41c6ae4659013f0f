"""A table of boxes beside clouds; one cloud was copied under another drive."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """`boxes.csv` with a column for the drive; one cloud has no object."""
    rows = []
    for number in range(15):
        files.cloud(folder / f"{number}.bin", number)
        box = f"car,{5 + number % 3},1,-1,4,1.6,1.5,0.1" if number else ",,,,,,,"
        rows.append(f"{number}.bin,{box},drive {number // 3}")
    shutil.copy(folder / "0.bin", folder / "copy.bin")
    rows.append("copy.bin,car,5,1,-1,4,1.6,1.5,0.1,drive 5")
    files.lines(folder / "boxes.csv", ["path,class,x,y,z,length,width,height,yaw,drive", *rows])
    return {"path": str(folder)}
