"""Ctrl-C at any moment: one line, exit code 4, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import os, runpy, signal, sys

moment, sys.argv = sys.argv[1], ["convzoo", *sys.argv[2:]]


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
