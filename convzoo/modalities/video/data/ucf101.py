"""UCF101: actions in films from the internet."""

from pathlib import Path
from typing import ClassVar, Literal

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.video.data.listed import Listed, listed_splits
from convzoo.modalities.video.data.own import UCF_NAME, group_in
from convzoo.modalities.video.example import Video
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines


class Ucf101(Reader):
    """Soomro et al. 2012 (arXiv:1212.0402): 13,320 clips of 101 actions, cut from films in 25 groups for each action.

    There are three official splits. Validation is taken from training by group, so that no film is in both.

    Args:
        path: a folder with `<action>/v_<action>_g<group>_c<clip>.avi` anywhere below it; by default the fetched data set
        split: number of the official split
        lists: the folder of `trainlist01.txt` and `testlist01.txt`; by default `path`, or `ucfTrainTestlist` in it
        only_present: take the listed videos that exist, and leave the others out
        val: fraction of the training split used for validation
        seed: random seed of that choice
    """

    example = Video
    formats: ClassVar[str] = "a folder with trainlist01.txt, testlist01.txt and the videos (UCF101)"

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
        return any((folder / "trainlist01.txt").is_file() for folder in (path, path / "ucfTrainTestlist"))

    def read(self) -> Splits:
        """Read the lists. The videos are opened when they are encoded.

        Raises:
            DataError: a list is absent, a line of it has another form, or a video does not exist.
        """
        folder, facts = benchmark_folder("ucf101", self.path)
        inside = folder / "ucfTrainTestlist"
        lists = Path(self.lists) if self.lists else inside if inside.is_dir() else folder
        rows = official_split(lists, self.split)
        origin = f"official split {self.split}; val made here: {self.val:g} of train, by group, seed {self.seed}"
        return listed_splits(rows, folder, self.only_present, self.val, self.seed, origin, facts)


def official_split(lists: Path, split: int) -> list[Listed]:
    """The lines of `trainlist0N.txt` (`<action>/<file> <number>`) and `testlist0N.txt` (`<action>/<file>`).

    Raises:
        DataError: a list is absent, or a line has another form.
    """
    found = []
    for part in ("train", "test"):
        path = lists / f"{part}list{split:02d}.txt"
        for number, line in enumerate(read_lines(path), 1):
            words = line.split()
            if not words:
                continue
            label, _, name = words[0].rpartition("/")
            if not label or UCF_NAME.fullmatch(Path(name).stem) is None:
                raise DataError(f"{path}:{number}: is {line[:60]!r}; it should be <action>/v_<action>_g01_c01.avi")
            found.append(Listed(name, label, group_in(Path(name).stem) or "", part, f"{path}:{number}"))
    return found
