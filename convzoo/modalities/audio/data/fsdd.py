"""The Free Spoken Digit Dataset."""

import re
from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import did_you_mean
from convzoo.modalities.audio.example import Audio
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.splitting import hold_out

NAME = re.compile(r"([0-9])_([^_]+)_([0-9]+)\.wav")
OFFICIAL_TEST_TAKES = 5


class Fsdd(Reader):
    """The Free Spoken Digit Dataset: `<digit>_<speaker>_<take>.wav` at 8 kHz; 6 speakers say 10 digits 50 times each.

    The official split tests on takes 0 to 4 of every speaker, so all speakers are known from training. With `speaker`, the test
    split is this speaker alone, and training has only the others. Validation is a fraction of the training recordings.

    Args:
        path: the folder `recordings`, or the one that holds it; by default the data set is fetched
        speaker: test on this speaker, and leave them out of training; by default the official split
        val: fraction of the training split used for validation
        seed: random seed of that choice
    """

    example = Audio
    formats: ClassVar[str] = "a folder of <digit>_<speaker>_<take>.wav (FSDD)"

    def __init__(
        self, path: str | None = None, speaker: str | None = None, val: Fraction = 0.1, seed: Count = 0
    ) -> None:
        self.path = path
        self.speaker = speaker
        self.val = val
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder whose audio files all have names of this form."""
        if not path.is_dir():
            return False
        folder = path / "recordings" if (path / "recordings").is_dir() else path
        names = [child.name for child in folder.iterdir() if child.suffix.lower() == ".wav"]
        return bool(names) and all(NAME.fullmatch(name) for name in names)

    def read(self) -> Splits:
        """List the recordings. They are opened when they are encoded.

        Raises:
            DataError: there is no such folder or speaker, or a name has another form.
        """
        folder, facts = benchmark_folder("fsdd", self.path)
        folder = folder / "recordings" if (folder / "recordings").is_dir() else folder
        found: list[tuple[Audio, str, int]] = []
        for path in sorted(folder.glob("*.wav")):
            match = NAME.fullmatch(path.name)
            if match is None:
                raise DataError(f"{path}: should be named <digit>_<speaker>_<take>.wav")
            digit, speaker, take = match.groups()
            found.append((Audio(path, label=digit, source=path.name), speaker, int(take)))
        speakers = {speaker for _, speaker, _ in found}
        if not found:
            raise DataError(f"{folder}: holds no <digit>_<speaker>_<take>.wav")
        if self.speaker is not None and self.speaker not in speakers:
            raise DataError(f"{folder}: has no speaker {self.speaker!r}; {did_you_mean(self.speaker, speakers)}")

        def tested(speaker: str, take: int) -> bool:
            return take < OFFICIAL_TEST_TAKES if self.speaker is None else speaker == self.speaker

        rest = [(example, speaker) for example, speaker, take in found if not tested(speaker, take)]
        test = [example for example, speaker, take in found if tested(speaker, take)]
        held = hold_out([str((example.label, speaker)) for example, speaker in rest], self.val, self.seed)
        how = "official test split (takes 0 to 4)" if self.speaker is None else f"test: speaker {self.speaker}"
        return Splits(
            [example for (example, _), val in zip(rest, held, strict=True) if not val],
            [example for (example, _), val in zip(rest, held, strict=True) if val],
            test,
            origin=f"{how}; val made here: {self.val:g} of train, stratified by digit and speaker, seed {self.seed}",
            files=facts,
        )
