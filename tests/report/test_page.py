"""The page of each recipe: it says what `scores.json` says, holds all that it shows, and is sound in a browser."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import EMBEDDED, ROOT

import convzoo
from convzoo import summary
from convzoo.report import kit
from convzoo.report.network import blocks
from convzoo.report.page import CHAPTERS, UNDRAWN

NAMES = [path.stem for path in EMBEDDED]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = Path(os.environ.get("CONVZOO_AXE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
"""axe-core of the npm registry, which checks contrast and roles: `npm install axe-core`."""

PROBE = """
window.problems = [];
window.onerror = (message) => { window.problems.push(String(message)); };
const kept = console.error; console.error = (...words) => { window.problems.push(words.join(' ')); kept(...words); };
window.addEventListener('load', async () => {
  const wide = document.documentElement.scrollWidth, seen = document.documentElement.clientWidth;
  const small = [...document.querySelectorAll('body *')].filter(element =>
    [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()) &&
    !['SCRIPT', 'STYLE'].includes(element.tagName) && element.getClientRects().length &&
    parseFloat(getComputedStyle(element).fontSize) < 12.9 && !element.closest('svg'));
  const beyond = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > seen + 1 &&
    !e.closest('.table, .matrix, .heat, pre, .sees, svg, .hidden')).slice(-3).map(e => e.outerHTML.slice(0, 120));
  const found = { wide, seen, beyond: wide > seen ? beyond : [], problems: window.problems,
    small: small.slice(0, 5).map(e => e.outerHTML.slice(0, 120)) };
  if (window.axe) {
    const done = await axe.run(document, { resultTypes: ['violations'] });
    found.axe = done.violations.map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160), v.nodes[0].failureSummary]);
  }
  const out = document.createElement('script'); out.type = 'application/json'; out.id = 'found';
  out.textContent = JSON.stringify(found); document.body.append(out);
});
"""


def page_of(small_run, name: str) -> tuple[Path, str]:
    path = small_run(name) / "report.html"
    return path, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_what_scores_json_says(name: str, small_run) -> None:
    path, page = page_of(small_run, name)
    run = convzoo.Run(path.parent)
    said = summary.judgement(run.results)
    assert said, "each small run has an opponent"
    words = html.unescape(re.search(r'class="verdict \w+">.*?<p>(.*?)</p>', page)[1])
    assert words == said[0].upper() + said[1:] + "."
    shown = html.unescape(re.sub(r"<[^>]+>", " ", page[page.index('id="scores"') : page.index('<dl class="facts">')]))
    for row in summary.rows(run.recipe, run.results):
        for column in (name for name in row.scores if name in run.scores):
            assert summary.written(row, column).replace("-", "−") in shown, (row.name, column)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_every_chapter_and_holds_all_it_shows(name: str, small_run) -> None:
    path, page = page_of(small_run, name)
    for chapter, heading in CHAPTERS.items():
        assert f'<section id="{chapter}"' in page and f'<a href="#{chapter}">{heading}</a>' in page, chapter
    beside = {match[1] for match in re.finditer(r'<a href="([^"#]+)"', page)}
    assert beside and all((path.parent / file).is_file() for file in beside)
    for address in re.findall(r"""\b(?:src|xlink:href)=["']([^"']*)""", page):
        assert address.startswith(("data:", "#")), address
    assert not re.findall(r"url\((?!['\"]?(?:data:|#))", page)
    assert path.stat().st_size < 1_500_000
    place = str(path.parent.parent)
    assert place not in page and str(Path.home()) + os.sep not in page, "no path of this machine"
    assert "<svg" in page
    assert UNDRAWN not in page, "a part of the page failed"


@pytest.mark.parametrize("name", NAMES)
def test_pictures_say_what_they_show_and_tags_are_closed(name: str, small_run) -> None:
    _, page = page_of(small_run, name)
    for tag in re.findall(r"<img [^>]*>", page):
        assert re.search(r'alt="', tag), tag[:120]
    for tag in re.findall(r"<svg [^>]*>", page):
        assert "aria-hidden" in tag or "aria-label" in tag, tag[:120]
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.S)
    for tag in ("div", "table", "tr", "ul", "li", "section", "figure", "details", "svg", "p", "dl"):
        opened, closed = len(re.findall(rf"<{tag}[\s>]", body)), body.count(f"</{tag}>")
        assert opened == closed, f"{tag}: {opened} opened, {closed} closed"


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_a_browser_finds_nothing_wrong(name: str, small_run, tmp_path: Path) -> None:
    """At 320 and 1600 pixels, light and dark: no error, nothing beyond the window, no small letters, and where axe-core is there,
    no fault of contrast or of roles."""
    _, page = page_of(small_run, name)
    tools = (AXE.read_text(encoding="utf-8") if AXE.is_file() else "", PROBE)
    probes = "".join(f"<script>{tool}</script>" for tool in tools)
    for width, theme in ((320, "light"), (1600, "dark")):
        probed = tmp_path / f"{width}.html"
        themed = page.replace('<html lang="en">', f'<html lang="en" data-theme="{theme}">', 1)
        # A window of Chromium is at least 500 pixels wide, so the page stands in a frame.
        probed.write_text(themed.replace("</head>", f"{probes}</head>", 1), encoding="utf-8")
        found = opened(probed, width, tmp_path)
        assert found["problems"] == [], (width, theme)
        assert found["wide"] <= found["seen"], (width, theme, "beyond the window", found["beyond"])
        assert found["small"] == [], (width, theme)
        assert found.get("axe", []) == [], (width, theme)


def opened(page: Path, width: int, folder: Path) -> dict:
    """What the probe of a page finds in a frame of some width."""
    frame = folder / "frame.html"
    frame.write_text(
        f'<!doctype html><html lang="en"><head><title>frame</title></head><body style="margin:0"><iframe id="f" title="page" '
        f'src="{page.name}" style="width:{width}px;height:900px;border:0"></iframe><script>'
        "const wait = () => { const d = document.getElementById('f').contentDocument; const e = d && d.getElementById('found');"
        " if (e) { document.title = 'done'; const p = document.createElement('pre'); p.id = 'answer';"
        " p.textContent = e.textContent; document.body.append(p); } else setTimeout(wait, 50); }; wait();</script></body></html>",
        encoding="utf-8",
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--allow-file-access-from-files",
             f"--user-data-dir={folder / 'browser'}", "--window-size=1700,1000", "--virtual-time-budget=20000"]  # fmt: skip
    assert BROWSER is not None
    done = subprocess.run([BROWSER, *flags, "--dump-dom", frame.as_uri()], capture_output=True, text=True, timeout=180)
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.S)
    assert answer, done.stdout[-500:] + done.stderr[-500:]
    return json.loads(html.unescape(answer[1]))


# The kit


def test_ticks_are_round_and_inside() -> None:
    scale = kit.Scale.of([0.506, 0.951, 0.963], percent=True)
    assert [scale.tick_words(tick) for tick in scale.ticks()] == [
        "50\u00a0%",
        "60\u00a0%",
        "70\u00a0%",
        "80\u00a0%",
        "90\u00a0%",
    ]
    for low, high in ((0.0, 1e-6), (-5.0, 17.0), (1e6, 3e6), (0.1, 0.1000001)):
        other = kit.Scale(low, high)
        assert 2 <= len(other.ticks()) <= 8
        assert all(low - 1e-9 <= tick <= high + 1e-9 * abs(high) for tick in other.ticks())
    assert kit.Scale.of([float("nan")]).ticks()


def test_wilsons_interval_is_that_of_statsmodels_tables() -> None:
    assert kit.wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert kit.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert kit.wilson(20, 20)[1] == 1.0


def test_bands_hold_every_value_once_and_equal_values_together() -> None:
    groups = kit.bands([3, 3, 3, 3, 1, 2, 9, 8, float("nan")], 4, "words")
    assert sorted(place for places in groups.values() for place in places) == list(range(8))
    assert [name for name, places in groups.items() if 0 in places] == [
        name for name, places in groups.items() if 3 in places
    ]
    assert list(kit.bands([5, 5], 4, "words")) == ["5 words"]
    assert kit.bands([], 4) == {}


def test_texts_are_escaped_in_every_component() -> None:
    bad = "<script>x</script>\x1b[31m"
    parts = [
        kit.text(bad), kit.code(bad), kit.verdict("even", bad), kit.facts([(bad, bad, bad)]), kit.source(bad, bad),
        kit.panels([kit.Panel(bad, bad, "")]), kit.said(True, kit.text(bad)), kit.shaded_words([(bad, 0.5)]),
        kit.table([kit.Column(bad)], [[bad]]),
        kit.heat([(bad, [1.0])], [bad], bad), kit.flow([kit.Step(bad, bad, bad, bad, bad, bad)]), kit.folded(bad, ""),
        kit.tiles([("", bad)]), kit.command(bad), kit.files([(bad, bad)]), kit.stack([(bad, 1)]), kit.key([("", bad)]),
        kit.plot([kit.Line([(0, 0), (1, 1)], "l1", bad)], kit.Scale(0, 1), kit.Scale(0, 1), bad, bad, [(0.5, bad)]),
        kit.dots([kit.Competitor(bad, bad, 0.5)], kit.Scale(0, 1), None, ""),
    ]  # fmt: skip
    for part in parts:
        assert "<script" not in part and "\x1b" not in part


def test_repeated_blocks_are_folded_and_nothing_is_lost() -> None:
    from convzoo.inspect.describe import Layer

    layers = [Layer(str(at), kind, f"{kind} of {at} maps") for at, kind in enumerate("abcbcbcddde")]
    found = blocks(layers)
    assert [layer for block, _ in found for layer in block] == layers
    assert [(len(block), count) for block, count in found] == [(1, 1), (6, 3), (3, 3), (1, 1)]
