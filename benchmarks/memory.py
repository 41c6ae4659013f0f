"""Peak memory of training an epoch with convzoo against the loop that most people write, each in new processes.

convzoo's process reads the data, encodes, trains an epoch with the trainer and scores the validation split. The plain one
loads encoded tensors from a file and trains an epoch with a DataLoader. Both include the memory of importing torch.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import (
    RECIPES,
    Ratio,
    Verdict,
    interleaved,
    last_line,
    parser,
    pin,
    print_environment,
    print_table,
    print_verdicts,
)


def peak() -> float:
    """The peak memory of this process, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux, ru_maxrss includes the memory of the parent process; this line does not.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return float(line.split()[1]) * 1024 / 1e6
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e6 if sys.platform == "darwin" else 1e3)


def to_first_step(name: str, path: Path, overrides: list[str]) -> tuple[dict[str, float], Any]:
    """Read, split and look at one's own data as `convzoo run NAME --data PATH` does, and train a step. Called in a new process.

    Returns:
        the peak memory in MB after the imports, after reading and fitting, and after the step; and the experiment
    """
    from convzoo.checks import look
    from convzoo.experiment import assemble, loaders
    from convzoo.recipe.own_data import open_recipe
    from convzoo.training.devices import Devices
    from convzoo.training.trainer import Trainer

    found = {"imports": peak()}
    recipe = open_recipe(name, overrides, str(path))
    devices = Devices.open("cpu", "32")
    experiment = assemble(recipe)
    found["read"] = peak()
    split = loaders(experiment, devices)
    look(experiment.splits, experiment.encoder, experiment.task, split)
    trainer = Trainer(
        experiment.model, experiment.task, experiment.recipe.train, devices, split["train"], split["val"], Path("unused")
    )  # fmt: skip
    loss = trainer.try_step(next(split["train"].steps(0)))
    assert all(value == value for value in loss.values())
    return found | {"peak": peak()}, experiment


def peaks(script: str, overrides: list[str], threads: int, rounds: int) -> dict[str, list[float]]:
    """Peak memory, in MB, of new processes of a script that measures itself: `--worker convzoo` and `--worker plain`."""

    def run(worker: str) -> float:
        command = [sys.executable, str(Path(script).resolve()), "--worker", worker, "--threads", str(threads)]
        return last_line([*command, *(["--set", *overrides] if overrides else [])], threads)["peak"]

    return interleaved({name: lambda name=name: run(name) for name in ("convzoo", "plain")}, rounds, 0)


def convzoo_worker(name: str, overrides: list[str], threads: int, file: Path) -> float:
    """Train an epoch, evaluate, and return the peak. Then write the tensors for the plain loop, if they do not exist yet."""
    import dataclasses

    import torch

    from convzoo.experiment import assemble, loaders
    from convzoo.recipe.own_data import open_recipe
    from convzoo.training.devices import Devices
    from convzoo.training.trainer import Trainer

    torch.set_num_threads(threads)
    experiment = assemble(open_recipe(name, overrides))
    devices = Devices.open("cpu", "32")
    splits = loaders(experiment, devices)
    config = dataclasses.replace(experiment.recipe.train, epochs=1, steps=None)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            experiment.model, experiment.task, config, devices, splits["train"], splits["val"], Path(folder)
        ).fit()  # fmt: skip
    reached = peak()
    if not file.exists():
        write_tensors(file, experiment)
    return reached


def plain_worker(file: Path, threads: int) -> float:
    """Train an epoch, and return the peak."""
    import torch
    from hand_written import PlainSentenceNetwork, plain_image_network, plain_step

    torch.set_num_threads(threads)
    saved = torch.load(file, weights_only=True)
    network = (
        PlainSentenceNetwork(**saved["network"]) if "vocabulary" in saved["network"]
        else plain_image_network(**saved["network"])
    )  # fmt: skip
    step = plain_step(network, saved["inputs"], saved["target"], saved["batch_size"])
    done = 0
    while done < len(saved["target"]):
        done += step()
    return peak()


def write_tensors(path: Path, experiment: Any) -> None:
    """A recipe's training split, encoded, and the sizes that the plain network needs."""
    import torch

    dims, recipe = experiment.encoder.dims, experiment.recipe
    if "vocabulary_size" in dims:
        kim = experiment.model
        network = {
            "vocabulary": dims["vocabulary_size"], "classes": dims["classes"], "size": kim.embedding.channels,
            "channels": kim.classifier.in_features // len(kim.kernel_sizes), "widths": kim.kernel_sizes,
        }  # fmt: skip
    else:
        network = {"classes": dims["classes"], "in_channels": dims["in_channels"]}
    batch = experiment.encoder.encode(experiment.splits.train)
    (inputs,) = batch.inputs.values()
    torch.save(
        {"inputs": inputs, "target": batch.target, "network": network, "batch_size": recipe.train.batch_size}, path
    )


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=5)
    made.add_argument("--recipes", nargs="*", default=RECIPES, help="default: both")
    made.add_argument("--worker", choices=("convzoo", "plain"), help=argparse.SUPPRESS)
    made.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker:
        if options.worker == "convzoo":
            reached = convzoo_worker(options.recipes[0], options.set, options.threads, options.file)
        else:
            reached = plain_worker(options.file, options.threads)
        print(json.dumps({"peak": reached}))
        return 0

    pin(options.threads)
    print_environment(options.threads)
    verdicts, rows = [], []
    for name in options.recipes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "tensors.pt"

            def run(worker: str, name: str = name, file: Path = file) -> float:
                overrides = ["--set", *options.set] if options.set else []
                command = [sys.executable, Path(__file__).resolve(), "--worker", worker, "--file", file]
                command += ["--threads", str(options.threads), *overrides, "--recipes", name]
                return last_line(command, options.threads)["peak"]

            peaks = interleaved(
                {worker: lambda worker=worker: run(worker) for worker in ("convzoo", "plain")}, options.rounds, 0
            )
        rows += [[name, worker, f"{statistics.median(values):,.0f}"] for worker, values in peaks.items()]
        verdicts.append(
            Verdict(f"{name}: convzoo / plain", Ratio.of(peaks["convzoo"], peaks["plain"]), 1.2, at_most=True)
        )
    print_table(["recipe", "side", "peak MB"], rows)
    print()
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
