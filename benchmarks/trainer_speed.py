"""Examples per second of convzoo's trainer against two loops without it, in one process.

`careful` is a carefully written loop around the same module: the data encoded in advance, the same buckets,
memory format and autocast, a fused optimizer, and nothing else. `plain` is what most people write: nn.Sequential, a
DataLoader over a TensorDataset, the default layout, float32. convzoo's side is the real `Trainer.fit`; a listener stops the
clock every `--steps` steps, and then the others have their turn.
"""

import copy
import dataclasses
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from common import IMAGES, RECIPES, Ratio, Verdict, parser, pin, print_environment, print_medians, print_verdicts
from hand_written import Step, careful_step, image_batches, plain_image_network, plain_step, sentence_batches
from torch import Tensor

from convzoo.core.randomness import Draws
from convzoo.experiment import Experiment, assemble, loaders
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.events import Event, Progressed
from convzoo.training.loader import Loader
from convzoo.training.random_states import Seeds
from convzoo.training.trainer import Trainer

NEVER = 10**9
AUGMENTS = ("flip", "shift", "rotate", "scale", "elastic", "brightness", "contrast", "cutout")


def each_step(loader: Loader, count: Callable[[Any], int]) -> Iterator[int]:
    """What `count` says of the numbers of the examples in each of the trainer's steps: how many, or how long they are."""
    for epoch in itertools.count():
        for chosen in loader._order(epoch):
            yield count(chosen)


def total_length(loader: Loader, *axes: int) -> Callable[[Any], int]:
    """For `each_step`: the lengths of a step's examples together.

    Args:
        loader: of examples that have lengths
        axes: which of several lengths of an example
    """
    assert loader.lengths is not None
    lengths = loader.lengths
    return lambda chosen: int(lengths[(chosen, *axes)].sum())


class InTurns:
    """A listener: after every `steps` steps of the trainer, each opponent makes `steps` steps. The first round is a warm-up."""

    def __init__(self, steps: int, opponents: dict[str, Step], batches: Iterator[int]) -> None:
        self.steps = steps
        self.opponents = opponents
        self.batches = batches
        self.examples = 0
        self.warm = False
        self.rates: dict[str, list[float]] = {name: [] for name in ("convzoo", *opponents)}
        self.began = time.perf_counter()

    def __call__(self, event: Event) -> None:
        """Count a step; at the end of a round, give the others their turn."""
        if not isinstance(event, Progressed):
            return
        self.examples += next(self.batches)
        if event.step % self.steps:
            return
        rates = {"convzoo": self.examples / (time.perf_counter() - self.began)}
        backwards = event.step // self.steps % 2 == 1
        for name, step in reversed(self.opponents.items()) if backwards else self.opponents.items():
            began = time.perf_counter()
            examples = sum(step() for _ in range(self.steps))
            rates[name] = examples / (time.perf_counter() - began)
        if self.warm:
            for name, rate in rates.items():
                self.rates[name].append(rate)
        self.warm = True
        self.examples = 0
        self.began = time.perf_counter()


def careful_rates(
    experiment: Experiment,
    batches: Iterator[tuple[Tensor, Tensor]],
    rounds: int,
    steps: int,
    others: Mapping[str, Step] | None = None,
) -> dict[str, list[float]]:
    """Examples per second of the trainer, of the careful loop over batches of the same kind, and of other opponents, one value
    for each round."""
    devices = Devices.open("cpu", "32")
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps * (rounds + 1), epochs=None, evaluate_every=NEVER, checkpoint_every=None
    )
    train = loaders(experiment, devices)["train"]
    hand_model = copy.deepcopy(experiment.model)
    Seeds(hand_model, 1).at(0, 0)
    opponents = {"careful": careful_step(hand_model, batches, False, config.optimizer == "adam", config.lr)}
    opponents |= others or {}
    turns = InTurns(steps, opponents, sizes(len(train.examples), config.batch_size))
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)
    with tempfile.TemporaryDirectory() as folder:
        model = copy.deepcopy(experiment.model)
        Trainer(model, experiment.task, config, devices, train, few, Path(folder), [turns]).fit()
    return turns.rates


def measure(experiment: Experiment, precision: str, rounds: int, steps: int) -> dict[str, list[float]]:
    """Examples per second of each side, one value for each round."""
    devices = Devices.open("cpu", precision)
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps * (rounds + 1), epochs=None, evaluate_every=NEVER, checkpoint_every=None
    )
    splits = loaders(experiment, devices)
    train = splits["train"]
    hand_model = copy.deepcopy(experiment.model)
    Seeds(hand_model, 1).at(0, 0)
    bf16 = precision == "bf16"
    opponents = {
        "careful": careful_step(
            hand_model, hand_batches(experiment, train), bf16, config.optimizer == "adam", config.lr
        )
    }
    if experiment.recipe.model.name == "cnn2d":
        batch = experiment.encoder.encode(experiment.splits.train)
        network = plain_image_network(experiment.encoder.dims["classes"], experiment.encoder.dims["in_channels"])
        opponents["plain"] = plain_step(network, batch.inputs["image"], batch.target, config.batch_size, config.lr)
    turns = InTurns(steps, opponents, sizes(len(train.examples), config.batch_size))
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)  # the last step is followed by an evaluation
    model = copy.deepcopy(experiment.model)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(model, experiment.task, config, devices, train, few, Path(folder), [turns]).fit()
    return turns.rates


def sizes(examples: int, batch_size: int) -> Iterator[int]:
    """The number of examples in each step of an epoch. The order of steps does not matter for a sum over whole rounds."""
    while True:
        for start in range(0, examples, batch_size):
            yield min(batch_size, examples - start)


def hand_batches(experiment: Experiment, train: Loader) -> Iterator[tuple[Tensor, Tensor]]:
    """Carefully made batches: encoded in advance; the loop does only what differs in each epoch."""
    encoder, config = experiment.encoder, experiment.recipe.train
    items = [encoder.prepare(example) for example in experiment.splits.train]
    target = torch.tensor([item[1] for item in items])
    if experiment.recipe.encoder.name == "text":
        sentences = [torch.from_numpy(item[0]) for item in items]
        return sentence_batches(
            sentences, target, config.batch_size, getattr(encoder, "word_dropout", 0.0), train.lengths is not None
        )
    if any(getattr(encoder, name, 0.0) for name in AUGMENTS):
        return augmented_batches(experiment, items)
    return image_batches(encoder.collate(items).inputs["image"], target, config.batch_size)


def augmented_batches(experiment: Experiment, items: list) -> Iterator[tuple[Tensor, Tensor]]:
    """The same if the encoder augments: its own functions on batches that are made here."""
    for epoch in range(NEVER):
        order = torch.randperm(len(items), generator=torch.Generator().manual_seed(epoch))
        for chosen in order.split(experiment.recipe.train.batch_size):
            numbers = chosen.tolist()
            batch = experiment.encoder.collate([items[number] for number in numbers], Draws(1, epoch, numbers))
            yield batch.inputs["image"], batch.target


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=30, steps=20)
    made.add_argument("--recipes", nargs="*", default=[*RECIPES, "spam_cnn1d"], help="default: all three")
    made.add_argument("--precisions", nargs="*", default=["32", "bf16"], help="of the image recipe (default: 32 bf16)")
    options = made.parse_args()
    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    verdicts = []
    for name in options.recipes:
        experiment = assemble(open_recipe(name, options.set))
        for precision in options.precisions if name == IMAGES else ["32"]:
            rates = measure(experiment, precision, options.rounds, options.steps)
            print(f"{name}, precision {precision}, medians of {options.rounds} rounds of {options.steps} steps")
            print_medians(rates, "examples/s")
            verdicts.append(
                Verdict(f"{name} {precision}: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97)
            )
            if "plain" in rates:
                wanted = 2.4 if precision == "bf16" else 1.4
                ratio = Ratio.of(rates["convzoo"], rates["plain"])
                verdicts.append(Verdict(f"{name} {precision}: convzoo / plain", ratio, wanted))
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
