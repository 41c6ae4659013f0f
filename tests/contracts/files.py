"""Small files of the formats that readers take: every one has a content of its own."""

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def lines(path: Path, rows: Sequence[str], encoding: str = "utf-8") -> Path:
    """A text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{row}\n" for row in rows).encode(encoding))
    return path


def image(path: Path, number: int) -> Path:
    """A small grey PNG."""
    import PIL.Image

    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.random.default_rng(number).integers(0, 256, (12, 12), dtype=np.uint8)).save(path)
    return path


def graph(path: Path, number: int) -> Path:
    """A ring of beads in two colours, or a chain where the number is odd."""
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    size = 4 + number % 5
    colours = np.random.default_rng(number).choice(["red", "blue", "green"], size).tolist()
    nodes = [{"id": f"n{at}", "colour": colour, "size": number + at / 10} for at, colour in enumerate(colours)]
    edges = [[f"n{at}", f"n{(at + 1) % size}"] for at in range(size - number % 2)]
    path.write_text(json.dumps({"nodes": nodes, "edges": edges}), encoding="utf-8")
    return path


def sound(path: Path, number: int) -> Path:
    """A tenth of a second of noise at 8 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(number).integers(-9000, 9000, 800, dtype=np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return path


def volume(path: Path, number: int, mask: bool = False) -> Path:
    """A NIfTI file of 6³ voxels, or a mask with one structure."""
    from convzoo.modalities.volume.formats import write_nifti

    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(number).normal(size=(6, 6, 6)).astype(np.float32)
    write_nifti(path, (voxels > 0).astype(np.uint8) if mask else voxels, np.diag([2.0, 2.0, 3.0, 1.0]))
    return path


def video(path: Path, number: int) -> Path:
    """Six frames of 16×16 pixels of noise."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(number).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    return path


def cloud(path: Path, number: int) -> Path:
    """Fifty points in KITTI's format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.random.default_rng(number).uniform(0, 10, (50, 4)).astype("<f4").tofile(path)
    return path


def readings(path: Path, number: int, count: int, labels: Sequence[int] | None = None, one: bool = False) -> Path:
    """A table of sensor readings, a row a minute."""
    random = np.random.default_rng(number)
    names = ["value"] if one else ["pressure", "flow"]
    rows = [",".join(["timestamp", *names, *(["anomaly"] if labels is not None else [])])]
    for row in range(count):
        values = [f"{value:.4f}" for value in random.normal(size=len(names))]
        when = f"2024-01-{1 + row // 1440:02d} {row // 60 % 24:02d}:{row % 60:02d}:00"
        rows.append(",".join([when, *values, *([str(labels[row])] if labels is not None else [])]))
    return lines(path, rows)
