"""YESNO: Hebrew words for yes and no."""

import re
from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Positive
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.audio.transcribed import Utterance
from convzoo.reading.benchmark import benchmark_folder

NAME = re.compile(r"[01](_[01]){7}\.wav")


class YesNo(Reader):
    """The YESNO corpus (openslr.org/1): one speaker says eight Hebrew words for yes (`ken`) or no (`lo`) in each of 60
    recordings; their names say what: `0_1_1_1_0_1_0_1.wav`, 1 for yes.

    The recordings are split in the order of their names, as Kaldi's recipe does: the first 30 train and validate, the last 30
    test.

    Args:
        path: the folder of the recordings, or the one that holds it; by default the data set is fetched
        val: how many of the first 30 validate
    """

    example = Utterance
    formats: ClassVar[str] = "a folder of recordings named 0_1_1_1_0_1_0_1.wav (YESNO)"

    def __init__(self, path: str | None = None, val: Positive = 6) -> None:
        if val > 20:
            raise ValueError(f"val should be at most 20 of the 30 recordings that do not test, not {val}")
        self.path = path
        self.val = val

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder whose wav files all have names of this form."""
        folder = _inside(path)
        names = [child.name for child in folder.iterdir() if child.suffix == ".wav"] if folder.is_dir() else []
        return bool(names) and all(NAME.fullmatch(name) for name in names)

    def read(self) -> Splits:
        """List the recordings and open each once.

        Raises:
            DataError: there is no such folder, there are fewer than three recordings, or one is damaged.
        """
        if self.path is None:
            folder, facts = benchmark_folder("yesno", None)
        else:
            folder, facts = Path(self.path), {}
        folder = _inside(folder)
        files = sorted(path for path in folder.glob("*.wav") if NAME.fullmatch(path.name)) if folder.is_dir() else []
        if len(files) < 3:
            raise DataError(
                f"{folder}: holds {len(files)} recordings named as 0_1_1_1_0_1_0_1.wav; at least 3 are needed"
            )
        found = []
        for path in files:
            words = " ".join(("no", "yes")[int(number)] for number in path.stem.split("_"))
            found.append(Utterance(path, transcript=words, source=path.name))
            found[-1].check()
        half = len(found) // 2
        val = min(self.val, half // 2) or 1
        # Neighbouring names are alike: every so many recordings one validates.
        held = {round((at + 0.5) * half / val) for at in range(val)}
        train = [each for at, each in enumerate(found[:half]) if at not in held]
        return Splits(
            train,
            [each for at, each in enumerate(found[:half]) if at in held],
            found[half:],
            origin=f"in the order of the names: the first {half} train and validate ({val} of them), the others test",
            files=facts,
        )


def _inside(path: Path) -> Path:
    """The folder `waves_yesno` where that is in the folder."""
    return path / "waves_yesno" if (path / "waves_yesno").is_dir() else path
