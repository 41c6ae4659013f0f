"""The loop step by step, on a network of one weight: every number is computed here again, by hand."""

import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convzoo.core.batch import Batch
from convzoo.core.config import TrainConfig
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, TrainingError
from convzoo.core.task import Task
from convzoo.training.devices import Devices
from convzoo.training.events import Event, Scored
from convzoo.training.loader import Loader
from convzoo.training.optimisation import Schedule
from convzoo.training.trainer import Trainer


class Points(Encoder):
    """Numbers x with 2x + 1 as their target; every number is its own length. With `noise`, training adds a drawn number."""

    example = float

    def __init__(self, lengths: bool = False, noise: float = 0.0, cached: bool = True) -> None:
        self.lengths = lengths
        self.noise = noise
        self.cached = cached

    def fit(self, examples: Sequence[float]) -> None: ...

    def prepare(self, example: float) -> float:
        return example

    def collate(self, items: Sequence[float], draws: Any = None) -> Batch:
        x = torch.tensor(items, dtype=torch.float64)
        more = self.noise * torch.from_numpy(draws.uniform(0, 1)[:, 0]) if draws is not None and self.noise else 0.0
        return Batch({"x": x + more}, 2 * x + 1, len(items))

    def length(self, item: float) -> int | None:
        return int(item) if self.lengths else None

    dims = {}

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: Any) -> None: ...


class Weight(nn.Module):
    """w·x, which notes what it was given, whether it was training, and its weight."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([value]))
        self.seen: list[tuple[bool, float, list[float]]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append((self.training, self.w.item(), x.tolist()))
        return self.w * x

    @property
    def learnt(self) -> list[list[float]]:
        """What each training step was given."""
        return [x for training, _, x in self.seen if training]


class Told:
    """A meter whose scores are told beforehand, one for each validation."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores

    def update(self, outputs: Any, target: Any) -> None: ...

    def compute(self) -> dict[str, float]:
        return {"score": self.scores.pop(0) if self.scores else 0.0}


class Squares(Task):
    """The squared error."""

    def __init__(
        self, scores: Sequence[float] = (), best_by: str = "val/score", spoilt: dict[int, float] | None = None
    ):
        self.scores = list(scores)
        self.best_by = best_by
        self.spoilt = spoilt or {}
        self.steps = 0

    def losses(self, outputs: Tensor, target: Tensor) -> dict[str, Tensor]:
        self.steps += 1
        return {"squared": (outputs - target).square().mean() * self.spoilt.get(self.steps, 1.0)}

    def decode(self, outputs: Any) -> list[dict[str, Any]]:
        return []

    def read_target(self, target: Any) -> list[dict[str, Any]]:
        return []

    def meter(self) -> Told:
        return Told(self.scores)


class Training:
    """A trainer of the one weight, and what it told."""

    def __init__(
        self, folder: Path, task: Task | None = None, encoder: Encoder | None = None, value: float = 0.0, count: int = 7,
        size: int = 3, seed: int = 0, **settings: Any,
    ) -> None:  # fmt: skip
        config = TrainConfig(**{"epochs": 1, "optimizer": "sgd", "momentum": 0.0, "lr": 0.01, **settings})
        self.model, self.told = Weight(value), list[Event]()
        encoder, devices = encoder or Points(), Devices(torch.device("cpu"), "64")
        examples = [float(number) for number in range(1, count + 1)]
        train = Loader(examples, encoder, size, seed, config.accumulate, workers=0)
        self.trainer = Trainer(
            self.model, task or Squares(), config, devices, train, Loader(examples[:2], encoder, 2), folder, [self.told.append]
        )  # fmt: skip

    def fit(self) -> "Training":
        self.trainer.fit()
        return self

    @property
    def scored(self) -> list[Scored]:
        return [event for event in self.told if isinstance(event, Scored)]


def gradient(w: float, x: Sequence[float]) -> float:
    """Of the mean of (w x - 2 x - 1)²."""
    return sum(2 * (w * each - 2 * each - 1) * each for each in x) / len(x)


@pytest.mark.parametrize("lengths", [False, True], ids=["any order", "buckets"])
def test_every_epoch_has_each_example_once_in_an_order_of_its_own(lengths: bool, tmp_path: Path) -> None:
    model = Training(tmp_path, encoder=Points(lengths), epochs=3, count=20, size=3).fit().model
    epochs = [model.learnt[first : first + 7] for first in (0, 7, 14)]
    assert all(sorted(chain(*epoch)) == list(range(1, 21)) for epoch in epochs), "the last, smaller batch is one too"
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    if lengths:  # neighbours in length are together, and short batches come between long ones
        assert all(max(batch) - min(batch) < 3 for epoch in epochs for batch in epoch)
        assert all(epoch != sorted(epoch) for epoch in epochs)


def test_another_seed_gives_another_order(tmp_path: Path) -> None:
    first, second = (Training(tmp_path, seed=seed, count=20).fit().model.learnt for seed in (0, 1))
    assert first != second


def test_what_is_drawn_for_an_example_differs_by_epoch_and_not_by_its_batch(tmp_path: Path) -> None:
    loader = {size: Loader(list(range(1, 21)), Points(noise=0.5), size, workers=0) for size in (3, 20)}

    def drawn(size: int, epoch: int) -> dict[int, float]:
        values = [x for step in loader[size].steps(epoch) for batch in step for x in batch.inputs["x"].tolist()]
        return {int(value): value % 1 for value in values}

    assert drawn(3, 0) == drawn(20, 0)
    assert all(value != drawn(3, 1)[number] for number, value in drawn(3, 0).items())
    assert len(set(drawn(3, 0).values())) == 20


def test_what_is_scored_is_not_augmented() -> None:
    loader = Loader(list(range(1, 21)), Points(noise=0.5), 6, workers=0)
    assert sorted(x for _, batch in loader.all() for x in batch.inputs["x"].tolist()) == list(range(1, 21))


def test_a_batch_has_as_many_tokens_as_its_padding_lets_it_have() -> None:
    """The longest of a batch counts as often as there are examples in it; a long one has a batch of its own."""
    loader = Loader(list(range(1, 15)), Points(lengths=True), 1, batch_tokens=24, workers=0)
    for epoch in (0, 1):
        batches = [[int(x) for x in step[0].inputs["x"]] for step in loader.steps(epoch)]
        assert sorted(batches) == [[1, 2, 3, 4], [5, 6, 7], [8, 9], [10, 11], [12], [13], [14]]


def test_examples_are_kept_in_memory_where_all_of_them_fit() -> None:
    numbers = list(range(100))  # of eight bytes each
    assert Loader(numbers, Points(), 10, cache_bytes=800).items == numbers
    assert Loader(numbers, Points(), 10, cache_bytes=799).items is None


class Damaged(Points):
    def prepare(self, example: float) -> float:
        if example == 55:
            raise DataError("file 55: is damaged")
        return example


def test_an_error_in_a_worker_is_the_error_of_its_file() -> None:
    loader = Loader(list(range(1, 61)), Damaged(), 20, workers=1, cache_bytes=0)
    with pytest.raises(DataError, match=r"^file 55: is damaged$"):
        list(loader.all())


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_out_each_step_and_what_is_scored(world: int, accumulate: int) -> None:
    def share(rank: int, accumulate: int = accumulate, world: int = world) -> Loader:
        return Loader(list(range(1, 21)), Points(), 6, 0, accumulate, rank=rank, world=world, workers=0)

    whole = [sorted(step[0].inputs["x"].tolist()) for step in share(0, 1, 1).steps(0)]
    parts = [list(share(rank).steps(0)) for rank in range(world)]
    for number, wanted in enumerate(whole):
        mine = [batch.inputs["x"].tolist() for part in parts for batch in part[number]]
        assert sorted(chain(*mine)) == wanted, "each example once"
        assert len(mine) == min(world * accumulate, len(wanted))
    scored = [index for rank in range(world) for indices, _ in share(rank).all() for index in indices]
    assert sorted(scored) == list(range(20))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_goes_down_the_gradient_of_its_own_examples(accumulate: int, tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=2, accumulate=accumulate, schedule="cosine", warmup=0.4).fit()
    w, step = 0.0, 0
    learnt = training.model.learnt
    while learnt:
        x = [*chain(*(learnt.pop(0) for _ in range(accumulate if len(learnt[0]) > 1 else 1)))]
        factor = (0.5, 1.0, 1.0, *(0.5 * (1 + math.cos(math.pi * done / 4)) for done in (1, 2, 3)))[step]
        w, step = w - 0.01 * factor * gradient(w, x), step + 1
    assert step == 6
    assert training.trainer.weights()["w"].item() == pytest.approx(w, abs=1e-12)


@pytest.mark.parametrize("clip", [0.5, 1e6])
def test_a_long_gradient_is_cut_to_the_length_that_is_asked_for(clip: float, tmp_path: Path) -> None:
    training = Training(tmp_path, steps=1, epochs=None, clip_norm=clip).fit()
    (x,) = training.model.learnt
    wanted = max(gradient(0.0, x), -clip)
    assert training.trainer.weights()["w"].item() == pytest.approx(-0.01 * wanted, rel=1e-5)


def test_steps_are_made_in_training_mode_and_scores_are_not(tmp_path: Path) -> None:
    model = Training(tmp_path, epochs=2).fit().model
    assert [training for training, _, _ in model.seen] == [True, True, True, False] * 2


def test_the_average_is_what_is_scored_and_saved(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=1, ema=0.9).fit()
    w = average = 0.0
    for step, x in enumerate(training.model.learnt, start=1):
        decay = min(0.9, (1 + step) / (10 + step))
        w -= 0.01 * gradient(w, x)
        average = decay * average + (1 - decay) * w
    (scored,) = [weight for learning, weight, _ in training.model.seen if not learning]
    assert scored == pytest.approx(average)
    assert training.trainer.weights()["w"].item() == pytest.approx(average)
    assert training.model.w.item() == pytest.approx(w), "training goes on with the weights themselves"


@pytest.mark.parametrize(
    ("best_by", "scores", "best"),
    [
        ("val/score", [0.3, 0.9, 0.5], 2),
        ("-val/score", [0.3, 0.1, 0.5], 2),
        ("-val/score", [0.1, 0.3, 0.5], 1),
        ("val/score", [0.3, 0.9, 0.9], 3),  # of equal scores the last
    ],
)
def test_the_best_epoch_is_the_one_with_the_best_score(
    best_by: str, scores: list[float], best: int, tmp_path: Path
) -> None:
    training = Training(tmp_path, Squares(scores, best_by), epochs=3).fit()
    assert training.trainer.progress.best_step == 3 * best
    assert [event.is_best for event in training.scored][best - 1]
    saved = torch.load(tmp_path / "best.pt", weights_only=True)
    assert saved["progress"]["step"] == 3 * best


@pytest.mark.parametrize(
    ("scores", "epochs"),
    [([0.5, 0.4, 0.3, 0.2], 3), ([0.5, 0.5, 0.5, 0.5], 3), ([0.5, 0.4, 0.6, 0.1, 0.6, 0.9], 5)],
)
def test_patience_waits_for_a_higher_score_and_no_longer(scores: list[float], epochs: int, tmp_path: Path) -> None:
    training = Training(tmp_path, Squares(scores), epochs=20, patience=2).fit()
    assert len(training.scored) == epochs


def test_the_last_step_is_scored_wherever_it_falls(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=None, steps=7, evaluate_every=3).fit()
    assert [event.step for event in training.scored] == [3, 6, 7]


def test_the_loss_that_is_told_is_the_mean_over_the_examples_since_the_last_score(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=2, lr=0.001).fit()
    steps = [(w, x) for learning, w, x in training.model.seen if learning]
    for event, epoch in zip(training.scored, (steps[:3], steps[3:]), strict=True):
        mean = sum((w * each - 2 * each - 1) ** 2 for w, x in epoch for each in x) / 7
        assert event.values["train/squared"] == pytest.approx(mean)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_training_before_its_step(value: float, tmp_path: Path) -> None:
    training = Training(tmp_path, Squares(spoilt={2: value}), value=1.0, checkpoint_every=1)
    with pytest.raises(TrainingError, match=r"step 2: the loss term 'squared' is .*last\.pt"):
        training.fit()
    after = 1 - 0.01 * gradient(1.0, training.model.learnt[0])
    assert training.model.w.item() == pytest.approx(after), "the weights are those of the last good step"


def test_half_precision_is_clipped_by_its_true_length(tmp_path: Path) -> None:
    """The scaler multiplies gradients by 65,536; they are divided again before their length is measured."""
    training = Training(tmp_path, epochs=None, steps=1, clip_norm=0.5)
    training.trainer.scaler = torch.amp.GradScaler("cpu")
    training.fit()
    assert training.model.w.item() == pytest.approx(0.005, rel=1e-3)


def factors(kind: str, **settings: Any) -> list[float]:
    schedule = Schedule(TrainConfig(epochs=1, schedule=kind, **settings), 12, 3)
    return [schedule.factor(step) for step in range(12)]


def test_schedules_have_the_factors_of_their_formulas() -> None:
    assert factors("constant", warmup=0.25) == pytest.approx([1 / 3, 2 / 3, *[1] * 10])
    assert factors("cosine") == pytest.approx([0.5 * (1 + math.cos(math.pi * step / 12)) for step in range(12)])
    assert factors("step", step_every=2, step_factor=0.1) == pytest.approx([1] * 6 + [0.1] * 6)
    rising = [(step + 1) / 4 for step in range(4)]
    assert factors("one_cycle") == pytest.approx(
        [*rising, *(0.5 * (1 + math.cos(math.pi * done / 8)) for done in range(8))]
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0.9},
        {"optimizer": "adam"},
        {"ema": 0.9},
        {"schedule": "plateau", "plateau_patience": 1, "step_factor": 0.5},
        {"patience": 3},
    ],
    ids=lambda settings: next(iter(settings)),
)
@pytest.mark.parametrize("stop", [3, 7])
def test_a_training_that_goes_on_is_the_one_that_never_stopped(
    stop: int, settings: dict[str, Any], tmp_path: Path
) -> None:
    """It stops after a score, or between two."""
    scores, before = [0.5, 0.4, 0.45, 0.3, 0.2, 0.1], stop // 3
    whole = Training(tmp_path / "whole", Squares(scores), epochs=6, **settings).fit()
    first = Training(tmp_path / "parts", Squares(scores), epochs=6, checkpoint_every=1, **settings)
    first.trainer.listeners = (*first.trainer.listeners, lambda event: _stop(event, stop))
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    second = Training(tmp_path / "parts", Squares(scores[before:]), epochs=6, checkpoint_every=1, **settings)
    second.trainer.load("last.pt")
    second.fit()
    assert second.trainer.progress.step == whole.trainer.progress.step
    assert second.trainer.progress.best_step == whole.trainer.progress.best_step
    assert second.trainer.weights()["w"].item() == whole.trainer.weights()["w"].item()
    told, later = (
        [(event.step, event.values["lr"], event.values["train/squared"]) for event in each.scored]
        for each in (whole, second)
    )
    assert later == told[before:]


def _stop(event: Event, step: int) -> None:
    if getattr(event, "losses", None) is not None and event.step == step + 1:
        raise KeyboardInterrupt


class Fired:
    """What a stranger's checkpoint may hold: unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.folder,)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    training = Training(tmp_path).fit()
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save({**content, "more": Fired(tmp_path / "fired")}, tmp_path / "last.pt")
    with pytest.raises(DataError, match=r"last\.pt: is damaged or of another recipe"):
        training.trainer.load("last.pt")
    assert not (tmp_path / "fired").exists()
