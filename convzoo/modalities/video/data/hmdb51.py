"""HMDB51: actions in films and videos from the internet."""

import re
from pathlib import Path
from typing import ClassVar, Literal

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.video.data.listed import Listed, listed_splits
from convzoo.modalities.video.example import Video
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines

LISTS = "testTrainMulti_7030_splits"
PARTS = {"1": "train", "2": "test", "0": None}
# The end of a clip's name: part of the body, camera, people, view, quality, number.
ENDING = re.compile(r"[a-z]+_[a-z]+_np[0-9]+_[a-z]+_[a-z]+_[0-9]+")


class Hmdb51(Reader):
    """Kuehne et al. 2011 (doi:10.1109/ICCV.2011.6126543): 51 actions; three official splits of 70 training and 30 test clips.

    The lists leave some clips out; clips of one film and one action are never in both training and test. Validation is taken
    from training by film.

    Args:
        path: a folder with `<action>/<file>.avi` anywhere below it; by default the folder of the fetched data set
        split: number of the official split
        lists: the folder of `<action>_test_split1.txt`; by default `testTrainMulti_7030_splits` in `path`, or `path`
        only_present: take the listed videos that exist, and leave the others out
        val: fraction of the training split used for validation
        seed: random seed of that choice
    """

    example = Video
    formats: ClassVar[str] = "a folder with testTrainMulti_7030_splits/ and the videos (HMDB51)"

    def __init__(
        self,
        path: str | None = None,
        split: Literal[1, 2, 3] = 1,
        lists: str | None = None,
        only_present: bool = False,
        val: Fraction = 0.1,
        seed: Count = 0,
    ) -> None:
        self.path = path
        self.split = split
        self.lists = lists
        self.only_present = only_present
        self.val = val
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with the lists."""
        return path.is_dir() and any(any(each.glob("*_test_split1.txt")) for each in (path, path / LISTS))

    def read(self) -> Splits:
        """Read the lists. The videos are opened when they are encoded.

        Raises:
            DataError: a list is absent, a line of it has another form, or a video does not exist.
        """
        folder, facts = benchmark_folder("hmdb51", self.path)
        lists = Path(self.lists) if self.lists else folder / LISTS if (folder / LISTS).is_dir() else folder
        rows = official_split(lists, self.split)
        origin = f"official split {self.split}; val made here: {self.val:g} of train, by film, seed {self.seed}"
        return listed_splits(rows, folder, self.only_present, self.val, self.seed, origin, facts)


def official_split(lists: Path, split: int) -> list[Listed]:
    """The lines `<file> <1|2|0>` of every `<action>_test_splitN.txt`: 1 trains, 2 tests, 0 is left out.

    Raises:
        DataError: there is no list, or a line has another form.
    """
    ending = f"_test_split{split}.txt"
    paths = sorted(lists.glob(f"*{ending}"))
    if not paths:
        raise DataError(f"{lists}: holds no <action>{ending}")
    found = []
    for path in paths:
        label = path.name.removesuffix(ending)
        for number, line in enumerate(read_lines(path), 1):
            words = line.split()
            if not words:
                continue
            if len(words) != 2 or words[1] not in PARTS:
                raise DataError(f"{path}:{number}: is {line[:60]!r}; it should be <file> and 1, 2 or 0")
            part = PARTS[words[1]]
            if part is not None:
                found.append(Listed(words[0], label, f"{label}/{_film(words[0], label)}", part, f"{path}:{number}"))
    return found


def _film(name: str, label: str) -> str:
    """The part before the action in a clip's name; the whole name if it has another form."""
    stem = Path(name).stem
    before, found, behind = stem.rpartition(f"{label}_")
    return before if found and ENDING.fullmatch(behind) else stem
