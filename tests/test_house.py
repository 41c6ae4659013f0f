"""The house is in order: style, types, who imports whom, and files that are made from others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from convzoo.recipe.schema import recipe_schema


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff() -> None:
    run(sys.executable, "-m", "ruff", "check", ".")
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_mypy() -> None:
    run(sys.executable, "-m", "mypy")


def test_imports() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    run(str(linter) if linter.exists() else "lint-imports", "--no-cache")


def test_schema_is_up_to_date() -> None:
    written = json.loads((ROOT / "docs" / "recipe.schema.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(recipe_schema())), "convzoo schema --out docs/recipe.schema.json"


@pytest.mark.parametrize(("file", "most"), [("training/trainer.py", 300), ("training/devices.py", 150)])
def test_is_read_in_one_sitting(file: str, most: int) -> None:
    assert len((ROOT / "convzoo" / file).read_text(encoding="utf-8").splitlines()) <= most


def test_trainer_knows_no_data() -> None:
    text = (ROOT / "convzoo" / "training" / "trainer.py").read_text(encoding="utf-8").lower()
    for word in ("modality", "image", "text", "graph", "token", "label", "classif"):
        assert word not in text.replace("core.text", "").replace("contextlib", "").replace(
            "contextmanager", ""
        ).replace("nullcontext", ""), word


def test_readme_tree_is_true() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = readme.partition("## The tree")[2]
    for path in (ROOT / "convzoo").iterdir():
        if path.name.startswith("_") or path.suffix not in ("", ".py"):
            continue
        name = path.name if path.suffix else f"{path.name}/"
        assert name in tree, f"{name} is missing from the README's tree"
