"""No tensor of the host meets one of the device: every recipe and every model, on a second device that any machine has.

`tests/test_cuda.py` holds what only a GPU can show.
"""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import FORMS, PLAIN, RAW, TINY
from contracts.parts import Case, fresh, over, same
from second_device import DEVICE, HostMeetsDeviceError, second_device

import convzoo
from convzoo.experiment import loaders
from convzoo.scoring import calibrate
from convzoo.training.devices import Devices
from convzoo.training.trainer import Trainer

# What torch says when weights are loaded to `meta`; here they are copied all the same.
pytestmark = pytest.mark.filterwarnings("ignore:.*which is a no-op")

FEWER = {
    "translation_convs2s": ["data.train=60", "data.val=8", "data.test=8", "task.max_length_ratio=0.1"],
    "organ_unet3d": ["data.train=6", "data.val=4", "data.test=2"],
    "lidar_pillars": ["data.train=8", "data.val=8", "data.test=3"],
    "mri_cnn3d": ["data.train=12", "data.val=8", "data.test=8"],
    "actions_cnn3d": ["data.train=16", "data.val=8", "data.test=8"],
}
"""Fewer examples than in the small forms: every operation is checked, which takes time."""
QUICK = ["train.epochs=1", "train.precision=32", "baselines=[]"]
OPTIONS = {
    "temperature": ("sentiment_cnn1d", ["task.calibrate=temperature", "model.max_norm=2.0"]),
    "k_max": ("sentiment_cnn1d", ["model.pooling=k_max", "model.activation=gelu"]),
    "attention": ("sentiment_cnn1d", ["model.pooling=attention", "model.embedding_dropout=0.2"]),
    "log_sum_exp": ("emotion_cnn2d", ["model.pooling=log_sum_exp"]),
    "optimizer": ("sentiment_cnn1d", ["train.optimizer=sgd", "train.clip_norm=1.0", "train.ema=0.9", "train.accumulate=2"]),
    "adadelta": ("sentiment_cnn1d", ["train.optimizer=adadelta", "train.schedule=plateau"]),
    "residuals": ("anomaly_cnn1d", ["task.residuals=standardised", "task.recent=20", "task.scope=series", "task.across=max"]),
    "sage": ("nodes_gcn", ["model.conv=sage", "encoder.matrix=random_walk", "encoder.neighbours=[3,3]"]),
    "gat": ("nodes_gcn", ["model.conv=gat"]),
    "gcn2": ("nodes_gcn", ["model.conv=gcn2"]),
    "appnp": ("nodes_gcn", ["model.conv=appnp"]),
    "cheb": ("nodes_gcn", ["model.conv=cheb", "encoder.matrix=laplacian"]),
    "mixhop": ("nodes_gcn", ["model.conv=mixhop", "encoder.matrix=random_walk", "encoder.self_loops=false"]),
    "evidence": ("sentiment_cnn1d", ["encoder.evidence=linear"]),
    "intervals": ("gauges_cnn2d", ["task.loss=pinball"]),
    "huber": ("gauges_cnn2d", ["task.loss=huber"]),
    "class_weights": ("sentiment_cnn1d", ["task.class_weights=balanced", "task.threshold=best_f1"]),
    "opponents": ("sentiment_cnn1d", ["baselines=[majority,tfidf_svm,nbsvm]"]),
    "opponents_of_numbers": ("gauges_cnn2d", ["baselines=[mean,pixel_ridge]"]),
    "weights": ("organ_unet3d", ["task.balance=0.5", "task.mirrored=true"]),
    "crops": ("actions_cnn3d", ["encoder.crops=3"]),
    "beam": ("translation_convs2s", ["task.beam=3", "task.copy_unknown=true"]),
}  # fmt: skip
"""Settings that take other ways through tasks, layers and the trainer than those of the recipes."""


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """In this test, `train.device: cuda` and `device="cuda"` are the second device."""
    opened = Devices.open

    def choose(name: str, **more: object) -> torch.device:
        return DEVICE if name == "cuda" else torch.device("cpu")

    def open_devices(name: str, precision: str) -> Devices:
        return Devices(choose(name), opened("cpu", precision).precision)

    monkeypatch.setattr(Devices, "open", open_devices)
    monkeypatch.setattr("convzoo.runs.choose_device", choose)
    with second_device() as found:
        yield found


def run_on(device: str, name: str, more: list[str], folder: Path, data: Path | None = None) -> convzoo.Run:
    generated = [*TINY[name], *PLAIN[name], *FEWER.get(name, ())] if data is None else FORMS[name].NETWORK
    settings = [*generated, *QUICK, *more, f"train.device={device}"]
    run = convzoo.run(name, settings, data=data, out=folder, quiet=True, report=False)
    where = json.loads((folder / "environment.json").read_text())["device"]
    assert where == (str(DEVICE) if device == "cuda" else "cpu"), "the test would show nothing"
    return run


def test_a_tensor_of_the_host_is_found_among_those_of_the_device() -> None:
    with second_device() as device:
        layer = torch.nn.Linear(3, 2).to(device)
        assert layer(torch.ones(1, 3).to(device)).device == device
        with pytest.raises(HostMeetsDeviceError, match="host"):
            layer(torch.ones(1, 3))
        with pytest.raises(HostMeetsDeviceError, match="host"):
            torch.ones(3, device=device) + torch.arange(3)
        with pytest.raises(HostMeetsDeviceError, match="host"):
            torch.zeros(3, device=device).index_add_(0, torch.tensor([0]), torch.ones(1, device=device))
        with pytest.raises(HostMeetsDeviceError, match="cpu"):
            torch.ones(3, device=device).numpy()
        assert (torch.ones(3, device=device) * torch.tensor(2.0)).tolist() == [2.0, 2.0, 2.0]
        assert torch.tensor([1, 2], device=device).new_tensor([5]).tolist() == [5]


@pytest.mark.parametrize("name", sorted(FORMS))
def test_a_recipe_gives_the_same_on_the_device(name: str, tmp_path: Path, device: torch.device) -> None:
    there, here = run_on("cuda", name, [], tmp_path / "there"), run_on("cpu", name, [], tmp_path / "here")
    assert same(dict(there.scores), dict(here.scores), 1e-4)
    inputs = RAW[name]()
    assert same(there.predict(inputs, device="cuda"), there.predict(inputs, device="cpu"), 1e-4)
    assert next(there.model.parameters()).device.type == "cpu", "a model is on the CPU after predicting"


@pytest.mark.parametrize("option", OPTIONS)
def test_options_give_the_same_on_the_device(option: str, tmp_path: Path, device: torch.device) -> None:
    name, more = OPTIONS[option]
    there, here = run_on("cuda", name, more, tmp_path / "there"), run_on("cpu", name, more, tmp_path / "here")
    if option != "attention":  # its dropout draws from another generator on a device
        assert same(dict(there.scores), dict(here.scores), 1e-4)


def several_topics(folder: Path) -> Path:
    """Texts with one or two topics each."""
    topics = ["art", "war", "art|war"]
    rows = [f"a {topics[at % 3].replace('|', ' and ')} film {at},{topics[at % 3]}" for at in range(60)]
    (folder / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder / "texts.csv"


def numbers_of_texts(folder: Path) -> Path:
    rows = [f"a film of {at} minutes,{at}.5" for at in range(60)]
    (folder / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder / "texts.csv"


def numbers_of_videos(folder: Path) -> Path:
    clips, _ = FORMS["actions_cnn3d"].own(folder)
    rows = [f"{path.relative_to(clips)},{number}.5" for number, path in enumerate(sorted(clips.rglob("*.mp4")))]
    (clips / "numbers.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    return clips / "numbers.csv"


LABELS = {
    "several classes": (several_topics, "sentiment_cnn1d", ["task={name: multi_label, class_weights: balanced}"]),
    "numbers": (numbers_of_texts, "sentiment_cnn1d", ["task={name: regression, loss: absolute}"]),
    "numbers of clips": (
        numbers_of_videos,
        "actions_cnn3d",
        ["task={name: clip_regression, loss: pinball}", "model.normalisation=none", "model.dropout=0.0"],
    ),
}
"""Labels that no recipe has in its own data, with the task that learns them."""


@pytest.mark.parametrize("labels", LABELS)
def test_other_labels_give_the_same_on_the_device(labels: str, tmp_path: Path, device: torch.device) -> None:
    make, name, more = LABELS[labels]
    data = make(tmp_path)
    if name == "sentiment_cnn1d":
        more = [*more, "model.dropout=0.0"]
    there, here = (run_on(where, name, more, tmp_path / where, data) for where in ("cuda", "cpu"))
    assert same(dict(there.scores), dict(here.scores), 1e-4)


def test_a_run_resumes_on_the_device(tmp_path: Path, device: torch.device) -> None:
    import convzoo.pipeline as pipeline
    from convzoo.training.events import Event, Progressed

    more = [*TINY["sentiment_cnn1d"], "train.device=cuda", "train.ema=0.9", "train.checkpoint_every=1", "baselines=[]"]
    whole = convzoo.run("sentiment_cnn1d", more, out=tmp_path / "whole", quiet=True, report=False)

    class KilledError(BaseException):
        pass

    def listeners(best_by: str) -> list:
        def kill(event: Event) -> None:
            if isinstance(event, Progressed) and event.step == 4:
                raise KilledError

        return [kill]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(pipeline, "_no_listeners", listeners)
        convzoo.run("sentiment_cnn1d", more, out=tmp_path / "stopped", quiet=True, report=False)
    resumed = convzoo.run(resume=tmp_path / "stopped", quiet=True, report=False)
    assert resumed.scores == whole.scores
    weights = [(run.path / "model.safetensors").read_bytes() for run in (whole, resumed)]
    assert weights[0] == weights[1]


def test_evaluating_takes_a_device(tmp_path: Path, device: torch.device, cli: Callable) -> None:
    run = run_on("cpu", "sentiment_cnn1d", [], tmp_path / "run")
    found = [cli("evaluate", run.path, "--json", "--device", name) for name in ("cpu", "cuda")]
    assert [result.code for result in found] == [0, 0], found[1].err
    assert same(*(json.loads(result.out) for result in found), 1e-4)


@over("model")
def test_every_model_learns_and_predicts_on_the_device(case: Case, tmp_path: Path, device: torch.device) -> None:
    experiment = case.experiment()
    model = fresh("model", case.part(experiment), experiment.task.model_dims(experiment.encoder.dims))
    devices = Devices(device, "32")
    splits = loaders(experiment, devices)
    trainer = Trainer(
        model,
        copy.deepcopy(experiment.task),
        experiment.recipe.train,
        devices,
        splits["train"],
        splits["val"],
        tmp_path,
    )
    losses = trainer.try_step(next(splits["train"].steps(0)))
    assert all(value == value for value in losses.values())
    calibrate(trainer, splits["val"])
    _, outputs, target = next(trainer.outputs(splits["val"]))
    assert len(trainer.task.decode(outputs)) == len(trainer.task.read_target(target))
