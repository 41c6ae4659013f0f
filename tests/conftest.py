"""What all tests share: shapes are checked while they run, one thread, a command line in-process, two small finished runs."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

# An int is a float, as PEP 484 has it.
hook = install_import_hook("convzoo", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
hook.__enter__()

import importlib.util
import io
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import filelock
import pytest
import torch
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
def mirror() -> Iterator[Path]:
    """The folder with real benchmark files."""
    folder = Path(os.environ.get("CONVZOO_MIRROR", ""))
    if not os.environ.get("CONVZOO_MIRROR") or not folder.is_dir():
        pytest.skip("the real benchmark files are absent: CONVZOO_MIRROR names no folder")
    yield folder
