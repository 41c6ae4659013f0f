"""Two files of an archive, with an official split."""

from pathlib import Path
from typing import Any

import numpy as np
from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two channels, two classes."""
    random = np.random.default_rng(0)
    head = ["#made here", "@problemName Waves", "@timeStamps false", "@missing false", "@univariate false", "@dimensions 2",
            "@equalLength true", "@seriesLength 20", "@classLabel true a b", "@data"]  # fmt: skip
    for part, count in (("TRAIN", 24), ("TEST", 12)):
        rows = [
            ":".join([*(",".join(f"{v:.4f}" for v in random.normal(at % 2, 1, 20)) for _ in range(2)), "ab"[at % 2]])
            for at in range(count)
        ]
        files.lines(folder / f"Waves_{part}.ts", [*head, *rows])
    return {"path": str(folder)}
