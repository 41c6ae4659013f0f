"""`--folds N`: a cross-validation of one's own data, from the command line and from Python."""

import json
import shutil
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import PIL.Image
import pytest
from conftest import EMBEDDED, FORMS, refused

import convzoo
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.tables import read_table

NETWORK = FORMS["emotion_cnn2d"].NETWORK
OWN = [path.stem for path in EMBEDDED if hasattr(FORMS.get(path.stem), "own")]


def photos(folder: Path, counts: dict[str, int], people: int = 0) -> Path:
    """Dark and bright pictures, a folder a class; with people, each has some of both."""
    random = np.random.default_rng(0)
    for label, count in counts.items():
        for number in range(count):
            home = folder / label / (f"person{number % people}" if people else "")
            home.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 128, (20, 20), dtype=np.uint8) + 127 * (label > "b")
            PIL.Image.fromarray(np.uint8(pixels)).save(home / f"{number}.png")
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The weights and predictions of all parts."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for pattern in ("*/model.safetensors", "*/predictions.csv")
        for path in folder.glob(pattern)
    }


def test_every_photo_is_tested_once_and_the_scores_are_means_over_the_folds(cli, tmp_path: Path) -> None:
    home = photos(tmp_path / "photos", {"a": 15, "c": 15})
    result = cli("run", "emotion_cnn2d", "--data", home, *NETWORK, "--folds", 3, "--out", "run")
    assert result.code == 0, result.err
    assert "means ± standard deviations over 3 folds: each of 30 examples was tested once" in result.out
    tested = [
        row["source"] for part in range(3) for row in read_table(tmp_path / "run" / f"fold-{part}" / "predictions.csv")
    ]
    assert sorted(tested) == sorted(f"{path.parent.name}/{path.name}" for path in home.rglob("*.png"))
    whole = json.loads((tmp_path / "run" / "scores.json").read_text())
    parts = [json.loads((tmp_path / "run" / f"fold-{n}" / "scores.json").read_text())["scores"] for n in range(3)]
    for name in ("test/accuracy", "test/cross_entropy"):
        values = [part[name] for part in parts]
        assert whole["scores"][name] == pytest.approx(mean(values))
        assert whole["spread"][name] == pytest.approx(stdev(values))
    page = (tmp_path / "run" / "report.html").read_text()
    assert "over 3 folds: each of 30 examples was tested once" in page
    assert "<code>fold-0</code>, the first part" in page
    assert "30 test images" in page
    scores = json.loads(cli("evaluate", "run", "--json").out)
    assert scores["test/accuracy"] == pytest.approx(whole["scores"]["test/accuracy"])

    # A stop after the first fold: what is resumed ends at the same bits.
    straight = bytes_of(tmp_path / "run")
    for path in (*(tmp_path / "run").glob("fold-[12]"), tmp_path / "run" / "report.html"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (tmp_path / "run" / "scores.json").unlink()
    assert cli("run", "--resume", "run", "--accept-changes").code == 0
    assert bytes_of(tmp_path / "run") == straight
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["scores"] == whole["scores"]


def test_a_person_stands_in_one_fold_and_each_fold_has_both_classes(tmp_path: Path) -> None:
    home = photos(tmp_path / "photos", {"a": 24, "c": 24}, people=6)
    run = convzoo.run(
        "emotion_cnn2d",
        [*NETWORK, "data.group=folder"],
        data=home,
        folds=3,
        out=tmp_path / "run",
        quiet=True,
        report=False,
    )
    homes = {}
    for number, part in enumerate(run.parts):
        rows = [row for row in read_table(part / "split.csv") if row["split"] == "test"]
        assert {row["label"] for row in rows} == {"a", "c"}
        for row in rows:
            assert homes.setdefault(row["group"], number) == number
    assert len(homes) == 6


NO_FOLDS = {
    "anomaly_cnn1d", "recommender_lightgcn", "communities_gcn", "links_gcn", "maintenance_cnn1d", "transactions_cnn1d",
}  # fmt: skip
"""Their data are split in time, or belong to one graph."""


@pytest.mark.parametrize("name", OWN)
def test_check_makes_folds_for_every_recipe_or_says_why_not(name: str, cli, tmp_path: Path) -> None:
    home, settings = FORMS[name].own(tmp_path)
    result = cli("check", name, "--data", home, *settings, "--folds", 3)
    if name in NO_FOLDS:
        refused(result, 2, "--folds: data", "leave --folds out")
        return
    assert result.code == 0, result.err
    assert "data.fold over 3 values" in result.out
    assert "fold 0 of 3" in result.out


def test_a_wrong_number_of_folds_is_one_line(cli, tmp_path: Path) -> None:
    home = photos(tmp_path / "photos", {"a": 12, "c": 4})

    def folds(number: object, *more: object) -> object:
        return cli("run", "emotion_cnn2d", "--data", home, "--folds", number, *more)

    for number in (1, 0, -3):
        refused(folds(number), 2, f"needs at least 2 folds, not {number}")
    refused(folds(5), 3, "class 'c' has 4 examples; 5 folds need at least 5", "fewer folds")
    refused(folds(1000), 3, "16 examples are too few for 1000 folds")
    refused(folds("x"), 2, "--folds: invalid int value: 'x'")
    refused(folds(3, "--seeds", 2), 2, "--seeds and --folds")
    refused(folds(3, "data.fold=1"), 2, "--folds runs every fold")
    refused(cli("run", "emotion_cnn2d", "--folds", 3), 2, "data faces has a split of its own")
    refused(cli("run", "--resume", "run", "--folds", 3), 2, "leave --folds out")
    with pytest.raises(RecipeError, match="at least 2 folds"):
        convzoo.run("emotion_cnn2d", data=home, folds=1)
    with pytest.raises(DataError, match="too few for 1000 folds"):
        convzoo.run("emotion_cnn2d", data=home, folds=1000, quiet=True)


def test_data_with_a_split_of_their_own_make_no_folds(cli, tmp_path: Path) -> None:
    for part in ("train", "test"):
        photos(tmp_path / "photos" / part, {"a": 6, "c": 6})
    refused(cli("check", "emotion_cnn2d", "--data", tmp_path / "photos", "--folds", 3), 3, "has a split of its own")
    rows = [f"text {number},{'ab'[number % 2]},{'test' if number > 40 else 'train'}" for number in range(60)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label,split", *rows]))
    table = ("check", "sentiment_cnn1d", "--data", "texts.csv", "--folds", 3)
    refused(cli(*table), 3, "texts.csv: has a split of its own", "data.split=none")
    assert cli(*table, "data.split=none").code == 0


def test_a_recipe_that_drops_its_folds_for_other_data_says_so(cli, tmp_path: Path) -> None:
    home, _ = FORMS["sentiment_cnn1d"].own(tmp_path)
    result = cli("check", "reference/sentiment_mr_kim2014", "--data", home)
    assert (
        "the recipe repeats its own data over 10 values of data.fold; yours are trained once (--folds 10" in result.out
    )
    settings = ["train.epochs=1", "model.channels=2", "model.embedding_size=4"]
    run = cli("run", "reference/sentiment_mr_kim2014", "--data", home, *settings, "--out", "run")
    assert run.code == 0, run.err
    assert "yours are trained once" in run.err
    page = (tmp_path / "run" / "report.html").read_text()
    for words in ("Kim 2014", "MR sentence polarity"):
        assert words not in run.out + page.partition("<main>")[0]
