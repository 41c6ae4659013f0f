"""Ctrl-C at any moment: one line, exit code 4, no traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import os, runpy, signal, sys

moment, sys.argv = sys.argv[1], ["convzoo", *sys.argv[2:]]
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background have it ignored


class Press:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            os.kill(os.getpid(), signal.SIGINT)


sys.meta_path.insert(0, Press())
runpy.run_module("convzoo", run_name="__main__", alter_sys=True)
"""

MOMENTS = ["argparse", "yaml", "numpy._core.multiarray", "torch.nn", "convzoo.models.cnn1d"]
"""What is being imported when Ctrl-C is pressed: the first is imported by the command line, the last by the recipe."""


def test_ctrl_c_while_libraries_load_is_one_line(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    processes = {
        moment: subprocess.Popen(
            [sys.executable, "program.py", moment, "run", "sentiment_cnn1d", "--quiet", "--out", f"out-{number}"],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number, moment in enumerate(MOMENTS)
    }  # fmt: skip
    for moment, process in processes.items():
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (4, ""), (moment, err)
        assert err in ("convzoo: stopped\n", "convzoo: stopped; nothing was begun\n"), moment
    assert not list(tmp_path.glob("out-*/run.json"))


@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_says_how_to_go_on_if_there_is_something_to_go_on_with(cli, tiny, monkeypatch, tmp_path, begun):
    place = "convzoo.training.trainer.Trainer.fit" if begun else "convzoo.pipeline.assemble"

    def pressed(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, pressed)
    result = cli("run", "sentiment_cnn1d", *tiny("sentiment_cnn1d"), "--quiet", "--out", tmp_path / "out")
    assert result.code == 4
    wanted = f"go on with: convzoo run --resume {tmp_path / 'out'}" if begun else "nothing was begun"
    assert result.err == f"convzoo: stopped; {wanted}\n"
    monkeypatch.undo()
    if begun:
        assert cli("run", "--resume", tmp_path / "out", "--quiet").code == 0
        assert Path(tmp_path / "out" / "scores.json").exists()


NET = """\
import os
import signal

from torch import nn


class Net(nn.Module):
    def __init__(self, vocabulary_size: int, classes: int) -> None:
        super().__init__()
        self.table, self.out, self.calls = nn.Embedding(vocabulary_size, 4), nn.Linear(4, classes), 0

    def forward(self, tokens):
        self.calls += self.training
        if self.calls == 6 and os.environ.get("SLURM_PROCID", "none") == os.environ.get("KILLED"):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.out(self.table(tokens).mean(dim=1))
"""


@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_was_killed_is_named_by_the_other_in_a_line(cli, together, tmp_path, killed):
    (tmp_path / "mine.py").write_text(NET)
    (tmp_path / "r.yaml").write_text(
        "data: {name: reviews, train: 60, val: 20, test: 20}\nencoder: {name: text}\nmodel: {name: 'mine.py:Net'}\n"
        "task: {name: classification}\ntrain: {epochs: 4, batch_size: 16, device: cpu, threads: 1}\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    given = {"SLURM_NTASKS": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "KILLED": str(killed)}
    out = tmp_path / "out"
    command = ["-m", "convzoo", "run", tmp_path / "r.yaml", "--trust", "--quiet", "--out", out]
    results = together([command, command], [{**given, "SLURM_PROCID": str(rank)} for rank in (0, 1)])
    other = results[1 - killed]
    assert other.code == 4, other.err
    assert other.err.splitlines() == [
        f"convzoo: process {killed} has ended (this is process {1 - killed}); its own last line says why; go on with: "
        f"convzoo run --resume {out}"
    ]
    assert cli("run", "--resume", out, "--quiet").code == 0  # with one process
