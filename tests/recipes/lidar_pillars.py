"""The small forms of the recipe of streets that a LiDAR scans."""

from pathlib import Path

import numpy as np

NETWORK = ["encoder.pillar=0.5", "encoder.paste=2", "train.epochs=2", "train.batch_size=4", "model.channels=[8,8]",
           "model.blocks=[1,1]", "model.pillar_channels=8", "model.neck_channels=8", "model.head_channels=8",
           "baselines=[usual_places,{name: cluster_boxes, max_examples: 16, trees: 10}]"]  # fmt: skip
SMALL = ["data.train=16", "data.val=26", "data.test=6", *NETWORK]
PLAIN = ["model.normalisation=layer", "data.train=15"]


def raw() -> list[np.ndarray]:
    return [np.array([[10.0, 1.0, -1.0, 0.5], [12.0, 2.0, -1.2, 0.1]], np.float32)]


def own(folder: Path) -> tuple[Path, list[str]]:
    """Clouds as KITTI's binary files, with a table of the boxes in them: ground, and a car as a block of points."""
    random = np.random.default_rng(0)
    (folder / "scans").mkdir()
    rows = ["path,class,x,y,z,length,width,height,yaw"]
    for number in range(8):
        ground = random.uniform([5, -8, -1.8, 0], [25, 8, -1.7, 1], (600, 4))
        car = random.uniform([8 + number, 0, -1.7, 0], [12 + number, 2, -0.2, 1], (200, 4))
        np.concatenate([ground, car]).astype("<f4").tofile(folder / "scans" / f"{number}.bin")
        rows.append(f"{number}.bin,Car,{10 + number},1,-0.95,4,2,1.5,0.1")
    (folder / "scans" / "boxes.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "scans", [*NETWORK, "train.batch_size=2"]


def asked(data: Path) -> list[object]:
    return [data / "3.bin"]
