"""What is exported computes the same as the network, for inputs of any number and length, or it is not kept."""

import json
from pathlib import Path

import pytest
from conftest import ROOT, refused

from convzoo.recipe.assembly import load_class
from convzoo.recipe.registry import PARTS

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


def test_every_task_says_what_the_network_gives_and_the_page_says_the_same() -> None:
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    for name in PARTS["task"]:
        outputs = load_class("task", name).outputs
        assert outputs, name
        for number, (output, axes) in enumerate(outputs.items()):
            (row,) = [line for line in page.splitlines() if f"`{output}` | {', '.join(axes)} |" in line]
            assert number or f"`{name}`" in row, row


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        (
            "sentiment_cnn1d",
            {"inputs": {"tokens": ["batch", "length"]}, "outputs": {"logits": ["batch", 2]}},
        ),
        (
            "ner_idcnn",
            {
                "inputs": {"features": ["batch", "length"]},
                "outputs": {"emissions": ["batch", "length"], "transitions": []},
            },
        ),
        (
            "speech_ctc_cnn1d",
            {"inputs": {"spectrogram": ["batch", 40], "frames": ["batch"]}, "outputs": {"logits": ["batch"]}},
        ),
        ("recommender_lightgcn", {"inputs": {"users": ["batch"]}, "outputs": {"scores": ["batch"]}}),
        ("gauges_cnn2d", {"inputs": {"image": ["batch", 1, 40, 40]}, "outputs": {"standardised_value": ["batch", 1]}}),
        (
            "anomaly_cnn1d",
            {"inputs": {"values": ["batch", 6, "time"]}, "outputs": {"predicted_values": ["batch", 6, "time"]}},
        ),
    ],
)
def test_inputs_outputs_and_axes_have_names(recipe: str, named, small_run, cli, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    result = cli("export", small_run(recipe), "--out", tmp_path / "model.onnx")
    assert result.code == 0 and not result.err, result.err
    facts = json.loads((tmp_path / "model.onnx.json").read_text())
    graph = onnx.load(tmp_path / "model.onnx").graph
    for kind, tensors in (("inputs", graph.input), ("outputs", graph.output)):
        assert [tensor.name for tensor in tensors] == list(facts[kind])
        for tensor in tensors:
            shape = [dim.dim_param or dim.dim_value for dim in tensor.type.tensor_type.shape.dim]
            wanted = named[kind].get(tensor.name, [])
            assert shape[: len(wanted)] == wanted, tensor.name
            said = facts["axes"][tensor.name]
            assert len(said) == len(shape) == len(facts[kind][tensor.name][0])
            # The length of an output may be computed from that of the input, `(frames + 2)//3`.
            plain = [
                pair for pair in zip(shape, said, strict=True) if isinstance(pair[0], str) and pair[0].isidentifier()
            ]
            assert all(dim == axis for dim, axis in plain)
    assert set(named["inputs"]) <= set(facts["inputs"]) and set(named["outputs"]) == set(facts["outputs"])


def test_another_network_than_the_task_expects_has_numbered_outputs() -> None:
    import torch

    from convzoo.commands.export import _axes_of, _outputs_of

    known = {"logits": ("batch", "classes")}
    one, two = torch.zeros(2, 3), torch.zeros(2, 3, 4)
    assert _outputs_of(known, [one]) == known
    assert _outputs_of(known, [two]) == {"logits": ("batch", "logits_axis_1", "logits_axis_2")}
    assert list(_outputs_of(known, [one, two])) == ["output_0", "output_1"]
    assert _axes_of(torch.nn.Linear(3, 2), {"input": one}) == {"input": ("batch", "input_axis_1")}
