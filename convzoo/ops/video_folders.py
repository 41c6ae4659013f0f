"""Videos in folders, one folder an action, with the groups that UCF101's names hold where they are named that way."""

import re
from collections.abc import Sequence
from pathlib import Path

from convzoo.core.errors import DataError
from convzoo.core.text import did_you_mean
from convzoo.core.video import VIDEO_SUFFIXES, Video, video_files

UCF_NAME = re.compile(r"v_(\w+)_g([0-9]+)_c([0-9]+)")


def group_in(name: str) -> str | None:
    """What `v_<action>_g<group>_c<clip>` was cut from: clips of one group come from one film; None for other names."""
    match = UCF_NAME.fullmatch(name)
    return f"{match[1]}_g{match[2]}" if match else None


def actions_in(folder: Path, below: Path | None = None, actions: Sequence[str] | None = None) -> list[Video]:
    """Every video of `<folder>/<action>/`, with its action and, where its name has one, its group.

    Folders whose names begin with a dot or an underscore are no actions.

    Args:
        folder: with a folder for each action
        below: what the names of the sources are relative to; by default `folder`
        actions: only these

    Raises:
        DataError: there is no action, an action has no video, or a wanted action is not there.
    """
    found = []
    kinds = [child for child in sorted(folder.iterdir()) if child.is_dir() and not child.name.startswith((".", "_"))]
    names = [kind.name for kind in kinds]
    for action in actions or ():
        if action not in names:
            raise DataError(f"{folder}: has no action {action!r}; {did_you_mean(action, names)}")
    for kind in kinds:
        if actions is not None and kind.name not in actions:
            continue
        files = video_files(kind)
        if not files:
            raise DataError(f"{kind}: action {kind.name!r} has no video ({', '.join(sorted(VIDEO_SUFFIXES))})")
        for path in files:
            source = path.relative_to(below or folder).as_posix()
            found.append(Video(path, label=kind.name, group=group_in(path.stem), source=source))
    if not found:
        raise DataError(f"{folder}: holds no folder of videos; make one folder an action")
    return found
