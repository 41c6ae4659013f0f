"""What people's own data once were silently taken for; each test has the right value."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from conftest import FORMS, refused

import convzoo
from convzoo.core.errors import DataError
from convzoo.metrics.classification import best_temperature
from convzoo.modalities.audio.example import Audio
from convzoo.modalities.image.encoder import ImageEncoder
from convzoo.modalities.image.example import Image
from convzoo.reading.tables import read_table

TEXT = ["train.epochs=1", "model.channels=4", "model.embedding_size=4", "baselines=[]", "--quiet"]


def reviews(path: Path, count: int = 40, first: int = 0) -> Path:
    rows = [
        f"a {['fine', 'poor'][at % 2]} film number {at},{['good', 'bad'][at % 2]}" for at in range(first, first + count)
    ]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("deep", "dark", "bright"),
    [
        (np.uint16, 257 * 10, 257 * 200),
        (np.int32, 257 * 10, 257 * 200),
        (np.float32, 10 / 255, 200 / 255),
    ],
)
def test_a_dark_image_of_many_bits_stays_darker_than_a_bright_one(tmp_path, deep, dark, bright):
    images = []
    for name, level in (("dark", dark), ("bright", bright)):
        pixels = np.linspace(level * 0.9, level, 64).reshape(8, 8).astype(deep)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{name}.tif")
        images.append(Image(path=tmp_path / f"{name}.tif", label=name))
    encoder = ImageEncoder(normalise="unit")
    encoder.fit(images)
    batch = encoder.encode(images).inputs["image"]
    assert float(batch[0].max()) == pytest.approx(10 / 255, abs=1 / 255)
    assert float(batch[1].max()) == pytest.approx(200 / 255, abs=1 / 255)
    other = ImageEncoder(normalise="unit")
    other.load_state(encoder.state())
    assert (other.encode(images[:1]).inputs["image"] == batch[:1]).all(), "alone it is as dark as beside the bright one"


def test_one_coloured_image_keeps_the_colours_of_all(tmp_path):
    grey, red = np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    encoder = ImageEncoder()
    encoder.fit([Image(pixels=grey, label="a"), Image(pixels=red, label="b")])
    assert encoder.colour == "rgb"
    assert encoder.encode([Image(pixels=grey), Image(pixels=red)]).inputs["image"].shape == (2, 3, 8, 8)


def test_channels_before_samples_are_refused_and_said():
    with pytest.raises(DataError, match="more channels than samples; transpose it"):
        Audio.from_inputs([(np.zeros((2, 8000), np.float32), 16_000)])


def test_a_temperature_is_not_chosen_on_examples_that_are_all_right():
    import torch

    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert best_temperature(logits, torch.tensor([0, 1])) == 1.0


def test_names_of_two_words_are_one_label(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\na,New York\nb,York\n")
    table = read_table(tmp_path / "t.csv")
    assert table.labels("label", "classes") == [("New York",), ("York",)]


def test_classes_that_look_like_a_missing_value_or_like_each_other_are_said(cli, tmp_path):
    rows = [f"a text of number {at},{['cat', 'Cat', 'NA'][at % 3]}" for at in range(60)]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    result = cli("check", "sentiment_cnn1d", "--data", "t.csv", *TEXT[:-1])
    assert result.code == 0, result.err
    assert "class 'NA' looks like a missing value" in result.out
    assert "'Cat', 'cat' look like one" in result.out


def test_what_was_trained_on_is_said_when_it_is_scored_again(cli, tmp_path):
    data = reviews(tmp_path / "mine.csv")
    assert cli("run", "sentiment_cnn1d", "--data", str(data), *TEXT, "--out", "first").code == 0
    again = cli("evaluate", "first", "--data", str(data))
    assert "28 of these 40 examples are training examples of the run" in again.err
    other = reviews(tmp_path / "other.csv", first=100)
    assert "training examples" not in cli("evaluate", "first", "--data", str(other)).err
    started = cli("check", "sentiment_cnn1d", "--data", str(data), "data.seed=1", "train.start_from=first", *TEXT[:-1])
    assert started.code == 0, started.err
    assert "of 12 validation and test examples were training examples there" in started.out


def test_users_are_not_taken_for_others_with_their_number(cli, tmp_path):
    data, settings = FORMS["recommender_lightgcn"].own(tmp_path)
    result = cli(
        "run", "recommender_lightgcn", "--data", str(data), *settings, "baselines=[]", "--quiet", "--out", "run"
    )
    assert result.code == 0, result.err
    assert cli("evaluate", "run", "--data", str(data)).code == 0
    text = Path(data).read_text()
    head, _, rows = text.partition("\n")
    other = tmp_path / "other.csv"
    other.write_text(head + "\n" + "\n".join(f"x{row}" for row in rows.splitlines()) + "\n")
    refused(cli("evaluate", "run", "--data", str(other)), 3, "20 users that training did not have")


def test_ids_are_for_what_has_ids(cli, small_run):
    refused(cli("predict", small_run("sentiment_cnn1d"), "hello", "--user", "3"), 2, "--nodes and --user")


def test_a_setting_of_the_command_line_is_blamed_and_not_the_file(cli, tmp_path):
    data = reviews(tmp_path / "mine.csv")
    result = cli("check", "sentiment_cnn1d", "--data", str(data), "task.threshold=recall>=90", *TEXT[:-1])
    assert result.code == 2
    assert "override task.threshold=recall>=90" in result.err
    assert ".yaml" not in result.err


def test_sensors_are_judged_by_what_their_labels_say(tmp_path):
    random = np.random.default_rng(0)
    values = random.normal(size=(900, 2))
    flags = np.zeros(900, int)
    flags[700:720] = flags[800:815] = 1
    values[flags == 1] += 6
    rows = "\n".join(f"{a:.4f},{b:.4f},{flag}" for (a, b), flag in zip(values, flags, strict=True))
    (tmp_path / "pump.csv").write_text("a,b,anomaly\n" + rows + "\n")
    settings = ["train.epochs=1", "model.channels=4", "baselines=[always,t2_q]", "task.burn_in=8"]
    run = convzoo.run(
        "anomaly_cnn1d", settings, data=tmp_path / "pump.csv", out=tmp_path / "run", quiet=True, report=False
    )
    compared = json.loads((tmp_path / "run" / "scores.json").read_text())["comparisons"]
    assert {item["score"] for item in compared.values()} == {"test/f1"}
    assert list(compared) == ["t2_q"], "nobody would use an alarm at every step"
    assert run.scores["test/f1"] - run.results["baselines"]["t2_q"]["test/f1"] == pytest.approx(
        compared["t2_q"]["difference"]
    )


def test_columns_and_iterators_are_inputs_and_other_things_are_said(small_run):
    run = convzoo.Run.load(small_run("sentiment_cnn1d"))
    wanted = run.predict(["a dull plot", "a fine film"])
    assert run.predict(np.array(["a dull plot", "a fine film"])) == wanted
    assert run.predict(text for text in ("a dull plot", "a fine film")) == wanted
    with pytest.raises(DataError, match="an input should be a text or the path of a file, not int"):
        run.predict([3])


def test_an_empty_file_is_named(cli, small_run, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    refused(cli("predict", small_run("sentiment_cnn1d"), "empty.txt"), 2, "empty.txt holds nothing")
