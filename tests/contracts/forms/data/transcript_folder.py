"""Kaldi's folders."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Utterances of eight speakers, whose split is made here."""
    sounds, texts, speakers = [], [], []
    for number in range(32):
        files.sound(folder / "sounds" / f"{number}.wav", number)
        name = f"spk{number // 4}-{number:02d}"
        sounds.append(f"{name} sounds/{number}.wav")
        texts.append(f"{name} {('go up', 'down')[number % 2]}")
        speakers.append(f"{name} spk{number // 4}")
    files.lines(folder / "wav.scp", sounds)
    files.lines(folder / "text", texts)
    files.lines(folder / "utt2spk", speakers)
    return {"path": str(folder)}
