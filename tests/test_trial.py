"""Parts of one's own that do not fit are refused in a line, before the training."""

import pytest
from conftest import refused

RECIPE = """\
data: {name: reviews, train: 60, val: 20, test: 20}
encoder: {name: text}
model: {name: cnn1d, channels: 4, embedding_size: 4, kernel_sizes: [2]}
task: {name: classification}
train: {steps: 2, batch_size: 16, device: cpu}
"""

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, vocabulary_size: int, classes: int) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(vocabulary_size, 4), nn.Linear(4, classes)

    def forward(self, tokens):
        y = self.out(self.table(tokens).mean(dim=1))
        return y
"""

TASK = """\
from convzoo.tasks.classification import Classification


class Own(Classification):
    def losses(self, outputs, target):
        return super().losses(outputs, target)

    def decode(self, outputs):
        return super().decode(outputs)

    def meter(self):
        return super().meter()
"""

ENCODER = """\
from convzoo.modalities.text.encoder import TextEncoder


class Own(TextEncoder):
    def fit(self, examples):
        return super().fit(examples)

    def collate(self, items, draws=None):
        return super().collate(items, draws)
"""

BASELINE = """\
from convzoo import Baseline


class Own(Baseline):
    def fit(self, examples, dims): self.classes = dims["classes"]

    def outputs(self, examples): return RESULT
"""


@pytest.fixture
def run(cli, tmp_path):
    """Run the recipe with a part of one's own."""

    def with_part(kind: str, source: str, name: str, command: str = "run"):
        (tmp_path / "mine.py").write_text(source)
        (tmp_path / "r.yaml").write_text(RECIPE)
        words = ["--quiet", "--out", "out"] if command == "run" else []
        return cli(command, "r.yaml", f"{kind}={{name: 'mine.py:{name}'}}", *words)

    return with_part


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("forward(self, tokens)", "forward(self, x)", ["forward takes x, but the batch has tokens"]),
        ("forward(self, tokens)", "forward(self)", ["forward takes nothing, but the batch has tokens"]),
        ("forward(self, tokens)", "forward(self, tokens, lengths)", ["forward takes tokens, lengths", "has tokens"]),
        ("return y", "pass", ["forward returned None", "needs a tensor (batch, classes), here (2, 2)"]),
        ("return y", "return y, y", ["returned a tuple of 2 (a tensor (2, 2), a tensor (2, 2))", "here (2, 2)"]),
        ("return y", "return {'y': y}", ["returned a dictionary with y: a tensor (2, 2)"]),
        ("return y", "return y[:, 0]", ["returned a tensor (2); task classification needs a tensor (batch, classes)"]),
        ("return y", "return y[:1]", ["returned a tensor (1, 2)", "here (2, 2)"]),
        ("return y", "return torch.cat([y, y], dim=1)", ["returned a tensor (2, 4)", "here (2, 2)"]),
        ("return y", "return y.int()", ["returned a tensor (2, 2), which task classification cannot use"]),
        ("return y", "return y @ torch.zeros(7, 7)", ["model mine.py:Net: ", "mine.py:12, in forward"]),
        ("return y", "return {}['key']", ["there is no 'key'", "mine.py:12, in forward"]),
        ("return y", "raise ValueError('no\\nway')", ["model mine.py:Net: no (", "mine.py:12, in forward"]),
    ],
)
def test_a_model_that_does_not_fit(run, tmp_path, old, new, words):
    assert old in NET
    for command in ("run", "check", "describe"):
        error = refused(run("model", NET.replace(old, new), "Net", command), 2, *words)
        assert "Error" not in error
    assert not (tmp_path / "out" / "metrics.csv").exists()


def test_a_model_that_fits_is_not_changed_by_the_try(run, tmp_path, monkeypatch):
    """A layer of dropout draws the same numbers as without it."""
    source = NET.replace("y = self.out(", "y = nn.functional.dropout(").replace(
        ".mean(dim=1))", ".mean(dim=1), 0.5, self.training)"
    )
    source = source.replace("return y", "return self.out(y)").replace(
        "forward(self, tokens)", "forward(self, tokens, more=None)"
    )
    assert run("model", source, "Net").code == 0
    whole = (tmp_path / "out" / "model.safetensors").read_bytes()
    (tmp_path / "out").rename(tmp_path / "before")
    monkeypatch.setattr("convzoo.experiment.try_parts", lambda *args: None)
    assert run("model", source, "Net").code == 0
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == whole


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("return super().losses(outputs, target)", "return None", ["losses returned None", "a dictionary of tensors"]),
        ("return super().losses(outputs, target)", "return outputs.mean()", ["losses returned a tensor ()"]),
        ("return super().losses(outputs, target)", "return {'a': outputs}", ["a dictionary with a: a tensor (2, 2)"]),
        ("return super().losses(outputs, target)", "return {}['x']", ["task mine.py:Own: losses: ", "mine.py:6"]),
        ("return super().decode(outputs)", "return None", ["decode returned None", "a list with a dictionary an example"]),
        ("return super().meter()", "return None", ["task mine.py:Own: "]),
        ("class Own(Classification):", "class Own(Classification):\n    best_by = property(lambda _: 'val/x', lambda _, v: 0)",
         ["best_by is 'val/x', but its meter gives val/accuracy"]),
    ],
)  # fmt: skip
def test_a_task_that_does_not_fit(run, old, new, words):
    assert old in TASK
    assert "Error" not in refused(run("task", TASK.replace(old, new), "Own"), 2, *words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("return super().fit(examples)", "return examples['x']", ["encoder mine.py:Own: ", "mine.py:6, in fit"]),
        (
            "def collate(",
            "def gather(self, *given): return None\n\n    def collate(",
            ["returned None as a batch", "should be a convzoo.Batch"],
        ),
        (
            "return super().collate(items, draws)",
            "return items[99]",
            ["encoder mine.py:Own: ", "mine.py:9, in collate"],
        ),
    ],
)
def test_an_encoder_that_does_not_fit(run, old, new, words):
    assert old in ENCODER
    assert "Error" not in refused(run("encoder", ENCODER.replace(old, new), "Own"), 2, *words)


@pytest.mark.parametrize(
    ("result", "words"),
    [("None", "outputs gave None"), ("[][3]", "mine.py:7, in outputs"), ("{}['x']", "there is no 'x'")],
)
def test_an_opponent_that_does_not_fit_is_left_out(cli, tmp_path, result, words):
    (tmp_path / "mine.py").write_text(BASELINE.replace("RESULT", result))
    (tmp_path / "r.yaml").write_text(RECIPE)
    found = cli("run", "r.yaml", "baselines=['mine.py:Own']", "--quiet", "--out", "out")
    assert found.code == 0, found.err
    line = next(line for line in found.out.splitlines() if "is left out" in line)
    assert words in found.out.replace("\n", " ")
    assert "Error" not in line
