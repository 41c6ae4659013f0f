"""What all tests share: shapes are checked while they run, one thread, a command line in-process, two small finished runs."""

import os
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
# What a test allows to run is not allowed to the user who runs the tests.
os.environ["CONVZOO_STATE"] = tempfile.mkdtemp(prefix="convzoo-state-")

from jaxtyping import install_import_hook

# An int is a float, as PEP 484 has it.
hook = install_import_hook("convzoo", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
hook.__enter__()

import importlib.util
import io
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import filelock
import pytest
import torch
import warm
from hypothesis import settings

torch.set_num_threads(1)
# The same examples every time: a property that fails by chance on one run in ten helps nobody.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
EMBEDDED = sorted((ROOT / "recipes").glob("*.yaml"))
REFERENCE = sorted((ROOT / "recipes" / "reference").glob("*.yaml"))


def _forms() -> dict[str, ModuleType]:
    """The small forms of each recipe, from tests/recipes/<name>.py. They are loaded by path: the folder is no package."""
    found = {}
    for path in sorted((ROOT / "tests" / "recipes").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"forms_{path.stem}", path)
        found[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found[path.stem])
    return found


FORMS = _forms()
TINY = {name: form.SMALL for name, form in FORMS.items() if hasattr(form, "SMALL")}
"""For each embedded recipe, overrides that make it run in about two seconds."""
PLAIN = {name: form.PLAIN for name, form in FORMS.items() if hasattr(form, "PLAIN")}
"""For each embedded recipe, overrides that leave nothing in a step to chance, with an odd last batch."""
RAW = {name: form.raw for name, form in FORMS.items() if hasattr(form, "raw")}
"""For each embedded recipe, raw input that `Run.predict` takes."""


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


def refused(result, code: int, *words: str, lines: int = 1) -> str:
    """What standard error says: that many lines, each by convzoo, and all the words."""
    assert result.code == code, result.err
    found = result.err.splitlines()
    assert len(found) == lines, result.err
    assert all(line.startswith("convzoo: ") for line in found)
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err
    return result.err


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in this process, in a temporary folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, input: str | None = None) -> Result:
        from convzoo.cli import main

        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            if input is not None:
                patch.setattr(sys, "stdin", io.StringIO(input))
            try:
                code = main([str(argument) for argument in arguments])
            except SystemExit as exit:
                code = int(exit.code or 0)
        return Result(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def tiny() -> Callable[[str], list[str]]:
    """Overrides that make a recipe run in about two seconds."""
    return lambda name: list(TINY[name])


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a finished tiny run of a recipe; made once for all of xdist's workers, so not to be changed."""
    home = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        home = home.parent
    home = home / "small_runs"
    home.mkdir(exist_ok=True)

    def run(name: str) -> Path:
        with filelock.FileLock(home / f"{name}.lock"):
            if not (home / name / "scores.json").exists():  # what a run writes last
                import convzoo

                shutil.rmtree(home / name, ignore_errors=True)
                convzoo.run(name, TINY[name], out=home / name, quiet=True)
        return home / name

    return run


@pytest.fixture(scope="session")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., list[Result]]]:
    """Run commands (what stands after `python`) as processes side by side, forked from one that has imported torch already.

    They take a quarter of the time that fresh ones take. Where a system cannot fork safely, they are fresh ones.
    """
    path = os.pathsep.join(part for part in (str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH")) if part)
    fresh = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    forks = sys.platform == "linux"
    server = None

    def start_server() -> subprocess.Popen:
        words = [sys.executable, str(ROOT / "tests" / "warm.py")]
        return subprocess.Popen(words, env=fresh, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(commands: list[list[object]], environments: list[dict[str, str]] | None = None) -> list[Result]:
        nonlocal server
        folder = tmp_path_factory.mktemp("together")
        orders = [
            {"words": [str(word) for word in command], "environment": more, "folder": str(folder),
             "output": str(folder / str(number))}
            for number, (command, more) in enumerate(zip(commands, environments or [{}] * len(commands), strict=True))
        ]  # fmt: skip
        if forks:
            server = server or start_server()
            codes = warm.ask(server.stdin, server.stdout, orders)
        else:
            processes = []
            for order in orders:
                with open(order["output"], "w") as output, open(order["output"] + ".errors", "w") as errors:
                    processes.append(
                        subprocess.Popen([sys.executable, *order["words"]], cwd=folder, stdout=output, stderr=errors,
                                         env={**fresh, **order["environment"]})
                    )  # fmt: skip
            codes = [process.wait(timeout=240) for process in processes]
        return [
            Result(code, Path(order["output"]).read_text(), Path(order["output"] + ".errors").read_text())
            for code, order in zip(codes, orders, strict=True)
        ]

    yield run
    if server is not None:
        with server:
            server.stdin.close()


@pytest.fixture(scope="session")
def mirror() -> Iterator[Path]:
    """The folder with real benchmark files."""
    folder = Path(os.environ.get("CONVZOO_MIRROR", ""))
    if not os.environ.get("CONVZOO_MIRROR") or not folder.is_dir():
        pytest.skip("the real benchmark files are absent: CONVZOO_MIRROR names no folder")
    yield folder
