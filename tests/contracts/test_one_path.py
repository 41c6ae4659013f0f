"""One fact, one path: what a run found on files is what `predict`, `evaluate` and the exported model find on the same files."""

import dataclasses
import json
import math
from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import FORMS

import convzoo
from convzoo.modalities.graph.example import Node
from convzoo.modalities.graph.links import NodePair
from convzoo.modalities.recommendation.example import User
from convzoo.modalities.series.example import Stretch
from convzoo.modalities.series.history import History
from convzoo.modalities.series.labelled import LabelledSeries
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.pair import Pair
from convzoo.modalities.text.tagged import TaggedText
from convzoo.recipe.assembly import build_reader
from convzoo.runs import Run, read_predictions

NAMES = sorted(FORMS)


@singledispatch
def raw(example: Any) -> Any:
    """What a person gives to `predict` for an example: its file."""
    return example.path


@raw.register
def _(example: Text) -> str:
    return example.text


@raw.register
def _(example: Pair) -> str:
    return example.text


@raw.register
def _(example: TaggedText) -> str:
    return example.text


@raw.register
def _(example: Node) -> str:
    return example.source


@raw.register
def _(example: NodePair) -> str:
    return example.source


@raw.register
def _(example: User) -> User:
    return example  # by its id, a user has what training knew of it: the test split also knows what validated


@raw.register
def _(example: Stretch) -> np.ndarray:
    return np.array(example.values)


@raw.register
def _(example: LabelledSeries) -> np.ndarray:
    return example.read()


@raw.register
def _(example: History) -> History:
    return dataclasses.replace(example, table=dataclasses.replace(example.table, targets=None))


def assert_alike(one: Any, other: Any, place: str) -> None:
    """The same words, and numbers that differ by rounding only. Of mappings, what both have."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        both = one.keys() & other.keys()
        assert both or not one or not other, f"{place}: nothing to compare"
        for key in both:
            assert_alike(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), place
        for at, pair in enumerate(zip(one, other, strict=True)):
            assert_alike(*pair, f"{place}[{at}]")
    elif isinstance(one, int | float) and isinstance(other, int | float):
        assert math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-3), f"{place}: {one} and {other}"
    elif not isinstance(one, np.ndarray):
        assert str(one) == str(other), place


@pytest.fixture(scope="module", params=NAMES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A run on a stranger's files, in low precision, and the files."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    data, few = FORMS[name].own(folder)
    overrides = [*few, "train.precision=bf16", "baselines=[]"]
    return convzoo.run(name, overrides, data=data, out=folder / "run", quiet=True, report=False), data


def scored(run: Run) -> list[Any]:
    """The examples of the test split, in the order of predictions.csv."""
    return list(build_reader(run.recipe).read().test)


def test_predict_finds_what_the_run_found(trained: tuple[Run, Path]) -> None:
    run, _ = trained
    rows = read_predictions(run.path / "predictions.csv")
    examples = scored(run)
    assert [row["source"] for row in rows] == [example.source for example in examples]
    found = Run.load(run.path).predict([raw(example) for example in examples])
    for row, prediction in zip(rows, found, strict=True):
        assert_alike(row, prediction, row["source"])


def test_predictions_do_not_depend_on_what_is_predicted_beside(trained: tuple[Run, Path]) -> None:
    run, _ = trained
    inputs = [raw(example) for example in scored(run)]
    together = run.predict(inputs, batch_size=64)
    assert_alike(together, run.predict(inputs, batch_size=1), "one by one")
    assert_alike(together[-1:], run.predict(inputs[-1:]), "alone")


def test_evaluate_finds_what_the_run_found(trained: tuple[Run, Path], cli) -> None:
    run, data = trained
    result = cli("evaluate", run.path, "--json")
    assert result.code == 0, result.err
    expected = {name: value for name, value in run.scores.items() if name.startswith("test/")}
    assert json.loads(result.out) == pytest.approx(expected, rel=1e-3, abs=1e-4, nan_ok=True)
    again = cli("evaluate", run.path, "--data", data, "--json")
    assert again.code == 0, again.err
    scores = json.loads(again.out)
    assert {name.partition("/")[2] for name in scores} >= {name.partition("/")[2] for name in expected}
    if "data/accuracy" in scores:
        # Of a graph's nodes those that the run knows the labels of are not scored again.
        examples, _ = run.encoder.matched(build_reader(run.recipe).examples(), run.sources())
        right = [
            prediction["label"] == example.label
            for prediction, example in zip(run.predict([raw(each) for each in examples]), examples, strict=True)
        ]
        assert scores["data/accuracy"] == pytest.approx(np.mean(right))


def test_the_exported_model_computes_the_same_on_the_same_files(trained: tuple[Run, Path], cli) -> None:
    pytest.importorskip("onnxruntime")
    from convzoo.commands.export import _exported, _onnx_session, _tensors

    run, _ = trained
    path = run.path / "model.onnx"
    assert cli("export", run.path).code == 0
    inputs = run.encoder.sample(scored(run)).inputs
    with torch.no_grad():
        expected = _tensors(run.model(**inputs))
    found = _onnx_session(path)(_exported(run.model, inputs)[1])
    for ours, theirs in zip(expected, found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    facts = json.loads(Path(f"{path}.json").read_text())
    assert facts["encoder"]["name"] == run.recipe.encoder.name
