"""convzoo from Python, and parts of one's own."""

import sys
from pathlib import Path

import pytest
import torch
from conftest import TINY
from torch import Tensor, nn

import convzoo
from convzoo import Part, Recipe
from convzoo.core.config import TrainConfig
from convzoo.modalities.text.example import Text
from convzoo.recipe.registry import entries

OWN = '''
import torch
from torch import nn
from convzoo import Batch, Encoder, Reader, Splits, Task, Text


class Numbers(Reader):
    """Words that name numbers; odd or even is the class."""

    example = Text

    def __init__(self, count: int = 40):
        self.count = count

    def read(self):
        words = [Text(str(n), "odd" if n % 2 else "even", source=f"number {n}") for n in range(self.count)]
        return Splits(words[: self.count // 2], words[self.count // 2 : -5], words[-5:])


class Digits(Encoder):
    example = Text

    def fit(self, examples):
        self.labels = ("even", "odd")

    def prepare(self, example):
        last = int(example.text[-1])
        return torch.nn.functional.one_hot(torch.tensor(last), 10).float(), self.labels.index(example.label or "even")

    def collate(self, items, draws=None):
        return Batch({"digit": torch.stack([x for x, _ in items])}, torch.tensor([y for _, y in items]), len(items))

    @property
    def dims(self):
        return {"digits": 10, "classes": 2, "labels": self.labels}

    def state(self):
        return {"labels": list(self.labels)}

    def load_state(self, state):
        self.labels = tuple(state["labels"])


class Net(nn.Module):
    def __init__(self, digits, classes, hidden: int = 8):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(digits, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, digit):
        return self.layers(digit)
'''


class Small(nn.Module):
    """A model of one's own, handed over as a class."""

    def __init__(self, vocabulary_size: int, classes: int, size: int = 4) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(vocabulary_size, size)
        self.classifier = nn.Linear(size, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.classifier(self.table(tokens))


def test_a_class_is_a_part(tmp_path: Path) -> None:
    recipe = Recipe(
        data=Part("reviews", {"train": 60, "val": 20, "test": 20}),
        encoder=Part("text"),
        model=Part(Small, {"size": 3}),
        task=Part("classification"),
        train=TrainConfig(epochs=1),
        name="mine",
    )
    run = convzoo.run(recipe, out=tmp_path / "run", quiet=True)
    again = convzoo.Run.load(run.path)
    assert again.predict("a dull plot") == run.predict(["a dull plot"])
    assert again.recipe.model.args == {"size": 3}
    assert again.model.table.embedding_dim == 3


def test_reader_encoder_and_model_fit_in_one_file(tmp_path: Path, cli) -> None:
    Path("mine.py").write_text(OWN)
    Path("mine.yaml").write_text(
        "data: {name: 'mine.py:Numbers', count: 60}\nencoder: {name: 'mine.py:Digits'}\n"
        "model: {name: 'mine.py:Net', hidden: 16}\ntask: classification\ntrain: {epochs: 60, lr: 0.05, batch_size: 10}\n"
    )
    result = cli("run", "mine.yaml", "--out", "run", "--quiet")
    assert result.code == 0, result.err
    assert cli("predict", "run", "7", "4").out.split() == ["odd", *_rest(cli("predict", "run", "7", "4").out)]
    run = convzoo.Run.load("run")
    assert [item["label"] for item in run.predict(["7", "4"])] == ["odd", "even"]
    assert cli("describe", "mine.yaml").code == 0
    assert cli("check", "mine.yaml").out.splitlines()[-1] == "ok"


def _rest(text: str) -> list[str]:
    return text.split()[1:]


def test_what_nobody_gives_is_named(cli) -> None:
    Path("mine.py").write_text(OWN.replace("def __init__(self, digits, classes", "def __init__(self, digits, colours"))
    Path("mine.yaml").write_text(
        "data: 'mine.py:Numbers'\nencoder: 'mine.py:Digits'\nmodel: 'mine.py:Net'\ntask: classification\ntrain: {epochs: 1}\n"
    )
    result = cli("run", "mine.yaml", "--quiet")
    assert result.code == 2
    assert "needs 'colours'" in result.err
    assert "it gives: digits, classes, labels" in result.err


def test_installed_packages_bring_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> None:
    site = tmp_path / "site"
    (site / "zoo_extra-1.0.dist-info").mkdir(parents=True)
    (site / "zoo_extra-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-extra\nVersion: 1.0\n")
    (site / "zoo_extra-1.0.dist-info" / "entry_points.txt").write_text("[convzoo.model]\nbag = zoo_extra:Small\n")
    source = Path(__file__).read_text()
    body = source[source.index("class Small") : source.index("def test_a_class_is_a_part")]
    (site / "zoo_extra.py").write_text(f"from torch import Tensor, nn\n\n{body}")
    monkeypatch.syspath_prepend(str(site))
    entries.cache_clear()
    try:
        assert cli("show", "sentiment_cnn1d", "model=bag").code == 0
        result = cli("run", "sentiment_cnn1d", "model=bag", "data.train=60", "data.val=20", "data.test=20", "train.epochs=1",
                     "--quiet")  # fmt: skip
        assert result.code == 0, result.err
        assert "bag" in result.out
    finally:
        entries.cache_clear()
        sys.modules.pop("zoo_extra", None)


def test_a_mapping_is_a_recipe(tmp_path: Path) -> None:
    mapping = {
        "data": {"name": "faces", "train": 28, "val": 14, "test": 14},
        "encoder": "image",
        "model": {"name": "resnet2d", "channels": [4, 8], "blocks": [1, 1], "squeeze": True},
        "task": "classification",
        "train": {"epochs": 1},
    }
    run = convzoo.run(mapping, out=tmp_path / "run", quiet=True, report=False)
    assert 0 <= run.scores["test/accuracy"] <= 1


@pytest.mark.parametrize("model", ["cnn1d", "dilated_cnn1d", "region_cnn1d"])
@pytest.mark.parametrize("units", ["words", "subwords", "characters"])
def test_every_text_network_takes_every_unit(model: str, units: str, tmp_path: Path) -> None:
    overrides = ["data.train=60", "data.val=20", "data.test=20", f"model={model}", f"encoder.units={units}",
                 "train.epochs=1", "baselines=[]"]  # fmt: skip
    run = convzoo.run("sentiment_cnn1d", overrides, out=tmp_path / "run", quiet=True)
    assert run.predict([Text("the plot is clever"), ""])


def test_evidence_of_naive_bayes_is_used_and_kept(tmp_path: Path) -> None:
    overrides = [*(o for o in TINY["sentiment_cnn1d"] if not o.startswith("model.")), "model=region_cnn1d",
                 "encoder.naive_bayes=2", "baselines=[]"]  # fmt: skip
    run = convzoo.run("sentiment_cnn1d", overrides, out=tmp_path / "run", quiet=True)
    again = convzoo.Run.load(run.path)
    batch = again.encoder.encode([Text("the plot is clever")])
    assert batch.inputs["evidence"].shape == (1, 2)
    assert batch.inputs["evidence"].abs().sum() > 0
    assert again.predict("the plot is clever") == run.predict("the plot is clever")
    without = again.model(batch.inputs["tokens"])
    assert torch.allclose(again.model(**batch.inputs), without + 0.15 * batch.inputs["evidence"], atol=1e-6)
