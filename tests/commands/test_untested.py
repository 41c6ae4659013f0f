"""Training with no test part: it trains, and terminal, scores, report and evaluate say that nothing was tested."""

import json
from pathlib import Path

import pytest
from conftest import EMBEDDED, FORMS, refused

from convzoo.core.tables import read_table

OWN = [path.stem for path in EMBEDDED if hasattr(FORMS.get(path.stem), "own")]


@pytest.mark.parametrize("name", ["emotion_cnn2d", "sentiment_cnn1d", "nodes_gcn", "lidar_pillars"])
def test_scores_of_validation_are_named_so(name: str, cli, tmp_path: Path) -> None:
    home, settings = FORMS[name].own(tmp_path)
    result = cli("run", name, "--data", home, *settings, "data.test=0", "--out", "run")
    assert result.code == 0, result.err
    assert "there is no test split, so nothing is tested" in result.err
    assert "nothing was tested: these are scores of the validation split" in result.out
    assert "test/" not in result.out.partition("next:")[0]
    found = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert found["examples"]["test"] == 0
    assert found["scores"]
    for names in (found["scores"], *found["baselines"].values(), found["intervals"]):
        assert all(each.startswith("val/") for each in names)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Nothing was tested" in page
    assert "All scores are of the test split" not in page
    assert "could not be drawn" not in page
    again = cli("evaluate", "run", "--json")
    assert "has no test split" in again.err
    main = next(iter(found["scores"]))
    assert json.loads(again.out)[main] == pytest.approx(found["scores"][main])
    assert cli("describe", "run").code == 0


def test_a_folder_with_train_and_val_only_trains_on_train_and_validates_on_val(cli, tmp_path: Path) -> None:
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        FORMS["emotion_cnn2d"].own(tmp_path / part)
    home = tmp_path / "photos"
    home.mkdir()
    for number, part in enumerate(("train", "val")):
        (tmp_path / part / "photos").rename(home / part)
        for path in (home / part).rglob("*.png"):  # other pictures in validation than in training
            path.write_bytes(path.read_bytes() + bytes([number]))
    result = cli(
        "run", "emotion_cnn2d", "--data", home, *FORMS["emotion_cnn2d"].NETWORK, "--out", "run", "data.copies=keep"
    )
    assert result.code == 0, result.err
    rows = read_table(tmp_path / "run" / "predictions.csv")
    assert {row["source"].partition("/")[0] for row in rows} == {"val"}
    assert "nothing was tested" in result.out
    (home / "val").rename(home / "other")
    refused(cli("check", "emotion_cnn2d", "--data", home), 3, "none named test")
    refused(cli("check", "emotion_cnn2d", "--data", home / "train", "data.val=0"), 3, "data.val", "above 0")
