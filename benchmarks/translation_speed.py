"""Translation: target tokens per second of convzoo's trainer against a careful loop, memory, buckets, and writing step by step.

`careful` is a carefully written loop around the same module: pairs encoded in advance, batches bucketed by tokens in the same
way, a fused optimizer, clipped gradients, gradients set to None. `unbucketed` is the same loop over batches of equally many pairs
in any order. Writing is measured at several lengths: with the decoder's state (one step per token), and by computing the whole
prefix again for each token, as is necessary without a state; the source is encoded once on both sides.
"""

import argparse
import copy
import dataclasses
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from common import (
    Ratio,
    Verdict,
    interleaved,
    last_line,
    parser,
    pin,
    print_environment,
    print_medians,
    print_table,
    print_verdicts,
    seconds,
)
from hand_written import Step
from memory import peak
from torch import Tensor, nn
from torch.nn.utils.parametrize import cached
from torch.nn.utils.rnn import pad_sequence
from trainer_speed import NEVER, InTurns, each_step, total_length

from convzoo.experiment import Experiment, assemble, loaders
from convzoo.models.convs2s import ConvS2S
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.random_states import Seeds
from convzoo.training.trainer import Trainer

RECIPE = "translation_convs2s"
BEGIN = 2

Encoded = list[tuple[Tensor, Tensor]]


def hand_batches(pairs: Encoded, most: int, per_batch: int | None, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end: of similar lengths with at most a number of tokens; or of a number of pairs in any order."""
    random = torch.Generator().manual_seed(seed)
    sizes = [(len(target), len(source)) for source, target in pairs]
    while True:
        order = torch.randperm(len(pairs), generator=random).tolist()
        if per_batch is None:
            order.sort(key=lambda index: sizes[index])
            batches: list[list[int]] = [[]]
            target = source = 0
            for index in order:
                target, source = max(target, sizes[index][0]), max(source, sizes[index][1])
                if batches[-1] and (len(batches[-1]) + 1) * (target + source) > most:
                    batches.append([])
                    target, source = sizes[index]
                batches[-1].append(index)
        else:
            batches = [order[start : start + per_batch] for start in range(0, len(order), per_batch)]
        for place in torch.randperm(len(batches), generator=random).tolist():
            chosen = [pairs[index] for index in batches[place]]
            yield tuple(pad_sequence([pair[side] for pair in chosen], batch_first=True) for side in (0, 1))  # type: ignore[misc]


def careful_step(
    network: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], smoothing: float, clip: float, lr: float
) -> Step:
    """Make one optimizer step; return the number of its target tokens."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.0, fused=True)
    network.train()

    def step() -> int:
        source, target = next(batches)
        shifted = F.pad(target[:, :-1], (1, 0), value=BEGIN)
        optimizer.zero_grad(set_to_none=True)
        logits = network(source, shifted)
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=0, label_smoothing=smoothing)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        return int(target.ne(0).sum())

    return step


def encoded(experiment: Experiment) -> Encoded:
    """The training split as tensors."""
    items = [experiment.encoder.prepare(example) for example in experiment.splits.train]
    return [(torch.from_numpy(item[0]), torch.from_numpy(item[1])) for item in items]


def hand_step(experiment: Experiment, pairs: Encoded, network: nn.Module, per_batch: int | None = None) -> Step:
    """The careful loop with the recipe's settings."""
    train = experiment.recipe.train
    smoothing = experiment.recipe.task.args.get("label_smoothing", 0.0)
    batches = hand_batches(pairs, train.batch_tokens or NEVER, per_batch)
    return careful_step(network, batches, smoothing, train.clip_norm or 1e9, train.lr)


def train(overrides: list[str], rounds: int, steps: int) -> dict[str, list[float]]:
    """Target tokens per second of each side, one value for each round."""
    experiment = assemble(open_recipe(RECIPE, overrides))
    devices = Devices.open("cpu", "32")
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps * (rounds + 1), epochs=None, evaluate_every=NEVER, precision="32",
        schedule="constant", warmup=0.0,
    )  # fmt: skip
    split = loaders(experiment, devices)
    pairs = encoded(experiment)
    opponents = {}
    for name, per_batch in (("careful", None), ("unbucketed", split["train"].examples_per_step)):
        network = copy.deepcopy(experiment.model)
        Seeds(network, 1).at(0, 0)
        opponents[name] = hand_step(experiment, pairs, network, per_batch)
    turns = InTurns(steps, opponents, each_step(split["train"], total_length(split["train"], 0)))
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)  # the last step is followed by an evaluation
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            experiment.model, experiment.task, config, devices, split["train"], few, Path(folder), [turns]
        ).fit()  # fmt: skip
    return turns.rates


def memory_worker(worker: str, file: Path, overrides: list[str]) -> float:
    """Train an epoch (convzoo also evaluates), and return the peak in MB."""
    if worker == "careful":
        saved = torch.load(file, weights_only=True)
        network = ConvS2S(**saved["network"])
        step = careful_step(network, hand_batches(saved["pairs"], saved["most"], None), 0.1, 1.0, 1e-3)
        done = 0
        while done < sum(len(target) for _, target in saved["pairs"]):
            done += step()
        return peak()
    experiment = assemble(open_recipe(RECIPE, overrides))
    devices = Devices.open("cpu", "32")
    split = loaders(experiment, devices)
    config = dataclasses.replace(experiment.recipe.train, epochs=1, steps=None)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            experiment.model, experiment.task, config, devices, split["train"], split["val"], Path(folder)
        ).fit()  # fmt: skip
    reached = peak()
    if not file.exists():
        dims = {key: experiment.encoder.dims[key] for key in ("source_size", "target_size", "joint")}
        torch.save(
            {"pairs": encoded(experiment), "most": experiment.recipe.train.batch_tokens,
             "network": {**experiment.recipe.model.args, **dims}},
            file,
        )  # fmt: skip
    return reached


def memory(overrides: list[str], rounds: int, threads: int) -> dict[str, list[float]]:
    """Peaks of new processes, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.pt"

        def run(worker: str) -> float:
            command: list[Any] = [sys.executable, Path(__file__).resolve(), "--worker", worker, "--file", file]
            return last_line([*command, *(["--set", *overrides] if overrides else [])], threads)["peak"]

        return interleaved({side: lambda side=side: run(side) for side in ("convzoo", "careful")}, rounds, 0)  # type: ignore[misc]


def write(overrides: list[str], rounds: int, lengths: list[int], rows: int = 8) -> dict[int, dict[str, list[float]]]:
    """Seconds to write `rows` sentences, by their number of tokens: with the state, and by recomputing."""
    experiment = assemble(open_recipe(RECIPE, overrides))
    model: Any = experiment.model.eval()
    source = torch.randint(4, experiment.encoder.dims["source_size"], (rows, 20))

    def with_state(length: int) -> None:
        memory = model.encode(source)
        state, last = model.start(memory), torch.full((rows,), BEGIN)
        for _ in range(length):
            logits, _, state = model.step(last, memory, state)
            last = logits.argmax(dim=1)

    def again(length: int) -> None:
        memory = model.encode(source)
        prefix = torch.full((rows, 1), BEGIN)
        for _ in range(length):
            logits, _ = model._write(prefix, memory)
            prefix = torch.cat([prefix, logits[:, -1:].argmax(dim=2)], dim=1)

    sides = {
        f"{name} {length}": lambda act=act, length=length: seconds(lambda: act(length))
        for length in lengths
        for name, act in (("state", with_state), ("again", again))
    }
    with torch.no_grad(), cached():
        found = interleaved(sides, rounds)  # type: ignore[arg-type]
    return {length: {name: found[f"{name} {length}"] for name in ("state", "again")} for length in lengths}


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=9, steps=20)
    made.add_argument("--lengths", type=int, nargs="*", default=[16, 32, 64, 128, 256], help="tokens that are written")
    made.add_argument("--worker", choices=("convzoo", "careful"), help=argparse.SUPPRESS)
    made.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = made.parse_args()
    pin(options.threads)
    torch.set_num_threads(options.threads)
    if options.worker:
        print(json.dumps({"peak": memory_worker(options.worker, options.file, options.set)}))
        return 0
    print_environment(options.threads)
    # Memory first: a new process begins with the peak of the process that starts it.
    peaks = memory(options.set, min(options.rounds, 3), options.threads)
    print_medians(peaks, "peak MB")
    rates = train(options.set, options.rounds, options.steps)
    print_medians(rates, "target tokens/s")
    times = write(options.set, options.rounds, options.lengths)
    rows = []
    for length, sides in times.items():
        state, again = (1000 * statistics.median(sides[name]) for name in ("state", "again"))
        rows.append([str(length), f"{state:,.1f}", f"{again:,.1f}", f"{state / length:.2f}", f"{again / length:.2f}"])
    print_table(["tokens", "state, ms", "again, ms", "state, ms a token", "again, ms a token"], rows)
    print()
    *_, before, longest = options.lengths
    growth = longest / before
    verdicts = [
        Verdict("training: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97),
        Verdict("training: bucketed / unbucketed", Ratio.of(rates["careful"], rates["unbucketed"]), 1.1),
        Verdict("peak memory: convzoo / careful", Ratio.of(peaks["convzoo"], peaks["careful"]), 1.2, at_most=True),
        Verdict(f"writing {longest}: again / state", Ratio.of(times[longest]["again"], times[longest]["state"]), 2),
        Verdict(
            f"state: {longest} / {before} tokens, linear is {growth:g}",
            Ratio.of(times[longest]["state"], times[before]["state"]), 1.25 * growth, at_most=True,
        ),
        Verdict(
            f"again: {longest} / {before} tokens, quadratic is {growth**2:g}",
            Ratio.of(times[longest]["again"], times[before]["again"]), 1.25 * growth,
        ),
    ]  # fmt: skip
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
