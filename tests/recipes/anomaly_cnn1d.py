"""The small forms of the recipe of pumps and their sensors."""

from pathlib import Path

import numpy as np

NETWORK = ["train.epochs=2", "train.batch_size=20", "model.channels=8", "model.dilations=[1,2]", "model.own_after=4",
           "encoder.stride=3", "task.burn_in=8"]  # fmt: skip
SMALL = ["data.pumps=2", "data.length=700", "encoder.window=32", *NETWORK]
PLAIN = ["data.length=710"]


def raw() -> list[np.ndarray]:
    return [np.zeros((40, 6))]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A table with a time, two sensors and a column that says when something was wrong."""
    random = np.random.default_rng(0)
    table = folder / "sensors.csv"
    rows = [
        f"2024-01-01 {at // 60:02d}:{at % 60:02d}:00,{x:.4f},{y:.4f},{int(100 <= at < 105)}"
        for at, (x, y) in enumerate(random.normal(size=(160, 2)))
    ]
    table.write_text("\n".join(["time,a,b,anomaly", *rows]) + "\n", encoding="utf-8")
    return table, [*NETWORK, "encoder.window=16"]


def asked(data: Path) -> list[object]:
    return [data]
