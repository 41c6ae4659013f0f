"""The list of small faults that `benchmarks/faults.py` tries fits the code, so that it cannot rot."""

import ast
import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT

FOLDER = ROOT / "benchmarks"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a dataclass looks for its module there
    spec.loader.exec_module(module)
    return module


EVERY = [fault for faults in loaded("fault_table").FAULTS.values() for fault in faults]


@cache
def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def functions_of(path: str) -> frozenset[str]:
    return frozenset(node.name for node in ast.parse(text_of(path)).body if isinstance(node, ast.FunctionDef))


def test_every_fault_stands_for_one_place_of_the_code() -> None:
    names = [fault.name for fault in EVERY]
    assert len(set(names)) == len(names)
    for fault in EVERY:
        assert text_of(fault.file).count(fault.old) == 1, (
            f"{fault.name}: {fault.file} has no single place with its text"
        )
        assert fault.old != fault.new, fault.name


def test_every_fault_names_tests_that_are_there() -> None:
    for fault in EVERY:
        assert fault.tests, fault.name
        for place in fault.tests:
            path, _, test = place.partition("::")
            assert Path(path).parts[0] == "tests" and (ROOT / path).is_file(), f"{fault.name}: {place}"
            assert not test or test.partition("[")[0] in functions_of(path), f"{fault.name}: {place}"


@pytest.mark.full
@pytest.mark.parametrize(("sound", "code", "words"), [(False, 0, "1 of 1 faults found"), (True, 1, "NOT FOUND")])
def test_a_fault_is_found_and_a_harmless_change_is_not(sound: bool, code: int, words: str, tmp_path) -> None:
    (tmp_path / "fault_table.py").write_text(
        text_of("benchmarks/fault_table.py").partition("\nFAULTS")[0]
        + "\nFAULTS = {'budget': [Fault('mine', 'convzoo/training/budget.py', 'REFERENCE = 3000', "
        + f"'REFERENCE = {'3_000' if sound else '300'}', ('tests/training/test_budget.py',))]}}\n"
    )
    (tmp_path / "faults.py").write_text(
        text_of("benchmarks/faults.py").replace(
            "ROOT = Path(__file__).resolve().parent.parent", f"ROOT = Path({str(ROOT)!r})"
        )
    )
    done = subprocess.run([sys.executable, tmp_path / "faults.py"], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout
