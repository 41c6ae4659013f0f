"""Every recipe on a GPU: it trains, resumes, predicts and exports there with the scores that it has on the CPU.

Skipped where torch finds no CUDA device. `tests/test_devices.py` finds tensors on the wrong device without one;
`benchmarks/cuda_checks.py` runs these tests on a bare machine. Both sides compute in float32 without TF32; scores agree within
`SCORES`, losses of the first evaluation within `LOSSES`.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import FORMS, PLAIN, RAW, TINY
from contracts.parts import same
from safetensors.torch import load_file

import convzoo
from convzoo.commands.evaluate import evaluate

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here"),
    pytest.mark.filterwarnings("ignore:Please use the new API"),  # of the switch for TF32, in some releases
]
NAMES = sorted(FORMS)
SCORES = 0.02
"""The largest difference of a score between 0 and 1, and the largest relative difference of others: sums have another order on a
GPU, so a probability near a threshold may fall on its other side."""
LOSSES = 0.05
"""The largest relative difference of a loss after the first evaluation."""
QUICK = ["baselines=[]", "train.precision=32"]


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Convolutions in whole float32 (matrix products are by default), and cuDNN's reproducible algorithms."""
    # The older of torch's two switches: after the newer one, torch.export refuses to work.
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = False, True
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = before


@pytest.fixture(scope="module")
def gpu_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], convzoo.Run]:
    """A finished small run of a recipe that was trained on the GPU; made once."""
    made: dict[str, convzoo.Run] = {}

    def run(name: str) -> convzoo.Run:
        if name not in made:
            made[name] = trained(name, "cuda", tmp_path_factory.mktemp(name) / "run")
        return made[name]

    return run


def trained(name: str, device: str, folder: Path, *more: str) -> convzoo.Run:
    settings = [*TINY[name], *QUICK, f"train.device={device}", *more]
    return convzoo.run(name, settings, out=folder, quiet=True, report=False)


def weights(run: convzoo.Run) -> dict[str, torch.Tensor]:
    return load_file(run.path / "model.safetensors")


def first_losses(run: convzoo.Run) -> dict[str, float]:
    with (run.path / "metrics.csv").open() as file:
        row = next(csv.DictReader(file))
    return {name: float(value) for name, value in row.items() if name.startswith("train/")}


def agree(one: dict[str, float], other: dict[str, float]) -> None:
    assert one.keys() == other.keys()
    far = {k: (v, other[k]) for k, v in one.items() if not math.isclose(v, other[k], rel_tol=SCORES, abs_tol=SCORES)}
    assert not far


@pytest.mark.parametrize("name", NAMES)
def test_the_first_losses_are_those_of_the_cpu(name: str, tmp_path: Path) -> None:
    """The settings leave nothing to chance, so both see the same batches with the same first weights."""
    more = [*PLAIN[name], "train.epochs=1"]
    here, there = (first_losses(trained(name, device, tmp_path / device, *more)) for device in ("cpu", "cuda"))
    assert here.keys() == there.keys() and here
    for loss, value in here.items():
        assert there[loss] == pytest.approx(value, rel=LOSSES, abs=1e-4), loss


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_the_gpu_are_those_of_the_cpu(name: str, gpu_run: Callable) -> None:
    run = gpu_run(name)
    assert json.loads((run.path / "environment.json").read_text())["device"].startswith("cuda:0")
    on_cpu = evaluate(str(run.path), None, device="cpu")
    agree(on_cpu, {key: value for key, value in run.scores.items() if key.startswith("test/")})
    agree(on_cpu, evaluate(str(run.path), None, device="cuda"))


@pytest.mark.parametrize("name", NAMES)
def test_predictions_of_the_gpu_are_those_of_the_cpu(name: str, gpu_run: Callable) -> None:
    run = gpu_run(name)
    there, here = run.predict(RAW[name](), device="cuda"), run.predict(RAW[name](), device="cpu")
    assert len(there) == len(here) > 0
    assert [row.keys() for row in there] == [row.keys() for row in here]
    assert next(run.model.parameters()).device.type == "cpu", "a model is on the CPU after predicting"
    if name not in ("lidar_pillars", "translation_convs2s", "organ_unet3d"):  # these choose among nearly equal answers
        assert same(there, here, SCORES)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_trained_on_the_gpu_is_exported(name: str, gpu_run: Callable, cli: Callable, tmp_path: Path) -> None:
    result = cli("export", gpu_run(name).path, "--format", "torch", "--out", tmp_path / "model.pt2")
    assert result.code == 0, result.err


@pytest.mark.parametrize("name", NAMES)
def test_a_run_resumes_on_the_gpu(name: str, tmp_path: Path) -> None:
    """To the same bits where two runs have the same bits; elsewhere (sums in the order in which threads end) to at most ten times
    the distance of two runs that were not stopped."""
    import convzoo.pipeline as pipeline
    from convzoo.training.events import Event, Progressed

    more = ["train.ema=0.9", "train.schedule=cosine", "train.checkpoint_every=1"]
    whole, again = (trained(name, "cuda", tmp_path / folder, *more) for folder in ("whole", "again"))

    class KilledError(BaseException):
        pass

    def listeners(best_by: str) -> list:
        def kill(event: Event) -> None:
            if isinstance(event, Progressed) and event.step == 2:
                raise KilledError

        return [kill]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(pipeline, "_no_listeners", listeners)
        trained(name, "cuda", tmp_path / "stopped", *more)
    resumed = convzoo.run(resume=tmp_path / "stopped", quiet=True, report=False)

    def distance(other: convzoo.Run) -> float:
        pairs = zip(weights(whole).values(), weights(other).values(), strict=True)
        return max(float((one.double() - two.double()).abs().max()) for one, two in pairs if one.numel())

    between_two = distance(again)
    assert distance(resumed) <= (0.0 if between_two == 0 else max(10 * between_two, 1e-5))


@pytest.mark.parametrize("precision", ["bf16", "16"])
@pytest.mark.parametrize("name", NAMES)
def test_lower_precision_trains(name: str, precision: str, tmp_path: Path) -> None:
    run = trained(
        name, "cuda", tmp_path / "run", f"train.precision={precision}", "train.epochs=1", "train.clip_norm=1.0"
    )
    assert all(math.isfinite(value) for value in run.scores.values())


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adadelta"])
def test_every_optimizer_steps_on_the_gpu(optimizer: str, tmp_path: Path) -> None:
    run = trained("emotion_cnn2d", "cuda", tmp_path / "run", f"train.optimizer={optimizer}", "train.accumulate=2")
    assert all(math.isfinite(value) for value in run.scores.values())


def test_a_start_from_a_run_of_the_gpu(gpu_run: Callable, tmp_path: Path) -> None:
    source = gpu_run("emotion_cnn2d")
    run = trained("emotion_cnn2d", "cuda", tmp_path / "run", f"train.start_from={source.path}", "train.lr=1e-12")
    assert all(torch.allclose(value, weights(source)[name], atol=1e-6) for name, value in weights(run).items())


def test_a_checkpoint_keeps_the_random_state_of_its_own_gpu_only(gpu_run: Callable) -> None:
    path = gpu_run("sentiment_cnn1d").path / "checkpoints" / "last.pt"
    (states,) = torch.load(path, weights_only=True)["random"]
    assert len(states["cuda"]) == 1


def test_check_reports_the_memory_of_the_gpu(cli: Callable) -> None:
    result = cli("check", "emotion_cnn2d", *TINY["emotion_cnn2d"], "train.device=cuda")
    assert result.code == 0, result.err
    assert "on cuda:0" in result.out
