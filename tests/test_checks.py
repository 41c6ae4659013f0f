"""What is looked at before the first step, and what is said of it by `check`, by `run`, in the run's folder and in its report."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import FORMS, TINY, refused

from convzoo.checks import check_classes, check_splits, look
from convzoo.core.errors import DataError
from convzoo.core.labels import Label, Tags
from convzoo.core.splits import Splits
from convzoo.experiment import assemble, loaders
from convzoo.reading.splitting import contradictions
from convzoo.recipe.recipe import load
from convzoo.training.devices import Devices
from convzoo.training.events import Progressed, Scored
from convzoo.training.listeners import LossWatch

TEXT = [*FORMS["sentiment_cnn1d"].NETWORK, "train.epochs=1", "baselines=[]"]
SERIES = [*FORMS["anomaly_cnn1d"].NETWORK, "encoder.window=16", "train.epochs=1", "baselines=[]"]
MASKS = [*FORMS["organ_unet3d"].NETWORK, "train.epochs=1", "baselines=[]"]


def table(path: Path, rows: list[str], heading: str = "text,label") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
    return path


def texts(count: int, *labels: str) -> list[str]:
    return [f"word{number % 3} and {label} number{number},{label}" for number in range(count) for label in labels]


def notes(out: str) -> list[str]:
    return [line.removeprefix("note").strip() for line in out.splitlines() if line.startswith("note ")]


# What is refused


@pytest.mark.parametrize("command", ["check", "run"])
def test_classes_that_training_lacks_are_counted_before_the_first_step(command: str, cli, tmp_path: Path) -> None:
    home = tmp_path / "d"
    table(home / "train.csv", texts(6, "a", "b"))
    table(home / "val.csv", [*(f"v {row}" for row in texts(2, "a", "b")), "w,rare"])
    table(home / "test.csv", [*(f"t {row}" for row in texts(2, "a", "b")), "x,rare", "y,rare", "z,odd"])
    words = [
        "val.csv:6: class 'rare'",
        "(1 in val and 2 in test)",
        "2 classes are not",
        "'odd' (1 in test)",
        "has: a, b",
    ]
    assert "epoch" not in refused(cli(command, "sentiment_cnn1d", "--data", home, *TEXT), 3, *words)


@dataclass(frozen=True)
class Measured:
    label: Label | None
    group: str | None = None
    source: str = ""


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_group_in_two_splits_is_refused_whatever_reader_gives_it(part: str) -> None:
    splits = {name: [Measured("a", f"{name} alone"), Measured("b")] for name in ("train", "val", "test")}
    check_splits(Splits(**splits))
    splits[part].append(Measured("a", "train alone"))
    with pytest.raises(
        DataError, match=f"group 'train alone' is in both train and {part}, so scores would be too high"
    ):
        check_splits(Splits(**splits))


def test_numbers_that_never_vary_are_refused() -> None:
    same, others = [Measured(3.0)] * 4, [Measured(1.0), Measured(2.0)]
    with pytest.raises(DataError, match=r"every label of the training split is 3 \(4 examples\)"):
        check_splits(Splits(same, others, others))
    check_splits(Splits(others, same, same))


def test_each_name_of_several_classes_must_be_in_training() -> None:
    train = [Measured(("a", "b")), Measured(("b", "c")), Measured(())]
    strange = [Measured(("a",)), Measured(("a", "x"), source="t.csv:3"), Measured(("x", "y"))]
    with pytest.raises(
        DataError, match=r"t\.csv:3: class 'x' is not .* \(2 in test\); 2 classes are not: .*has: a, b, c"
    ):
        check_classes(Splits(train, train, strange), {"labels": ("a", "b", "c")})
    check_classes(Splits(train, train, [Measured(("c", "a")), Measured(())]), {"labels": ("a", "b", "c")})


def test_classes_that_the_network_does_not_learn_may_be_anywhere() -> None:
    """A scan with a mask may have a class too."""
    train, test = [Measured("round"), Measured("long")], [Measured("odd")]
    check_classes(Splits(train, train, test), {"labels": ("liver", "spleen")})
    with pytest.raises(DataError, match="class 'odd' is not in the training split"):
        check_classes(Splits(train, train, test), {"labels": ("long", "round")})


def test_tags_are_not_compared_as_classes() -> None:
    train, test = [Measured(Tags(("noun", "verb")))], [Measured(Tags(("noun", "symbol")))]
    check_classes(Splits(train, train, test), {"labels": ("noun", "verb")})


def test_a_damaged_file_of_the_test_split_is_found_before_the_first_step(cli, tmp_path: Path) -> None:
    import PIL.Image

    random = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2), ("test", 2)):
        for label in "ab":
            (tmp_path / part / label).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (24, 24), dtype=np.uint8)
                PIL.Image.fromarray(pixels).save(tmp_path / part / label / f"{part}{number}.png")
    (tmp_path / "test" / "b" / "test1.png").write_bytes(b"no image")
    done = cli("run", "emotion_cnn2d", "--data", tmp_path, *FORMS["emotion_cnn2d"].NETWORK, "--out", tmp_path / "run")
    assert "epoch" not in refused(done, 3, "test1.png", "cannot be read as an image")


def scans(folder: Path, values: list[int]) -> Path:
    """A scan and its mask for each value: a cube of that value, or no cube where it is 0."""
    import nibabel

    random = np.random.default_rng(0)
    for number, value in enumerate(values):
        mask = np.zeros((18, 18, 18), np.uint8)
        mask[4:9, 4:9, 4:9] = value
        for name, array in (("imagesTr", random.normal(size=mask.shape).astype(np.float32)), ("labelsTr", mask)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), folder / name / f"case{number}.nii.gz")
    return folder


def test_masks_without_structures_and_structures_that_training_lacks_are_refused(cli, tmp_path: Path) -> None:
    empty = cli("check", "organ_unet3d", "--data", scans(tmp_path / "empty", [0] * 6), *MASKS)
    refused(empty, 3, "masks of the training split have no structure")
    home = scans(tmp_path / "d", [1] * 6)
    assert cli("check", "organ_unet3d", "--data", home, *MASKS).code == 0
    read = assemble(load("organ_unet3d", [f"data={{name: decathlon, path: {home}}}", *MASKS])).splits
    tested = int(read.test[0].source.removeprefix("imagesTr/case").removesuffix(".nii.gz"))
    other = scans(tmp_path / "e", [3 if number == tested else 1 for number in range(6)])
    done = cli("check", "organ_unet3d", "--data", other, *MASKS)
    refused(done, 3, f"case{tested}.nii.gz: its mask holds the label 3", "no mask of the training split has")


def test_a_table_of_sensors_in_both_train_and_test_is_refused(cli, tmp_path: Path) -> None:
    rows = [f"{at},{x:.4f}" for at, x in enumerate(np.random.default_rng(0).normal(size=80))]
    table(tmp_path / "d" / "train" / "monday.csv", rows, "time,a")
    table(tmp_path / "d" / "test" / "tuesday.csv", rows, "time,a")
    done = cli("check", "anomaly_cnn1d", "--data", tmp_path / "d", *SERIES)
    refused(done, 3, "tuesday.csv: is the same table as", "monday.csv", "leak")


# What is noted


def test_copies_with_other_labels_are_counted(cli, tmp_path: Path) -> None:
    rows = [*texts(10, "a", "b"), "the very same,a", "The very  same,b"]
    done = cli("check", "sentiment_cnn1d", "--data", table(tmp_path / "t.csv", rows), *TEXT)
    assert done.code == 0, done.err
    (note,) = notes(done.out)
    assert note.startswith("1 example stands twice with different labels (first: ")
    assert "t.csv:22, 'a'" in note and "t.csv:23, 'b'" in note
    calm = cli("check", "sentiment_cnn1d", "--data", table(tmp_path / "u.csv", [*rows[:-1], "the same,a"]), *TEXT)
    assert notes(calm.out) == []


def test_copies_whose_classes_stand_in_another_order_do_not_contradict_each_other() -> None:
    def seen(*labels: Label) -> list[str]:
        return contradictions([Measured(label) for label in labels], lambda example: "same")

    assert not seen(("a", "b"), ("b", "a"))
    assert seen(("a", "b"), ("a",)) and seen(Tags(("a", "b")), Tags(("b", "a"))) and seen(1.0, 2.0)


def test_texts_that_hold_nothing_for_the_network_are_counted(cli, tmp_path: Path) -> None:
    table(tmp_path / "d" / "train.csv", [*texts(6, "a", "b"), '"  ",a'])
    table(tmp_path / "d" / "val.csv", [f"again {row}" for row in texts(2, "a", "b")])
    table(tmp_path / "d" / "test.csv", ["neither this,a", "nor that,b", "word0 known,a"])
    refused(cli("check", "sentiment_cnn1d", "--data", tmp_path / "d", *TEXT), 3, "train.csv:14: column 'text' is empty")
    done = cli("check", "sentiment_cnn1d", "--data", tmp_path / "d", *TEXT, "data.skip_damaged=true")
    assert done.code == 0, done.err
    found = notes(done.out)
    assert re.search(r"^unknown +train 0.0% of words; val .*; test \d\d\.\d% of words$", done.out, re.MULTILINE)
    assert any(note.startswith("test: 2 of 3 texts") and "the vocabulary has" in note for note in found)


def test_scores_that_cannot_be_computed_are_said_before_training_and_do_not_end_the_run(cli, tmp_path: Path) -> None:
    table(tmp_path / "d" / "train.csv", texts(6, "a", "b"))
    for name in ("val", "test"):
        table(tmp_path / "d" / f"{name}.csv", [f"{name} {row}" for row in texts(3, "a")])
    done = cli("run", "sentiment_cnn1d", "--data", tmp_path / "d", *TEXT, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    said, _, _ = done.err.partition("epoch")
    assert "all 3 examples of the test split are of class 'a': auroc and matthews are undefined" in said
    assert (tmp_path / "run" / "report.html").exists()
    auroc = cli("check", "sentiment_cnn1d", "--data", tmp_path / "d", *TEXT, "task.best_by=val/auroc")
    refused(auroc, 3, "task.best_by=val/auroc", "'a'", "needs both classes")


def test_a_class_that_is_never_tested_is_said(cli, tmp_path: Path) -> None:
    table(tmp_path / "d" / "train.csv", texts(6, "a", "b", "c"))
    for name in ("val", "test"):
        table(tmp_path / "d" / f"{name}.csv", [f"{name} {row}" for row in texts(3, "a", "b")])
    found = notes(cli("check", "sentiment_cnn1d", "--data", tmp_path / "d", *TEXT).out)
    assert "the test split has no example of 'c' (of 3 classes): its scores say nothing of it" in found


def test_labels_without_an_anomaly_and_channels_that_stand_still_are_said(cli, tmp_path: Path) -> None:
    rows = [f"{at},{x:.4f},7,0" for at, x in enumerate(np.random.default_rng(0).normal(size=160))]
    path = table(tmp_path / "s.csv", rows, "time,a,still,anomaly")
    done = cli("run", "anomaly_cnn1d", "--data", path, *SERIES, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "none of the 80 labelled rows of the test split is an anomaly" in done.err
    assert "train, val, test: channels that never vary: still" in done.err


def test_objects_outside_of_the_range_are_counted(cli, tmp_path: Path) -> None:
    home, few = FORMS["lidar_pillars"].own(tmp_path)
    few = [*few, "encoder.x=[0,40]", "encoder.y=[-20,20]", "encoder.z=[-3,2]"]
    calm = cli("check", "lidar_pillars", "--data", home, *few)
    assert not any("outside" in note for note in notes(calm.out))
    boxes = home / "boxes.csv" if home.is_dir() else home
    heading, *rows = boxes.read_text(encoding="utf-8").splitlines()
    place = heading.split(",").index("x")
    far = [",".join([*row.split(",")[:place], "900", *row.split(",")[place + 1 :]]) for row in rows]
    boxes.write_text("\n".join([heading, *rows, *far]) + "\n", encoding="utf-8")
    found = notes(cli("check", "lidar_pillars", "--data", home, *few).out)
    assert any(note.startswith("train: 6 of 12 objects lie outside of encoder.x") for note in found)


def test_a_constant_scan_among_others_ends_with_scores(cli, tmp_path: Path) -> None:
    import nibabel

    home = scans(tmp_path / "d", [1] * 6)
    nibabel.save(
        nibabel.Nifti1Image(np.full((18, 18, 18), 7, np.float32), np.eye(4)), home / "imagesTr" / "case0.nii.gz"
    )
    atlas = "baselines=[{name: mean_atlas, align: content}]"
    done = cli("run", "organ_unet3d", "--data", home, *MASKS, atlas, "--out", tmp_path / "run")
    assert done.code == 0, done.err


# What was taken for what


def test_check_run_and_report_say_what_was_taken_for_what(cli, tmp_path: Path) -> None:
    rows = [f"{number},{row},p{number % 7}" for number, row in enumerate(texts(12, "good", "bad"))]
    path = table(tmp_path / "t.csv", rows, "id,review,stars,person")
    how = ["data.group=person", "data.label=stars", "encoder.max_length=3", *TEXT]
    done = cli("check", "sentiment_cnn1d", "--data", path, *how)
    assert done.code == 0, done.err
    said = dict(line.split(maxsplit=1) for line in done.out.splitlines() if " " in line)
    assert said["columns"] == "text: review; label: stars; group: person; split: none; not used: id"
    assert said["groups"].startswith("7: train ") and said["copies"] == "none"
    assert "good " in said["classes"] and said["classes"].count(";") == 2
    assert said["words"].startswith("train median 3, longest 3, ") and "are cut" in said["words"]
    assert cli("run", "sentiment_cnn1d", "--data", path, *how, "--out", tmp_path / "run").code == 0
    kept = json.loads((tmp_path / "run" / "environment.json").read_text(encoding="utf-8"))["described"]
    assert kept["columns"] == said["columns"] and kept["words"] == said["words"]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "The data</h2>" in page and said["columns"] in page


def test_numbers_have_a_range_and_several_classes_are_counted_one_by_one(cli, tmp_path: Path) -> None:
    def said(topic: str, labels: list[str], *how: str) -> str:
        path = table(
            tmp_path / "t.csv", [f"word{n % 3} number{n};{label}" for n, label in enumerate(labels)], "text;label"
        )
        done = cli("check", "sentiment_cnn1d", "--data", path, *TEXT, *how)
        assert done.code == 0, done.err
        (line,) = [line for line in done.out.splitlines() if line.startswith(f"{topic} ")]
        return line

    numbers = said("numbers", [str(0.5 + number % 8) for number in range(40)], "task=regression")
    assert numbers.split()[1:5] == ["train", "0.5", "to", "7.5,"] and numbers.count("mean") == 3
    classes = said("classes", ["a|b", "a", "", "b|a"] * 10, "task=multi_label")
    assert classes.count("a ") == classes.count("b ") == 3 and "|" not in classes


def test_more_than_ten_classes_are_counted(cli, tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", texts(3, *(f"class{number:02d}" for number in range(14))))
    done = cli("check", "sentiment_cnn1d", "--data", path, *TEXT)
    (line,) = [line for line in done.out.splitlines() if line.startswith("classes")]
    assert line.count("(14 in all)") == 3 and "class09 1" in line and "class10" not in line


@pytest.mark.parametrize("name", sorted(TINY))
def test_every_recipe_says_what_the_network_is_given(name: str, cli, tmp_path: Path) -> None:
    data, few = FORMS[name].own(tmp_path)
    out = cli("check", name, "--data", data, *few).out
    head, _, _ = out.partition("batch ")
    assert len(head.splitlines()) >= 4, out
    assert any(line.split()[0] in ("columns", "files", "masks") for line in head.splitlines()), out


def test_what_is_looked_at_is_not_prepared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = assemble(load("sentiment_cnn1d", TINY["sentiment_cnn1d"]))
    prepared, prepare = [], type(experiment.encoder).prepare
    monkeypatch.setattr(
        type(experiment.encoder), "prepare", lambda self, example: (prepared.append(1), prepare(self, example))[1]
    )
    split = loaders(experiment, Devices.open("cpu", "32"))
    look(experiment.splits, experiment.encoder, experiment.task, split)
    count = sum(len(examples) for _, examples in experiment.splits)
    assert len(prepared) == count
    assert list(split["train"].steps(0)) and list(split["test"].all())
    assert len(prepared) == count


# While training


def test_a_loss_that_exploded_is_said_and_kept(cli, tiny, tmp_path: Path) -> None:
    done = cli(
        "run", "sentiment_cnn1d", *tiny("sentiment_cnn1d"), "train.lr=1e9", "baselines=[]", "--out", tmp_path / "run"
    )
    assert done.code == 0, done.err
    (line,) = [line for line in done.err.splitlines() if line.startswith("the loss rose from 0.")]
    assert line.endswith(": lower train.lr")
    assert line in json.loads((tmp_path / "run" / "environment.json").read_text(encoding="utf-8"))["notes"]


def test_a_loss_that_falls_or_grows_a_little_is_not_said_and_one_of_zero_is() -> None:
    def told(*losses: float) -> list[str]:
        watch = LossWatch()
        watch(Progressed(1, {"cross_entropy": losses[0]}))
        for step, loss in enumerate(losses[1:], 1):
            watch(Scored(step, 1.0, {"train/cross_entropy": loss, "val/accuracy": 0.5, "lr": 1e9}, False, 0.0))
        return watch.notes

    assert told(0.7, 0.5, 0.2) == [] and told(0.7, 700.0) == []
    assert told(0.7, 7e30, 8e30) == ["the loss rose from 0.7 to 7e+30: lower train.lr"]
    (zero,) = told(0.0, 0.0)
    assert "exactly 0 at the first step" in zero


@pytest.mark.parametrize(
    ("last", "comparison", "said"),
    [
        (9.0, {"difference": 0.1, "low": -0.1, "high": 0.3}, True),
        (9.0, {"difference": -0.1}, True),
        (9.0, {"difference": 0.2, "low": 0.1, "high": 0.3}, False),
        (0.6, {"difference": -0.1}, False),
        (9.0, {}, False),
    ],
)
def test_a_training_that_ended_above_its_start_and_no_better_than_guessing_diverged(last, comparison, said) -> None:
    watch = LossWatch()
    watch(Progressed(1, {"cross_entropy": 0.7}))
    watch(Scored(1, 1.0, {"train/cross_entropy": last, "val/accuracy": 0.5, "lr": 1e9}, False, 0.0))
    watch.compare(comparison)
    line = "training diverged: the loss rose from 0.7 to 9, and the network is no better than guessing: lower train.lr"
    assert watch.notes == ([line] if said else [])


def test_a_loss_that_is_not_finite_ends_the_training_with_code_4(cli, tiny) -> None:
    result = cli(
        "run", "gauges_cnn2d", *tiny("gauges_cnn2d"), "train.lr=1e9", "baselines=[]", "--out", "run", "--quiet"
    )
    refused(result, 4, "the loss term 'squared_error' is", "lower train.lr")


def test_the_score_that_chose_the_model_stands_in_the_table(cli, tiny, tmp_path: Path) -> None:
    few = [*tiny("sentiment_cnn1d"), "baselines=[]"]
    usual = cli("run", "sentiment_cnn1d", *few, "--out", tmp_path / "a").out
    assert "test/cross_entropy" in usual and "test/auroc" not in usual
    chosen = cli("run", "sentiment_cnn1d", *few, "task.best_by=val/auroc", "--out", tmp_path / "b").out
    assert "test/accuracy" in chosen and "test/auroc" in chosen
    assert ">auroc</th>" in (tmp_path / "b" / "report.html").read_text(encoding="utf-8")


WARNS = """
import logging
import warnings

from convzoo.modalities.text.encoder import TextEncoder


class Loud(TextEncoder):
    def fit(self, examples):
        warnings.warn("a library warns")
        logging.getLogger("a.library").warning("a library logs")
        super().fit(examples)
"""


def test_warnings_of_libraries_reach_the_terminal_with_debug_only(together, tiny, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(WARNS, encoding="utf-8")
    words = ["-m", "convzoo", "check", "sentiment_cnn1d", *tiny("sentiment_cnn1d"), f"encoder={tmp_path}/loud.py:Loud",
             "--trust"]  # fmt: skip
    quiet, loud = together([words, [*words, "--debug"]])
    assert (quiet.code, loud.code) == (0, 0), quiet.err + loud.err
    assert quiet.err == ""
    assert "a library warns" in loud.err and "a library logs" in loud.err
