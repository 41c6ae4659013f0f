"""Each benchmark runs, with tiny sizes, and prints its ratios. What they measure is not looked at: a busy machine lies."""

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
    "trainer_speed": (["--steps", "1", *TINY], 5),
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


def test_every_benchmark_is_in_the_page() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in FOLDER.glob("*.py"):
        assert f"`{path.name}`" in page, f"benchmarks/README.md does not say what {path.name} is"
