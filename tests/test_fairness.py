"""Nothing learns from what it is scored on: the encoder, the task's thresholds, the opponents and their settings."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import convzoo
from convzoo import Baseline, Batch, Part, Recipe, pipeline
from convzoo.core.config import TrainConfig
from convzoo.recipe.assembly import load_class

Classification = load_class("task", "classification")


def told(folder: Path) -> Path:
    """Texts of a split, each of which names its part."""
    folder.mkdir()
    for part, count in (("train", 24), ("val", 12), ("test", 16)):
        rows = [f"{part} {part}{number} film,{'ab'[number % 2]}" for number in range(count)]
        (folder / f"{part}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder


class Rows(nn.Module):
    """A network that is soon made."""

    def __init__(self, vocabulary_size: int, classes: int) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(vocabulary_size, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table(tokens)


class Nosy(Baseline):
    """Right about so many examples of a part as its setting says for this part; it notes what it was fitted on."""

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"level": ("low", "best_on_val", "best_on_test")}
    right: ClassVar[dict[tuple[str, str], int]] = {
        ("low", "val"): 2, ("low", "test"): 2, ("best_on_val", "val"): 12, ("best_on_val", "test"): 6,
        ("best_on_test", "val"): 4, ("best_on_test", "test"): 16,
    }  # fmt: skip
    fitted: ClassVar[set[str]] = set()

    def __init__(self, level: str | None = None) -> None:
        self.level = level

    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        self.fitted.update(example.text.split()[0] for example in examples)

    def outputs(self, examples: Sequence[Any]) -> Tensor:
        part = examples[0].text.split()[0]
        known = self.right[self.setting("level"), part]
        true = torch.tensor(["ab".index(example.label) for example in examples])
        named = torch.where(torch.arange(len(true)) < known, true, 1 - true)
        return nn.functional.one_hot(named, 2).float()


class Watching(Classification):
    """Notes how many examples it was calibrated on."""

    seen: ClassVar[list[int]] = []

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        self.seen.append(sum(batch.size for batch in batches))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> convzoo.Run:
    home = tmp_path_factory.mktemp("fair")
    recipe = Recipe(
        data=Part("text_table", {"path": str(told(home / "data"))}), encoder=Part("text"), model=Part(Rows),
        task=Part(Watching), train=TrainConfig(epochs=1), baselines=(Part(Nosy),), name="fair",
    )  # fmt: skip
    return convzoo.run(recipe, out=home / "run", quiet=True, report=False)


def test_the_encoder_knows_the_words_of_the_training_split_only(run: convzoo.Run) -> None:
    words = {token.rstrip("0123456789") for token in run.encoder.tokens}
    assert words == {"<pad>", "<unk>", "train", "film"}


def test_the_task_is_calibrated_on_the_validation_split(run: convzoo.Run) -> None:
    assert Watching.seen == [12]


def test_an_opponent_learns_from_the_training_split_only(run: convzoo.Run) -> None:
    assert Nosy.fitted == {"train"}


def test_an_opponents_setting_is_the_best_on_validation_and_its_score_that_of_test(run: convzoo.Run) -> None:
    (settings,), (scores,) = run.results["baseline_settings"].values(), run.results["baselines"].values()
    assert settings == {"level": "best_on_val"}
    assert scores["test/accuracy"] == pytest.approx(6 / 16)


def test_the_predictions_that_are_written_are_those_of_the_test_split(run: convzoo.Run) -> None:
    with (run.path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"].rpartition("test.csv:")[2] for row in rows] == [str(line) for line in range(2, 18)]
    right = sum(row["label"] == row["true_label"] for row in rows)
    assert run.scores["test/accuracy"] == pytest.approx(right / 16)
    assert json.loads((run.path / "scores.json").read_text())["examples"] == {"train": 24, "val": 12, "test": 16}


class Off(Baseline):
    """Numbers that are wrong by as much as its setting says."""

    label_type = "number"
    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"by": (0.5, 0.1, 0.9)}

    def __init__(self, by: float | None = None) -> None:
        self.by = by

    def fit(self, examples: Sequence[Any], dims: Mapping[str, Any]) -> None:
        self.mean, self.deviation = dims["mean"], dims["deviation"]

    def outputs(self, examples: Sequence[Any]) -> Tensor:
        true = torch.tensor([example.label for example in examples], dtype=torch.float64)
        return ((true - self.mean) / self.deviation + self.setting("by"))[:, None]


def test_of_errors_the_smallest_chooses_an_opponents_setting(tmp_path: Path) -> None:
    folder = told(tmp_path / "data")
    for file in folder.iterdir():
        lines = file.read_text().splitlines()
        file.write_text("\n".join([lines[0], *(f"{line[:-1]}{at * at}" for at, line in enumerate(lines[1:]))]) + "\n")
    recipe = Recipe(
        data=Part("text_table", {"path": str(folder)}), encoder=Part("text"), model=Part(Rows),
        task=Part("regression"), train=TrainConfig(epochs=1), baselines=(Part(Off),), name="off",
    )  # fmt: skip
    run = convzoo.run(recipe, out=tmp_path / "run", quiet=True, report=False)
    assert list(run.results["baseline_settings"].values()) == [{"by": 0.1}]
    (compared,) = run.results["comparisons"].values()
    assert compared["difference"] < 0, "the network's error is larger"


def test_groups_are_told_in_the_order_in_which_examples_are_counted(tmp_path: Path, monkeypatch) -> None:
    """Texts are scored by their lengths, the last of this file first: the groups must not stay in the order of the file."""
    folder = tmp_path / "data"
    folder.mkdir()
    for part in ("train", "val", "test"):
        rows = [f"{part} {'word ' * (16 - n)}{n},{'ab'[n % 2]},{part}{n}" for n in range(16)]
        (folder / f"{part}.csv").write_text("\n".join(["text,label,author", *rows]) + "\n")
    told = []
    judged = pipeline.judged
    monkeypatch.setattr(pipeline, "judged", lambda *given: (told.append(given), judged(*given))[1])
    recipe = Recipe(
        data=Part("text_table", {"path": str(folder), "group": "author"}), encoder=Part("text"), model=Part(Rows),
        task=Part("classification"), train=TrainConfig(epochs=1), name="groups",
    )  # fmt: skip
    convzoo.run(recipe, out=tmp_path / "run", quiet=True, report=False)
    ((_, _, groups, *_),) = told
    assert groups == [f"test{n}" for n in range(15, -1, -1)]
