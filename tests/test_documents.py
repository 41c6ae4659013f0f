"""What the documents name is there: links, paths of the repository, and command lines that the parser takes."""

import re
import shlex
from argparse import Namespace
from pathlib import Path

import pytest
from conftest import ROOT

from convzoo.cli import _parser
from convzoo.core.errors import RecipeError
from convzoo.recipe.recipe import find_recipe

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")

OURS = ("convzoo", "tests", "docs", "recipes", "benchmarks", "datasets", ".ci", ".github")
"""The folders of the repository."""
ROOMS = tuple(path.name for path in (ROOT / "convzoo").iterdir() if path.is_dir() and not path.name.startswith("_"))
"""The folders of the package: a page may leave out `convzoo/` before them."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def headings(page: Path) -> set[str]:
    """What a link may put after `#`, as GitHub makes it of a page's headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def broken_links(page: Path) -> list[str]:
    """The links of a page to files or headings that are not there."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        file, _, heading = target.partition("#")
        if "://" in target:
            continue
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (heading and there.suffix == ".md" and heading not in headings(there)):
            found.append(target)
    return found


def written_by_the_walk() -> set[str]:
    """The files that the walk through a new application makes: they are named, and are not there."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return {*re.findall(r"^# (\S+/\S+\.(?:py|yaml))$", text, re.MULTILINE), "docs/recipes/sugar_cnn1d.md"}


def new_files_of(page: Path) -> set[str]:
    """The names in a page's table of files that an application would add."""
    table = re.search(r"^\| new file \|.*?\n\n", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return set(re.findall(r"`([\w./]+)`", table[0])) if table else set()


def absent_paths(page: Path) -> list[str]:
    """The paths of this repository that a page names and that are not there."""
    named = re.findall(r"`([\w.][\w./<>*-]*/[\w./<>*-]*)`", prose(page))
    imagined = written_by_the_walk() | new_files_of(page)
    found = []
    for path in named:
        first = path.split("/")[0]
        homes = [ROOT] * (first in OURS) + [ROOT / "convzoo"] * (first in ROOMS)
        pattern = re.sub(r"<[^>]*>", "*", path).rstrip("/")
        if homes and path not in imagined and not any(any(home.glob(pattern)) for home in homes):
            found.append(path)
    return found


def commands(text: str) -> list[str]:
    """The lines of a page's blocks of shell that call convzoo, each from that word on."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [found[1] for line in lines if (found := re.search(r"(?:^|[/ ])convzoo ((?!=).+)$", line))]


def parsed(command: str) -> Namespace:
    """What the parser makes of a command line, up to a pipe or a redirection."""
    words = shlex.split(re.split(r" [|<>] ", command)[0], comments=True)
    options, more = _parser().parse_known_args(words)
    assert not [word for word in more if word.startswith("-") and word != "-"], more
    return options


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_of_the_repository_are_there(page: Path) -> None:
    assert absent_paths(page) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_command_lines_are_taken_by_the_parser_and_name_shipped_recipes(page: Path) -> None:
    for command in commands(page.read_text(encoding="utf-8")):
        options = parsed(command)
        recipe = getattr(options, "recipe", None)
        if recipe is not None and not recipe.startswith("runs/"):
            assert find_recipe(recipe).is_file(), command


def test_the_readme_shows_every_command_line_that_a_user_begins_with() -> None:
    shown = {parsed(command).command for command in commands(README)}
    assert shown >= {"list", "check", "describe", "run", "predict", "export"}


def test_a_page_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](page.md#one) [b](none.md) [c](#two)\n`convzoo/cli.py` `reading/*.py` `tests/none.py`\n")
    assert broken_links(page) == ["none.md", "#two"]
    assert absent_paths(page) == ["tests/none.py"]
    text = "```sh\n.venv/bin/convzoo run none\nconvzoo check sentiment_cnn1d --fast\n```\n"
    first, second = commands(text)
    with pytest.raises(RecipeError):
        find_recipe(parsed(first).recipe)
    with pytest.raises(AssertionError, match="--fast"):
        parsed(second)
