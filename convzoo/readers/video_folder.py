"""Folders of videos, one folder an action."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.examples import Splits
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.video import Video
from convzoo.ops.splitting import carve_validation, splits_of
from convzoo.ops.video_folders import actions_in

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test",
    "testing": "test",
}  # fmt: skip


class VideoFolder(Reader):
    """`<action>/<file>`, or `train/<action>/<file>` with `test/` and perhaps `val/` beside it.

    Where there is no split it is made, stratified by action; clips that were cut from one film stay together where the names say
    so, as UCF101's do (`v_<action>_g<group>_c<clip>`), and so do files of the same content.

    Args:
        path: the folder
        actions: only these
        val: part for validation, where the split is made here
        test: part for testing, where the split is made here
        seed: of the split
    """

    example = Video
    formats: ClassVar[str] = "a folder of videos, one folder an action (or train/, val/ and test/ with such folders)"

    def __init__(
        self,
        path: str,
        actions: list[str] | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        seed: Count = 0,
    ) -> None:
        self.path = Path(path)
        self.actions = actions
        self.val = val
        self.test = test
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with folders."""
        return path.is_dir() and any(child.is_dir() for child in path.iterdir())

    def examples(self) -> list[Video]:
        """All videos, whatever the split."""
        return super().examples() if self._given() else actions_in(self.path, actions=self.actions)

    def read(self) -> Splits:
        """List the videos. They are opened when they are encoded.

        Raises:
            DataError: no such folder, no action, one action only, or an action with too few videos.
        """
        given = self._given()
        if not given:
            found = actions_in(self.path, actions=self.actions)
            if len({example.label for example in found}) < 2:
                raise DataError(f"{self.path}: holds one action, {found[0].label!r}; a classifier needs at least 2")
            return splits_of(found, self.val, self.test, self.seed, prints=_prints(found))
        if "test" not in given:
            raise DataError(f"{self.path}: has a folder {given['train'].name} and none named test")
        parts = {name: actions_in(child, self.path, self.actions) for name, child in given.items()}
        splits = Splits(parts["train"], parts.get("val", []), parts["test"], origin="as given")
        return splits if splits.val else carve_validation(splits, self.val, self.seed, _prints(splits.train))

    def _given(self) -> dict[str, Path]:
        """The folders of a split; `train` must be one of them, for an action may be called `test`."""
        if not self.path.is_dir():
            raise DataError(f"{self.path}: no such folder")
        found = {
            SPLIT_FOLDERS[child.name.lower()]: child
            for child in sorted(self.path.iterdir())
            if child.is_dir() and child.name.lower() in SPLIT_FOLDERS and any(each.is_dir() for each in child.iterdir())
        }
        return found if "train" in found else {}


def _prints(examples: Sequence[Video]) -> list[str]:
    """A fingerprint of each file's content."""
    return [sha256_of(example.path)[:16] for example in examples if example.path is not None]
