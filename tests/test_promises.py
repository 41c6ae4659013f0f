"""The promises that every recipe keeps, over every recipe by glob: adding a recipe adds its tests."""

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import EMBEDDED, FORMS, PLAIN, RAW, RECIPES, REFERENCE, ROOT, TINY
from safetensors.torch import load_file

import convzoo
from convzoo.recipe.assembly import load_class
from convzoo.recipe.recipe import load, read_yaml

WANTED = {
    "SMALL": "overrides that make the recipe run in about two seconds",
    "PLAIN": "overrides that leave nothing in a step to chance, with an odd last batch",
    "raw": "a function that gives raw input as Run.predict takes it",
    "own": "a function that writes a stranger's data below a folder; it gives their path and overrides for a small run",
    "asked": "a function of that path that gives what to write after `convzoo predict RUN`",
}
"""What a file of small forms holds."""
NAMES = [path.stem for path in EMBEDDED if all(hasattr(FORMS.get(path.stem), part) for part in WANTED)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_same_bits(first: Path, second: Path) -> None:
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_says_what_it_is(path: Path) -> None:
    recipe = load(path)
    assert recipe.about
    assert recipe.modality
    assert recipe.expect, "a recipe promises a score"
    # Scores are parts of 1, or of 100 as their field writes them.
    # The few test examples of a benchmark may all be right; those of generated data may not.
    most = 1.0 if path in REFERENCE else 0.9999
    assert all(low < high <= (99.99 if low >= 1 else most) for low, high in recipe.expect.values()), (
        "too good is a leak"
    )
    assert len(recipe.baselines) >= 2, "a naive opponent and a classical one"
    header = path.read_text(encoding="utf-8").partition("\nabout")[0]
    assert "convzoo run" in header
    assert "http" in header or "doi" in header, "the header names the paper"
    assert "schema.json" in header.splitlines()[0]
    schema = (path.parent / header.splitlines()[0].partition("$schema=")[2]).resolve()
    assert schema.is_file(), "editors find the schema"


@pytest.mark.parametrize("path", REFERENCE, ids=lambda path: path.stem)
def test_reference_recipe_cites(path: Path) -> None:
    recipe = load(path)
    assert recipe.reference
    assert all(item.source and item.protocol and item.value > 0 for item in recipe.reference)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_has_a_page(path: Path) -> None:
    pages = list((ROOT / "docs" / "recipes").glob("*.md"))
    assert any(path.stem in page.read_text(encoding="utf-8") for page in pages)


def test_every_recipe_has_its_small_forms() -> None:
    """Without them a recipe is in none of the tests below."""
    recipes = {path.stem for path in EMBEDDED}
    for name in sorted(recipes | FORMS.keys()):
        place = f"tests/recipes/{name}.py"
        assert name in recipes, f"{place} belongs to no recipe: add recipes/{name}.yaml, or delete the file"
        assert name in FORMS, f"recipes/{name}.yaml has no small forms: add {place} with {', '.join(WANTED)}"
        for part, what in WANTED.items():
            assert hasattr(FORMS[name], part), f"{place} has no {part}: add {what}"


@pytest.mark.parametrize("name", NAMES)
def test_run_leaves_everything(name: str, small_run) -> None:
    folder = small_run(name)
    for file in ("recipe.yaml", "environment.json", "metrics.csv", "model.safetensors", "encoder.json",
                 "predictions.csv", "report.html", "scores.json", "checkpoints/last.pt", "checkpoints/best.pt"):  # fmt: skip
        assert (folder / file).stat().st_size > 0, file
    assert list(folder.glob("events.out.tfevents*"))
    results = json.loads((folder / "scores.json").read_text())
    recipe = load(folder / "recipe.yaml")
    assert set(recipe.expect) <= set(results["scores"])
    assert len(results["baselines"]) == len(recipe.baselines)
    for scores in results["baselines"].values():
        assert set(recipe.expect) <= set(scores), "opponents are scored by the same meter"
    assert set(recipe.expect) <= set(results["ceiling"])
    assert all(math.isfinite(results["scores"][score]) for score in recipe.expect)
    assert all(value is None or math.isfinite(value) for value in results["scores"].values()), "null: undefined"


@pytest.mark.parametrize("name", NAMES)
def test_resolved_recipe_gives_the_same_weights(name: str, small_run, tmp_path: Path) -> None:
    resolved = small_run(name) / "recipe.yaml"
    again = convzoo.run(resolved, ["baselines=[]"], out=tmp_path / "again", quiet=True, report=False)
    assert_same_bits(small_run(name), again.path)


def measured(folder: Path) -> list[list[str]]:
    """The rows of metrics.csv, without the time that each took."""
    lines = (folder / "metrics.csv").read_text().splitlines()
    return [line.split(",")[:2] + line.split(",")[3:] for line in lines]


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize("name", NAMES)
def test_resume_after_a_stop_at_any_step(name: str, precision: str, tmp_path: Path) -> None:
    """One run that is killed again and again: a fault at any of the resumptions would be in its weights at the end."""
    more = [
        *TINY[name],
        f"train.precision={precision}",
        "train.ema=0.9",
        "train.schedule=cosine",
        "train.checkpoint_every=1",
        "baselines=[]",
    ]
    whole = convzoo.run(name, more, out=tmp_path / "whole", quiet=True, report=False)
    import convzoo.pipeline as pipeline
    from convzoo.training.events import Event, Progressed

    folder = tmp_path / "stopped"
    for step in (1, 4, 7):

        class Killed(BaseException):
            pass

        def listeners(best_by: str, step: int = step) -> list:
            def kill(event: Event) -> None:
                if isinstance(event, Progressed) and event.step == step:
                    raise Killed

            return [kill]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pipeline, "_no_listeners", listeners)
            with pytest.raises(Killed):
                if folder.exists():
                    convzoo.run(resume=folder, quiet=True, report=False)
                else:
                    convzoo.run(name, more, out=folder, quiet=True, report=False)
        assert not (folder / "scores.json").exists()
    resumed = convzoo.run(resume=folder, quiet=True, report=False)
    assert measured(folder) == measured(whole.path)
    assert_same_bits(whole.path, resumed.path)
    assert resumed.scores == whole.scores


def _start(arguments: list[str], folder: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "convzoo", *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _wait_for(path: Path, process: subprocess.Popen, seconds: float = 90) -> None:
    limit = time.monotonic() + seconds
    while not path.exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    assert path.exists(), process.communicate()[1]


def test_resume_after_a_real_kill(tmp_path: Path) -> None:
    many = ["sentiment_cnn1d", *TINY["sentiment_cnn1d"], "train.epochs=400", "train.checkpoint_every=1"]
    process = _start(["run", *many, "--out", "killed", "--quiet"], tmp_path)
    _wait_for(tmp_path / "killed" / "checkpoints" / "last.pt", process)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    content = torch.load(tmp_path / "killed" / "checkpoints" / "last.pt", weights_only=True)
    assert 0 < content["progress"]["step"] < 2400


def test_first_signal_saves_and_says_how_to_resume(tmp_path: Path) -> None:
    many = ["sentiment_cnn1d", *TINY["sentiment_cnn1d"], "train.epochs=4000"]
    process = _start(["run", *many, "--out", "stopped"], tmp_path)
    _wait_for(tmp_path / "stopped" / "checkpoints" / "last.pt", process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "Traceback" not in errors
    assert "convzoo run --resume stopped" in errors.splitlines()[-1]
    content = torch.load(tmp_path / "stopped" / "checkpoints" / "last.pt", weights_only=True)
    assert f"step {content['progress']['step']} of" in errors


@pytest.mark.parametrize("kind", ["onnx", "torch"])
@pytest.mark.parametrize("name", NAMES)
def test_export_is_checked(name: str, kind: str, small_run, cli, tmp_path: Path) -> None:
    result = cli("export", small_run(name), "--format", kind, "--out", tmp_path / "model.file")
    assert result.code == 0, result.err
    facts = json.loads((tmp_path / "model.file.json").read_text())
    assert facts["checked_on"] >= 20
    assert facts["largest_difference"] < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_check_says_ok(name: str, cli) -> None:
    result = cli("check", name, *TINY[name])
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == "ok"


@pytest.mark.parametrize("name", NAMES)
def test_a_strangers_data_are_checked_trained_on_and_predicted(name: str, cli, tmp_path: Path) -> None:
    data, few = FORMS[name].own(tmp_path)
    checked = cli("check", name, "--data", data, *few)
    assert checked.code == 0, checked.err
    assert checked.out.splitlines()[-1] == "ok"
    done = cli("run", name, "--data", data, *few, "--out", "run", "--quiet")
    assert done.code == 0, done.err
    results = json.loads(Path("run/scores.json").read_text())
    assert results["scores"] and all(value is None or math.isfinite(value) for value in results["scores"].values())
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert load(name).about not in page, "the words about the embedded data stand over a stranger's"
    assert data.name in page.partition("<h2 ")[0], "the headline says where the data are from"
    assert Path("run/split.csv").is_file(), "which of the data were tested on"
    answer = cli("predict", "run", *FORMS[name].asked(data), "--json")
    assert answer.code == 0, answer.err
    assert [json.loads(line) for line in answer.out.splitlines()], "an answer"


@pytest.mark.parametrize("name", NAMES)
def test_seeds_give_mean_and_deviation(name: str, tmp_path: Path) -> None:
    naive = f"baselines=[{load(name).baselines[0].name}]"
    run = convzoo.run(name, [*TINY[name], naive], seeds=2, out=tmp_path / "seeds", quiet=True)
    parts = [json.loads((part / "scores.json").read_text())["scores"] for part in run.parts]
    for score in run.scores:
        values = [math.nan if part[score] is None else part[score] for part in parts]
        assert run.scores[score] == pytest.approx(np.mean(values), nan_ok=True)
        assert run.spread[score] == pytest.approx(np.std(values, ddof=1), abs=1e-12, nan_ok=True)
    assert len(run.results["baselines"]) == len(run.results["baselines_spread"]) == 1
    assert (run.path / "report.html").exists()
    assert run.predict(run.examples(RAW[name]()))


def same_as_alone(name: str, folder: Path, start: Callable[[list[str]], str]) -> None:
    """Two processes, which `start` starts with the arguments of `convzoo`, end as one does; it gives all that they print."""
    exact = ["train.precision=64", "train.epochs=2", "train.optimizer=sgd", "train.lr=0.05"]
    overrides = [*TINY[name], *exact, *PLAIN[name], f"baselines=[{load(name).baselines[0].name}]"]
    single = convzoo.run(name, overrides, out=folder / "one", quiet=True, report=False)
    two = folder / "two"
    printed = start(["run", name, *overrides, "--out", str(two), "--quiet"])
    alone, both = weights(single.path), weights(two)
    for key in alone:
        assert torch.allclose(alone[key], both[key], rtol=0, atol=1e-10), key
    results = convzoo.Run.load(two).results  # an undefined score, null in the file, is NaN
    for score, value in single.scores.items():
        assert results["scores"][score] == pytest.approx(value, abs=1e-6, nan_ok=True), score
    for opponent, scores in single.results["baselines"].items():
        assert results["baselines"][opponent] == pytest.approx(scores, abs=1e-6, nan_ok=True), opponent
    assert len((two / "predictions.csv").read_text().splitlines()) == results["examples"]["test"] + 1
    assert printed.count("this network") == 1, "one process writes"


def two_processes(arguments: list[str], together: Callable) -> str:
    """Run `convzoo` as two processes; what both print."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    given = {"SLURM_NTASKS": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [{**given, "SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in ("0", "1")]
    done = together([["-m", "convzoo", *arguments]] * 2, ranks)
    assert [process.code for process in done] == [0, 0], "".join(process.err for process in done)
    return "".join(process.out for process in done)


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_end_with_the_weights_of_one(name: str, together, tmp_path: Path) -> None:
    """As SLURM starts them: torchrun's variables and SLURM's are read in one place, and the rest is the same."""

    same_as_alone(name, tmp_path, lambda arguments: two_processes(arguments, together))


EXACT = [
    "train.precision=64",
    "train.epochs=2",
    "train.optimizer=sgd",
    "train.lr=0.05",
    "train.schedule=constant",
    "baselines=[]",
]


def test_it_does_not_matter_which_process_computes_a_micro_batch(together, tmp_path: Path, cli) -> None:
    """With dropout and buckets: two processes, one with two micro-batches, and one that goes on with what two began."""
    overrides = [*TINY["sentiment_cnn1d"], *EXACT, "model.dropout=0.5", "data.train=110"]
    one = convzoo.run(
        "sentiment_cnn1d", [*overrides, "train.accumulate=2"], out=tmp_path / "one", quiet=True, report=False
    )
    two = tmp_path / "two"
    two_processes(["run", "sentiment_cnn1d", *overrides, "--out", str(two), "--quiet"], together)
    begun = shutil.copytree(two, tmp_path / "begun")
    for name in ("scores.json", "model.safetensors", "checkpoints/last.pt"):
        (begun / name).unlink()
    shutil.copy(_first_checkpoint(overrides, tmp_path, together), begun / "checkpoints" / "last.pt")
    done = cli("run", "--resume", begun, "--quiet")
    assert done.code == 0, done.err
    for other in (two, begun):
        for key, value in weights(one.path).items():
            assert torch.allclose(value, weights(other)[key], rtol=0, atol=1e-10), (other.name, key)
    whole = convzoo.run("sentiment_cnn1d", overrides, out=tmp_path / "whole", quiet=True, report=False)
    assert any(not torch.equal(value, weights(whole.path)[key]) for key, value in weights(one.path).items()), (
        "nothing was drawn: then this test says nothing"
    )


def _first_checkpoint(overrides: list[str], folder: Path, together: Callable) -> Path:
    """The checkpoint that two processes wrote after a few steps."""
    few = folder / "few"
    two_processes(["run", "sentiment_cnn1d", *overrides, "train.epochs=1", "--out", str(few), "--quiet"], together)
    path = few / "checkpoints" / "last.pt"
    content = torch.load(path, weights_only=True)
    content["progress"]["finished"] = False
    torch.save(content, path)
    return path


def test_the_memory_for_examples_and_the_workers_change_nothing(tmp_path: Path) -> None:
    overrides = [*TINY["sentiment_cnn1d"], *EXACT, "model.dropout=0.5"]
    runs = [
        convzoo.run("sentiment_cnn1d", [*overrides, *more], out=tmp_path / str(number), quiet=True, report=False)
        for number, more in enumerate(
            ([], ["train.cache_gigabytes=1e-9", "train.workers=0"], ["train.cache_gigabytes=1e-9", "train.workers=2"])
        )
    ]
    for other in runs[1:]:
        assert_same_bits(runs[0].path, other.path)
        assert other.scores == runs[0].scores


def test_torchrun_ends_with_the_weights_of_one(tmp_path: Path) -> None:
    def start(arguments: list[str]) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone",
             "-m", "convzoo", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    same_as_alone("sentiment_cnn1d", tmp_path, start)


@pytest.mark.full
@pytest.mark.parametrize("path", EMBEDDED, ids=lambda path: path.stem)
def test_full_run_lands_inside_expect(path: Path, cli) -> None:
    began = time.monotonic()
    result = cli("run", path, "--out", "full", "--require-expected", "--quiet")
    assert result.code == 0, result.err
    assert time.monotonic() - began < 180, "at most 90 s on two idle cores"
    results = json.loads(Path("full/scores.json").read_text())
    (score,) = read_yaml(path)[0]["expect"]
    # Where less is better, errors are compared with their signs changed.
    sign = -1 if load_class("task", load(path.stem).task.name).is_error(score) else 1
    naive, *classical = (sign * scores[score] for scores in results["baselines"].values())
    best = sign * results["ceiling"][score]
    assert naive < max(classical) < sign * results["scores"][score] <= best + 0.005 * max(1, abs(best))
