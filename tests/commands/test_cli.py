"""The commands, as a person gives them."""

import csv
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import scipy.io.wavfile
from conftest import FORMS, ROOT, TINY

from convzoo.core.version import VERSION
from convzoo.datasets.cards import list_cards
from convzoo.modalities.video.data.motions import write_video
from convzoo.modalities.volume.formats import write_nifti
from convzoo.recipe.recipe import shipped_recipes

HEAVY = ("torch", "sklearn", "tokenizers", "matplotlib", "pyarrow", "rich")


def python(code: str, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


# Starting


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["list", "--modality", "text"],
        ["show", "sentiment_cnn1d"],
        ["data", "list"],
        ["run", "--help"],
        ["run", "sentiment_cnn1d", "model.chanels=3"],
        ["check", "emotion_cnn2d", "train.lrr=3"],
        ["describe", "sentiment_cnn"],
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(words):
    code = (
        "import sys\n"
        "from convzoo.cli import main\n"
        "try:\n    code = main(sys.argv[1:])\n"
        "except SystemExit as exit:\n    code = exit.code\n"
        f"print('HEAVY', *sorted(set({HEAVY!r}) & set(sys.modules)))\n"
        "sys.exit(code)"
    )
    done = python(code, *words)
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY"


def test_importing_the_package_or_a_recipe_is_light():
    code = "import sys, convzoo, convzoo.recipe.recipe; print('torch' in sys.modules, 'numpy' in sys.modules)"
    assert python(code).stdout.split() == ["False", "False"]


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "convzoo", "--version"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"convzoo {VERSION}\n"


def test_help_names_every_command_and_the_exit_codes(cli):
    result = cli("--help")
    assert result.code == 0
    for name in (
        "run",
        "list",
        "show",
        "check",
        "describe",
        "evaluate",
        "predict",
        "export",
        "data",
        "schema",
        "doctor",
    ):
        assert re.search(rf"^\s+{name}\s", result.out, re.MULTILINE), name
        assert cli(name, "--help").code == 0
    assert "2 wrong use or recipe, 3 data, 4 training, 5 a check that failed" in result.out.replace("\n", " ")


# Looking


def test_list_names_every_recipe_with_what_it_does(cli):
    result = cli("list")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()] == list(shipped_recipes())
    assert all(len(line.split()) > 3 for line in result.out.splitlines())


@pytest.mark.parametrize(("modality", "recipe"), [("text", "sentiment_cnn1d"), ("image", "emotion_cnn2d")])
def test_list_of_one_modality(cli, modality, recipe):
    lines = cli("list", "--modality", modality).out.splitlines()
    assert recipe in [line.split()[0] for line in lines]
    assert {line.split()[1] for line in lines} == {modality}


def test_data_list_and_show(cli):
    listed = cli("data", "list")
    assert [line.split()[0] for line in listed.out.splitlines()] == list_cards()
    for name in list_cards():
        shown = cli("data", "show", name)
        assert shown.code == 0
        for key in ("name", "title", "licence", "citation", "split", "(file|folder)"):
            assert re.search(rf"^{key}: \S", shown.out, re.MULTILINE), (name, key)


def test_doctor(cli):
    result = cli("doctor")
    assert result.code == 0
    for words in (f"convzoo    {VERSION}", "python ", "libraries", "torch ", "device     cpu", "extra      audio"):
        assert words in result.out
    assert "Traceback" not in result.out + result.err


@pytest.mark.parametrize("name", ["sentiment_cnn1d", "emotion_cnn2d"])
def test_check_says_all_short_of_training(cli, tiny, name, tmp_path):
    result = cli("check", name, *tiny(name))
    assert result.code == 0, result.err
    heads = [line.split()[0] for line in result.out.splitlines()]
    described = {"sentiment_cnn1d": "words", "emotion_cnn2d": "images"}[name]
    heads = [head for head in heads if head != "unknown"]  # how many tokens of a text the vocabulary lacks
    assert heads == ["recipe", "data", "classes", "groups", described, "batch", "step", "memory", "time", "ok"]
    assert not list(tmp_path.iterdir())


def test_describe_as_text_and_as_json(cli, tiny):
    found = json.loads(cli("describe", "emotion_cnn2d", *tiny("emotion_cnn2d"), "--json").out)
    assert set(found) >= {"layers", "inputs", "parameters", "trained_parameters", "multiply_adds", "receptive_field"}
    assert found["inputs"] == {"image": [1, 48, 48]}
    shown = cli("describe", "emotion_cnn2d", *tiny("emotion_cnn2d")).out
    assert "receptive field" in shown
    assert "\x1b" not in shown


# Running


def test_a_run_prints_lines_without_escape_codes_and_a_table(cli, tiny, tmp_path):
    result = cli("run", "sentiment_cnn1d", *tiny("sentiment_cnn1d"), "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "\x1b" not in result.out + result.err
    assert re.search(r"^epoch 1 .* val/accuracy 0\.\d+", result.err, re.MULTILINE)
    for words in (
        "test/accuracy",
        "cnn1d",
        "majority",
        "ceiling",
        f"the run is in {tmp_path / 'out'}",
        "convzoo predict",
    ):
        assert words in result.out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {
        "run.json", "recipe.yaml", "environment.json", "metrics.csv", "model.safetensors", "encoder.json", "predictions.csv",
        "scores.json", "report.html", "checkpoints",
    }  # fmt: skip


def test_a_quiet_run_prints_the_table_only(cli, tiny, tmp_path):
    result = cli("run", "emotion_cnn2d", *tiny("emotion_cnn2d"), "--out", tmp_path / "out", "--quiet")
    assert (result.code, result.err) == (0, "")
    assert "ceiling" in result.out


def test_a_persons_own_table(cli, tiny, tmp_path):
    rows = [f"a {['fine', 'poor'][i % 2]} film number {i},{['good', 'bad'][i % 2]}\n" for i in range(60)]
    (tmp_path / "mine.csv").write_text("text,label\n" + "".join(rows))
    settings = [word for word in tiny("sentiment_cnn1d") if not word.startswith("data.")]
    out = tmp_path / "out"
    result = cli("run", "sentiment_cnn1d", *settings, "--data", "mine.csv", "--quiet", "--out", out)
    assert result.code == 0, result.err
    split = (out / "split.csv").read_text().splitlines()
    assert split[0] == "split,source,label,group"
    assert len(split) == 61
    assert "expected" not in result.out
    found = json.loads(cli("predict", out, "a fine film", "--json").out)
    assert set(found["probabilities"]) == {"good", "bad"}
    scores = json.loads(cli("evaluate", out, "--data", "mine.csv", "--json").out)
    assert 0 <= scores["data/accuracy"] <= 1


def test_several_seeds_give_mean_and_deviation(cli, tiny, tmp_path):
    out = tmp_path / "out"
    result = cli("run", "sentiment_cnn1d", *tiny("sentiment_cnn1d"), "--seeds", 2, "--quiet", "--out", out)
    assert result.code == 0, result.err
    parts = [json.loads((out / f"seed-{seed}" / "scores.json").read_text())["scores"] for seed in (0, 1)]
    merged = json.loads((out / "scores.json").read_text())
    for name, value in merged["scores"].items():
        assert value == pytest.approx((parts[0][name] + parts[1][name]) / 2)
        assert merged["spread"][name] == pytest.approx(abs(parts[0][name] - parts[1][name]) / 2**0.5)


@pytest.mark.parametrize("name", ["sentiment_cnn1d", "emotion_cnn2d"])
def test_evaluate_gives_the_scores_of_the_run(cli, small_run, name):
    run = small_run(name)
    scores = json.loads((run / "scores.json").read_text())["scores"]
    found = json.loads(cli("evaluate", run, "--json").out)
    assert found == {key: pytest.approx(value, abs=1e-5) for key, value in scores.items() if key.startswith("test/")}
    shown = cli("evaluate", run).out
    assert f"{scores['test/accuracy']:.4f}" in shown


# Predicting


def test_predict_a_text(cli, small_run):
    run = small_run("sentiment_cnn1d")
    shown = cli("predict", run, "the plot is superb")
    assert re.fullmatch(r"(positive|negative)  0\.\d{3}  the plot is superb\n", shown.out)
    found = json.loads(cli("predict", run, "the plot is superb", "--json").out)
    assert found["input"] == "the plot is superb"
    assert found["label"] == max(found["probabilities"], key=found["probabilities"].get)
    assert found["probability"] == max(found["probabilities"].values())
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_predict_files_and_standard_input_give_what_single_texts_give(cli, small_run, tmp_path):
    run = small_run("sentiment_cnn1d")
    texts = ["the plot is superb", "the cast is not good at all , yet the ending works", "café 🎬", "x"]
    alone = [json.loads(cli("predict", run, text, "--json").out) for text in texts]
    (tmp_path / "lines.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    for words, given in (([tmp_path / "lines.txt"], None), (["-"], "\n".join(texts) + "\n\n"), (texts, None)):
        result = cli("predict", run, *words, "--json", input=given)
        assert result.code == 0, result.err
        rows = [json.loads(line) for line in result.out.splitlines()]
        assert [row["input"] for row in rows] == texts
        assert [row["label"] for row in rows] == [row["label"] for row in alone]
        for row, other in zip(rows, alone, strict=True):
            assert row["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_predict_images(cli, small_run, tmp_path):
    run = small_run("emotion_cnn2d")
    random = np.random.default_rng(0)
    (tmp_path / "folder").mkdir()
    for name in ("a.png", "b.jpg"):
        PIL.Image.fromarray(random.integers(0, 256, (60, 50, 3), dtype=np.uint8)).save(tmp_path / "folder" / name)
    single = json.loads(cli("predict", run, tmp_path / "folder" / "a.png", "--json").out)
    assert single["input"] == str(tmp_path / "folder" / "a.png")
    assert len(single["probabilities"]) == 7
    rows = [json.loads(line) for line in cli("predict", run, tmp_path / "folder", "--json").out.splitlines()]
    assert [Path(row["input"]).name for row in rows] == ["a.png", "b.jpg"]
    assert rows[0]["probability"] == pytest.approx(single["probability"], abs=1e-5)
    listed = cli("predict", run, "-", "--json", input=f"{tmp_path / 'folder' / 'b.jpg'}\n")
    assert json.loads(listed.out)["label"] == rows[1]["label"]


def test_predictions_are_written_as_a_table(cli, small_run, tmp_path):
    run = small_run("sentiment_cnn1d")
    assert cli("predict", run, "a dull plot", "-o", tmp_path / "found.csv", "a fine plot").code == 0
    rows = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
    assert [row["input"] for row in rows] == ["a dull plot", "a fine plot"]
    assert cli("predict", run, "--out", tmp_path / "found.jsonl", "a dull plot").code == 0
    found = json.loads((tmp_path / "found.jsonl").read_text())
    assert found["input"] == "a dull plot" and found["label"] == rows[0]["label"]
    refused = cli("predict", run, "a dull plot", "-o", tmp_path / "found.txt")
    assert refused.code == 2 and ".csv or .jsonl" in refused.err


def test_inputs_may_follow_options(cli, small_run):
    run = small_run("sentiment_cnn1d")
    assert cli("predict", "--json", run, "a dull plot").code == 0
    assert json.loads(cli("predict", run, "--json", "a dull plot").out)["input"] == "a dull plot"
    assert json.loads(cli("predict", run, "--json", "-", input="a dull plot\n").out)["input"] == "a dull plot"
    refused = cli("predict", run, "--jsn", "a dull plot")
    assert refused.code == 2 and "--jsn" in refused.err


# The README


def readme_commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").exists() else ""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("convzoo ")]


def test_the_readmes_commands_work(cli, tiny, tmp_path):
    """In their order, in one folder that holds the files they name, with settings that make them short."""
    commands = readme_commands()
    assert commands
    (tmp_path / "photos").mkdir()
    random = np.random.default_rng(0)
    for label in ("angry", "happy"):
        (tmp_path / "photos" / label).mkdir()
        for index in range(12):
            pixels = random.integers(0, 256, (48, 48), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{index}.png")
    PIL.Image.fromarray(random.integers(0, 256, (90, 80, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    rows = [f"a {['fine', 'poor'][i % 2]} film number {i},{['good', 'bad'][i % 2]}\n" for i in range(60)]
    (tmp_path / "reviews.csv").write_text("text,label\n" + "".join(rows))
    readings = [f"photos/{label}/{index}.png,{index}.5\n" for label in ("angry", "happy") for index in range(12)]
    (tmp_path / "items.csv").write_text("text,label\n" + "".join(rows))
    (tmp_path / "readings.csv").write_text("path,label\n" + "".join(readings))
    names = [
        {"text": f"Anna {index} left Rome", "entities": [[0, 4, "PER"], [12, 16, "LOC"]]} for index in range(10, 40)
    ]
    (tmp_path / "names.jsonl").write_text("".join(json.dumps(name) + "\n" for name in names))
    for label in ("spam", "ham"):
        (tmp_path / "mails" / label).mkdir(parents=True)
        for index in range(12):
            mail = f"From: {label}{index}@example.org\nSubject: {label} {index}\n\nwords of {label}, number {index}\n"
            (tmp_path / "mails" / label / f"{index}.eml").write_text(mail)
    sensors = [f"{at},{np.sin(at / 9):.3f},{random.normal():.3f}" for at in range(200)]
    (tmp_path / "sensors.csv").write_text("time,a,b\n" + "\n".join(sensors) + "\n")
    for label, pitch in (("low", 0.1), ("high", 0.4)):
        (tmp_path / "words" / label).mkdir(parents=True)
        for index in range(12):
            tone = np.sin(np.arange(2000) * (pitch + 0.002 * index))
            scipy.io.wavfile.write(tmp_path / "words" / label / f"{index}.wav", 8000, np.int16(9000 * tone))
    for label in ("ill", "well"):
        for index in range(12):
            voxels = random.normal(index, 1, (12, 14, 10)).astype(np.float32)
            write_nifti(tmp_path / "scans" / label / f"{index}.nii.gz", voxels, np.diag([10.0, 10.0, 12.0, 1.0]))
            for name, values in (("imagesTr", voxels), ("labelsTr", (voxels > index + 1).astype(np.uint8))):
                write_nifti(tmp_path / "organs" / name / f"{label}{index}.nii.gz", values, np.eye(4))
    for label in ("jump", "walk"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        for index in range(12):
            frames = random.integers(0, 256, (10, 24, 32, 3), dtype=np.uint8)
            write_video(tmp_path / "clips" / label / f"{index}.mp4", frames, 10)
    (tmp_path / "streets").mkdir()
    boxes = ["path,class,x,y,z,length,width,height,yaw"]
    for index in range(6):
        points = random.uniform([5, -8, -2, 0], [25, 8, 0, 1], (500, 4))
        points.astype("<f4").tofile(tmp_path / "streets" / f"{index}.bin")
        boxes.append(f"{index}.bin,Car,{10 + index},1,-1,4,2,1.5,0.1")
    (tmp_path / "streets" / "boxes.csv").write_text("\n".join(boxes) + "\n")
    for name, target in (
        ("series_cnn1d", "gestures.csv"), ("transactions_cnn1d", "transactions.csv"), ("maintenance_cnn1d", "units.csv"),
        ("speech_ctc_cnn1d", "manifest.csv"), ("graphs_gin", "graphs"),
    ):  # fmt: skip
        home, _ = FORMS[name].own(tmp_path)
        if home != tmp_path / target:
            home.rename(tmp_path / target)
    units = (tmp_path / "units.csv").read_text()
    (tmp_path / "units.csv").write_text(units.replace("pump,hour", "unit,time", 1))
    for command in commands:
        words = shlex.split(command, comments=True)[1:]
        if words[:2] == ["data", "get"] or (words[0] == "export" and importlib.util.find_spec("onnxruntime") is None):
            continue
        name = next((word for word in words[1:] if Path(word).stem in TINY), None)
        if words[0] in ("run", "check", "describe") and name is not None:
            settings = tiny(Path(name).stem)
            words += [word for word in settings if not (word.startswith("data.") and "--data" in words)]
        result = cli(*words)
        assert result.code == 0, f"{command}\n{result.err}"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["list"], ["show", "sentiment_cnn1d"]])
def test_a_full_standard_output_is_said_in_a_line(words: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "convzoo", *words], stdout=full, stderr=subprocess.PIPE, text=True, env=environment
        )
    assert done.returncode == 3
    assert done.stderr == "convzoo: standard output: no space is left on the disk\n"
