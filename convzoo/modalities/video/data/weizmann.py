"""The Weizmann actions as space-time shapes."""

import re
from pathlib import Path
from typing import ClassVar

from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import did_you_mean
from convzoo.modalities.video.example import Video
from convzoo.modalities.video.formats import video_files
from convzoo.reading.benchmark import benchmark_folder

NAME = re.compile(r"([a-z]+)_([a-z]+?)[0-9]?\.avi")


class Weizmann(Reader):
    """Gorelick et al. 2007 (doi:10.1109/TPAMI.2007.70711): `<action>/<person>_<action>.avi`, 9 people and 10 actions.

    One person is for testing. The next one in the alphabet (after the last the first) is for validation, so that settings and
    epochs are chosen without the tested person.

    Args:
        person: the person used for testing
        path: the folder with a folder for each action; by default the data set is fetched
        validation: the person used for validation; by default the next in the alphabet
    """

    example = Video
    formats: ClassVar[str] = "a folder of <action>/<person>_<action>.avi (Weizmann)"

    def __init__(self, person: str = "daria", path: str | None = None, validation: str | None = None) -> None:
        self.person = person
        self.path = path
        self.validation = validation

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with folders, whose videos are all named that way."""
        if not path.is_dir():
            return False
        files = [file for child in sorted(path.iterdir()) if child.is_dir() for file in video_files(child)]
        return bool(files) and all(_parts(file) is not None for file in files)

    def examples(self) -> list[Video]:
        """All videos, of all people."""
        return self._found()[0]

    def read(self) -> Splits:
        """List the videos. They are opened when they are encoded.

        Raises:
            DataError: there is no such folder or person, or a name has another form.
        """
        found, facts = self._found()
        people = sorted({example.group for example in found if example.group})
        if len(people) < 3:
            raise DataError(
                f"{self.path}: has {len(people)} people; at least 3 are needed, for testing, validation and training"
            )
        for name in filter(None, (self.person, self.validation)):
            if name not in people:
                raise DataError(f"there is no person {name!r} in it; {did_you_mean(name, people)}")
        validation = self.validation or people[(people.index(self.person) + 1) % len(people)]
        if validation == self.person:
            raise DataError(f"data.validation: {validation!r} is used for testing; choose another person")
        parts = {
            "test": [example for example in found if example.group == self.person],
            "val": [example for example in found if example.group == validation],
            "train": [example for example in found if example.group not in (self.person, validation)],
        }
        origin = f"test: {self.person}; validation: {validation}; the other {len(people) - 2} people train"
        return Splits(parts["train"], parts["val"], parts["test"], origin=origin, files=facts)

    def _found(self) -> tuple[list[Video], dict]:
        folder, facts = benchmark_folder("weizmann", self.path)
        found = []
        for path in video_files(folder):
            parts = _parts(path)
            if parts is None:
                raise DataError(f"{path}: should be named <person>_<action>.avi, in a folder <action>")
            found.append(Video(path, label=parts[1], group=parts[0], source=path.relative_to(folder).as_posix()))
        if not found:
            raise DataError(f"{folder}: holds no <action>/<person>_<action>.avi")
        return found, facts


def _parts(path: Path) -> tuple[str, str] | None:
    """Person and action, if the names of file and folder agree; some people did an action twice (`lena_run2`)."""
    match = NAME.fullmatch(path.name)
    if match is None or not path.parent.name.startswith(match[2]):
        return None
    return match[1], path.parent.name
