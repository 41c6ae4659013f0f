"""Sensor readings in tables: CSV and Parquet, one file or a folder of them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from convzoo.core.arguments import Decimal, Fraction, Positive, PositiveFloat
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.series.data.opening import open_table
from convzoo.modalities.series.data.tables import all_series, between_gaps
from convzoo.modalities.series.data.windows import flag_windows, read_windows, windows_of
from convzoo.modalities.series.example import Series, Stretch, TableFormat
from convzoo.reading.damaged import Damaged
from convzoo.reading.tables import SUFFIXES, is_table, tables_below


class SeriesTable(Reader):
    """Series from tables with a row a time step: a column with the time, columns with readings, and perhaps one with labels.

    Each file is one series, or one for each name in the column `series`. Its first part is learnt from, the next sets the
    threshold, the rest is tested on: a split in time, since what comes next is what a detector will see. In a folder with
    `train` and `test`, those are the split, and the end of each training file validates. Known anomalies in the training part
    are left out of training.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file, or a folder of them
        time: the column with the time, or those of the date and of the time of the day; by default one named time, timestamp,
            datetime, date or ts, or the only one that holds times; `none`: rows are numbered
        label: the column that says what is wrong, as 0 and 1 or in words (`normal`, `attack`), empty where nobody knows; by
            default one named anomaly, is_anomaly, label, outlier, attack, fault, is_failure …; `none`: there is none
        normal: words of that column that say that nothing is wrong; by default `normal`, `ok`, `no` and the like
        windows: a file with anomalies as windows of time: JSON as NAB writes it, {"file.csv": [[start, end], …]}, or a table with
            columns `start` and `end`, and `file` or `series` where there are several
        series: the column that names the series of each row, for several machines in one table; by default one named machine_id,
            device, unit … where times rise only within its values; `none`: a table is one series
        tag: for tables with a row for each value (time, tag, value): the column that names the sensor; by default one named tag,
            sensor, variable …
        value: the column with the value in such tables; by default one named value or reading
        channels: the columns with the readings; by default all others that hold numbers and do not only count rows or repeat
            the label
        ignore: columns that are left out
        missing: empty cells and NaN: refuse, forward (repeat the last value) or interpolate
        no_value: numbers that stand for an empty cell, such as -9999
        gap: a time step so many times longer than usual begins a new stretch, which no window crosses
        order: rows whose times fall: refuse them, sort all rows by time, or keep them as they are
        duplicates: several rows of one time: refuse, keep the first, the last, or keep all
        dayfirst: whether 01/05/2024 is the first of May; by default found by the dates that can be only one of both
        time_format: how times are written, as Python's strptime takes it (`%d.%m.%Y %H:%M`); by default found
        zone: the time zone of times that name none (`Europe/Berlin`), so that the hour that the clock shows twice in autumn is
            two hours; by default times are taken as they are written
        separator: between the cells of a CSV file; by default found
        decimal: what stands before decimals; by default found
        encoding: of the files; by default found
        comment: lines of CSV files that begin so are no rows; empty: there are none
        no_data: when a stream is followed: more than so many rows without a value are an alarm; by default they are left out or
            filled, and said
        train: part of each file to learn from
        val: part after it that chooses the best checkpoint and sets the threshold; the rest is tested, if there is one
        skip_damaged: leave rows and tables that cannot be read out, and say which; by default they are refused
    """

    example = Stretch
    formats: ClassVar[str] = "a table of sensor readings (.csv, .tsv, .jsonl, .parquet), or a folder of such tables"
    why_no_folds: ClassVar[str] = "is split in time, and folds would learn from what comes later than they test"

    def __init__(
        self,
        path: str,
        time: str | list[str] | None = None,
        label: str | None = None,
        normal: list[str] = [],  # noqa: B006 (read only: what a recipe writes)
        windows: str | None = None,
        series: str | None = None,
        tag: str | None = None,
        value: str | None = None,
        channels: list[str] | None = None,
        ignore: list[str] = [],  # noqa: B006 (read only: what a recipe writes)
        missing: Literal["refuse", "forward", "interpolate"] = "refuse",
        no_value: list[float] = [],  # noqa: B006 (read only: what a recipe writes)
        gap: PositiveFloat = 10.0,
        order: Literal["refuse", "sort", "keep"] = "refuse",
        duplicates: Literal["refuse", "first", "last", "keep"] = "refuse",
        dayfirst: bool | None = None,
        time_format: str | None = None,
        zone: str | None = None,
        separator: str | None = None,
        decimal: Decimal | None = None,
        encoding: str | None = None,
        comment: str = "#",
        no_data: Positive | None = None,
        train: Fraction = 0.4,
        val: Fraction = 0.1,
        skip_damaged: bool = False,
    ) -> None:
        if not 0 < train < train + val <= 1 or not val:
            raise DataError(
                f"data.train={train:g} and data.val={val:g} should each be above 0, and at most 1 together; the rest is tested"
            )
        self.path = Path(path)
        self.windows = Path(windows) if windows else None
        self.form = TableFormat(
            time=time,
            label=label,
            channels=channels,
            ignore=tuple(ignore),
            missing=missing,
            order=order,
            duplicates=duplicates,
            gap=gap,
            separator=separator,
            encoding=encoding,
            skip_damaged=skip_damaged,
            series=series,
            tag=tag,
            value=value,
            dayfirst=dayfirst,
            time_format=time_format,
            zone=zone,
            normal=tuple(normal),
            no_value=tuple(float(each) for each in no_value),
            decimal=decimal,
            comment=comment,
            no_data=no_data,
        )
        self.damaged = Damaged(skip_damaged, "rows")
        self.train = train
        self.val = val

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, or a folder that holds one at some depth."""
        return is_table(path) if path.is_file() else bool(tables_below(path))

    def examples(self) -> list[Stretch]:
        """All rows of all tables, whatever the split."""
        self.damaged = Damaged(self.form.skip_damaged, "rows")
        return [part for series in self._all(self.path) for part in between_gaps(series, 0, len(series))]

    def read(self) -> Splits:
        """Read the tables and cut each in time.

        Raises:
            DataError: no such file or column; damaged, missing or unordered cells; channels that differ between files.
        """
        self.damaged = Damaged(self.form.skip_damaged, "rows")
        if (self.path / "train").is_dir() and (self.path / "test").is_dir():
            return self._as_given()
        parts: dict[str, Any] = {"train": [], "val": [], "test": []}
        every = self._all(self.path)
        for series in every:
            first, second = round(self.train * len(series)), round((self.train + self.val) * len(series))
            if not 0 < first < second < len(series) + (self.train + self.val == 1):
                raise DataError(
                    f"{series.name}: has {len(series)} row{'' if len(series) == 1 else 's'}, too few to cut into a part to learn "
                    f"from (data.train={self.train:g}), one to validate on (data.val={self.val:g}) and one to test on"
                )
            for name, start, stop in (("train", 0, first), ("val", first, second), ("test", second, len(series))):
                parts[name] += between_gaps(series, start, stop)
        origin = (
            f"made here, in time: of each series the first {self.train:g} to train, the next {self.val:g} to validate"
        )
        for series in every:
            wrong = None if series.anomalies is None else series.anomalies[: round(self.train * len(series))]
            if wrong is not None and len(wrong) and wrong.all():
                raise DataError(
                    f"{series.name}: all of its first {len(wrong):,} rows are labelled as wrong, so there is nothing "
                    "normal to learn from; "
                    "set data.train higher, or leave the series out"
                )
        return Splits(
            **parts,
            origin=origin,
            files=self._hashes(),
            described=_columns(parts["train"]),
            notes=_notes(every),
            skipped=self.damaged.skipped,
        )

    def _as_given(self) -> Splits:
        train, val = [], []
        learnt, tested = self._all(self.path / "train"), self._all(self.path / "test")
        _same_channels([*learnt, *tested])
        share = self.val / (self.train + self.val)
        for series in learnt:
            cut = round((1 - share) * len(series))
            train += between_gaps(series, 0, cut)
            val += between_gaps(series, cut, len(series))
        test = [part for series in tested for part in between_gaps(series, 0, len(series))]
        origin = f"as given; val made here, in time: the last {share:.2g} of each training series"
        files = self._hashes()
        _refuse_copies(self.path, files)
        return Splits(
            train,
            val,
            test,
            origin=origin,
            files=files,
            described=_columns(train),
            notes=_notes([*learnt, *tested]),
            skipped=self.damaged.skipped,
        )

    def _all(self, path: Path) -> list[Series]:
        if not path.exists():
            raise no_such(path)
        files = [path] if path.is_file() else tables_below(path)
        if not files:
            raise DataError(f"{path}: holds no table ({', '.join(SUFFIXES)})")
        windows = read_windows(self.windows) if self.windows else None
        found: list[Series] = []
        for file in files:
            # A whole table is left out where there are others.
            reading = partial(open_table, file, self.form, self.damaged)
            opened = reading() if len(files) == 1 else self.damaged.sound(reading)
            if opened is None:
                continue
            name = file.name if path.is_file() else file.relative_to(path).as_posix()
            for series in all_series(opened, self.form, name):
                if windows is not None and self.windows is not None:
                    aliases = [series.name.removesuffix(file.suffix), series.name.rpartition(":")[2]]
                    if sum(each.name == file.name for each in files) == 1:
                        aliases += [key for key in windows if Path(key).name == file.name]
                    complete = self.windows.suffix.lower() == ".json"
                    known = windows_of(windows, series.name, aliases, self.windows, complete)
                    series = replace(series, anomalies=flag_windows(series, known), known=None)
                found.append(series)
        self.damaged.settle()
        _same_channels(found)
        return found

    def _hashes(self) -> dict[str, dict[str, str]]:
        files = [self.path] if self.path.is_file() else tables_below(self.path)
        return {str(file): {"sha256": sha256_of(file)} for file in files}


def _same_channels(found: Sequence[Series]) -> None:
    for series in found[1:]:
        if series.channels != found[0].channels:
            raise DataError(
                f"{series.name}: has the channels {', '.join(series.channels)}; {found[0].name} has "
                f"{', '.join(found[0].channels)}: name those that all files have with data.channels=[…]"
            )


def _notes(found: Sequence[Series]) -> list[str]:
    """What the person should know of the tables, once each."""
    return list(dict.fromkeys(note for series in found for note in series.notes))


def _columns(stretches: Sequence[Stretch]) -> dict[str, str]:
    """What the columns were taken for; the tables of a folder have the same."""
    return {"columns": stretches[0].series.columns} if stretches and stretches[0].series.columns else {}


def _refuse_copies(folder: Path, files: dict[str, dict[str, str]]) -> None:
    """Refuse a table that stands in both `train` and `test`, under any name."""
    learnt = {facts["sha256"]: path for path, facts in files.items() if Path(path).is_relative_to(folder / "train")}
    for path, facts in files.items():
        if Path(path).is_relative_to(folder / "test") and facts["sha256"] in learnt:
            raise DataError(
                f"{path}: is the same table as {learnt[facts['sha256']]}: scores would be a leak; remove it from one of them"
            )
