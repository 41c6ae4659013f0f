"""What is exported computes the same as the network, for inputs of any number and length, or it is not kept."""

import json
from pathlib import Path

import pytest
from conftest import refused

RECIPE = """\
modality: text
data: {{name: text_table, path: "{data}"}}
encoder: text
model: {{name: "own.py:Net", shift: {shift}}}
task: classification
train: {{epochs: 1, device: cpu}}
"""

UNFAITHFUL = """
from torch import nn


class Shifted(nn.Module):
    def __init__(self, net, shift):
        super().__init__()
        self.net, self.shift = net, shift

    def forward(self, tokens):
        return self.net(tokens) + self.shift


class Net(nn.Module):
    def __init__(self, vocabulary_size, classes, shift: float):
        super().__init__()
        self.table, self.shift = nn.Embedding(vocabulary_size, classes), shift

    def forward(self, tokens):
        return self.table(tokens).mean(dim=1)

    def exported(self, inputs):
        return Shifted(self, self.shift), inputs
"""


@pytest.fixture
def exported(cli, tmp_path: Path):
    """The result of exporting a network whose exported form is wrong by so much; all texts have four words."""

    def of(shift: float):
        rows = [f"a film number n{n},{'ab'[n % 2]}" for n in range(60)]
        (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
        (tmp_path / "own.py").write_text(UNFAITHFUL)
        (tmp_path / "mine.yaml").write_text(RECIPE.format(data=tmp_path / "texts.csv", shift=shift))
        done = cli("run", "mine.yaml", "--out", "run", "--quiet")
        assert done.code == 0, done.err
        return cli("export", "run", "--format", "torch", "--out", "model.pt2")

    return of


def test_a_model_that_computes_something_else_is_refused_and_deleted(exported) -> None:
    refused(exported(1e-3), 5, "model.pt2: the exported model differs by 0.001 (at most 1e-04); it was deleted")
    assert not Path("model.pt2").exists() and not Path("model.pt2.json").exists()


def test_texts_of_any_length_can_be_given_though_all_of_the_run_had_one(exported) -> None:
    result = exported(1e-7)
    assert result.code == 0, result.err
    facts = json.loads(Path("model.pt2.json").read_text())
    assert facts["free_axes"] == {"tokens": [0, 1]}
    assert facts["largest_difference"] < 1e-5 and facts["checked_on"] >= 8
