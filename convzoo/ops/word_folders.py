"""Sounds in folders, one folder a word, with the lists and the speaker's hash of Speech Commands where they are there."""

from collections.abc import Sequence
from pathlib import Path

from convzoo.core.audio import AUDIO_SUFFIXES, Audio, sound_files
from convzoo.core.errors import DataError
from convzoo.core.examples import read_lines
from convzoo.core.text import did_you_mean

LISTS = {"validation_list.txt": "val", "testing_list.txt": "test"}
SPEAKER = "_nohash_"


def words_in(folder: Path, below: Path | None = None, words: Sequence[str] | None = None) -> list[Audio]:
    """Every sound of `<folder>/<word>/`, with its word and, where the name has one, its speaker.

    Folders whose names begin with a dot or an underscore (`_background_noise_`) are no words.

    Args:
        folder: with a folder for each word
        below: what the names of the sources are relative to; by default `folder`
        words: only these

    Raises:
        DataError: there is no word, a word has no sound, or a wanted word is not there.
    """
    found = []
    kinds = [child for child in sorted(folder.iterdir()) if child.is_dir() and not child.name.startswith((".", "_"))]
    for word in words or ():
        if word not in [kind.name for kind in kinds]:
            raise DataError(f"{folder}: has no word {word!r}; {did_you_mean(word, [kind.name for kind in kinds])}")
    for kind in kinds:
        if words is not None and kind.name not in words:
            continue
        files = sound_files(kind)
        if not files:
            raise DataError(f"{kind}: word {kind.name!r} has no sound ({', '.join(sorted(AUDIO_SUFFIXES))})")
        for path in files:
            speaker, marked, _ = path.name.partition(SPEAKER)
            source = path.relative_to(below or folder).as_posix()
            found.append(Audio(path, label=kind.name, group=speaker if marked else None, source=source))
    if not found:
        raise DataError(f"{folder}: holds no folder of sounds; make one folder a word")
    return found


def listed(folder: Path, examples: Sequence[Audio]) -> dict[str, list[Audio]] | None:
    """Examples by split, as `validation_list.txt` and `testing_list.txt` have it; None where there is no testing list.

    Raises:
        DataError: a list names a file that is not there.
    """
    if not (folder / "testing_list.txt").is_file():
        return None
    known = {example.source for example in examples}
    words = {source.partition("/")[0] for source in known}
    home = {}
    for name, part in LISTS.items():
        if not (folder / name).is_file():
            continue
        for number, line in enumerate(read_lines(folder / name), 1):
            source = line.strip()
            # A word that was left out is left out of the lists too.
            if (
                source
                and source not in known
                and (source.partition("/")[0] in words or not (folder / source).is_file())
            ):
                raise DataError(f"{folder / name}:{number}: names {source!r}, which is not there")
            home[source] = part
    parts: dict[str, list[Audio]] = {"train": [], "val": [], "test": []}
    for example in examples:
        parts[home.get(example.source, "train")].append(example)
    return parts
