"""A table of pumps that ran until they failed."""

from pathlib import Path
from typing import Any

import numpy as np


def form(folder: Path) -> dict[str, Any]:
    """Eight pumps with a time, two sensors and a model."""
    random = np.random.default_rng(0)
    rows = ["unit,time,heat,sound,model"]
    for unit in range(8):
        for hour in range(int(random.integers(20, 40))):
            heat, sound = random.normal(size=2)
            rows.append(
                f"U{unit},2024-03-{1 + hour // 24:02d} {hour % 24:02d}:00,{heat:.3f},{sound:.3f},{'ab'[unit % 2]}"
            )
    (folder / "pumps.csv").write_text("\n".join(rows) + "\n")
    return {"path": str(folder / "pumps.csv"), "cuts": 2}
