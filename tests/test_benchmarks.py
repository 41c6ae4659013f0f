"""Each benchmark runs, with tiny sizes, and prints its ratios. What they measure is not looked at: a busy machine lies."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks"
TINY = ["--set", "data.train=21", "data.val=7", "data.test=7", "train.batch_size=7"]
PAIRS = [
    "data.train=21",
    "data.val=7",
    "data.test=7",
    "train.batch_tokens=100",
    "model.channels=16",
    "model.embedding_size=16",
]
STREETS = ["data.train=16", "data.val=26", "data.test=6", "train.batch_size=4", "encoder.pillar=0.5", "model.channels=[8,8]",
           "model.blocks=[1,1]"]  # fmt: skip
RUNS = {
    "trainer_speed": (["--steps", "1", *TINY], 6),
    "graph_speed": (["--steps", "1", "--cora-nodes", "300", "--nodes", "3000", "--edges", "9000"], 6),
    "recommender_speed": (
        [
            "--steps",
            "1",
            "--embedded",
            "--users",
            "300",
            "--items",
            "400",
            "--set",
            "data.users=120",
            "data.items=80",
            "data.mean=12.0",
        ],
        4,
    ),
    "memory": (["--recipes", "sentiment_cnn1d", *TINY], 1),
    "series_speed": (
        ["--steps", "2", "--points", "20000", "--set", "data.pumps=1", "data.length=1000", "train.batch_size=8"],
        3,
    ),
    "translation_speed": (["--steps", "1", "--lengths", "4", "8", "--set", *PAIRS], 6),
    "segmentation_speed": (
        [
            "--steps",
            "1",
            "--memory-rounds",
            "1",
            "--parts",
            "trainer",
            "memory",
            "volume",
            "--volume",
            "40",
            "36",
            "30",
            "--patch",
            "16",
            "--set",
            "data.train=4",
            "data.val=1",
            "data.test=1",
            "data.spacing=8.0",
            "encoder.patch=[16,16,16]",
            "model.base_channels=2",
        ],
        4,
    ),
    "classes_speed": (["--steps", "1", *TINY, "data.length=100"], 4),
    "transactions_speed": (
        [
            "--steps",
            "1",
            "--set",
            "data.accounts=30",
            "data.days=60",
            "data.fraud=40",
            "data.delay=1",
            "train.batch_size=8",
        ],
        1,
    ),
    "whole_graphs_speed": (["--steps", "1", *TINY], 2),
    "sound_speed": (["--steps", "1", "--memory-rounds", "1", *TINY], 5),
    "volume_speed": (["--steps", "1", "--memory-rounds", "1", *TINY, "data.spacing=8.0"], 2),
    "video_speed": (
        ["--steps", "1", "--memory-rounds", "1", "--opponent", "pyav", "--files", "3", "--frames", "40", *TINY],
        5,
    ),
    "lidar_speed": (
        ["--steps", "1", "--memory-rounds", "1", "--points", "1000", "10000", "--no-reference", "--set", *STREETS],
        3,
    ),
    "text_table": (["--rows", "3000", "--set", "encoder.evidence=none"], 2),
    "entities_speed": (
        ["--steps", "1", "--set", "data.train=60", "data.val=10", "data.test=10", "model.channels=8"],
        4,
    ),
    "speech_speed": (
        [
            "--steps",
            "1",
            "--set",
            "data.train=40",
            "data.val=10",
            "data.test=10",
            "model.channels=8",
            "model.outer_channels=8",
        ],
        2,
    ),
    "step_cost": (["--steps", "20"], 1),
    "threads_speed": (["--recipe", "sentiment_cnn1d", *TINY], 2),
    "start": (["--recipes", "sentiment_cnn1d", "--warm-up", "0", *TINY], 1),
}
"""For each benchmark, its options and how many ratios it prints."""
RATIO = re.compile(r"\d\.\d{3} \(\d+\.\d{3} to \d+\.\d{3}\) +[<>]= \d")


def command(name: str, options: list[str]) -> list[str]:
    """Of a benchmark, after `python`."""
    return [str(FOLDER / f"{name}.py"), "--rounds", "1", "--threads", "1", *options]


def ratios(code: int, out: str, errors: str) -> int:
    """How many a benchmark printed. It ends with 1 where one is not as wanted."""
    assert code in (0, 1) and "Traceback" not in errors, errors
    assert "torch" in out.splitlines()[0] and "cores" in out.splitlines()[0]
    return len(RATIO.findall(out))


@pytest.mark.parametrize("name", RUNS)
def test_each_prints_its_ratios(name: str, together) -> None:
    options, count = RUNS[name]
    (done,) = together([command(name, options)])
    assert ratios(done.code, done.out, done.err) == count


def test_workers_of_a_benchmark_start_by_themselves() -> None:
    """In fresh processes, as a person runs it: above they are forked."""
    options, count = RUNS["memory"]
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH")) if part)
    done = subprocess.run(
        [sys.executable, *command("memory", options)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ratios(done.returncode, done.stdout, done.stderr) == count


@pytest.mark.skipif(
    not os.environ.get("CONVZOO_KERAS_PYTHON"), reason="CONVZOO_KERAS_PYTHON names no interpreter with Keras"
)
def test_keras_prints_its_ratios(together) -> None:
    (done,) = together([command("keras_speed", TINY)])
    assert ratios(done.code, done.out, done.err) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_the_checks_of_a_gpu_say_that_there_is_none(together) -> None:
    (done,) = together([[str(FOLDER / "cuda_checks.py"), "--out", "summary.txt", "--no-install"]])
    assert done.code == 2, done.err
    assert done.out.splitlines()[-1] == "no CUDA device: nothing was checked"


def test_the_checks_of_a_gpu_time_a_training(together) -> None:
    (done,) = together(
        [[str(FOLDER / "cuda_checks.py"), "--measure", "emotion_cnn2d", "cpu", "32", "--seconds", "0.2"]]
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["rate"] > 0


def test_the_league_runs_a_strangers_table_once_and_compares_it(together, tmp_path: Path) -> None:
    """The mirror is made here: messages with quotes and commas, as the SMS Spam Collection has them."""
    mirror = tmp_path / "mirror" / "sms_spam"
    mirror.mkdir(parents=True)
    lines = [
        f'{kind}\t"{word}", {number} {word}'
        for number in range(30)
        for kind, word in (("ham", "see you"), ("spam", "win a prize"))
    ]
    (mirror / "SMSSpamCollection").write_text("\n".join(lines) + "\n", encoding="utf-8")
    results, table = tmp_path / "results.jsonl", tmp_path / "table.md"
    league = [
        FOLDER / "league.py", "--mirror", mirror.parent, "--only", "sms_spam", "mr", "kitti", "--seeds", "0",
        "--results", results, "--table", table, "--set", "train.epochs=1",
    ]  # fmt: skip
    (first,) = together([league])
    assert first.code == 0, first.out + first.err
    assert "mr: left out: there is no mr/ in the mirror" in first.out and "kitti: left out" in first.out
    run, opponent = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert (run["set"], run["seed"], run["score"]) == ("sms_spam", 0, "test/accuracy")
    assert sum(run["examples"].values()) == 60
    assert opponent["value"] == 1.0  # the words tell the classes
    row = table.read_text(encoding="utf-8").splitlines()[2]
    assert row.startswith("| sms_spam | 40/10/10 | accuracy | ") and "SVM, words and letters 1.000" in row
    assert re.search(r"At or above the better of both opponents on [01] of 1\.", first.out)
    (second,) = together([league])
    assert (
        second.code == 0
        and "seed 0" not in second.out
        and "| sms_spam | 40/10/10 |" in table.read_text(encoding="utf-8")
    )
    assert len(results.read_text(encoding="utf-8").splitlines()) == 2


def test_the_league_refuses_a_set_that_it_does_not_know(together, tmp_path: Path) -> None:
    done, listed = together([[FOLDER / "league.py", "--only", "mnits"], [FOLDER / "league.py", "--list"]])
    assert done.code == 2 and "mnits" in done.err and "mnist_2000" in done.err
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == list(SIZES)


def test_a_table_of_the_league_has_the_means_over_seeds_and_their_intervals(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    league, sets = (importlib.import_module(name) for name in ("league", "league_sets"))
    runs = [
        {"value": value, "score": "test/accuracy", "opponents": {"majority": 0.5, "svm": 0.8}, "minutes": 1.0,
         "examples": {"train": 1200, "val": 20, "test": 30},
         "comparisons": {"svm": {"difference": value - 0.8, "low": value - 0.9, "high": value - 0.7}}}
        for value in (0.8, 0.9)
    ]  # fmt: skip
    cells, level = league.table_row(sets.SETS[0], runs, [{"opponent": "another", "value": 0.84}])
    assert cells[1:] == [
        "1,200/20/30",
        "accuracy",
        "0.850 ± 0.071",
        "svm 0.800",
        "+0.050 (-0.050 to +0.150)",
        "another 0.840",
        "1.0",
    ]
    assert level
    for run in runs:
        run["comparisons"] = {}
    cells, level = league.table_row(sets.SETS[0], runs, [{"opponent": "another", "value": 0.86}])
    assert cells[5] == "+0.050" and not level


def test_a_set_of_the_league_is_converted_into_the_same_files_every_time(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    sets = importlib.import_module("league_sets")
    for name in ("first", "second"):
        sets.small_digits(Path(), tmp_path / name, 40)
    files = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.png")}
        for name in ("first", "second")
    ]
    assert len(files[0]) == 40 and files[0] == files[1]


SIZES = {
    "mr": "train 698, val 151, test 151",
    "subj": "train 700, val 150, test 150",
    "sst2": "train 1,000, val 872, test 1,821",
    "trec": "train 842, val 154, test 500",
    "sms_spam": "train 699, val 151, test 150",
    "multi30k_6000": "train 1,000, val 1,014, test 1,000",
    "multi30k": "train 2,000, val 1,014, test 1,000",
    "mnist_2000": "train 246, val 54, test 300",
    "mnist_10000": "train 501, val 99, test 600",
    "fer2013_4000": "train 399, val 100, test 100",
    "digits": "train 206, val 48, test 46",
    "fsdd": "train 240, val 60, test 300",
    "fsdd_50": "train 15, val 10, test 150",
    "yesno": "train 54, val 10, test 64",
    "skab": "train 4, val 4, test 4",
    "nab_known": "train 3, val 2, test 2",
    "nab_aws": "train 3, val 3, test 3",
    "cora": "train 140, val 500, test 1,000",
    "citeseer": "train 120, val 500, test 1,000",
    "polblogs": "train 1,042, val 224, test 224",
    "email_eu_core": "train 676, val 166, test 159",
    "twitch_es": "train 3,253, val 698, test 697",
    "gowalla_1000": "train 398, val 113, test 160",
    "gowalla_3000": "train 891, val 370, test 490",
    "adrenal28_400": "train 40, val 40, test 40",
    "hippocampus_40": "train 6, val 2, test 2",
    "hippocampus_100": "train 8, val 2, test 2",
    "weizmann": "train 50, val 20, test 20",
}
"""Of each set of the league with `--quick`: what its reader finds in the converted files."""


@pytest.mark.full
@pytest.mark.skipif(not os.environ.get("CONVZOO_MIRROR"), reason="CONVZOO_MIRROR names no folder with original files")
@pytest.mark.parametrize("name", SIZES)
def test_each_set_of_the_league_is_converted_into_files_that_its_recipe_takes(name: str, together) -> None:
    (done,) = together([[FOLDER / "league.py", "--check", "--quick", "--only", name]])
    if "left out" in done.out:
        pytest.skip(done.out.strip())
    assert done.code == 0, done.out + done.err
    assert f"{name}: data      {SIZES[name]} (" in done.out and f"{name}: ok" in done.out


def test_every_benchmark_is_in_the_page() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in FOLDER.glob("*.py"):
        assert f"`{path.name}`" in page, f"benchmarks/README.md does not say what {path.name} is"
