"""The page of a detector of anomalies: what it counts is what the run wrote down."""

import re

import numpy as np
import pytest
import torch

import convzoo
from convzoo.core.pages import Material
from convzoo.modalities.series.example import Series, Stretch
from convzoo.modalities.series.outcomes import outcomes
from convzoo.modalities.series.pages import SeriesPages
from convzoo.recipe.assembly import build_reader
from convzoo.runs import read_predictions
from convzoo.tasks.anomaly_detection import AnomalyDetection


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory: pytest.TempPathFactory) -> convzoo.Run:
    out = tmp_path_factory.mktemp("anomalies") / "run"
    more = ["baselines=[]", "task.quantile=0.9", "data.anomalies=20"]
    return convzoo.run("anomaly_cnn1d", [*tiny("anomaly_cnn1d"), *more], out=out, quiet=True)


@pytest.fixture(scope="module")
def material(run: convzoo.Run) -> Material:
    rows = read_predictions(run.path / "predictions.csv")
    return Material(run.model, run.encoder, build_reader(run.recipe).read().test, rows)


def html_of(panels) -> str:
    return "".join(str(panel.html) for panel in panels)


def test_outcomes_tell_found_missed_and_false() -> None:
    row = {
        "index": 0,
        "highest": 4.0,
        "true_alarms": [{"start": 10, "stop": 20}, {"start": 40, "stop": 45}, {"start": 60, "stop": 61}],
        "alarms": [
            {"start": 5, "stop": 8, "peak": 2.0},  # before anything is wrong
            {"start": 13, "stop": 22, "peak": 4.0},
            {"start": 47, "stop": 48, "peak": 1.5},  # 2 rows after: late, not false, but nothing was found
            {"start": 70, "stop": 71, "peak": 1.1},
        ],
    }
    (found,) = outcomes([row], [100], slack=3)
    assert [truth.delay for truth in found.truths or ()] == [3, None, None]
    assert [truth.flagged for truth in found.truths or ()] == [7, 0, 0]
    assert (found.found, len(found.missed), found.mistakes) == (1, 2, 4)
    assert [alarm.start for alarm in found.false_alarms] == [5, 70]
    assert found.flags.sum() == 14 and found.wrong is not None and found.wrong.sum() == 16


def test_a_stretch_without_labels_has_no_mistakes() -> None:
    (found,) = outcomes(
        [{"index": 0, "highest": 2.0, "true_alarms": "", "alarms": [{"start": 1, "stop": 2, "peak": 2.0}]}], [5], 0
    )
    assert found.truths is None and found.wrong is None and found.mistakes == 0 and len(found.alarms) == 1


@pytest.mark.parametrize("across", ["mean", "max"])
def test_surprises_explain_the_scores(across: str, material: Material, run: convzoo.Run) -> None:
    task = AnomalyDetection(smooth=4, across=across, burn_in=8)
    task.load_state({"thresholds": {"": 0.5}})
    batch = material.encoder.encode(list(material.examples))
    with torch.no_grad():
        scores = task.predict(material.model.eval(), batch)[:, 0].numpy().clip(min=0)  # -1 where it is not judged
        found = task.surprises(material.model, batch)
    for row, surprise in enumerate(found):
        np.testing.assert_allclose(surprise.score, scores[row, : len(surprise.score)], rtol=1e-5)
        combined = surprise.by_channel.mean(axis=0) if across == "mean" else surprise.by_channel.max(axis=0)
        np.testing.assert_allclose(combined, surprise.score, rtol=1e-5)
        expected = material.model(batch.inputs["values"][row : row + 1])[0].detach().numpy()
        np.testing.assert_allclose(surprise.expected, expected[:, : len(surprise.score)], atol=1e-4)


def test_standardised_values_are_restored(material: Material) -> None:
    stretch = material.examples[0]
    values = material.encoder.encode([stretch]).inputs["values"][0].numpy()
    np.testing.assert_allclose(material.encoder.restore(stretch.series, values), stretch.values.T, atol=1e-4)


def test_the_page_counts_what_the_run_wrote(run: convzoo.Run, material: Material) -> None:
    page = (run.path / "report.html").read_text(encoding="utf-8")
    matrix = page[page.index("<h3>Row by row</h3>") :]
    hits, missed, false, quiet = (int(n.replace(",", "")) for n in re.findall(r"<b>([\d,]+)</b>", matrix)[:4])
    assert hits + missed == sum(int(example.anomalies.sum()) for example in material.examples)
    assert hits + missed + false + quiet == sum(map(len, material.examples))
    assert 2 * hits / (2 * hits + false + missed) == pytest.approx(run.scores["test/f1"])
    operating = page[page.index("× 1, in use") :]
    shown = re.search(r"F1 of rows\">([\d.]+)<.*?intervals found\">(\d+) of (\d+)<", operating)
    assert shown is not None
    f1, found, every = shown.groups()
    assert float(f1) == pytest.approx(run.scores["test/f1"], abs=6e-4)
    assert int(found) / int(every) == pytest.approx(run.scores["test/events_found"])


def test_every_panel_counts_what_it_leaves_out(run: convzoo.Run, material: Material) -> None:
    pages = SeriesPages()
    panels = {panel.title.split(" (")[0]: panel for panel in pages.gallery(run.task, material)}
    rows = outcomes(material.predictions, [len(each) for each in material.examples], run.task.smooth)
    for name, count in (
        ("Found", sum(r.found for r in rows)),
        ("Missed", sum(len(r.missed) for r in rows)),
    ):
        assert panels[name].title == f"{name} ({count:,})"
        shown = str(panels[name].html).count('class="card"')
        assert (f"{shown} of {count:,} are shown" in panels[name].about) == (shown < count)
    assert 'role="img" aria-label="' in html_of(panels.values())


def test_without_labels_nothing_is_called_right_or_wrong(run: convzoo.Run, material: Material) -> None:
    bare = [
        Stretch(Series(e.series.name, e.series.values, e.series.channels), e.start, e.stop) for e in material.examples
    ]
    rows = [{**row, "true_alarms": ""} for row in material.predictions]
    unlabelled = Material(material.model, material.encoder, bare, rows)
    pages = SeriesPages()
    titles = [panel.title for panel in pages.gallery(run.task, unlabelled)]
    assert titles[0] == "Whole test series" and titles[1].startswith("Alarms (") and len(titles) == 2
    where = html_of(pages.sections(run.task, unlabelled))
    assert "no labels" in where and "false alarm" not in where + html_of(pages.gallery(run.task, unlabelled))
    assert pages.cases(run.task, unlabelled) == []


def test_names_of_the_data_are_escaped_and_cut(material: Material) -> None:
    series = Series("<b>pump</b>", np.zeros((6, 12)), tuple(f"<i>{number} {'long ' * 20}" for number in range(12)))
    picture = SeriesPages().picture(Stretch(series, 0, 6))
    assert "<b>pump" not in picture and "<i>" not in picture and "4 other sensors not drawn" in picture


def test_only_so_much_is_looked_at_again(run: convzoo.Run, material: Material) -> None:
    from convzoo.modalities.series.looked import look

    channels = len(material.examples[0].series.channels)
    found = look(run.task, material, limit=50 * channels)
    assert len(found.outcomes) == len(material.examples)
    (surprise,) = found.surprises.values()
    assert surprise.score.shape == (50,)
