"""The number of threads: chosen by a trial that leaves no trace, kept where the user set it, and stored in the run."""

import json

import pytest
import torch

from convzoo import pipeline
from convzoo.training import threads


@pytest.fixture
def two(monkeypatch):
    """A machine whose number of threads nobody has set."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(threads, "_AT_IMPORT", 2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def timed(monkeypatch):
    """Steps that take as long as a test says, by the number of threads."""

    def of(seconds: dict[int, float]) -> list[int]:
        used, now = [], [0.0]

        def step(trainer, batches):
            used.append(torch.get_num_threads())
            now[0] += seconds[torch.get_num_threads()]

        monkeypatch.setattr(threads, "gradient", step)
        monkeypatch.setattr(threads.time, "perf_counter", lambda: now[0])
        return used

    return of


def small(tmp_path, tiny, *settings: str):
    return pipeline.run("nodes_gcn", [*tiny("nodes_gcn"), *settings], out=tmp_path / "run", quiet=True, report=False)


def stored(tmp_path) -> int:
    return json.loads((tmp_path / "run" / "environment.json").read_text())["threads"]


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [({2: 0.5, 1: 0.9}, 2), ({2: 2.0, 1: 0.9}, 1), ({2: 0.89, 1: 0.9}, 1)],
)
def test_the_fastest_number_is_used_and_stored(two, timed, tmp_path, tiny, seconds, chosen):
    timed(seconds)
    small(tmp_path, tiny)
    assert stored(tmp_path) == chosen
    assert torch.get_num_threads() == 2, "the calling program has its own number again"


def test_a_number_in_the_recipe_needs_no_trial(two, timed, tmp_path, tiny):
    used = timed({})
    small(tmp_path, tiny, "train.threads=2")
    assert not used
    assert stored(tmp_path) == 2


@pytest.mark.parametrize("where", ["environment", "program"])
def test_what_the_user_set_is_kept(two, timed, tmp_path, tiny, monkeypatch, where):
    used = timed({})
    if where == "environment":
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
    else:
        torch.set_num_threads(3)
    small(tmp_path, tiny)
    assert not used
    assert stored(tmp_path) == (2 if where == "environment" else 3)


def test_the_trial_changes_neither_weights_nor_random_numbers(two, timed, tmp_path, tiny, monkeypatch):
    """A network with batch norm, dropout and augmentation ends at the same weights with the trial as without it."""
    original = threads.gradient
    runs = []
    for name in ("1", "auto"):
        monkeypatch.setattr(threads, "ADVANTAGE", 0.0)  # one thread is chosen, however long the steps take
        monkeypatch.setattr(threads, "gradient", original)
        settings = [*tiny("keywords_cnn1d"), f"train.threads={name}"]
        runs.append(pipeline.run("keywords_cnn1d", settings, out=tmp_path / name, quiet=True, report=False))
    alone, tried = (run.model.state_dict() for run in runs)
    assert all(torch.equal(value, tried[name]) for name, value in alone.items())


def test_a_resumed_run_uses_the_number_that_it_began_with(two, timed, tmp_path, tiny):
    timed({2: 2.0, 1: 0.9})
    small(tmp_path, tiny)
    (tmp_path / "run" / "scores.json").unlink()
    used = timed({2: 0.1, 1: 0.9})
    seen = []
    original = threads.torch.set_num_threads
    threads.torch.set_num_threads = lambda count: (seen.append(count), original(count))
    try:
        pipeline.run(resume=tmp_path / "run", quiet=True, report=False)
    finally:
        threads.torch.set_num_threads = original
    assert not used
    assert seen[0] == 1
