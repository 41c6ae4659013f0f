"""What a page shows of budgets of false alarms and of coarse classes."""

import pytest

import convzoo

SMALL = ["train.epochs=1", "train.batch_size=20", "model.channels=8", "model.embedding_size=8", "baselines=[majority]"]


def test_what_is_found_within_each_budget_stands_beside_the_opponents(small_run) -> None:
    page = (small_run("spam_cnn1d") / "report.html").read_text(encoding="utf-8")
    table = page.partition("Within a budget of false alarms")[2].partition("</table>")[0]
    for words in ("0.1 %", "this network", "char_svm", "naive_bayes", "false alarms on test"):
        assert words in table


@pytest.mark.parametrize("separator", [":", "/"])
def test_coarse_classes_stand_on_the_page_in_the_scores_and_in_predictions(separator, tmp_path) -> None:
    kinds = (("NUM", "date", "when was"), ("NUM", "count", "how many"), ("HUM", "ind", "who is"))
    rows = [f"{kinds[n % 3][2]} number {n},{kinds[n % 3][0]}{separator}{kinds[n % 3][1]}" for n in range(90)]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    settings = [*SMALL, f'task.hierarchy="{separator}"']
    run = convzoo.run("sentiment_cnn1d", settings, data=tmp_path / "t.csv", out=tmp_path / "run", quiet=True)
    assert run.scores["test/coarse_accuracy"] >= run.scores["test/accuracy"]
    assert 0 <= run.results["baselines"]["majority"]["test/coarse_accuracy"] <= 1
    assert "Each coarse class." in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    (answer,) = run.predict(["when was number 3"])
    assert answer["coarse"] == answer["label"].split(separator)[0]
