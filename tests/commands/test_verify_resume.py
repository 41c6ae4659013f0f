"""`convzoo verify-resume`: the ends of runs are compared; a difference is found and named."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import TINY, refused

from convzoo.commands.verify_resume import _compare
from convzoo.core.errors import CheckError


def test_a_killed_run_ends_with_the_same_bits(cli):
    words = [*TINY["sentiment_cnn1d"], "baselines=[]"]
    result = cli("verify-resume", "sentiment_cnn1d", *words, "--kills", 1)
    assert result.code == 0, result.err
    topics = [line.split()[0] for line in result.out.splitlines()]
    assert topics == ["straight", "workers", "workers", "killed", "ok"]
    assert "after step" in result.out


def test_what_cannot_be_verified_is_said(cli):
    refused(cli("verify-resume", "sentiment_cnn1d", "--kills", 0), 2, "--kills", "at least 1")
    refused(cli("verify-resume", "sentiment_cnn1d", "repeat={train.seed: [1, 2]}"), 2, "is repeated over train.seed")


@pytest.mark.parametrize("name", ["model.safetensors", "predictions.csv", "metrics.csv", "scores.json"])
def test_a_difference_is_named(name: str, small_run, tmp_path: Path):
    one = small_run("sentiment_cnn1d")
    other = shutil.copytree(one, tmp_path / "other")
    _compare(one, other, "never")
    path = other / name
    if name == "scores.json":
        results = json.loads(path.read_text())
        results["scores"]["test/accuracy"] += 1e-9
        path.write_text(json.dumps(results))
    elif name == "metrics.csv":
        lines = path.read_text().splitlines()
        seconds = lines[0].split(",").index("seconds")
        cells = lines[-1].split(",")
        cells[seconds] = "77"
        path.write_text("\n".join([*lines[:-1], ",".join(cells)]))
        _compare(one, other, "by the time alone")
        cells[-1] += "1"
        path.write_text("\n".join([*lines[:-1], ",".join(cells)]))
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckError, match=r"differ"):
        _compare(one, other, "in this test")
