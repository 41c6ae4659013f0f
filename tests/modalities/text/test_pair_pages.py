"""The page of a translator: its scores are those of the run, its sentences the worst and the best."""

import re

import numpy as np
import pytest

import convzoo
from convzoo.core.pages import Material
from convzoo.metrics.translation import scorers
from convzoo.modalities.text.pair import Pair
from convzoo.modalities.text.pair_pages import PairPages, score
from convzoo.recipe.assembly import build_reader
from convzoo.runs import read_predictions


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory: pytest.TempPathFactory) -> convzoo.Run:
    out = tmp_path_factory.mktemp("translation") / "run"
    return convzoo.run("translation_convs2s", [*tiny("translation_convs2s"), "baselines=[]"], out=out, quiet=True)


@pytest.fixture(scope="module")
def material(run: convzoo.Run) -> Material:
    rows = read_predictions(run.path / "predictions.csv")
    return Material(run.model, run.encoder, build_reader(run.recipe).read().test, rows)


def test_the_page_shows_the_scores_of_the_run(run: convzoo.Run, material: Material) -> None:
    page = (run.path / "report.html").read_text(encoding="utf-8")
    whole = page[page.index("<b>All.</b>") :]
    shown = re.search(r'data-h="chrF">([\d.]+)<.*?data-h="BLEU">([\d.]+)<', whole)
    assert shown is not None
    chrf = scorers(True)[1]
    each = [chrf.sentence_score(row["translation"], [row["true_translation"]]).score for row in material.predictions]
    assert float(shown[1]) == pytest.approx(np.mean(each), abs=0.06)
    assert float(shown[2]) == pytest.approx(100 * run.scores["test/bleu"], abs=0.06)


def test_the_worst_sentences_come_first(run: convzoo.Run, material: Material) -> None:
    panels = {panel.title: panel for panel in PairPages().gallery(run.task, material)}
    values = [int(number) for number in re.findall(r"chrF (\d+)", str(panels["Worst"].html))]
    scored = score(run.task, material)
    assert len(values) == 12 and values == sorted(values)
    assert values[0] == round(100 * scored.chrf.min())
    assert f"12 of {len(scored.rows)} are shown" in panels["Worst"].about
    assert str(panels["Best"].html).count("upright") <= 6


def test_the_slices_hold_every_sentence_once(run: convzoo.Run, material: Material) -> None:
    divisions = PairPages().slices(run.task, material)
    assert [division.title for division in divisions] == ["length", "rarest word"]
    for division in divisions:
        places = sorted(place for group in division.groups.values() for place in group)
        assert places == list(range(len(material.predictions)))
    lengths = [len(run.task.words(example.text)) for example in material.examples]
    for name, places in divisions[0].groups.items():
        low, high = min(lengths[at] for at in places), max(lengths[at] for at in places)
        assert name == (f"{low} words" if low == high else f"{low} to {high} words")


def test_differences_are_marked_and_texts_escaped(run: convzoo.Run, material: Material) -> None:
    row = {
        "index": 0,
        "source": "a:1",
        "translation": "der <b> hund",
        "true_translation": "der alte hund",
        "score": -1.0,
    }
    one = Material(material.model, material.encoder, [Pair("the <i> dog", "der alte hund", source="a:1")], [row])
    html = "".join(panel.html for panel in PairPages().gallery(run.task, one))
    assert "<b> hund" not in html and "<i>" not in html
    assert re.search(r'class="w p u"[^>]*>alte<', html) and re.search(r'class="w m u"[^>]*>b<', html)


def test_without_true_translations_the_least_sure_are_shown(run: convzoo.Run, material: Material) -> None:
    rows = [{**row, "true_translation": ""} for row in material.predictions]
    bare = Material(material.model, material.encoder, [Pair(e.text, source=e.source) for e in material.examples], rows)
    (panel,) = PairPages().gallery(run.task, bare)
    assert panel.title == "Least sure" and PairPages().sections(run.task, bare) == []
    first = min(rows, key=lambda row: float(row["score"]))
    assert str(first["source"]) in panel.html[: panel.html.index("</li>")]
