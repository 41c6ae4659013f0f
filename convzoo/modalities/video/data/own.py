"""Videos of one's own: a folder an action, or a table that names files."""

import re
from pathlib import Path
from typing import ClassVar

from convzoo.modalities.video.example import Video
from convzoo.modalities.video.formats import VIDEO_SUFFIXES
from convzoo.reading.folder import ClassFolders
from convzoo.reading.manifest import Manifest

UCF_NAME = re.compile(r"v_(\w+)_g([0-9]+)_c([0-9]+)")


class VideoFolder(ClassFolders):
    """Videos as `<action>/<file>`, or `train/<action>/<file>` with `test/` and, optionally, `val/` beside it.

    Clips that were cut from one film stay together where the names say so, as UCF101's do (`v_<action>_g<group>_c<clip>`).
    """

    example = Video
    formats: ClassVar[str] = "a folder of videos, one folder an action (or train/, val/ and test/ with such folders)"
    what = "video"
    one_class = "action"
    suffixes = VIDEO_SUFFIXES

    @classmethod
    def group_of(cls, inside: Path) -> str | None:
        """The film that it was cut from."""
        return group_in(inside.stem)


class VideoTable(Manifest):
    """A table with a row a video: its path and what is done in it, perhaps a group (the person, or the film that a clip was cut
    from) and a split."""

    example = Video
    formats: ClassVar[str] = (
        "a table (.csv, .tsv, .jsonl, .parquet) with the columns path and label, optionally group and split"
    )
    what = "video"
    file_names = ("video", "clip", "video_path")
    label_names = ("action",)
    group_names = ("group", "person", "subject", "source", "scene")


def group_in(name: str) -> str | None:
    """What `v_<action>_g<group>_c<clip>` was cut from: clips of one group come from one film; None for other names."""
    match = UCF_NAME.fullmatch(name)
    return f"{match[1]}_g{match[2]}" if match else None
