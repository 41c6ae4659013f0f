"""The small forms of the recipe of drawn faces."""

from pathlib import Path

import numpy as np
import PIL.Image

NETWORK = ["train.epochs=2", "train.batch_size=14", "model.channels=[4,8,8]", "model.hidden=8"]
SMALL = ["data.train=84", "data.val=28", "data.test=28", *NETWORK]
PLAIN = ["model.dropouts=[0.0,0.0,0.0]", "model.hidden_dropout=0.0", "data.train=80"]


def raw() -> list[np.ndarray]:
    return [np.zeros((48, 48), np.uint8)]


def own(folder: Path) -> tuple[Path, list[str]]:
    """One folder of photographs a class, in colour and of another size."""
    random = np.random.default_rng(0)
    for label in ("angry", "happy"):
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (60, 50, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(folder / "photos" / label / f"{number}.png")
    return folder / "photos", NETWORK


def asked(data: Path) -> list[object]:
    return [data / "angry" / "3.png"]
