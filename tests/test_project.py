"""The project's own pages: what they tell people to do works, and what they say agrees with the code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT

import convzoo
from convzoo.core.version import VERSION

SETTINGS = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def walk() -> dict[str, str]:
    """The files that the walk through a new application writes."""
    blocks = re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    return dict(blocks)


def test_the_walk_through_a_new_application_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = walk()
    places = dict(re.findall(r'"(\w+)": "(convzoo\.[\w.]+:\w+)"', CONTRIBUTING))
    code = [text for path, text in files.items() if path.startswith("convzoo/") and not path.endswith("__init__.py")]
    Path("walk.py").write_text(
        re.sub(r"^from convzoo\.modalities\.spectrum.*\n", "", "\n".join(code), flags=re.MULTILINE)
    )
    recipe = files["recipes/sugar_cnn1d.yaml"].replace("modality: spectrum\n", "")
    for name, place in places.items():
        module, _, kind = place.partition(":")
        assert f"class {kind}(" in files[module.replace(".", "/") + ".py"]
        recipe = re.sub(rf"(?<=[ \[]){name}\b(?!:)", f"'walk.py:{kind}'", recipe)
    Path("sugar.yaml").write_text(recipe)
    small: dict = {}
    exec(files["tests/recipes/sugar_cnn1d.py"], small)

    run = convzoo.run("sugar.yaml", out="run", quiet=True)

    low, high = run.recipe.expect["test/mean_absolute_error"]
    assert low <= run.scores["test/mean_absolute_error"] <= high
    opponents = {name: scores["test/mean_absolute_error"] for name, scores in run.results["baselines"].items()}
    assert run.scores["test/mean_absolute_error"] < min(opponents.values()), opponents
    assert run.results["ceiling"]["test/mean_absolute_error"] < run.scores["test/mean_absolute_error"]
    assert isinstance(convzoo.Run.load("run").predict(small["raw"]())[0]["amount"], float)
    assert convzoo.run("sugar.yaml", small["SMALL"] + small["PLAIN"], out="small", quiet=True).scores


def test_the_readmes_table_of_extras_is_that_of_the_package() -> None:
    extras = re.search(r"^\[project\.optional-dependencies\]\n(.*?)^\[", SETTINGS, re.MULTILINE | re.DOTALL)
    assert extras
    named = dict(re.findall(r"^(\w+) = (\[.*\])$", extras[1], re.MULTILINE))
    of_data = set(named) - {"all", "test", "dev"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \| .* \| .* \|$", readme, re.MULTILINE)) == of_data | {"all"}
    for name in ("all", "test"):
        inside = re.search(r"convzoo\[([\w,]+)\]", named[name])
        assert inside and set(inside[1].split(",")) == of_data, name


def test_torchs_bound_holds_the_release_that_is_tested() -> None:
    low, high = re.search(r'"torch>=([\d.]+),<([\d.]+)"', SETTINGS).groups()  # type: ignore[union-attr]
    found = tuple(map(int, torch.__version__.split("+")[0].split(".")[:2]))
    assert tuple(map(int, low.split("."))) <= found < tuple(map(int, high.split(".")))


def test_the_citation_has_what_its_format_asks_for() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"] and citation["title"] == "convzoo" and citation["type"] == "software"
    assert citation["authors"] == [{"name": "The convzoo contributors"}]
    assert citation["version"] == VERSION
    assert f'license = "{citation["license"]}"' in SETTINGS


def test_the_workflow_runs_every_python_that_the_package_names() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    versions = job["strategy"]["matrix"]["python-version"]
    lowest = re.search(r'requires-python = ">=([\d.]+)"', SETTINGS)[1]  # type: ignore[index]
    assert versions[0] == lowest and all(isinstance(version, str) for version in versions)
    assert any(step.get("run") == "bash .ci/run" for step in job["steps"])


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_both_ends_are_the_lowest_and_the_highest_torch_within_the_bound(tmp_path: Path) -> None:
    """With a pip that knows other releases than the real one, some outside of the bound."""
    low, high = re.search(r'"torch>=([\d.]+),<([\d.]+)"', SETTINGS).groups()  # type: ignore[union-attr]
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    releases = f"{high}.0, {low}.10+cpu, {low}.10, {low}.9, {low}.1, 1.13.1"
    (tmp_path / "pip" / "__main__.py").write_text(f"print('torch ({high}.0)\\nAvailable versions: {releases}')")
    (tmp_path / "python3").symlink_to(sys.executable)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        ["bash", ".ci/both_ends", "--list"], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{low}.1", f"{low}.10"]
