"""Tables of sensors as people have them: several machines, long format, dates, units, labels in words, columns that "
"are no sensors."""

from pathlib import Path

import numpy as np
import pytest

from convzoo.core.errors import DataError
from convzoo.modalities.series.data.own import SeriesTable
from convzoo.modalities.series.data.tables import read_all, read_series
from convzoo.modalities.series.example import TableFormat
from convzoo.reading import roles
from convzoo.reading.times import days_first, in_utc, in_zone, read_time


def table(folder: Path, rows: list[str], name: str = "sensors.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(("\n".join(rows) + "\n").encode(encoding))
    return path


def minute(at: int) -> str:
    return f"2024-01-01 {at // 60:02d}:{at % 60:02d}:00"


def noise(count: int, columns: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, columns))


# Several series in one table


def machines(name: str = "machine_id") -> list[str]:
    """Three machines, whose rows take turns."""
    return [f"time,{name},a,b"] + [
        f"{minute(at)},{machine},{x:.4f},{y + 10 * machine:.4f}"
        for at, (x, y) in enumerate(noise(200))
        for machine in (1, 2, 3)
    ]


def test_a_column_that_names_the_machine_makes_a_series_of_each(tmp_path):
    splits = SeriesTable(str(table(tmp_path, machines()))).read()
    assert sum(len(part) for _, split in splits for part in split) == 600, "no row is lost"
    assert {part.series.name for part in splits.train} == {"1", "2", "3"}
    assert splits.train[0].series.channels == ("a", "b"), "the machine is no sensor"
    assert "series: machine_id (3)" in splits.described["columns"]
    third = next(part.series for part in splits.train if part.series.name == "3")
    assert third.values[:, 1] == pytest.approx(noise(200)[:, 1] + 30, abs=1e-4)


def test_advice_leads_to_the_column_of_the_machine_and_loses_no_row(tmp_path):
    path = table(tmp_path, machines("plant"))
    with pytest.raises(DataError, match=r"sensors.csv:3: .*set data.series=plant"):
        SeriesTable(str(path)).read()
    splits = SeriesTable(str(path), series="plant").read()
    assert sum(len(part) for _, split in splits for part in split) == 600


def test_rows_that_are_left_out_or_moved_are_counted(tmp_path):
    path = table(tmp_path, machines("plant"))
    splits = SeriesTable(str(path), order="sort", duplicates="first", series="none", ignore=["plant"]).read()
    assert any("400 of 600 rows are left out" in note for note in splits.notes), splits.notes
    rows = ["time,a", *(f"{minute(at)},{at % 7}" for at in range(100))]
    rows[10], rows[50] = rows[50], rows[10]
    splits = SeriesTable(str(table(tmp_path, rows, "x.csv")), order="sort").read()
    assert any("2 rows were moved" in note for note in splits.notes)


def test_a_row_for_each_value_becomes_a_row_for_each_time(tmp_path):
    values = noise(100, 3)
    rows = ["timestamp,tag,value"] + [f"{minute(at)},T{k},{values[at, k]:.5f}" for at in range(100) for k in range(3)]
    found = read_series(table(tmp_path, rows))
    assert found.channels == ("T0", "T1", "T2")
    assert found.values == pytest.approx(values, abs=1e-4)
    blocks = [rows[0]] + [row for k in range(3) for row in rows[1:] if f"T{k}" in row]
    assert read_series(table(tmp_path, blocks, "blocks.csv")).values == pytest.approx(found.values)
    lacking = table(tmp_path, rows[:50] + rows[51:], "lacking.csv")
    with pytest.raises(DataError, match="'T1' has no value"):
        read_series(lacking)
    assert len(read_series(lacking, TableFormat(missing="forward"))) == 100
    twice = table(tmp_path, [*rows, rows[7]], "twice.csv")
    with pytest.raises(DataError, match=r"twice.csv:302: 'T0' has a value at .* already"):
        read_series(twice)
    later = read_series(
        table(tmp_path, blocks, "later.csv"), TableFormat(channels=("T2", "T0"), tag="tag", value="value")
    )
    assert later.values == pytest.approx(values[:, [2, 0]], abs=1e-4)


def test_long_tables_of_several_machines(tmp_path):
    rows = ["time;device;sensor;value"] + [
        f"{minute(at)};{device};{sensor};{at + 100 * len(device)},5"
        for device in ("p", "pp")
        for at in range(60)
        for sensor in ("u", "i")
    ]
    found = read_all(table(tmp_path, rows))
    assert [series.name for series in found] == ["p", "pp"]
    assert found[1].channels == ("u", "i")
    assert found[1].values[3].tolist() == [203.5, 203.5]


# Columns that are no sensors


def test_columns_that_count_copy_the_label_or_hold_words_are_no_sensors(tmp_path):
    rows = [",time,a,status,is_failure,TWF,hours,anomaly"] + [
        f"{at},{minute(at)},{x:.4f},running,{int(60 <= at < 70)},{int(at == 65)},{at / 4 + at % 3 / 100},{int(60 <= at < 70)}"
        for at, (x, _) in enumerate(noise(100))
    ]
    splits = SeriesTable(str(table(tmp_path, rows))).read()
    assert splits.train[0].series.channels == ("a", "hours")
    words = " ".join(splits.notes)
    for said in ("'column 1' only counts", "'status' holds words (running, …)", "'is_failure' is 1 only where the label is",
                 "'TWF' is 1 only where", "'hours' only rises"):  # fmt: skip
        assert said in words, said
    assert "not used: column 1, status, is_failure, TWF" in splits.described["columns"]
    taken = SeriesTable(str(tmp_path / "sensors.csv"), channels=["column 1", "a"]).read()
    assert taken.train[0].series.channels == ("column 1", "a"), "what is asked for is taken"


def test_a_label_that_nobody_named_is_said(tmp_path):
    assert roles.looks_like_label("changepoint", np.arange(20) == 4)
    rows = ["time,a,PWF"] + [f"{minute(at)},{x:.4f},{int(at == 70)}" for at, (x, _) in enumerate(noise(100))]
    splits = SeriesTable(str(table(tmp_path, rows))).read()
    assert any("'PWF' looks like a label" in note for note in splits.notes)


def test_channels_are_listed_with_their_range_and_what_is_missing(tmp_path):
    rows = ["time,a,b"] + [f"{minute(at)},{at % 10},{'' if at % 5 == 0 else 1.5}" for at in range(100)]
    splits = SeriesTable(str(table(tmp_path, rows)), missing="forward").read()
    assert "channels: a (0 to 9), b (1.5 to 1.5; 20 % empty)" in splits.described["columns"]


def test_numbers_that_stand_for_no_value(tmp_path):
    rows = ["time,a,b"] + [
        f"{minute(at)},{-9999 if at in (5, 9) else round(x, 4)},{y:.4f}" for at, (x, y) in enumerate(noise(100))
    ]
    path = table(tmp_path, rows)
    splits = SeriesTable(str(path)).read()
    assert any("'a' is -9999 in 2 rows" in note and "data.no_value=[-9999]" in note for note in splits.notes)
    with pytest.raises(DataError, match=r"sensors.csv:7: column 'a' has no value \(2 cells"):
        SeriesTable(str(path), no_value=[-9999]).read()
    filled = SeriesTable(str(path), no_value=[-9999], missing="forward").read()
    assert np.concatenate([part.values for part in filled.train]).min() > -5
    assert roles.no_value_in(np.array([-9999.0, -9800.0, -9500.0, 3.0])) is None, "a sensor that goes there"


# Labels


@pytest.mark.parametrize(("words", "settings"), [
    (("normal", "anomaly"), {}), (("Normal", "A ttack"), {}), (("ok", "bearing"), {}), (("0.0", "1.0"), {}),
    (("gut", "schlecht"), {"normal": ("gut",)}), (("False", "True"), {}),
])  # fmt: skip
def test_labels_in_words(tmp_path, words, settings):
    rows = ["time,a,label"] + [f"{minute(at)},{at % 7},{words[int(40 <= at < 50)]}" for at in range(60)]
    found = read_series(table(tmp_path, rows), TableFormat(**settings))
    assert np.flatnonzero(found.anomalies).tolist() == list(range(40, 50))
    assert found.known is None


def test_rows_without_a_label_are_not_scored(tmp_path):
    rows = ["time,a,label"] + [f"{minute(at)},{at % 7},{'' if at % 2 else int(40 <= at < 50)}" for at in range(60)]
    splits = SeriesTable(str(table(tmp_path, rows))).read()
    assert splits.test[0].labels[10:14].tolist() == [1, -1, 1, -1]
    assert any("30 of 60 rows have no label" in note for note in splits.notes)


@pytest.mark.parametrize("rows", [
    ["start,end", f"{minute(100)},{minute(104)}"], ["file;from;to", f"sensors.csv;{minute(100)};{minute(104)}"],
    ["series,start,end", f"sensors,{minute(100)},{minute(104)}"],
])  # fmt: skip
def test_intervals_in_a_table_label_rows(tmp_path, rows):
    path = table(tmp_path, ["time,a"] + [f"{minute(at)},{at % 7}" for at in range(120)])
    (tmp_path / "labels").mkdir()
    windows = table(tmp_path / "labels", rows)
    splits = SeriesTable(str(path), windows=str(windows)).read()
    assert np.flatnonzero(splits.test[0].series.anomalies).tolist() == list(range(100, 105))
    with pytest.raises(DataError, match="should have columns start and end"):
        SeriesTable(str(path), windows=str(table(tmp_path / "labels", ["a,b", "1,2"], "x.csv"))).read()


# Times


@pytest.mark.parametrize(("heading", "write", "settings"), [
    ("time", "{d:02d}.05.2024 13:45", {}), ("time", "{d:02d}/05/2024 01:45 PM", {}), ("time", "05/{d:02d}/2024 13:45:00", {}),
    ("datum", "2024/05/{d:02d} 13:45", {}), ("Logged at", "2024-05-{d:02d} 13:45", {}),
    ("date,time", "2024-05-{d:02d},13:45", {}),
    ("time", "{d:02d}.05.24 13:45", {}), ("t", "{d:02d}-13h45-2024.05", {"time": "t", "time_format": "%d-%Hh%M-%Y.%m"}),
    ("Day,Hour,x", "{d:02d}.05.2024,13:45:00,0", {"time": ("Day", "Hour"), "ignore": ("x",)}),
])  # fmt: skip
def test_times_as_people_write_them(tmp_path, heading, write, settings):
    rows = [f"{heading},a", *(f"{write.format(d=day)},{day % 5}" for day in range(1, 31))]
    found = read_series(table(tmp_path, rows), TableFormat(**settings))
    assert found.channels == ("a",)
    assert str(found.times[13].astype("datetime64[s]")) == "2024-05-14T13:45:00"


def test_days_and_months_that_nobody_can_tell_apart_are_asked_for(tmp_path):
    rows = ["time,a", *(f"0{day}/02/2024 10:00,{day}" for day in range(1, 10))]
    with pytest.raises(DataError, match=r"sensors.csv:2: '01/02/2024 10:00' may begin with the day"):
        read_series(table(tmp_path, rows))
    assert str(read_series(tmp_path / "sensors.csv", TableFormat(dayfirst=True)).times[2])[:10] == "2024-02-03"
    assert days_first(["01/02/2024", "13/02/2024"]) is True
    assert read_time("2024") is None


def test_the_hour_that_the_clock_shows_twice(tmp_path):
    utc = np.datetime64("2024-10-26T23:00") + np.arange(30) * np.timedelta64(10, "m")
    local = [in_zone(time.astype("datetime64[s]"), "Europe/Berlin")[:19] for time in utc]
    path = table(tmp_path, ["time,a", *(f"{text},{at % 5}" for at, text in enumerate(local))])
    with pytest.raises(DataError, match=r"the clock was put back there.*data.zone=Europe/Berlin"):
        read_series(path)
    found = read_series(path, TableFormat(zone="Europe/Berlin"))
    assert (found.times == utc).all()
    assert [found.time_of(row) for row in (6, 12)] == ["2024-10-27 02:00:00+02:00", "2024-10-27 02:00:00+01:00"]
    hours = np.array(["2024-10-27T01", "2024-10-27T02", "2024-10-27T02", "2024-10-27T03"], "datetime64[ms]")
    assert (np.diff(in_utc(hours, "Europe/Berlin")[0]) == np.timedelta64(1, "h")).all()
    with pytest.raises(DataError, match="there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'"):
        read_series(path, TableFormat(zone="Europe/Berln"))


def test_times_in_utc_say_so(tmp_path):
    found = read_series(
        table(tmp_path, ["time,a", *(f"2024-05-{day:02d}T10:00:00+02:00,{day % 3}" for day in range(1, 20))])
    )
    assert found.time_of(0) == "2024-05-01 08:00:00Z"
    assert (
        read_series(table(tmp_path, ["time,a", "2024-05-01 10:00:00,1", "2024-05-02 10:00:00,2"])).time_of(0)
        == "2024-05-01 10:00:00"
    )


# Files


def test_units_comments_and_encodings(tmp_path):
    rows = [
        "# Logger 7, Werk Süd",
        "# start of the shift",
        "time;t1;p",
        "s;°C;bar",
        *(f"{at};{at % 9},5;1.012" for at in range(50)),
    ]
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1"):
        form = TableFormat(encoding="latin-1" if encoding == "latin-1" else None)
        found = read_series(table(tmp_path, rows, encoding=encoding), form)
        assert found.channels == ("t1", "p"), encoding
        assert found.values[3].tolist() == [3.5, 1012.0], "with decimal commas a point marks thousands"
        assert len(found) == 50
        assert any("units: s, °C, bar" in note for note in found.notes)
    with pytest.raises(DataError, match=r"data\.encoding=latin-1"):
        read_series(table(tmp_path, rows, encoding="latin-1"))
    rows[20] = "# a comment; of another; width; than rows"
    rows[30] = "26;x;1"
    with pytest.raises(DataError, match=r"sensors.csv:31: column 't1' holds 'x'"):
        read_series(table(tmp_path, rows))
    headed = ["# time,a", *(f"{at},{at % 4}" for at in range(20))]
    assert read_series(table(tmp_path, headed)).channels == ("a",)
    excel = ["sep=;", "time;a", *(f"{at};{at % 4}" for at in range(20))]
    assert read_series(table(tmp_path, excel)).channels == ("a",)
