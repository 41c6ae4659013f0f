"""`convzoo predict` on many inputs: damaged ones are listed, the others are predicted, and no input is written over."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from contracts import files

import convzoo
from convzoo.core.errors import DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four images; the second is cut off, the last is empty."""
    for number in range(4):
        files.image(tmp_path / "photos" / f"{number}.png", number)
    cut = tmp_path / "photos" / "1.png"
    cut.write_bytes(cut.read_bytes()[:60])
    (tmp_path / "photos" / "3.png").write_bytes(b"")
    return tmp_path / "photos"


def test_others_are_predicted_and_damaged_ones_are_listed(cli, small_run, photos: Path) -> None:
    run = small_run("emotion_cnn2d")
    refused(cli("predict", run, photos), 3, "1.png: cannot be read as an image", "3.png: is empty", lines=2)
    result = cli("predict", run, photos, "absent.png", "--json")
    refused(result, 3, "1.png", "3.png", "absent.png: no such image file", lines=3)
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [Path(row["input"]).name for row in rows] == ["0.png", "2.png"]
    alone = convzoo.Run.load(run).predict([photos / "2.png"])
    assert rows[1]["probability"] == pytest.approx(alone[0]["probability"], abs=1e-5)


def test_ten_damaged_inputs_are_listed_and_the_others_counted(cli, small_run) -> None:
    result = cli("predict", small_run("emotion_cnn2d"), *(f"{number}.png" for number in range(15)))
    refused(result, 3, "9.png", "… and 5 more", lines=11)
    assert not result.out


def test_where_everything_is_damaged_nothing_is_written(cli, small_run, photos: Path) -> None:
    result = cli("predict", small_run("emotion_cnn2d"), photos / "1.png", photos / "3.png", "-o", "found.csv")
    refused(result, 3, "1.png", "3.png", lines=2)
    assert not Path("found.csv").exists() and not result.out


def test_python_refuses_or_gives_the_reason_in_the_place_of_the_prediction(small_run, photos: Path) -> None:
    run = convzoo.Run.load(small_run("emotion_cnn2d"))
    inputs = [photos / "0.png", photos / "1.png", np.zeros((9, 9), np.uint8), photos / "none.png"]
    with pytest.raises(DataError):
        run.predict(inputs)
    found = run.predict(inputs, damaged="skip", batch_size=2)
    assert [set(each) == {"damaged"} for each in found] == [False, True, False, True]
    assert "1.png: cannot be read" in found[1]["damaged"] and "no such image" in found[3]["damaged"]


def test_a_table_is_summed_up_in_place_of_all_rows(cli, small_run, photos: Path) -> None:
    result = cli("predict", small_run("emotion_cnn2d"), photos, "-o", "found.csv")
    refused(result, 3, "1.png", "3.png", lines=2)
    rows = list(csv.DictReader(Path("found.csv").read_text().splitlines()))
    assert [Path(row["input"]).name for row in rows] == ["0.png", "2.png"]
    (line,) = result.out.splitlines()
    assert line.startswith("wrote found.csv: 2 predictions (")
    assert all(row["label"] in line for row in rows)


def test_lines_of_standard_input_keep_their_numbers(cli, small_run, photos: Path) -> None:
    run = small_run("emotion_cnn2d")
    lines = "\n".join(str(photos / f"{number}.png") for number in (0, 3, 2)) + "\n"
    result = cli("predict", run, "-", "--json", input=lines)
    refused(result, 3, "standard input:2: ", "3.png: is empty")
    assert [json.loads(line)["row"] for line in result.out.splitlines()] == [1, 3]
    shown = cli("predict", run, "-", input=lines).out.split("\n")
    assert shown[1] == "" and shown[2].endswith("2.png")
    assert cli("predict", run, "-", "-o", "found.csv", input=lines).code == 3
    assert [row["row"] for row in csv.DictReader(Path("found.csv").read_text().splitlines())] == ["1", "3"]


def test_a_line_that_is_not_text_does_not_end_the_others(small_run, monkeypatch) -> None:
    import io
    import sys

    from convzoo.cli import main

    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good\r\nbad \xff\nfine\n"), "utf-8"))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["predict", str(small_run("sentiment_cnn1d")), "-", "--json"]) == 3
    assert [(row["row"], row["input"]) for row in map(json.loads, out.getvalue().splitlines())] == [
        (1, "good"), (3, "fine"),
    ]  # fmt: skip
    assert err.getvalue() == "convzoo: standard input:2: is not UTF-8 text (byte 0xff at 4)\n"


def test_a_stream_goes_on_past_rows_that_cannot_be_read(cli, small_run) -> None:
    run = small_run("anomaly_cnn1d")
    channels = convzoo.Run.load(run).encoder.channels
    rows = [",".join(["0.5"] * len(channels)) for _ in range(20)]
    rows[4], rows[7] = "0.5,0.5", rows[7].replace("0.5", "broken", 1)
    result = cli("predict", run, "-", "--json", input="\n".join([",".join(channels), *rows]) + "\n")
    refused(result, 3, "standard input:6: has 2 cells", "standard input:9: ", "'broken'", lines=2)
    assert [json.loads(line)["time"] for line in result.out.splitlines()] == [
        str(number) for number in range(2, 22) if number not in (6, 9)
    ]


@pytest.mark.parametrize("name", ["nodes_gcn", "recommender_lightgcn"])
def test_the_input_of_a_part_of_the_data_is_its_plain_id(cli, small_run, name: str) -> None:
    run = small_run(name)
    known = convzoo.Run.load(run).encoder
    (asked,) = [known.graph.ids[3]] if name == "nodes_gcn" else [known.catalogue.users[3]]
    result = cli("predict", run, "--nodes", asked, "{nothing", "--json")
    refused(result, 3, "is not JSON")
    assert json.loads(result.out)["input"] == asked
    assert asked in cli("predict", run, "--nodes", asked).out


def test_an_input_is_never_written_over(cli, small_run, tmp_path: Path) -> None:
    table = files.lines(tmp_path / "texts.csv", ["a dull plot", "a fine plot"])
    before = table.read_bytes()
    result = cli("predict", small_run("sentiment_cnn1d"), table, "-o", tmp_path / "." / "texts.csv")
    refused(result, 2, "texts.csv: is an input")
    scan = files.volume(tmp_path / "scans" / "one.nii.gz", 0)
    content = scan.read_bytes()
    result = cli("predict", small_run("organ_unet3d"), scan, "-o", tmp_path / "scans")
    refused(result, 2, "holds files that this run did not write (one.nii.gz)")
    assert (table.read_bytes(), scan.read_bytes()) == (before, content)


def test_a_run_that_left_rows_out_predicts_tables_so_and_says_it(cli, tiny, tmp_path: Path) -> None:
    table = files.readings(tmp_path / "sensors.csv", 0, 300)
    rows = table.read_text().splitlines()
    rows[20] = rows[20].replace(",", ",broken", 1)
    files.lines(table, rows)
    settings = [word for word in tiny("anomaly_cnn1d") if not word.startswith("data.")]
    asked = ["run", "anomaly_cnn1d", *settings, "--data", table, "data.skip_damaged=true", "--quiet", "--out", "run"]
    assert cli(*asked).code == 0
    result = cli("predict", "run", table, "--json")
    refused(result, 3, "sensors.csv:21: ", "'broken")
    assert json.loads(result.out)["input"].startswith("sensors.csv")


def test_a_repeated_run_is_evaluated_over_its_parts_and_others_say_which_part_they_take(
    cli, tiny, tmp_path: Path
) -> None:
    settings = [*tiny("sentiment_cnn1d"), "baselines=[]"]
    assert cli("run", "sentiment_cnn1d", *settings, "--seeds", 2, "--quiet", "--out", "run").code == 0
    scores = json.loads(Path("run/scores.json").read_text())
    found = json.loads(cli("evaluate", "run", "--json").out)
    spread = found.pop("spread")
    assert found == pytest.approx({name: scores["scores"][name] for name in found}, abs=1e-5)
    assert spread == pytest.approx({name: scores["spread"][name] for name in found}, abs=1e-5)
    assert f"{found['test/accuracy']:.4f} ± {spread['test/accuracy']:.4f}" in cli("evaluate", "run").out
    table = files.lines(tmp_path / "t.csv", ["text,label", "a dull plot,negative", "a fine plot,positive"])
    assert "spread" in json.loads(cli("evaluate", "run", "--data", table, "--json").out)
    for command in (["predict", "run", "a dull plot"], ["describe", "run"]):
        result = cli(*command)
        assert result.code == 0
        assert result.err == "run: is a repeated run of 2 parts; this is seed-0, the first\n"
