"""The one training loop for every kind of data: it calls `model(**batch.inputs)` and `task.losses(outputs, batch.target)`."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convzoo.core.batch import Batch
from convzoo.core.config import TrainConfig
from convzoo.core.errors import DataError, TrainingError
from convzoo.core.files import atomic_write, check_archive, link
from convzoo.core.task import Task
from convzoo.core.text import first_line
from convzoo.training.devices import Devices
from convzoo.training.events import Ended, Event, Listener, Progressed, Scored, Started
from convzoo.training.loader import Loader
from convzoo.training.optimisation import MovingAverage, Schedule, make_optimizer
from convzoo.training.random_states import Seeds, load_random_states, random_states
from convzoo.training.signals import first_signal


class Stopped(TrainingError):
    """A signal stopped the training; a checkpoint was saved first."""


@dataclass
class Progress:
    """The position of the training and its scores so far. A checkpoint keeps this besides the weights."""

    step: int = 0
    best: float | None = None
    best_step: int = 0
    evaluations_since_best: int = 0
    loss_sums: dict[str, float] = field(default_factory=dict)
    loss_weight: float = 0.0
    seconds: float = 0.0
    finished: bool = False


class Trainer:
    """Trains a model on a task.

    Args:
        model: any module
        task: the objective
        config: the recipe's `train` section
        devices: the device, the precision and the processes
        train: the batches to learn from
        val: the batches that choose the best checkpoint
        folder: where the checkpoints `last.pt` and `best.pt` are written
        listeners: called with every event
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        config: TrainConfig,
        devices: Devices,
        train: Loader,
        val: Loader,
        folder: Path,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.task = task
        self.config = config
        self.devices = devices
        self.train = train
        self.val = val
        self.folder = folder
        self.listeners = listeners if devices.is_main else ()
        self.memory_format = devices.memory_format(model)
        self.model = model.to(device=devices.device, dtype=devices.dtype)
        self.model.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        devices.same(self.model.state_dict().values())
        self.seeds = Seeds(self.model, config.seed)
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = make_optimizer(self.model, config, devices.device)
        per_epoch = train.steps_per_epoch
        assert config.epochs != "auto" and config.patience != "auto", "settled() puts numbers in their place"
        self.patience = config.patience
        self.total_steps = config.steps or (config.epochs or 1) * per_epoch
        self.schedule = Schedule(config, self.total_steps, per_epoch)
        self.average = MovingAverage(self.model, config.ema) if config.ema else None
        self.scaler = torch.amp.GradScaler(devices.device.type, enabled=devices.precision == "16")  # type: ignore[attr-defined]
        self.progress = Progress()
        self.terms: list[str] = []
        self.stop_asked = self.signalled = False

    def fit(self) -> Progress:
        """Train to the end, starting at the step in `progress`.

        Raises:
            TrainingError: a loss is not finite.
            Stopped: a signal arrived; training can continue from the checkpoint `last.pt`.
        """
        progress = self.progress
        began = time.perf_counter() - progress.seconds
        evaluate_every = self.config.evaluate_every or self.train.steps_per_epoch
        self._tell(Started(progress.step, self.total_steps, self.train.steps_per_epoch, self.train.examples_per_step))
        with first_signal(self._ask_to_stop):
            steps = self._steps()
            while progress.step < self.total_steps and not progress.finished:
                losses, weight = self._step(next(steps))
                progress.step += 1
                progress.seconds = time.perf_counter() - began
                self._count(losses, weight)
                self._tell(Progressed(progress.step, losses))
                last = progress.step == self.total_steps
                if progress.step % evaluate_every == 0 or last:
                    better = self._validate()
                    progress.finished = last or self._out_of_patience()
                    self.save("last.pt")
                    if better and self.devices.is_main:
                        link(self.folder / "last.pt", self.folder / "best.pt")
                elif self.config.checkpoint_every and progress.step % self.config.checkpoint_every == 0:
                    self.save("last.pt")
                if self.stop_asked:
                    self.save("last.pt")
                    raise Stopped(f"stopped at step {progress.step} of {self.total_steps}; the checkpoint is saved")
        self._tell(Ended(progress.step, progress.seconds))
        return progress

    def outputs(self, loader: Loader) -> Iterator[tuple[Sequence[int], Any, Any]]:
        """The indices of the examples, the outputs and the targets, for each batch of this process's share."""
        self.model.eval()
        for indices, batch in loader.all():
            batch = self.place(batch)
            with torch.no_grad(), self.devices.autocast():
                outputs = self.task.predict(self.model, batch)
            yield indices, outputs, batch.target

    def score(self, loader: Loader) -> dict[str, float]:
        """The task's scores over a whole split, counted once over all processes."""
        meter = self.task.meter()
        for _, outputs, target in self.outputs(loader):
            meter.update(outputs, target)
        return dict(meter.compute())

    def save(self, name: str) -> None:
        """Write a checkpoint: weights, optimizer, schedule, scaler, average, progress and every random state."""
        states = self.devices.gather(random_states(self.model))
        if not self.devices.is_main:
            return
        content = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state() if self.average else None,
            "progress": vars(self.progress).copy(),
            "random": states,
        }
        with atomic_write(self.folder / name) as file:
            torch.save(content, file)

    def load(self, name: str) -> None:
        """Restore what `save` wrote.

        Raises:
            DataError: the checkpoint does not exist, is damaged, or belongs to another recipe.
        """
        path = self.folder / name
        try:
            check_archive(path)
            content = torch.load(path, map_location="cpu", weights_only=True)
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.scaler.load_state_dict(content["scaler"])
            self.schedule.load_state(content["schedule"])
            if self.average and content["average"]:
                self.average.load_state(content["average"])
            self.progress = Progress(**content["progress"])
            load_random_states(self.model, content["random"][self.devices.rank % len(content["random"])])
        except FileNotFoundError:
            raise DataError(f"{path}: no such checkpoint") from None
        except Exception as error:  # torch.load and load_state_dict raise many types for a damaged or unsuitable file
            raise DataError(f"{path}: is damaged or of another recipe ({first_line(error):.200})") from error

    def try_step(self, batches: list[Batch]) -> dict[str, float]:
        """One step that does not change `progress`: for checks and benchmarks."""
        return self._step(batches)[0]

    def weights(self) -> dict[str, Tensor]:
        """The weights that are scored and saved: the moving average if there is one."""
        with self.average.applied() if self.average else nullcontext():
            return {name: value.detach().clone().contiguous() for name, value in self.model.state_dict().items()}

    def _steps(self) -> Iterator[list[Batch]]:
        epoch, start = divmod(self.progress.step, self.train.steps_per_epoch)
        while True:
            yield from self.train.steps(epoch, start)
            epoch, start = epoch + 1, 0

    def _step(self, batches: list[Batch]) -> tuple[dict[str, float], float]:
        """One optimizer step. The weight of a micro-batch is its share of the step's `size`, over all processes."""
        if not self.model.training:
            self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * self.schedule.factor(self.progress.step)
        (total,) = self.devices.sum(float(sum(batch.size for batch in batches)))
        sums: dict[str, Tensor] = {}
        for parameter in self.trained:  # as `zero_grad` does it, without its bookkeeping for the profiler
            parameter.grad = None
        for number, batch in enumerate(batches):
            batch = self.place(batch)
            self.seeds.at(self.progress.step, self.devices.rank + number * self.devices.world)
            with self.devices.autocast():
                terms = self.task.losses(self.model(**batch.inputs), batch.target)
            share = batch.size / total
            if share != 1.0:  # a product costs as much time as a small layer, in both directions
                terms = {name: term * share for name, term in terms.items()}
            self.scaler.scale(reduce(add, terms.values())).backward()
            for name, term in terms.items():
                sums[name] = sums[name] + term.detach() if name in sums else term.detach()
        self.devices.sum_gradients(self.model.parameters())
        losses = {name: value.item() for name, value in sums.items()}
        if not self.terms:  # this process may have no micro-batch in a step, even in the first one
            self.terms = sorted({name for names in self.devices.gather(list(losses)) for name in names})
        # The processes agree here whether to stop, because a signal reaches each of them at a different time.
        *values, asked = self.devices.sum(*(losses.get(name, 0.0) for name in self.terms), float(self.signalled))
        losses, self.stop_asked = dict(zip(self.terms, values, strict=True)), asked > 0
        self._check_finite(losses)
        if self.config.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average:
            self.average.update()
        return losses, total

    def place(self, batch: Batch) -> Batch:
        """The batch on the device, with the model's dtype and memory format."""
        return batch.to(self.devices.device, self.devices.dtype, self.memory_format)

    def _check_finite(self, values: dict[str, float]) -> None:
        for name in (name for name, value in values.items() if not math.isfinite(value)):
            last = self.folder / "last.pt"
            kept = f"the last good checkpoint is {last}" if last.exists() else "no checkpoint was made yet"
            raise TrainingError(
                f"step {self.progress.step + 1}: the loss term {name!r} is {values[name]}; lower train.lr or set "
                f"train.clip_norm; {kept}"
            )

    def _count(self, losses: dict[str, float], weight: float) -> None:
        for name, value in losses.items():
            self.progress.loss_sums[name] = self.progress.loss_sums.get(name, 0.0) + value * weight
        self.progress.loss_weight += weight

    def _validate(self) -> bool:
        """Score the validation split, call the listeners, and return whether this score is the best so far."""
        progress = self.progress
        # The statistics of norms differ a little between processes: all take those of the main one, which saves them.
        self.devices.same([*self.model.buffers(), *(self.average.averages if self.average else ())])
        with self.average.applied() if self.average else nullcontext():
            scores = {f"val/{name}": value for name, value in self.score(self.val).items()}
        name = self.task.best_by.removeprefix("-")
        score = -scores[name] if self.task.best_by.startswith("-") else scores[name]
        score = -math.inf if math.isnan(score) else score  # where it is undefined, any other score is better
        self._check_finite({"sum of the weights": float(sum(p.detach().sum() for p in self.model.parameters()))})
        self.schedule.observe(score)
        # Of equal scores the last counts: a small split has many of them, and the later weights have learnt more. Patience waits
        # for a higher one.
        higher = progress.best is None or score > progress.best
        better = higher or score == progress.best
        progress.evaluations_since_best = 0 if higher else progress.evaluations_since_best + 1
        if better:
            progress.best, progress.best_step = score, progress.step
        losses = {f"train/{name}": value / progress.loss_weight for name, value in progress.loss_sums.items()}
        progress.loss_sums, progress.loss_weight = {}, 0.0
        values = losses | scores | {"lr": self.optimizer.param_groups[0]["lr"]}
        self._tell(Scored(progress.step, progress.step / self.train.steps_per_epoch, values, better, progress.seconds))
        return better

    def _out_of_patience(self) -> bool:
        return self.patience is not None and self.progress.evaluations_since_best >= self.patience

    def _ask_to_stop(self) -> None:
        self.signalled = True

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
