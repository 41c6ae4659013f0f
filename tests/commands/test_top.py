"""`predict --top N`: the most probable classes of each input, on the terminal, as JSON, in tables and from Python."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import FORMS, refused

import convzoo
from convzoo.core.errors import RecipeError


def test_the_most_probable_classes_come_in_order_everywhere(small_run, cli, tmp_path: Path) -> None:
    folder = small_run("emotion_cnn2d")
    run = convzoo.Run.load(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    (one,) = run.predict(pixels)
    wanted = sorted(one["probabilities"].items(), key=lambda pair: -pair[1])[:3]
    (three,) = run.predict(pixels, top=3)
    assert [(each["label"], each["probability"]) for each in three["top"]] == wanted
    assert three["label"] == wanted[0][0]
    assert "top" not in run.predict(pixels)[0], "the next call is as before"

    import PIL.Image

    PIL.Image.fromarray(pixels).save(tmp_path / "one.png")
    result = cli("predict", folder, "one.png", "--top", 3)
    assert result.out.split() == [word for name, p in wanted for word in (name, f"{p:.3f}")] + ["one.png"]
    printed = json.loads(cli("predict", folder, "one.png", "--top", 3, "--json").out)
    assert [each["label"] for each in printed["top"]] == [name for name, _ in wanted]
    assert cli("predict", folder, "one.png", "--top", 2, "-o", "out.csv").code == 0
    (row,) = csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
    assert (row["label_1"], row["label_2"]) == (wanted[0][0], wanted[1][0])
    assert float(row["probability_2"]) == pytest.approx(wanted[1][1])
    assert "label_3" not in row


@pytest.mark.parametrize("name", ["sentiment_cnn1d", "keywords_cnn1d", "actions_cnn3d", "mri_cnn3d"])
def test_every_classifier_names_as_many_classes_as_asked(name: str, small_run) -> None:
    run = convzoo.Run.load(small_run(name))
    for prediction in run.predict(FORMS[name].raw(), top=2):
        first, second = prediction["top"]
        assert first["probability"] >= second["probability"]
        assert {first["label"], second["label"]} <= set(prediction["probabilities"])


def test_a_wrong_number_of_answers_is_one_line(small_run, cli) -> None:
    folder = small_run("sentiment_cnn1d")
    refused(cli("predict", folder, "a text", "--top", 3), 2, "--top: there are 2 classes, not 3")
    refused(cli("predict", folder, "a text", "--top", 0), 2, "--top: should be at least 1, not 0")
    run = convzoo.Run.load(folder)
    for top in (0, -1, True):
        with pytest.raises(RecipeError, match="top: should be a whole number of at least 1"):
            run.predict("a text", top=top)
