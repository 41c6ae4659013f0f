"""What a step of the trainer costs beside the network: a network of 30 weights, so that hardly anything else takes time.

`careful` is the same step by hand: gradients set to None, one loss, backward, its value, a fused optimizer. Processor time is
measured, not the clock, so that other processes disturb it less.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from common import Ratio, Verdict, interleaved, parser, pin, print_environment, print_medians, print_verdicts
from torch import Tensor, nn

from convzoo.core.batch import Batch
from convzoo.core.config import TrainConfig
from convzoo.tasks.classification import Classification
from convzoo.training.devices import Devices
from convzoo.training.events import Event
from convzoo.training.trainer import Trainer

WANTED = 50.0
"""Microseconds a step."""


class Tiny(nn.Module):
    """Two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, 2)."""
        return self.layers(x)


class OneBatch:
    """What the trainer takes for a loader: the same batch at every step, already encoded."""

    steps_per_epoch, examples_per_step = 10**9, 4
    batch = Batch({"x": torch.randn(4, 4)}, torch.tensor([0, 1, 0, 1]), 4)

    def steps(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """Without end."""
        while True:
            yield [self.batch]


def main() -> int:
    """Print microseconds a step; 0 if the trainer's own are few enough."""
    options = parser(__doc__.splitlines()[0], rounds=7, steps=2000).parse_args()
    pin(1)
    torch.set_num_threads(1)
    print_environment(1)
    steps = options.steps
    devices, heard = Devices.open("cpu", "32"), list[Event]()

    def trainer() -> float:
        made: Any = OneBatch()
        config = TrainConfig(steps=10**9, optimizer="adam")
        whole = Trainer(
            Tiny(), Classification(labels=("a", "b")), config, devices, made, made, Path("unused"), [heard.append]
        )
        whole.total_steps = steps + 1  # the last step would be scored
        run = whole.fit
        return micros(lambda: stopped(whole, run, steps), steps)

    def careful() -> float:
        model, batch = Tiny(), OneBatch.batch
        parameters = list(model.parameters())
        optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)

        def loop() -> None:
            model.train()
            for _ in range(steps):
                optimizer.zero_grad(set_to_none=True)
                loss = F.cross_entropy(model(batch.inputs["x"]), batch.target)
                loss.backward()
                loss.item()
                optimizer.step()

        return micros(loop, steps)

    found = interleaved({"convzoo": trainer, "careful": careful}, options.rounds)
    print_medians(found, "microseconds a step", 1)
    more = [ours - theirs for ours, theirs in zip(found["convzoo"], found["careful"], strict=True)]
    return print_verdicts(
        [Verdict("microseconds more than careful", Ratio.of(more, [1.0] * len(more)), WANTED, at_most=True)]
    )


def stopped(trainer: Trainer, run: Callable[[], object], steps: int) -> None:
    """Train until just before the last step, which would score the validation split."""
    trainer.total_steps = steps + 1
    trainer.listeners = [*trainer.listeners, lambda event: end(trainer, steps)]
    run()


def end(trainer: Trainer, steps: int) -> None:
    """Finish the training after its steps."""
    trainer.progress.finished = trainer.progress.step >= steps


def micros(act: Callable[[], object], steps: int) -> float:
    """Microseconds of processor time a step."""
    began = time.process_time()
    act()
    return 1e6 * (time.process_time() - began) / steps


if __name__ == "__main__":
    raise SystemExit(main())
