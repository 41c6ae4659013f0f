"""Pictures as people have them: transparent, with unusual endings, of other modes, misnamed."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from convzoo.modalities.image.data.own import ImageFolder
from convzoo.modalities.image.example import Image

SHOWN = np.repeat(np.array([[255], [0]], np.uint8), 4, axis=0).repeat(8, axis=1)
"""Opaque above, transparent below."""


def half_transparent(path: Path, mode: str) -> Path:
    """All black; the lower half is transparent."""
    black = np.zeros((8, 8), np.uint8)
    if mode == "P":
        image = PIL.Image.fromarray((SHOWN == 0).astype(np.uint8)).convert("P")
        image.putpalette([0] * 768)
        image.save(path, transparency=1)
    else:
        layers = [black] * (len(mode) - 1)
        PIL.Image.fromarray(np.stack([*layers, SHOWN], axis=-1), mode).save(path)
    return path


@pytest.mark.parametrize(
    ("mode", "ending"), [("RGBA", "png"), ("LA", "png"), ("P", "png"), ("RGBA", "webp"), ("P", "gif")]
)
def test_what_is_transparent_is_white(mode: str, ending: str, tmp_path: Path) -> None:
    settings = half_transparent(tmp_path / f"one.{ending}", mode)
    found = Image(path=settings).array()
    assert found[:4].max() <= 2
    assert found[4:].min() >= 253
    assert found.ndim == (2 if mode == "LA" else 3)


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".JPG", ".webp", ".WEBP", ".tga", ".pnm"])
def test_usual_endings_are_read_and_litter_is_passed_over(ending: str, tmp_path: Path) -> None:
    kinds = {".jfif": "JPEG", ".jpe": "JPEG", ".tga": "TGA", ".pnm": "PPM"}
    for number in range(16):
        home = tmp_path / "ab"[number % 2]
        home.mkdir(exist_ok=True)
        pixels = np.full((6, 6), 5 * number, np.uint8)
        PIL.Image.fromarray(pixels).save(home / f"{number}{ending}", format=kinds.get(ending))
    for name in (f"a/._1{ending}", "a/.DS_Store", "b/Thumbs.db"):
        (tmp_path / name).write_bytes(b"\0\5\26\7")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "a" / "photo.heic").write_bytes(b"what")
    splits = ImageFolder(str(tmp_path)).read()
    assert sum(len(part) for _, part in splits) == 16
    assert any("1 .heic" in note and "a/photo.heic" in note for note in splits.notes)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_bright_picture_of_16_bits_stays_brighter_than_a_dark_one(ending: str, tmp_path: Path) -> None:
    for name, level in (("dark", 10_000), ("bright", 50_000)):
        PIL.Image.fromarray(np.full((6, 6), level, np.uint16)).save(tmp_path / f"{name}.{ending}")
    dark, bright = (Image(path=tmp_path / f"{name}.{ending}").array() for name in ("dark", "bright"))
    assert (int(dark[0, 0]), int(bright[0, 0])) == (39, 195)


def test_a_png_that_is_named_jpg_is_read(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.full((6, 6), 77, np.uint8)).save(tmp_path / "one.jpg", format="PNG")
    assert (Image(path=tmp_path / "one.jpg").array() == 77).all()
