"""The small forms of the recipe of speech recognition."""

from pathlib import Path

import numpy as np

NETWORK = [
    "train.epochs=2",
    "train.batch_size=10",
    "model.channels=8",
    "model.outer_channels=8",
    "model.kernel_sizes=[5]",
]
SMALL = ["data.train=60", "data.val=20", "data.test=20", "data.per_speaker=5", "data.max_digits=3", *NETWORK]
PLAIN = ["model.normalisation=layer", "data.train=55"]


def raw() -> list[tuple[np.ndarray, int]]:
    return [(np.zeros(12_000, np.float32), 8000)]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A manifest of tones that rise and fall, at another rate."""
    import scipy.io.wavfile

    rows = ["path,transcript"]
    for number in range(40):
        words = [("low", "high")[bit == "1"] for bit in f"{number % 8:03b}"]
        tones = [
            np.sin(np.arange(3000) * {"low": 0.1, "high": 0.4}[word] + number) * np.hanning(3000) for word in words
        ]
        noise = np.random.default_rng(number).normal(0, 0.01, 9000)
        samples = np.int16(9000 * (np.concatenate(tones) + noise))
        scipy.io.wavfile.write(folder / f"{number}.wav", 11_025, samples)
        rows.append(f"{number}.wav,{' '.join(words)}")
    (folder / "manifest.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    return folder / "manifest.csv", NETWORK


def asked(data: Path) -> list[object]:
    return [data.parent / "3.wav"]
