"""What a run and a breakdown show in a notebook."""

import shutil
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import torch
from torch import nn

from convzoo import Run
from convzoo.core import html
from convzoo.core.files import read_json, write_json
from convzoo.inspect.describe import describe
from convzoo.models.cnn2d import CNN2d

VOID = {"br", "hr", "img", "meta", "link", "input"}


@dataclass
class Page(HTMLParser):
    """The tables and the lines of some HTML; refuses tags that are not closed in their order."""

    source: str
    rows: list[list[str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    styles: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.styles.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.styles[-1].append(dict(attrs).get("style") or "")
        if tag == "div" and "tr" not in self.open:
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "tr" in self.open:
            self.rows[-1][-1] += data
        else:
            self.lines[-1] += data


def assert_fits_any_page(source: str) -> None:
    """It brings nothing along, runs nothing, and has no colour of its own for text and ground."""
    page = Page(source)
    assert not page.tags & {"script", "link", "img", "iframe", "style"}
    assert {name for name, _ in page.attributes} <= {"style"}
    for _, style in page.attributes:
        for rule in style.split(";"):
            name, _, value = rule.partition(":")
            if name.strip() in ("color", "background", "background-color"):
                assert value.strip() in ("inherit", "transparent"), rule
    assert len(source) < 40_000


def test_a_run_shows_its_scores_beside_its_opponents(small_run, cli) -> None:
    run = Run.load(small_run("sentiment_cnn1d"))
    page = Page(run._repr_html_())
    assert_fits_any_page(run._repr_html_())
    header, first, *others = page.rows
    assert header[0] == "sentiment_cnn1d" and header[2] == "test/accuracy"
    low, high = run.results["intervals"]["test/accuracy"]
    interval = f"({low:.3g}–{high:.3g})"
    assert first[:3] == ["cnn1d", "this network", f"{run.scores['test/accuracy']:.4f} {interval}"]
    assert all("bold" in style for style in page.styles[1]) and "bold" not in page.styles[2][0]
    kinds = [row[1] for row in others]
    assert kinds.count("opponent") == len(run.results["baselines"]) and "best possible" in kinds
    majority = next(row for row in others if row[0] == "majority")
    assert majority[2] == f"{run.results['baselines']['majority']['test/accuracy']:.4f}"
    assert any(line.startswith("expected: ") for line in page.lines)
    assert f"The run is in {run.path}; its page is {run.path / 'report.html'}. Go on with:" in page.lines
    assert "run.predict(inputs)" in page.lines


def test_the_notebook_and_the_terminal_show_the_same_rows(small_run, capsys) -> None:
    from convzoo.commands.run import print_summary

    run = Run.load(small_run("emotion_cnn2d"))
    print_summary(run)
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    for row in Page(run._repr_html_()).rows[1:]:
        cells = " ".join(row).split()
        assert any(line == cells[: len(line)] and len(line) > 2 for line in printed), cells


def test_a_repeated_run_shows_its_deviations(small_run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(small_run("sentiment_cnn1d"), folder)
    results = read_json(folder / "scores.json")
    write_json(folder / "scores.json", results | {"spread": dict.fromkeys(results["scores"], 0.0125)})
    assert Page(Run.load(folder, accept_changes=True)._repr_html_()).rows[1][2].endswith(" ± 0.0125")


def test_an_unfinished_run_says_so_and_how_to_finish_it(small_run, tmp_path: Path) -> None:
    folder = tmp_path / "half & half"
    shutil.copytree(small_run("sentiment_cnn1d"), folder)
    (folder / "scores.json").unlink()
    run = Run.load(folder)
    page = Page(run._repr_html_())
    assert_fits_any_page(run._repr_html_())
    assert not page.rows
    assert any("unfinished" in line for line in page.lines)
    assert f"convzoo run --resume '{folder}'" in page.lines
    assert f"convzoo.run(resume={str(folder)!r})" in page.lines
    assert "unfinished" in repr(run)


def test_a_breakdown_shows_its_layers() -> None:
    breakdown = describe(CNN2d(classes=7, in_channels=1, height=48, width=48), {"image": torch.zeros(1, 1, 48, 48)})
    source = breakdown._repr_html_()
    assert_fits_any_page(source)
    page = Page(source)
    assert tuple(page.rows[0]) == breakdown.columns
    assert [row[0] for row in page.rows[1:]] == [layer.name for layer in breakdown.layers]
    assert [tuple(row) for row in page.rows[1:]] == breakdown.rows()
    assert page.rows[1][2] == "×".join(map(str, breakdown.layers[0].output_shape))
    assert "input: image 1×48×48" in page.lines
    assert any(line.startswith(f"{breakdown.parameters:,} parameters") for line in page.lines)


def test_names_are_shown_as_they_are_written() -> None:
    breakdown = describe(nn.Sequential(nn.Linear(3, 2)), {"input": torch.zeros(1, 3)})
    odd = replace(breakdown, layers=[replace(breakdown.layers[0], name="<script>alert(1)</script>", words="a & b")])
    assert Page(odd._repr_html_()).rows[1][:2] == ["<script>alert(1)</script>", "a & b"]
    assert_fits_any_page(odd._repr_html_())


def test_numbers_stand_to_the_right() -> None:
    page = Page(html.block(html.table(["name", "count"], [["a", "1"]], numbers=[1])))
    for row in page.styles:
        assert row[0].endswith("left") and row[1].endswith("right")
