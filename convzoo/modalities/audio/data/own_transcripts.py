"""Transcribed speech of one's own: tables that name files, and the layouts that speech corpora have."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.arguments import Copies, Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.labels import Label
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.survey import listed
from convzoo.core.text import did_you_mean
from convzoo.modalities.audio.data.own import AudioFolder
from convzoo.modalities.audio.formats import AUDIO_SUFFIXES, sound_files
from convzoo.modalities.audio.transcribed import Utterance, written
from convzoo.reading.columns import split_in
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import class_folders, visible, with_suffix
from convzoo.reading.lines import read_lines
from convzoo.reading.manifest import Manifest, Roles, file_column, file_in
from convzoo.reading.splitting import as_given, made_here
from convzoo.reading.tables import Table, read_table

FILE_NAMES = ("audio", "wav", "audio_path", "audio_filepath", "clip", "wav_filename")
"""What the column with the path is usually called, besides path, file and filename; NeMo's is `audio_filepath`."""
TRANSCRIPT_NAMES = ("transcript", "text", "sentence", "transcription", "label", "words", "normalized_text")
GROUP_NAMES = ("speaker", "group", "speaker_id", "client_id", "spk")


class TranscriptTable(Manifest):
    """A table with a row an utterance: the path of the sound and what is said in it, perhaps a speaker and a split.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file with a heading
        file: the column with the path; by default one that is usually called so
        transcript: the column with what is said; by default one named transcript, text, sentence, transcription or label
        group: the column with the speaker; by default one that is usually called so; `none`: there is none
        split: the column that says train, val or test; by default one named split, set or subset; `none`: there is none
        separator: between the fields of a CSV file; by default found
        encoding: of the file; by default found
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a file in two parts of a given split: refuse them; drop them from training; or keep them
        seed: of a split that is made here
        skip_damaged: leave rows and files that cannot be read out, and say which; by default they are refused
    """

    example = Utterance
    formats: ClassVar[str] = (
        "a table (.csv, .tsv, .jsonl, .parquet) with the columns path and transcript, optionally speaker and split"
    )
    what = "sound"
    file_names = FILE_NAMES
    label_names = TRANSCRIPT_NAMES
    group_names = GROUP_NAMES

    def __init__(
        self,
        path: str,
        file: str | None = None,
        transcript: str | None = None,
        group: str | None = None,
        split: str | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "refuse",
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        super().__init__(
            path, file, transcript, group, split, separator, encoding, val, test, fold, folds, copies, seed,
            skip_damaged=skip_damaged,
        )  # fmt: skip

    @classmethod
    def make(cls, path: Path, label: Label | None, group: str | None, source: str) -> Utterance:
        """One utterance without a transcript."""
        return Utterance(path, group=group, source=source)

    @classmethod
    def content(cls, example: Utterance) -> str:
        """A fingerprint of the file's content, and of the part that the utterance is."""
        return content_of(example)

    def _rows(self, table: Table) -> tuple[list[Any], Roles]:
        file = file_column(table, self.file, self.file_names, self.what)
        transcript = table.find("transcript", None if self.label is None else str(self.label), TRANSCRIPT_NAMES)
        assert transcript is not None, "a needed column is found"
        group = None if self.group == "none" else table.find("group", self.group, self.group_names, needed=False)
        groups = table.optional_ids(group)

        def example(row: int) -> Utterance:
            path = file_in(table, row, table.id(row, file))
            text = said(table.columns[transcript][row], f"{table.place(row)}: column {transcript!r}")
            made = Utterance(path, transcript=text, group=groups[row], source=table.place(row))
            made.check()
            return made

        examples = [self.damaged.sound(partial(example, row), table.place(row)) for row in range(len(table))]
        return examples, {"file": file, "transcript": transcript, "group": group}


def said(value: Any, where: str) -> str:
    """A transcript that holds a word.

    Raises:
        DataError: it is empty, or holds punctuation only.
    """
    text = "" if value is None or value != value else str(value)
    if not written(text, "plain"):
        shown = f"holds no word ({text.strip()[:20]!r})" if text.strip() else "is empty"
        raise DataError(f"{where} {shown}; write what is said, or delete the row")
    return text


def content_of(example: Utterance) -> str:
    """A fingerprint of the file's content, and of the part that the utterance is."""
    assert example.path is not None, "utterances of one's own are files"
    part = f":{example.start:g}-{example.end:g}" if example.end is not None else ""
    return sha256_of(example.path)[:16] + part


class TranscriptFolder(Reader):
    """A folder of transcribed speech in a layout that corpora have.

    | layout | what is in the folder |
    |---|---|
    | Kaldi | `wav.scp` and `text`, perhaps `segments` and `utt2spk`; or folders such as `train/` and `test/` with these |
    | LibriSpeech | `<speaker>/<chapter>/<speaker>-<chapter>.trans.txt` beside the sounds, below `train-…/`, `dev-…/`, `test-…/` |
    | Common Voice | `clips/` and `train.tsv`, `dev.tsv`, `test.tsv`, or `validated.tsv` |
    | LJSpeech | `metadata.csv` (`id|text|normalised text`) and `wavs/` |
    | sounds with texts | a `.txt` or `.lab` of the same name beside each sound; perhaps `train/` and `test/` above |
    | Speech Commands | a folder a word; what is said is the folder's name |

    Where there is no split it is made, by speaker where speakers are known; files of the same content stay together.

    Args:
        path: the folder
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a file in two parts of a given split: refuse them; drop them from training; or keep them
        seed: of a split that is made here
        skip_damaged: leave utterances that cannot be read out, and say which; by default they are refused
    """

    example = Utterance
    formats: ClassVar[str] = (
        "a folder of transcribed speech: Kaldi's (wav.scp, text), LibriSpeech's, Common Voice's, LJSpeech's, a .txt beside each "
        "sound, or a folder a word (Speech Commands)"
    )

    def __init__(
        self,
        path: str,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "refuse",
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.copies: Copies = copies
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "utterances")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder in one of the layouts."""
        return layout_of(path) is not None

    def examples(self) -> list[Utterance]:
        """All utterances, whatever the split."""
        return [example for part in self._parts()[0].values() for example in part]

    def read(self) -> Splits:
        """List the utterances, and open each once. Sounds are read again when they are encoded.

        Raises:
            DataError: the folder is in none of the layouts, a transcript has no sound, files cannot be read, or the same stand in
                two parts of a split.
        """
        parts, layout, notes = self._parts()
        if list(parts) == ["all"]:
            splits = made_here(
                parts["all"], self.val, self.test, self.seed, {}, content_of, self.fold, self.folds, notes, str(self.path)
            )  # fmt: skip
        else:
            splits = as_given(str(self.path), parts, self.val, self.seed, {}, content_of, self.copies, notes, self.fold)
        return replace(splits.with_described(layout=layout), skipped=self.damaged.skipped)

    def _parts(self) -> tuple[dict[str, list[Utterance]], str, list[str]]:
        """The utterances of train, val and test, or `all`; the name of the layout; and what a person should know."""
        if not self.path.is_dir():
            raise no_such(self.path, "folder")
        layout = layout_of(self.path)
        if layout is None:
            raise DataError(f"{self.path}: is in none of the layouts that are read: {self.formats}")
        self.damaged = Damaged(self.skip_damaged, "utterances")
        parts, notes = LAYOUTS[layout](self.path, self.damaged)
        kept = {
            name: self.damaged.kept(found, lambda example: example.check(), lambda example: example.source)
            for name, found in parts.items()
        }
        self.damaged.settle()
        if not any(kept.values()):
            raise DataError(f"{self.path}: holds no utterances")
        return kept, layout, notes


Parts = dict[str, list[Utterance]]
"""The utterances of train, val and test; or `all`, where no split is given."""


def layout_of(path: Path) -> str | None:
    """The name of the layout that a folder is in; None: none."""
    if not path.is_dir():
        return None
    children = visible(path)
    folders = [child for child in children if child.is_dir()]
    if any((folder / "wav.scp").is_file() for folder in [path, *folders]):
        return "Kaldi"
    if (path / "clips").is_dir() and any((path / f"{name}.tsv").is_file() for name in ("validated", "train")):
        return "Common Voice"
    if (path / "metadata.csv").is_file() and (path / "wavs").is_dir():
        return "LJSpeech"
    if next(path.rglob("*.trans.txt"), None) is not None:
        return "LibriSpeech"
    first = next(iter(sound_files(path)), None)
    if first is None:
        return None
    if _text_beside(first) is not None:
        return "sounds with texts"
    words = [folder for folder in class_folders(path) if split_in(folder.name) is None]
    if len(words) > 1 and all(any(with_suffix(folder, AUDIO_SUFFIXES)) for folder in words):
        return "Speech Commands"
    return None


def _by_split(utterances: dict[str | None, list[Utterance]]) -> Parts:
    """Parts by the splits that folders name; without a training and a test folder they are one."""
    if "train" in utterances and ("test" in utterances or "val" in utterances) and None not in utterances:
        return {name: utterances.get(name, []) for name in ("train", "val", "test")}
    return {"all": [each for found in utterances.values() for each in found]}


def _kaldi(path: Path, damaged: Damaged) -> tuple[Parts, list[str]]:
    folders = (
        [path] if (path / "wav.scp").is_file() else [child for child in visible(path) if (child / "wav.scp").is_file()]
    )
    found: dict[str | None, list[Utterance]] = {}
    notes = []
    for folder in folders:
        name = split_in(folder.name) if folder != path else None
        utterances, missing = _kaldi_folder(folder, damaged)
        found.setdefault(name, []).extend(utterances)
        notes += missing
    return _by_split(found), notes


def _kaldi_folder(folder: Path, damaged: Damaged) -> tuple[list[Utterance], list[str]]:
    sounds = dict(_pairs(folder / "wav.scp"))
    if not (folder / "text").is_file():
        raise DataError(f"{folder}: has a wav.scp and no file 'text', which says what is said")
    texts = _pairs(folder / "text")
    speakers = dict(_pairs(folder / "utt2spk")) if (folder / "utt2spk").is_file() else {}
    segments: dict[str, tuple[str, float, float]] = {}
    cut = (folder / "segments").is_file()
    for number, (name, rest) in enumerate(_pairs(folder / "segments") if cut else (), 1):
        fields = rest.split()
        try:
            recording, start, end = fields[0], float(fields[1]), float(fields[2])
        except (IndexError, ValueError):
            raise DataError(
                f"{folder / 'segments'}:{number}: should be an utterance, a recording, and start and end in seconds"
            ) from None
        if not 0 <= start < end:
            raise DataError(
                f"{folder / 'segments'}:{number}: {name} ends at {end:g} s, before it begins at {start:g} s"
            )
        segments[name] = (recording, start, end)
    found = []
    for number, (name, text) in enumerate(texts, 1):
        place = f"{folder / 'text'}:{number}"

        def utterance(name: str = name, text: str = text, place: str = place) -> Utterance:
            recording, start, end = segments.get(name, (name, 0.0, None)) if cut else (name, 0.0, None)
            if cut and name not in segments:
                raise DataError(f"{place}: utterance {name!r} is not in {folder / 'segments'}")
            if recording not in sounds:
                near = did_you_mean(recording, sounds)
                raise DataError(f"{place}: recording {recording!r} is not in {folder / 'wav.scp'}; {near}")
            file = _kaldi_file(folder, sounds[recording], recording)
            group = speakers.get(name, recording if cut else None)
            return Utterance(
                file, None, None, said(text, f"{place}: the transcript"), start, end, group, f"{folder.name}/{name}"
            )

        each = damaged.sound(utterance, place)
        damaged.count -= each is not None  # it is counted when its sound is looked at
        found += [each] if each is not None else []
    unsaid = sorted((set(segments) if cut else set(sounds)) - {name for name, _ in texts})
    return found, [f"{folder}: without a transcript in 'text', and left out: {listed(unsaid)}"] if unsaid else []


def _kaldi_file(folder: Path, entry: str, recording: str) -> Path:
    """The file of a line of wav.scp. In Kaldi paths are relative to the folder where commands are run, often two above."""
    if entry.rstrip().endswith("|"):
        raise DataError(
            f"{folder / 'wav.scp'}: {recording} is made by a command ({entry[:40]!r}), which is not run; write the sounds as "
            "files"
        )
    homes = [folder, *list(folder.resolve().parents)[:3]]
    found = next((home / entry for home in homes if (home / entry).is_file()), None)
    if found is None:
        raise DataError(f"{folder / 'wav.scp'}: {recording}: {entry!r} is not there (looked below {folder} and above)")
    return found


def _pairs(path: Path) -> list[tuple[str, str]]:
    """The lines of a Kaldi file: a name, and what stands behind it.

    Raises:
        DataError: a name stands there twice.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        name, rest = [*line.split(None, 1), ""][:2]
        if name in found:
            raise DataError(f"{path}:{number}: {name!r} stands there twice")
        found[name] = rest.strip()
    return list(found.items())


def _librispeech(path: Path, damaged: Damaged) -> tuple[Parts, list[str]]:
    found: dict[str | None, list[Utterance]] = {}
    used: set[Path] = set()
    for file in sorted(path.rglob("*.trans.txt")):
        inside = file.relative_to(path).parts
        part = next((split_in(name) for name in inside[:-1] if split_in(name) is not None), None)
        for number, (name, text) in enumerate(_pairs(file), 1):
            place = f"{file.relative_to(path).as_posix()}:{number}"
            sound = next(
                (s for suffix in sorted(AUDIO_SUFFIXES) if (s := file.parent / f"{name}{suffix}").is_file()), None
            )

            def utterance(
                name: str = name,
                text: str = text,
                sound: Path | None = sound,
                part: str | None = part,
                place: str = place,
            ) -> Utterance:
                if sound is None:
                    raise DataError(
                        f"{place}: there is no sound {name!r} beside it ({', '.join(sorted(AUDIO_SUFFIXES))})"
                    )
                heard = said(text, f"{place}: the transcript")
                return Utterance(
                    sound, transcript=heard, group=name.partition("-")[0], source=f"{part or ''} {name}".strip()
                )

            each = damaged.sound(utterance, place)
            damaged.count -= each is not None
            if each is not None:
                found.setdefault(part, []).append(each)
            if sound is not None:
                used.add(sound)
    others = [each for each in sound_files(path) if each not in used]
    notes = [f"sounds without a transcript, left out: {listed(each.name for each in others)}"] if others else []
    return _by_split(found), notes


def _common_voice(path: Path, damaged: Damaged) -> tuple[Parts, list[str]]:
    names = {"train": "train", "val": "dev", "test": "test"}
    given = {part: path / f"{name}.tsv" for part, name in names.items() if (path / f"{name}.tsv").is_file()}
    tables = given if {"train", "test"} <= given.keys() else {"all": path / "validated.tsv"}
    if "all" in tables and not tables["all"].is_file():
        raise DataError(f"{path}: has neither train.tsv and test.tsv nor validated.tsv")
    parts: Parts = {"all": []} if "all" in tables else {"train": [], "val": [], "test": []}
    for part, file in tables.items():
        table = read_table(file, damaged=damaged)
        sentence, name, speaker = (
            table.find("transcript", "sentence", ()), table.find("file", "path", ()), table.find("group", "client_id", (), False)
        )  # fmt: skip
        assert sentence is not None and name is not None, "needed columns are found"
        groups = table.optional_ids(speaker)
        for row in range(len(table)):
            each = damaged.sound(partial(_clip, path, table, (name, sentence), groups[row], row), table.place(row))
            damaged.count -= each is not None
            parts[part] += [each] if each is not None else []
    return parts, []


def _clip(path: Path, table: Table, columns: tuple[str, str], group: str | None, row: int) -> Utterance:
    """The utterance of a row of Common Voice's tables; the columns are those of the file and of the sentence."""
    name, sentence = columns
    clip = path / "clips" / table.id(row, name)
    clip = clip if clip.suffix else clip.with_suffix(".mp3")
    if not clip.is_file():
        raise DataError(f"{table.place(row)}: {clip} is not there")
    text = said(table.columns[sentence][row], f"{table.place(row)}: column {sentence!r}")
    return Utterance(clip, transcript=text, group=group, source=table.place(row))


def _lj_speech(path: Path, damaged: Damaged) -> tuple[Parts, list[str]]:
    found = []
    for number, line in enumerate(read_lines(path / "metadata.csv"), 1):
        place = f"{path / 'metadata.csv'}:{number}"

        def utterance(line: str = line, place: str = place) -> Utterance:
            fields = line.split("|")
            if len(fields) < 2:
                raise DataError(f"{place}: should be a name and a text, with | between them, not {line[:40]!r}")
            sound = path / "wavs" / (fields[0] if Path(fields[0]).suffix in AUDIO_SUFFIXES else f"{fields[0]}.wav")
            if not sound.is_file():
                raise DataError(f"{place}: {sound} is not there")
            return Utterance(sound, transcript=said(fields[-1], f"{place}: the text"), source=fields[0])

        each = damaged.sound(utterance, place) if line.strip() else None
        damaged.count -= each is not None
        found += [each] if each is not None else []
    return {"all": found}, []


def _text_beside(sound: Path) -> Path | None:
    return next((text for suffix in (".txt", ".lab") if (text := sound.with_suffix(suffix)).is_file()), None)


def _sounds_with_texts(path: Path, damaged: Damaged) -> tuple[Parts, list[str]]:
    found: dict[str | None, list[Utterance]] = {}
    without = []
    for sound in sound_files(path):
        inside = sound.relative_to(path)
        text = _text_beside(sound)
        if text is None:
            without.append(inside.as_posix())
            continue

        def utterance(sound: Path = sound, text: Path = text, source: str = inside.as_posix()) -> Utterance:
            words = " ".join(read_lines(text))
            return Utterance(sound, transcript=said(words, f"{text}: the transcript"), source=source)

        each = damaged.sound(utterance, inside.as_posix())
        damaged.count -= each is not None
        part = split_in(inside.parts[0]) if len(inside.parts) > 1 else None
        if each is not None:
            found.setdefault(part, []).append(each)
    notes = [f"sounds without a text beside them, left out: {listed(without)}"] if without else []
    return _by_split(found), notes


def _speech_commands(path: Path, damaged: Damaged) -> tuple[Parts, list[str]]:
    parts = AudioFolder(str(path)).parts()
    return {
        name: [Utterance(each.path, transcript=str(each.label), group=each.group, source=each.source) for each in found]
        for name, found in parts.items()
    }, []


LAYOUTS: dict[str, Callable[[Path, Damaged], tuple[Parts, list[str]]]] = {
    "Kaldi": _kaldi,
    "Common Voice": _common_voice,
    "LJSpeech": _lj_speech,
    "LibriSpeech": _librispeech,
    "sounds with texts": _sounds_with_texts,
    "Speech Commands": _speech_commands,
}
"""The reader of each layout."""
