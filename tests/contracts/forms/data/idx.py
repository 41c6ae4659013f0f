"""Images in idx files."""

import struct
from pathlib import Path
from typing import Any

import numpy as np


def form(folder: Path) -> dict[str, Any]:
    """The four files, not compressed."""
    random = np.random.default_rng(0)
    for part, count in (("train", 30), ("t10k", 10)):
        images = random.integers(0, 256, (count, 12, 12), dtype=np.uint8)
        for name, values in (("images-idx3", images), ("labels-idx1", (np.arange(count) % 10).astype(np.uint8))):
            head = b"\x00\x00\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
            (folder / f"{part}-{name}-ubyte").write_bytes(head + values.tobytes())
    return {"path": str(folder), "val": 5}
