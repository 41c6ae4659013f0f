"""Files of whole series with a class each: `.ts` and `.arff` of the archives of time series classification, UCR's text files."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.survey import listed
from convzoo.reading.lines import read_text

SERIES_SUFFIXES = (".ts", ".arff", ".tsv", ".txt")
"""How the files of the archives end, the best form first."""

MOST = 8
"""Characters of a damaged value that an error shows."""


@dataclass(frozen=True)
class SeriesFile:
    """What a file of series holds.

    Attributes:
        values: (channels, time) float32 for each series, NaN where a value is missing
        labels: of each series; None where the file has no classes
        lines: where each series stands in the file
        damaged: what is wrong with series that cannot be read, by their line
    """

    values: list[np.ndarray] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    damaged: dict[int, str] = field(default_factory=dict)


def read_series_file(path: Path) -> SeriesFile:
    """The series of a file, by its ending: .ts, .arff, or .tsv and .txt with a class and then the values in each line.

    Raises:
        DataError: the file is absent, empty, or not what its ending says.
    """
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path}: is empty")
    read = {".ts": _read_ts, ".arff": _read_arff}.get(path.suffix.lower(), _read_plain)
    found = read(path, text)
    if not found.values and not found.damaged:
        raise DataError(f"{path}: holds no series; is it cut off?")
    return found


def _read_ts(path: Path, text: str) -> SeriesFile:
    """A header of lines with @, then a line a series: channels with `:` between them, the class last."""
    header: dict[str, str] = {}
    lines = text.split("\n")
    start = None
    for number, line in enumerate(lines):
        said = line.strip().lstrip("\ufeff")
        if said.lower().startswith("@data"):
            start = number + 1
            break
        if said.startswith("@"):
            name, _, value = said[1:].partition(" ")
            header[name.lower()] = value.strip()
        elif said and not said.startswith(("#", "%")):
            raise DataError(f"{path}:{number + 1}: stands before @data and is no header line: {said[:40]!r}")
    if start is None:
        raise DataError(f"{path}: has no line @data: the file is cut off, or no .ts file")
    if header.get("timestamps", "false").lower() == "true":
        raise DataError(
            f"{path}: @timeStamps true: values with times are not read; write the series at even steps, or as a table with a "
            "row a step and a column of times"
        )
    if header.get("targetlabel", "false").lower().startswith("true"):
        raise DataError(f"{path}: @targetLabel true: holds a number for each series, and classes are read here")
    has_labels, _, names = header.get("classlabel", "true").partition(" ")
    labelled = has_labels.lower() == "true"
    classes = set(names.split())
    channels = 1 if header.get("univariate", "").lower() == "true" else _whole(path, header, "dimensions", "dimension")
    length = _whole(path, header, "serieslength") if header.get("equallength", "").lower() == "true" else None
    found = SeriesFile()
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            parts = line.strip().split(":")
            label = parts.pop().strip() if labelled else None
            if channels is not None and len(parts) != channels:
                last = " and the class" if labelled else ""
                raise DataError(
                    f"has {len(parts)} of {channels} channel{'s' if channels > 1 else ''}{last}: is the line cut off?"
                )
            if labelled and classes and label not in classes:
                raise DataError(f"class {label!r} is none of @classLabel ({listed(sorted(classes))})")
            if labelled and not label:
                raise DataError("has no class at its end")
            _keep(
                found, number, [_numbers(part.split(","), f"channel {at}") for at, part in enumerate(parts, 1)], label
            )
            if length is not None and found.values[-1].shape[1] != length:
                size = found.values.pop().shape[1]
                found.labels.pop(), found.lines.pop()
                raise DataError(
                    f"has {size} steps, and the header says @equalLength true, @seriesLength {length}; write @equalLength false "
                    "if lengths differ, else the line is cut off"
                )
        except DataError as error:
            found.damaged[number] = str(error)
    return found


def _read_arff(path: Path, text: str) -> SeriesFile:
    """Attributes, then a line a series: its values and the class; of several channels a quoted field with `\\n` between them."""
    lines = text.split("\n")
    names: list[str] = []
    relational = False
    inside = False
    start = None
    for number, line in enumerate(lines):
        said = line.strip().lstrip("\ufeff")
        low = said.lower()
        if low.startswith("@data"):
            start = number + 1
            break
        if low.startswith("@end"):
            inside = False
        elif low.startswith("@attribute"):
            if re.search(r"\srelational\s*$", low):
                relational = inside = True
            elif not inside:
                names.append(said)
    if start is None:
        raise DataError(f"{path}: has no line @data: the file is cut off, or no .arff file")
    last = names[-1] if names else ""
    if not last.rstrip().endswith("}"):
        raise DataError(
            f"{path}: its last attribute should be the class, @attribute NAME {{a,b}}, and is {last[:60]!r}"
        )
    steps = len(names) - 1
    found = SeriesFile()
    for number, line in enumerate(lines[start:], start + 1):
        said = line.strip()
        if not said or said.startswith("%"):
            continue
        try:
            if relational:
                match = re.fullmatch(r"""(['"])(.*)\1\s*,\s*(.+)""", said)
                if match is None:
                    raise DataError("should be the series in quotation marks, and then the class: is the line cut off?")
                rows, label = match[2].split("\\n"), match[3]
            else:
                body, comma, label = said.rpartition(",")
                if not comma or body.count(",") + 1 != steps:
                    raise DataError(
                        f"has {said.count(',')} values and a class instead of {steps}: is the line cut off?"
                    )
                rows = [body]
            channels = [_numbers(row.split(","), f"channel {at}") for at, row in enumerate(rows, 1)]
            _keep(found, number, channels, label.strip().strip("'\""))
        except DataError as error:
            found.damaged[number] = str(error)
    return found


def _read_plain(path: Path, text: str) -> SeriesFile:
    """UCR's text files: the class, then the values, with tabs, commas or spaces between them. Values that are missing at the end
    of a line make a shorter series."""
    found = SeriesFile()
    for number, line in enumerate(text.split("\n"), 1):
        said = line.strip()
        if not said:
            continue
        try:
            label, *values = re.split(r"\s*[,\t]\s*|\s+", said)
            if len(values) < 2:
                raise DataError("should be a class and then the values of a series")
            _keep(found, number, [_without_end(_numbers(values, "the series"))], _as_class(label))
        except DataError as error:
            found.damaged[number] = str(error)
    return found


def _keep(found: SeriesFile, line: int, channels: list[np.ndarray], label: str | None) -> None:
    """Add a series; its channels have one length, and one of them has a value."""
    lengths = {len(values) for values in channels}
    if len(lengths) > 1:
        raise DataError(f"its channels have {min(lengths)} to {max(lengths)} steps; all should have one length")
    values = np.stack(channels)
    if not np.isfinite(values).any():
        raise DataError("holds no value: all are missing")
    found.values.append(values)
    found.labels.append(label)
    found.lines.append(line)


def _numbers(words: list[str], what: str) -> np.ndarray:
    """Values as float32; `?`, `NaN` and nothing are missing ones."""
    if len(words) == 1 and not words[0].strip():
        raise DataError(f"{what} is empty")
    try:
        values = np.array(words, dtype=np.float32)
    except ValueError:
        values = np.array([_number(word, at, what) for at, word in enumerate(words, 1)], dtype=np.float32)
    if np.isinf(values).any():
        at = int(np.isinf(values).argmax())
        raise DataError(f"value {at + 1} of {what} is {words[at].strip()[:MOST]!r}; it should be a finite number")
    return values


def _number(word: str, at: int, what: str) -> float:
    word = word.strip()
    if word.lower() in ("?", "", "nan", "na"):
        return np.nan
    try:
        return float(word)
    except ValueError:
        raise DataError(
            f"value {at} of {what} is {word[:MOST]!r}; it should be a number, or ? where it is missing"
        ) from None


def _without_end(values: np.ndarray) -> np.ndarray:
    """Without the missing values at the end."""
    known = np.flatnonzero(~np.isnan(values))
    return values[: known[-1] + 1] if len(known) else values


def _as_class(word: str) -> str:
    """A class as text; UCR's older files write 1 as 1.0000000e+00."""
    try:
        number = float(word)
    except ValueError:
        return word
    return str(int(number)) if number.is_integer() else word


def _whole(path: Path, header: dict[str, str], *names: str) -> int | None:
    """A whole number of the header; None where it is not said."""
    for name in names:
        if name in header:
            try:
                return int(header[name])
            except ValueError:
                raise DataError(f"{path}: @{name} says {header[name]!r}; it should be a whole number") from None
    return None
