"""The small forms of the recipe of filmed actions."""

from pathlib import Path

import numpy as np

NETWORK = ["train.epochs=2", "train.batch_size=16", "model.channels=[4,8]", "encoder.size=[20,20]", "encoder.frames=8"]
SMALL = ["data.train=64", "data.val=24", "data.test=24", *NETWORK]
PLAIN = ["model.normalisation=none", "model.dropout=0.0", "data.train=61"]


def raw() -> list[tuple[np.ndarray, int]]:
    return [(np.zeros((20, 64, 64, 3), np.uint8), 15)]


def own(folder: Path) -> tuple[Path, list[str]]:
    """One folder of videos an action: a bright block that goes left or right."""
    import av

    for label, step in (("left", -2), ("right", 2)):
        (folder / "clips" / label).mkdir(parents=True)
        for number in range(12):
            with av.open(str(folder / "clips" / label / f"{number}.mp4"), "w") as video:
                stream = video.add_stream("mpeg4", rate=10)
                stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
                for at in range(12):
                    frame = np.full((32, 48, 3), 40, np.uint8)
                    frame[8:20, np.arange(number + step * at, number + step * at + 10) % 48] = (230, 190, 120)
                    video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
                video.mux(stream.encode())
    return folder / "clips", [*NETWORK, "train.batch_size=8"]


def asked(data: Path) -> list[object]:
    return [data / "left" / "3.mp4"]
