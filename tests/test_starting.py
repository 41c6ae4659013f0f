"""A training that starts from the weights of an earlier run: what is matched by name, what is new, what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import FORMS, TINY, refused
from safetensors.torch import load_file

import convzoo
from convzoo.core.errors import RecipeError

STILL = ["train.lr=1e-12", "train.epochs=1", "train.weight_decay=0.0", "baselines=[]", "expect={}"]
"""A training that leaves the weights where they start."""


def weights(run: convzoo.Run) -> dict[str, torch.Tensor]:
    return load_file(run.parts[0] / "model.safetensors")


def started(run: convzoo.Run) -> str:
    return json.loads((run.parts[0] / "environment.json").read_text())["started"]


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, atol=1e-6)


def begin(name: str, source: Path, folder: Path, *more: str, data: Path | None = None) -> convzoo.Run:
    """A run that starts from another one, with weights that training does not move."""
    settings = list(TINY[name]) if data is None else FORMS[name].own(data)[1]
    path = None if data is None else next(data.iterdir())
    wanted = [*settings, *STILL, f"train.start_from={source}", *more]
    return convzoo.run(name, wanted, data=path, out=folder, quiet=True, report=False)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Texts with one known class, two new ones and some new words."""
    table = tmp_path / "words.csv"
    rows = [
        f"a {['fine', 'poor', 'zyx'][at % 3]} film {at % 20},{['positive', 'meh', 'other'][at % 3]}" for at in range(60)
    ]
    table.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return table


def test_the_same_network_starts_with_all_weights(small_run: Callable, tmp_path: Path) -> None:
    source = convzoo.Run.load(small_run("emotion_cnn2d"))
    run = begin("emotion_cnn2d", source.path, tmp_path / "run")
    count = len(weights(source))
    assert started(run) == f"started from {source.path}: {count} of {count} tensors"
    assert all(close(value, weights(source)[name]) for name, value in weights(run).items())
    assert run.scores["test/cross_entropy"] == pytest.approx(source.scores["test/cross_entropy"], abs=1e-5)


def test_classes_and_tokens_are_matched_by_name(small_run: Callable, words: Path, tmp_path: Path) -> None:
    source = convzoo.Run.load(small_run("sentiment_cnn1d"))
    more = [*FORMS["sentiment_cnn1d"].NETWORK, *STILL, f"train.start_from={source.path}"]
    run = convzoo.run("sentiment_cnn1d", more, data=words, out=tmp_path / "run", quiet=True, report=False)
    assert run.encoder.targets.labels.names == ("meh", "other", "positive")
    before, after = weights(source), weights(run)
    place = source.encoder.targets.labels.names.index("positive")
    assert close(after["classifier.weight"][2], before["classifier.weight"][place])
    assert close(after["classifier.bias"][2], before["classifier.bias"][place])
    assert not close(after["classifier.weight"][0], before["classifier.weight"][0])
    count = len(source.encoder.tokens)
    assert run.encoder.tokens[:count] == source.encoder.tokens, "no word is forgotten"
    assert "zyx" in run.encoder.tokens
    assert close(after["embedding.learned.weight"][:count], before["embedding.learned.weight"])
    said = started(run)
    assert "classifier.weight, classifier.bias: 2 of 3 classes are new" in said
    assert "of " + str(len(run.encoder.tokens)) + " tokens" in said


def test_a_refitted_vocabulary_takes_its_vectors_by_token(small_run: Callable, words: Path, tmp_path: Path) -> None:
    source = convzoo.Run.load(small_run("sentiment_cnn1d"))
    more = [*FORMS["sentiment_cnn1d"].NETWORK, *STILL, f"train.start_from={source.path}", "train.start_encoder=refit"]
    run = convzoo.run("sentiment_cnn1d", more, data=words, out=tmp_path / "run", quiet=True, report=False)
    assert len(run.encoder.tokens) < 40
    both = [token for token in run.encoder.tokens if token in source.encoder.tokens]
    assert len(both) >= 4
    for token in both:
        here = weights(run)["embedding.learned.weight"][run.encoder.tokens.index(token)]
        there = weights(source)["embedding.learned.weight"][source.encoder.tokens.index(token)]
        assert close(here, there), token


def test_classes_of_equal_number_are_matched_by_name_too(small_run: Callable, tmp_path: Path) -> None:
    """As many classes as before, in another order and with another one: shapes alone would not show it."""
    source = convzoo.Run.load(small_run("sentiment_cnn1d"))
    table = tmp_path / "two.csv"
    rows = [f"a film {at},{['positive', 'zebra'][at % 2]}" for at in range(40)]
    table.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    more = [*FORMS["sentiment_cnn1d"].NETWORK, *STILL, f"train.start_from={source.path}"]
    run = convzoo.run("sentiment_cnn1d", more, data=table, out=tmp_path / "run", quiet=True, report=False)
    place = source.encoder.targets.labels.names.index("positive")
    assert place == 1
    before, after = weights(source)["classifier.weight"], weights(run)["classifier.weight"]
    assert close(after[0], before[1])
    assert not close(after[1], before[1])
    assert "1 of 2 classes is new" in started(run)


def test_pictures_of_other_sizes_and_colours_become_those_of_the_start(small_run: Callable, tmp_path: Path) -> None:
    source = convzoo.Run.load(small_run("emotion_cnn2d"))
    (tmp_path / "data").mkdir()
    run = begin("emotion_cnn2d", source.path, tmp_path / "run", data=tmp_path / "data")
    assert run.encoder.colour == "grey"
    assert run.encoder.size == source.encoder.size
    assert run.encoder.mean == source.encoder.mean
    for label in ("angry", "happy"):
        here, there = run.encoder.targets.labels.names.index(label), source.encoder.targets.labels.names.index(label)
        assert close(weights(run)["classifier.weight"][here], weights(source)["classifier.weight"][there])


def test_kernels_for_grey_are_divided_among_colours(small_run: Callable, tmp_path: Path) -> None:
    source = convzoo.Run.load(small_run("emotion_cnn2d"))
    (tmp_path / "data").mkdir()
    run = begin("emotion_cnn2d", source.path, tmp_path / "run", "encoder.colour=rgb", data=tmp_path / "data")
    name = next(name for name, value in weights(source).items() if value.ndim == 4)
    before, after = weights(source)[name], weights(run)[name]
    assert after.shape[1] == 3
    assert close(after.sum(dim=1, keepdim=True), before), "a grey picture gives what it gave"
    assert close(after[:, :1], after[:, 1:2])
    assert f"{name}: made of 1 channel for 3" in started(run)
    back = convzoo.run(
        "emotion_cnn2d", [*TINY["emotion_cnn2d"], *STILL, f"train.start_from={run.path}", "train.start_encoder=refit"],
        out=tmp_path / "back", quiet=True, report=False,
    )  # fmt: skip
    assert close(weights(back)[name], before)


def test_refitting_learns_the_statistics_anew(small_run: Callable, tmp_path: Path) -> None:
    source = convzoo.Run.load(small_run("keywords_cnn1d"))
    for number, (choice, same) in enumerate((("keep", True), ("refit", False))):
        data = tmp_path / choice
        data.mkdir()
        run = begin(
            "keywords_cnn1d", source.path, tmp_path / f"run{number}", f"train.start_encoder={choice}", data=data
        )
        assert torch.equal(run.encoder.mean, source.encoder.mean) == same, choice


@pytest.mark.parametrize("name", sorted(FORMS.keys() - {"nodes_gcn", "recommender_lightgcn"}))
def test_any_recipe_starts_on_other_data_from_its_own_run(name: str, small_run: Callable, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path, settings = FORMS[name].own(tmp_path / "data")
    more = [*settings, *STILL, f"train.start_from={small_run(name)}"]
    run = convzoo.run(name, more, data=path, out=tmp_path / "run", quiet=True, report=False)
    taken, _, whole = started(run).split(": ")[1].split(" tensors")[0].partition(" of ")
    assert 0 < int(taken) <= int(whole), started(run)
    earlier = load_file(small_run(name) / "model.safetensors")
    same = [key for key, value in weights(run).items() if key in earlier and earlier[key].shape == value.shape]
    assert any(close(weights(run)[key], earlier[key]) for key in same if key.endswith("weight") or "original" in key)


@pytest.mark.parametrize(
    "conv, first, last, bias",
    [
        ("gcn", "layers.0.lin.weight", "layers.1.lin.weight", "layers.1.bias"),
        ("mixhop", "layers.0.weight", "last.weight", "last.bias"),
    ],
)
def test_features_of_nodes_are_matched_by_name(conv: str, first: str, last: str, bias: str, tmp_path: Path) -> None:
    """A larger graph of the same kind: one more class, and one more value of a feature."""
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    path, settings = FORMS["nodes_gcn"].own(tmp_path / "small")
    settings = [*settings, "baselines=[]", f"model.conv={conv}"]
    source = convzoo.run("nodes_gcn", settings, data=path, out=tmp_path / "source", quiet=True, report=False)
    other, _ = FORMS["nodes_gcn"].own(tmp_path / "large")
    with (other / "nodes.csv").open("a") as nodes, (other / "edges.csv").open("a") as edges:
        for at in range(12):
            nodes.write(f"q{at},c,{30 + at},black\n")
            edges.write(f"q{at},q{(at + 1) % 12}\n")
    more = [*settings, *STILL, f"train.start_from={source.path}"]
    run = convzoo.run("nodes_gcn", more, data=other, out=tmp_path / "run", quiet=True, report=False)
    before, after = weights(source)[first], weights(run)[first]
    names, there = list(run.encoder.graph.feature_names), list(source.encoder.graph.feature_names)
    assert set(names) - set(there) == {"colour=black"}
    for number, name in enumerate(names):
        assert name not in there or close(after[number], before[there.index(name)])
    known = weights(run)[last][:, :2] if conv == "gcn" else weights(run)[last][:2]
    assert close(known, weights(source)[last])
    assert f"{first}: 1 of 5 channels is new" in started(run)
    assert "1 of 3 classes is new" in started(run) and bias in started(run)


def test_users_and_items_are_matched_by_their_ids(small_run: Callable, tmp_path: Path) -> None:
    """The table of vectors has one axis for both, and its length comes from the graph."""
    source = convzoo.Run.load(small_run("recommender_lightgcn"))
    users, items = list(source.encoder.catalogue.users), list(source.encoder.catalogue.items)
    table = tmp_path / "table.csv"
    rows = [f"{users[(3 * at) % 9]},{items[(at * 5) % 7]},{at}" for at in range(80)]
    rows += [f"new,{items[at % 7]},{at}" for at in range(6)]
    table.write_text("\n".join(["user,item,time", *rows]) + "\n", encoding="utf-8")
    more = [*FORMS["recommender_lightgcn"].NETWORK, *STILL, f"train.start_from={source.path}"]
    run = convzoo.run("recommender_lightgcn", more, data=table, out=tmp_path / "run", quiet=True, report=False)
    before, after = weights(source)["embedding.weight"], weights(run)["embedding.weight"]
    for number, user in enumerate(run.encoder.catalogue.users):
        assert close(after[number], before[users.index(user)]) if user in users else user == "new"
    for number, item in enumerate(run.encoder.catalogue.items, start=len(run.encoder.catalogue.users)):
        assert close(after[number], before[len(users) + items.index(item)])
    assert "users is new" in started(run)


@pytest.mark.parametrize("choice", ["keep", "refit"])
def test_the_evidence_of_texts_is_that_of_the_new_training_split(choice: str, words: Path, tmp_path: Path) -> None:
    """An earlier classifier would know some of the new texts; the network has to see what it is worth on unknown ones."""
    settings = [*FORMS["sentiment_cnn1d"].NETWORK, "baselines=[]"]
    data = FORMS["sentiment_cnn1d"].own(tmp_path)[0]
    source = convzoo.run("sentiment_cnn1d", settings, data=data, out=tmp_path / "source", quiet=True, report=False)
    assert source.encoder.linear is not None
    more = [*settings, *STILL, f"train.start_from={source.path}", f"train.start_encoder={choice}"]
    run = convzoo.run("sentiment_cnn1d", more, data=words, out=tmp_path / "run", quiet=True, report=False)
    alone = convzoo.run(
        "sentiment_cnn1d", [*settings, *STILL], data=words, out=tmp_path / "alone", quiet=True, report=False
    )
    assert run.encoder.linear.fitted.keys() == alone.encoder.linear.fitted.keys() != source.encoder.linear.fitted.keys()
    assert torch.equal(*(torch.from_numpy(each.encoder.linear.coefficients) for each in (run, alone)))
    assert close(weights(run)["evidence_weight"], weights(source)["evidence_weight"])
    assert "evidence_weight" not in started(run), "it is taken as it was"


def test_the_outputs_for_an_interval_of_a_number_are_taken(small_run: Callable, tmp_path: Path) -> None:
    """The network's outputs are the task's business here: a quantile loss has three."""
    more = [*TINY["gauges_cnn2d"], "task.loss=pinball", "baselines=[]"]
    source = convzoo.run("gauges_cnn2d", more, out=tmp_path / "source", quiet=True, report=False)
    count = len(weights(source))
    same = begin("gauges_cnn2d", source.path, tmp_path / "same", "task.loss=pinball", "model.hidden_dropout=0.1")
    assert f"{count} of {count} tensors" in started(same)
    assert all(close(value, weights(source)[name]) for name, value in weights(same).items())
    other = begin("gauges_cnn2d", source.path, tmp_path / "other", "task.loss=squared")
    assert "new, because its shape is another" in started(other)


def test_several_classes_at_once_are_matched_by_name(tmp_path: Path) -> None:
    runs = []
    for number, names in enumerate((["a", "b", "a|b"], ["c", "b", "b|c"])):
        table = tmp_path / f"{number}.csv"
        rows = [f"a {names[at % 3].replace('|', ' ')} film {at},{names[at % 3]}" for at in range(60)]
        table.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
        more = [*FORMS["sentiment_cnn1d"].NETWORK, "task={name: multi_label}", "baselines=[]"]
        more += [*STILL, f"train.start_from={runs[0].path}"] if runs else []
        run = convzoo.run("sentiment_cnn1d", more, data=table, out=tmp_path / f"run{number}", quiet=True, report=False)
        runs.append(run)
    source, run = runs
    assert run.encoder.targets.labels.names == ("b", "c")
    assert close(weights(run)["classifier.weight"][0], weights(source)["classifier.weight"][1])
    assert "1 of 2 classes is new" in started(run)


def test_a_resumed_run_does_not_start_again(small_run: Callable, tmp_path: Path) -> None:
    """The checkpoint has the weights, so the earlier run may be gone; and the result is that of an undisturbed run."""
    import convzoo.pipeline as pipeline
    from convzoo.training.events import Event, Progressed

    source = tmp_path / "source"
    shutil.copytree(small_run("sentiment_cnn1d"), source)
    more = [*TINY["sentiment_cnn1d"], "baselines=[]", f"train.start_from={source}", "train.checkpoint_every=1"]
    whole = convzoo.run("sentiment_cnn1d", more, out=tmp_path / "whole", quiet=True, report=False)

    class KilledError(BaseException):
        pass

    def listeners(best_by: str) -> list:
        def kill(event: Event) -> None:
            if isinstance(event, Progressed) and event.step == 3:
                raise KilledError

        return [kill]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(pipeline, "_no_listeners", listeners)
        convzoo.run("sentiment_cnn1d", more, out=tmp_path / "stopped", quiet=True, report=False)
    shutil.rmtree(source)
    resumed = convzoo.run(resume=tmp_path / "stopped", quiet=True, report=False)
    assert resumed.scores == whole.scores
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(resumed).items())


def test_a_repeated_run_gives_the_weights_of_its_first_part(tmp_path: Path) -> None:
    source = convzoo.run(
        "sentiment_cnn1d", [*TINY["sentiment_cnn1d"], "baselines=[]"], seeds=2, out=tmp_path / "two", quiet=True, report=False
    )  # fmt: skip
    run = begin("sentiment_cnn1d", source.path, tmp_path / "run")
    assert f"the first of 2 runs, {source.parts[0].name}" in started(run)
    assert all(close(value, weights(source)[name]) for name, value in weights(run).items())


def test_a_run_that_does_not_fit_is_refused_before_the_training(
    cli: Callable, small_run: Callable, tmp_path: Path
) -> None:
    source = small_run("sentiment_cnn1d")
    run = ["run", "sentiment_cnn1d", *TINY["sentiment_cnn1d"], "--quiet", "--out", "out"]
    other = ["model={name: dilated_cnn1d}"]
    small = [item for item in TINY["sentiment_cnn1d"] if not item.startswith("model.")]
    result = cli("run", "sentiment_cnn1d", *small, *other, f"train.start_from={source}", "--quiet", "--out", "out")
    refused(result, 2, "train.start_from", "cnn1d", "dilated_cnn1d")
    wider = cli(*run, "model.channels=9", f"train.start_from={source}")
    refused(wider, 2, "train.start_from", "model.channels is 8 there and 9 here")
    refused(cli(*run, f"train.start_from={tmp_path / 'nothing'}"), 3, "train.start_from", "is not the folder of a run")
    shutil.copytree(source, tmp_path / "unfinished")
    (tmp_path / "unfinished" / "model.safetensors").unlink()
    refused(cli(*run, f"train.start_from={tmp_path / 'unfinished'}"), 3, "train.start_from", "has no weights yet")
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_settings_that_change_no_shape_may_differ(small_run: Callable, tmp_path: Path) -> None:
    run = begin("sentiment_cnn1d", small_run("sentiment_cnn1d"), tmp_path / "run", "model.dropout=0.1")
    assert "9 of 9 tensors" in started(run)


def test_check_says_what_the_start_gives(cli: Callable, small_run: Callable) -> None:
    result = cli(
        "check", "sentiment_cnn1d", *TINY["sentiment_cnn1d"], f"train.start_from={small_run('sentiment_cnn1d')}"
    )
    assert result.code == 0, result.err
    assert "start     started from" in result.out


def test_several_settings_are_named_only_if_they_matter(small_run: Callable, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"shapes: model\.channels is 8 there and 9 here;"):
        begin(
            "sentiment_cnn1d", small_run("sentiment_cnn1d"), tmp_path / "run", "model.channels=9", "model.dropout=0.1"
        )
