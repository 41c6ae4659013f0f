"""The loop and what stands beside it, through whole small runs."""

import csv
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

import convzoo
from convzoo import Part
from convzoo.core.config import TrainConfig
from convzoo.core.files import read_json
from convzoo.core.randomness import Draws, permutation
from convzoo.layers.dropout import Dropout
from convzoo.recipe.assembly import load_class
from convzoo.recipe.recipe import load as load_recipe
from convzoo.training import devices
from convzoo.training.events import Scored, Started
from convzoo.training.listeners import CsvListener
from convzoo.training.optimisation import MovingAverage, Schedule, make_optimizer
from convzoo.training.random_states import Seeds, load_random_states, random_states

EXACT = ["train.precision=64", "train.optimizer=sgd", "train.lr=0.05"]
PLAIN = {
    "sentiment_cnn1d": ["model.dropout=0.0"],
    "emotion_cnn2d": ["model.dropouts=[0.0,0.0,0.0]", "model.hidden_dropout=0.0"],
}


def run(name: str, folder: Path, *overrides: str) -> convzoo.Run:
    return convzoo.run(name, [*TINY[name], "baselines=[]", *overrides], out=folder, quiet=True, report=False)


def weights(run: convzoo.Run) -> dict[str, torch.Tensor]:
    return load_file(run.path / "model.safetensors")


def rows(run: convzoo.Run) -> list[dict[str, str]]:
    with (run.path / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["sentiment_cnn1d", "emotion_cnn2d"])
def test_accumulation_changes_nothing(name: str, tmp_path: Path) -> None:
    one = weights(run(name, tmp_path / "one", *EXACT, *PLAIN[name]))
    for parts in (2, 3):
        other = weights(run(name, tmp_path / str(parts), *EXACT, *PLAIN[name], f"train.accumulate={parts}"))
        for key in one:
            assert torch.allclose(one[key], other[key], rtol=0, atol=1e-10), key


@pytest.mark.parametrize("name", ["sentiment_cnn1d", "emotion_cnn2d"])
def test_workers_give_the_same_run_as_memory(name: str, tmp_path: Path) -> None:
    augmented = ["encoder.word_dropout=0.2"] if name == "sentiment_cnn1d" else ["encoder.flip=0.5", "encoder.rotate=9"]
    plain = [*augmented, "train.bucket=false", "train.epochs=1"]
    cached = weights(run(name, tmp_path / "cached", *plain))
    for workers in (0, 2):
        more = [*plain, "train.cache_gigabytes=0", f"train.workers={workers}"]
        other = weights(run(name, tmp_path / f"workers-{workers}", *more))
        assert all(torch.equal(cached[key], other[key]) for key in cached)


def test_steps_and_evaluations_are_counted(tmp_path: Path) -> None:
    found = rows(
        run("sentiment_cnn1d", tmp_path / "run", "train.epochs=null", "train.steps=7", "train.evaluate_every=3")
    )
    assert [int(row["step"]) for row in found] == [3, 6, 7]
    assert float(found[-1]["epoch"]) == pytest.approx(7 / 6, abs=1e-4)


def test_patience_stops_early(tmp_path: Path) -> None:
    stopped = run("sentiment_cnn1d", tmp_path / "run", "train.epochs=50", "train.patience=2", "train.lr=1e-9")
    assert len(rows(stopped)) == 3, "the first score is the best; two more are waited for"
    assert stopped.results["best_step"] == 18, "of equal scores the last counts"


def test_the_best_checkpoint_is_what_is_scored(tmp_path: Path) -> None:
    done = run("emotion_cnn2d", tmp_path / "run", "train.epochs=6", "train.lr=0.01")
    best = max(float(row["val/accuracy"]) for row in rows(done))
    assert done.scores["val/accuracy"] == pytest.approx(best)


@pytest.mark.parametrize("precision", ["16", "bf16"])
def test_low_precision_learns(precision: str, tmp_path: Path) -> None:
    done = run("emotion_cnn2d", tmp_path / "run", f"train.precision={precision}", "train.clip_norm=1.0")
    assert math.isfinite(done.scores["test/cross_entropy"])


@given(st.sampled_from(["constant", "cosine", "one_cycle", "step"]), st.integers(1, 200), st.floats(0, 0.9))
def test_schedules_stay_between_nothing_and_all(kind: str, steps: int, warmup: float) -> None:
    schedule = Schedule(TrainConfig(epochs=1, schedule=kind, warmup=warmup), steps, max(1, steps // 4))
    factors = [schedule.factor(step) for step in range(steps)]
    assert all(0 <= factor <= 1 + 1e-12 for factor in factors)
    rising = factors[: schedule.warmup_steps]
    assert rising == sorted(rising)
    if kind in ("cosine", "one_cycle"):
        falling = factors[schedule.warmup_steps :]
        assert falling == sorted(falling, reverse=True)


def test_plateau_drops_after_waiting() -> None:
    schedule = Schedule(TrainConfig(epochs=1, schedule="plateau", plateau_patience=1, step_factor=0.5), 100, 10)
    factors = []
    for score in (0.5, 0.6, 0.6, 0.6, 0.7, 0.7, 0.7):
        schedule.observe(score)
        factors.append(schedule.factor(50))
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    again = Schedule(TrainConfig(epochs=1, schedule="plateau", plateau_patience=1, step_factor=0.5), 100, 10)
    again.load_state(schedule.state())
    assert again.factor(0) == 0.25


def test_norms_and_biases_are_not_decayed() -> None:
    model = nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.Linear(4, 5))
    optimizer = make_optimizer(model, TrainConfig(epochs=1, weight_decay=0.1), torch.device("cpu"))
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    assert decayed == {id(model[0].weight), id(model[2].weight)}


def test_moving_average_is_the_formula() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = MovingAverage(model, 0.9)
    expected = model.weight.item()
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.fill_(step)
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with average.applied():
        assert model.weight.item() == pytest.approx(expected, rel=1e-5)
    assert model.weight.item() == 29


def test_random_states_come_back() -> None:
    model = nn.Linear(2, 2)
    kept = random_states(model)
    first = (torch.rand(3), random.random(), random.gauss(0, 1), np.random.rand())  # noqa: NPY002
    load_random_states(model, kept)
    assert torch.equal(torch.rand(3), first[0])
    assert (random.random(), random.gauss(0, 1), np.random.rand()) == first[1:]  # noqa: NPY002


def test_what_a_network_draws_hangs_on_the_seed_the_step_and_the_micro_batch() -> None:
    model = nn.Sequential(Dropout(0.5), nn.Dropout(0.5))
    x = torch.ones(4, 50)

    def drawn(seed: int, step: int, part: int) -> tuple:
        Seeds(model, seed).at(step, part)
        return tuple(model(x).flatten().tolist())

    places = [(seed, step, part) for seed in (0, 1) for step in (0, 1, 700) for part in (0, 1)]
    assert len({drawn(*place) for place in places}) == len(places)
    assert drawn(1, 700, 1) == drawn(1, 700, 1)
    first, second = Dropout(0.5), Dropout(0.5)
    Seeds(nn.Sequential(first, second), 0).at(0, 0)
    assert not torch.equal(first(x), second(x)), "two layers draw other masks"


def test_rows_of_scores_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    """A score may be written and the computer stop before its checkpoint: it is then scored again."""
    before = CsvListener(tmp_path / "metrics.csv")
    for step in (3, 6, 9):
        before(Scored(step, step / 3, {"val/accuracy": step / 10}, True, 1.0))
    again = CsvListener(tmp_path / "metrics.csv")
    again(Started(6, 12, 3, 20))
    again(Scored(9, 3.0, {"val/accuracy": 0.5}, True, 2.0))
    with (tmp_path / "metrics.csv").open(newline="") as file:
        assert [(row["step"], row["val/accuracy"]) for row in csv.DictReader(file)] == [
            ("3", "0.3"),
            ("6", "0.6"),
            ("9", "0.5"),
        ]


def unfinished(done: convzoo.Run) -> Path:
    """The folder of a run that stopped after its last checkpoint."""
    for name in ("scores.json", "model.safetensors", "task.json"):
        (done.path / name).unlink()
    return done.path


def test_a_resumed_run_keeps_what_its_encoder_learnt(tmp_path: Path) -> None:
    home = tmp_path / "data"
    home.mkdir()
    for part in ("train", "val", "test"):
        rows = [f"{part} film number{n},{'ab'[n % 2]}" for n in range(12)]
        (home / f"{part}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    few = [word for word in TINY["sentiment_cnn1d"] if not word.startswith("data.")]
    done = convzoo.run(
        "sentiment_cnn1d", [*few, "baselines=[]"], data=home, out=tmp_path / "run", quiet=True, report=False
    )
    known, folder = done.encoder.tokens, unfinished(done)
    with (home / "train.csv").open("a") as file:
        file.write("entirely other words,a\n")
    again = convzoo.run(resume=folder, quiet=True, report=False, accept_changes=True)
    assert again.encoder.tokens == known
    assert again.model(torch.ones(1, 4, dtype=torch.int64)).shape == (1, 2)


def test_a_resumed_run_has_the_precision_that_it_began_with(tmp_path: Path, monkeypatch) -> None:
    """What is faster is a measurement, and may come out otherwise today."""
    monkeypatch.setattr(devices, "fast_at_bf16", lambda device: True)
    done = run("sentiment_cnn1d", tmp_path / "run", "train.precision=auto")
    asked = []
    monkeypatch.setattr(devices, "fast_at_bf16", lambda device: bool(asked.append(device)))
    again = convzoo.run(resume=unfinished(done), quiet=True, report=False)
    assert not asked
    assert read_json(again.path / "environment.json")["precision"] == "bf16"


class Falling(load_class("task", "classification")):
    """A classification whose validation scores are the best after the first epoch."""

    def meter(self) -> Any:
        return Told(super().meter(), self.__dict__.setdefault("told", [0.9, 0.5, 0.4]))


class Told:
    """A meter with other scores."""

    def __init__(self, meter: Any, scores: list[float]) -> None:
        self.update, self.true, self.scores = meter.update, meter.compute, scores

    def compute(self) -> dict[str, float]:
        return {**self.true(), "accuracy": self.scores.pop(0) if self.scores else 0.0}


def test_the_weights_of_the_best_epoch_are_kept_and_not_the_last(tmp_path: Path) -> None:
    recipe = load_recipe("sentiment_cnn1d", [*TINY["sentiment_cnn1d"], "train.epochs=3", "baselines=[]"])
    recipe = replace(recipe, task=Part(Falling))
    done = convzoo.run(recipe, out=tmp_path / "run", quiet=True, report=False)
    best, last = (
        torch.load(done.path / "checkpoints" / name, weights_only=True)["model"] for name in ("best.pt", "last.pt")
    )
    assert done.results["best_step"] == 6
    assert all(torch.equal(value, best[name]) for name, value in weights(done).items())
    assert any(not torch.equal(value, last[name]) for name, value in weights(done).items())


@given(st.integers(0, 2**31), st.integers(0, 1000), st.lists(st.integers(0, 2**31), min_size=1, max_size=20))
def test_draws_hang_on_the_example_alone(seed: int, epoch: int, indices: list[int]) -> None:
    together = Draws(seed, epoch, indices).uniform(3, 4)
    alone = [Draws(seed, epoch, [index]).uniform(3, 4)[0] for index in indices]
    assert (together == alone).all()
    assert ((together >= 0) & (together < 1)).all()


def test_draws_are_uniform() -> None:
    values = Draws(1, 2, range(20_000)).uniform(0, 3)
    assert values.mean() == pytest.approx(0.5, abs=0.01)
    assert values.std() == pytest.approx(12**-0.5, abs=0.01)
    assert abs(torch.corrcoef(torch.from_numpy(values.T))[0, 1]) < 0.03
    assert len(set(values.ravel().tolist())) == 60_000


@given(st.integers(1, 500), st.integers(0, 10_000), st.integers(0, 500))
def test_orders_are_permutations(count: int, seed: int, epoch: int) -> None:
    assert sorted(permutation(count, seed, epoch)) == list(range(count))
