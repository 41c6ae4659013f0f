"""A stream is read as a file is; what was not judged is said; alarms name their sensor; predictions as tables."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import convzoo
from convzoo.core.errors import DataError, RecipeError
from convzoo.modalities.series.encoder import SeriesEncoder
from convzoo.modalities.series.example import Series, Stretch, TableFormat
from convzoo.modalities.series.streaming import StreamReader
from convzoo.tasks.anomaly_detection import AnomalyDetection, season_of


def minute(at: int) -> str:
    return f"2024-01-01 {at // 60:02d}:{at % 60:02d}:00"


def rows(count: int = 200, seed: int = 0) -> list[str]:
    """Two sensors that go together, a row a minute."""
    random = np.random.default_rng(seed)
    base = np.sin(np.arange(count) / 5)
    a, b = base + 0.1 * random.normal(size=count), 2 * base + 0.1 * random.normal(size=count)
    return ["time,a,b", *(f"{minute(at)},{a[at]:.4f},{b[at]:.4f}" for at in range(count))]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    settings = ["train.epochs=2", "encoder.window=16", "task.burn_in=8", "baselines=[]"]
    settings.append("model={name: tcn1d, channels: 8, code: 1}")
    path = write(folder / "pump.csv", rows())
    return convzoo.run("anomaly_cnn1d", settings, data=path, out=folder / "run", quiet=True, report=False)


def read(lines: list[str], form: TableFormat | None = None, **how):
    """The rows of a stream in the units of its sensors, and what was refused."""
    refused: list[DataError] = []
    reader = StreamReader(("a", "b"), form or TableFormat(gap=10.0), {"": 60.0}, refused.append)
    return list(reader.rows(lines, **how)), [str(each) for each in refused]


# Reading


def test_a_gap_begins_anew_in_a_stream_as_in_a_file(run, tmp_path):
    lines = rows(100, 1)
    lines[61:] = [line.replace("2024-01-01", "2024-01-03") for line in lines[61:]]
    (tmp_path / "later.csv").write_text("\n".join(lines) + "\n")
    parts = run.predict([tmp_path / "later.csv"])
    assert [part["not_judged"][0]["stop"] for part in parts] == [8, 8]
    streamed = list(run.follow(lines))
    scores = np.concatenate([part["scores"] for part in parts])
    assert [-1.0 if row["score"] is None else row["score"] for row in streamed] == pytest.approx(
        scores.tolist(), abs=1e-5
    )
    assert [at for at, row in enumerate(streamed) if "not judged until 8 rows" in row.get("note", "")] == [0, 60]


def test_decimal_commas_in_a_stream():
    lines = ["time;a;b", f"{minute(0)};1,5;2", f"{minute(1)};1.012,5;-0,5"]
    found, refused = read(lines)
    assert [row.values.tolist() for row in found] == [[1.5, 2.0], [1012.5, -0.5]] and not refused
    known, _ = read(["time;a;b", f"{minute(0)};1.012;2"], TableFormat(decimal="comma"))
    assert known[0].values.tolist() == [1012.0, 2.0]


def test_times_that_fall_or_repeat_are_left_out_and_said():
    lines = ["time,a,b", *(f"{minute(at)},{at},1" for at in (0, 1, 1, 2, 9, 3, 10, 11))]
    found, refused = read(lines)
    assert [row.values[0] for row in found] == [0, 1, 2, 9, 10, 11]
    assert "standard input:4: has the same time" in refused[0] and "standard input:7: its time" in refused[1]
    kept, none = read(lines, TableFormat(order="keep", duplicates="keep"))
    assert len(kept) == 8 and not none
    back, said = read(["time,a,b", *(f"{minute(at)},{at},1" for at in (60, 61, 1, 2, 3))])
    assert [row.begins for row in back] == [False, False, True, False] and len(said) == 1, "the clock was set back"


def test_cells_without_a_value_are_left_out_held_or_an_alarm():
    lines = ["time,a,b", *(f"{minute(at)},{'' if 2 <= at < 6 else at},{'x' if at == 8 else 1}" for at in range(10))]
    found, refused = read(lines)
    assert [row.values[0] for row in found] == [0, 1, 6, 7, 9] and len(refused) == 5
    held, refused = read(lines, TableFormat(missing="forward"))
    assert [row.values[0] for row in held] == [0, 1, 1, 1, 1, 1, 6, 7, 9] and len(refused) == 1
    alarmed, _ = read(lines, TableFormat(missing="forward", no_data=2))
    assert [list(row.no_data) for row in alarmed] == [[], [], [], [], ["a"], ["a"], [], [], []]
    nothing, _ = read(["time,a,b", *(f"{minute(at)},x,1" for at in range(4))], TableFormat(no_data=2))
    assert [row.values for row in nothing] == [None, None], "no row arrives that can be read"
    assert read(["time,a,b", f"{minute(0)},-9999,1"], TableFormat(no_value=(-9999.0,)))[0] == []


def test_a_stream_of_several_series_follows_each_on_its_own():
    lines = ["time,plant,a,b", *(f"{minute(at)},{plant},{at},{len(plant)}" for at in range(3) for plant in ("x", "yy"))]
    found, refused = read(lines, TableFormat(series="plant", gap=10.0))
    assert not refused, "times rise within each"
    assert [(row.series, row.values.tolist()) for row in found[2:4]] == [("x", [1.0, 1.0]), ("yy", [1.0, 2.0])]


def test_a_zone_and_the_hour_that_the_clock_shows_twice():
    lines = [
        "time,a,b",
        *(f"2024-10-27 {clock},1,1" for clock in ("01:50", "02:00", "02:50", "02:00", "02:50", "03:00")),
    ]
    found, refused = read(lines, TableFormat(zone="Europe/Berlin", gap=100.0))
    assert not refused
    assert [row.time[-6:] for row in found] == ["+02:00"] * 3 + ["+01:00"] * 3


def test_settings_of_reading_at_predict(run, cli, tmp_path):
    lines = rows(40, 1)
    lines[30] = lines[30].split(",")[0] + ",,1.0"
    path = write(tmp_path / "hole.csv", lines)
    assert cli("predict", run.path, path).code == 3
    held = cli("predict", run.path, path, "data.missing=forward")
    assert held.code == 0, held.err
    stream = cli("predict", run.path, "-", "--json", "data.missing=forward", input="\n".join(lines))
    assert stream.code == 0 and len(stream.out.splitlines()) == 40
    assert "did you mean 'missing'" in cli("predict", run.path, path, "data.misssing=forward").err
    assert "refuse or forward" in cli("predict", run.path, path, "data.missing=7").err
    assert cli("predict", run.path, "data.missing=forward").code == 2


def test_a_series_that_the_run_does_not_have(run, cli):
    lines = "\n".join(rows(20))
    refused = cli("predict", run.path, "-", "--series", "nonsense", input=lines)
    assert refused.code == 2 and "pump.csv" in refused.err
    assert cli("predict", run.path, "-", "--series", "pump", input=lines).code == 0, "the ending may be left out"


def test_rows_that_are_too_far_apart_are_refused(run, tmp_path):
    lines = ["time,a,b", *(f"2024-01-{day:02d},1,2" for day in range(1, 20))]
    with pytest.raises(DataError, match="its rows are 86400 apart, those of training 60"):
        run.predict([write(tmp_path / "days.csv", lines)])


# What is said


def test_what_was_not_judged_is_said(run, cli, tmp_path):
    short = write(tmp_path / "short.csv", ["time,a,b", *(f"{minute(at)},9999,9999" for at in range(6))])
    (found,) = run.predict([short])
    assert found["highest"] is None and found["alarms"] == []
    assert found["not_judged"] == [{"start": 0, "stop": 6, "from": minute(0), "to": minute(5)}]
    said = cli("predict", run.path, short).out
    assert "not judged: it has 6 rows, and the network must see 8 first" in said
    longer = cli("predict", run.path, write(tmp_path / "longer.csv", rows(30, 1))).out
    assert "; 8 rows not judged" in longer


def test_an_alarm_names_its_sensor(run, cli, tmp_path):
    lines = rows(100, 1)
    for at in (60, 61, 62):
        time, a, _ = lines[at + 1].split(",")
        lines[at + 1] = f"{time},{a},9"
    path = write(tmp_path / "fault.csv", lines)
    (found,) = run.predict([path])
    worst = max(found["alarms"], key=lambda alarm: alarm["peak"])
    assert worst["sensor"] == "b" and worst["part"] > 0.5
    assert worst["start"] <= 60 and worst["stop"] <= 63 + 2, "an alarm ends soon after its cause"
    assert "b (" in cli("predict", run.path, path).out
    streamed = [
        json.loads(line) for line in cli("predict", run.path, "-", "--json", input="\n".join(lines)).out.splitlines()
    ]
    assert streamed[61]["sensor"] == "b" and streamed[61]["alarm"]
    out = tmp_path / "alarms.csv"
    done = cli("predict", run.path, path, "--out", out)
    assert done.code == 0, done.err
    with out.open() as file:
        alarms = list(csv.DictReader(file))
    assert len(alarms) == len(found["alarms"])
    assert any(row["from"] == worst["from"] and row["sensor"] == "b" and row["series"] == "fault.csv" for row in alarms)
    with (tmp_path / "alarms.rows.csv").open() as file:
        scores = list(csv.DictReader(file))
    assert (
        len(scores) == 100
        and scores[0]["score"] == ""
        and float(scores[61]["score"]) > 1
        and scores[61]["alarm"] == "1"
    )


def test_a_machine_that_training_did_not_have_is_said(tmp_path, cli):
    both = tmp_path / "machines"
    both.mkdir()
    for name in ("one.csv", "two.csv"):
        write(both / name, rows(150, len(name)))
    settings = ["train.epochs=1", "encoder.window=16", "encoder.normalise=series", "encoder.normalise_rows=30"]
    settings += ["task.scope=series", "baselines=[]"]
    run = convzoo.run("anomaly_cnn1d", settings, data=both, out=tmp_path / "run", quiet=True, report=False)
    said = cli("predict", run.path, write(tmp_path / "three.csv", rows(80, 5))).out
    assert "three.csv is no series of training: its scale is that of its own first 30 rows" in said
    stream = cli("predict", run.path, "-", input="\n".join(rows(80, 5))).out
    assert "no series of training: its scale is that of its own first 30 rows" in stream


# Scales and thresholds


def test_a_few_wild_readings_do_not_change_the_scale():
    random = np.random.default_rng(0)
    values = random.normal(size=(600, 2))
    clean, wild = SeriesEncoder(window=16), SeriesEncoder(window=16)
    clean.fit([Stretch(Series("s", values, ("a", "b")), 0, 600)])
    values = values.copy()
    values[[100, 300], 0] = -9999
    stretch = Stretch(Series("s", values, ("a", "b")), 0, 600)
    wild.fit([stretch])
    assert wild.deviations[""] == pytest.approx(clean.deviations[""], rel=0.01)
    assert wild.gather(wild.pieces([stretch]), [95]).inputs["values"].abs().max() <= 20


def test_data_that_never_move_give_no_alarm(tmp_path):
    still = ["time,a,b,c", *(f"{minute(at)},5.5,0,-3" for at in range(300))]
    settings = ["train.epochs=2", "encoder.window=16", "baselines=[]"]
    path = write(tmp_path / "still.csv", still)
    run = convzoo.run("anomaly_cnn1d", settings, data=path, out=tmp_path / "run", quiet=True, report=False)
    assert run.scores["test/alarm_rate"] <= 0.01
    moved = [*still[:200], *(line.replace(",0,", ",1,") for line in still[200:])]
    (found,) = run.predict([write(tmp_path / "moved.csv", moved)])
    assert found["alarms"] and found["alarms"][0]["sensor"] == "b"


def test_a_season_that_validation_does_not_cover_is_said(tmp_path, cli):
    at = np.arange(2000)
    random = np.random.default_rng(0)
    daily = np.sin(2 * np.pi * at / 240)[:, None] + 0.1 * random.normal(size=(2000, 3))
    assert season_of(daily) == pytest.approx(240, abs=5)
    assert season_of(random.normal(size=(2000, 3))) == 0
    assert season_of(np.ones((100, 2))) == 0
    lines = ["a,b,c", *(",".join(f"{value:.4f}" for value in row) for row in daily)]
    said = cli(
        "check", "anomaly_cnn1d", "--data", write(tmp_path / "daily.csv", lines), "train.epochs=1", "data.val=0.1"
    ).out
    assert "the longest validation stretch has 200" in said and "not seen a whole season" in said


def test_the_burn_in_fits_short_series(tmp_path):
    run = convzoo.run(
        "anomaly_cnn1d", ["train.epochs=1", "baselines=[]"], data=write(tmp_path / "short.csv", rows(160)), out=tmp_path / "run",
        quiet=True, report=False,
    )  # fmt: skip
    assert run.task.burn_in == 4, "a quarter of 16 validation rows"
    assert convzoo.Run.load(run.path).task.burn_in == 4


def test_drift_is_subtracted_and_a_fault_is_not():
    import torch

    task = AnomalyDetection(smooth=1, drift=50)
    slow = torch.full((1, 500), 1.5)
    assert task._error(slow)[0, -1] < 0.01
    fault = torch.zeros(1, 500)
    fault[0, 400:] = 30.0
    assert task._error(fault)[0, 420] > 800, "a fault moves the drift little"
    with pytest.raises(RecipeError, match="is no setting of how"):
        SeriesEncoder().read_with({"label": "x"})
