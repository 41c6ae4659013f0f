"""Images per second of the 48×48 network in Keras 3 on tensorflow-cpu, with `fit`, against convzoo on the same arrays.

Each side is a separate process that waits for its turn: an epoch of Keras, an epoch of convzoo in float32, one in bf16,
and so on, after a warm-up epoch. All use the same cores and the same number of threads.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import (
    IMAGES,
    Ratio,
    Verdict,
    child_environment,
    interleaved,
    parser,
    pin,
    print_environment,
    print_medians,
    print_verdicts,
)

NEVER = 10**9


class Side:
    """A worker process. A call lets it train an epoch, and returns its images per second."""

    def __init__(self, command: list[str], threads: int) -> None:
        self.command = command
        self.process = subprocess.Popen(
            command, env=child_environment(threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self) -> float:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith("{"):
                    return json.loads(line)["rate"]
        except BrokenPipeError:
            pass
        sys.exit(f"{' '.join(self.command)} ended with {self.process.wait()}")

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def turn(rate: float | None) -> bool:
    """In a worker: report the speed of the last epoch, and wait for the next one."""
    if rate is not None:
        print(json.dumps({"rate": rate}), flush=True)
    return bool(sys.stdin.readline())


def keras_worker(arrays: Path, batch_size: int, threads: int) -> None:
    """`fit`, one epoch for each call."""
    import numpy as np
    import tensorflow as tf
    from keras_weights import network

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    loaded = np.load(arrays)
    images, labels = loaded["images"], loaded["labels"]
    made = network(int(labels.max()) + 1)
    made.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    rate = None
    while turn(rate):
        began = time.perf_counter()
        made.fit(images, labels, batch_size=batch_size, epochs=1, verbose=0)
        rate = len(labels) / (time.perf_counter() - began)


def convzoo_worker(precision: str, threads: int, overrides: list[str]) -> None:
    """`Trainer.fit`; a listener stops the clock after each epoch."""
    import torch

    from convzoo.experiment import assemble, loaders
    from convzoo.recipe.own_data import open_recipe
    from convzoo.training.devices import Devices
    from convzoo.training.events import Event, Progressed
    from convzoo.training.loader import Loader
    from convzoo.training.trainer import Trainer

    torch.set_num_threads(threads)
    experiment = assemble(open_recipe(IMAGES, overrides))
    devices = Devices.open("cpu", precision)
    train = loaders(experiment, devices)["train"]
    config = dataclasses.replace(
        experiment.recipe.train, steps=NEVER, epochs=None, evaluate_every=NEVER, checkpoint_every=None
    )
    began = 0.0

    def listener(event: Event) -> None:
        nonlocal began
        if isinstance(event, Progressed) and event.step % train.steps_per_epoch == 0:
            if not turn(len(train.examples) / (time.perf_counter() - began)):
                os._exit(0)
            began = time.perf_counter()

    if not turn(None):
        return
    began = time.perf_counter()
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(experiment.model, experiment.task, config, devices, train, few, Path(folder), [listener]).fit()


def write_arrays(path: Path, overrides: list[str]) -> int:
    """The training split from convzoo's encoder, in the form that Keras takes; and the batch size."""
    import numpy as np

    from convzoo.experiment import assemble
    from convzoo.recipe.own_data import open_recipe

    experiment = assemble(open_recipe(IMAGES, overrides))
    batch = experiment.encoder.encode(experiment.splits.train)
    images = np.ascontiguousarray(batch.inputs["image"].permute(0, 2, 3, 1).numpy())
    np.savez(path, images=images, labels=batch.target.numpy())
    return experiment.recipe.train.batch_size


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=15)
    made.add_argument(
        "--keras-python",
        default=os.environ.get("CONVZOO_KERAS_PYTHON", sys.executable),
        help="an interpreter with keras and tensorflow-cpu (default: $CONVZOO_KERAS_PYTHON, else this one)",
    )
    made.add_argument("--precisions", nargs="*", default=["32", "bf16"], help="of convzoo (default: 32 bf16)")
    made.add_argument("--worker", choices=("keras", "32", "bf16", "16", "64"), help=argparse.SUPPRESS)
    made.add_argument("--arrays", type=Path, help=argparse.SUPPRESS)
    made.add_argument("--batch-size", type=int, default=64, help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker == "keras":
        keras_worker(options.arrays, options.batch_size, options.threads)
        return 0
    if options.worker:
        convzoo_worker(options.worker, options.threads, options.set)
        return 0

    pin(options.threads)  # inherited by the workers
    print_environment(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        batch_size = write_arrays(arrays, options.set)
        common: list[Any] = ["--threads", options.threads, "--arrays", arrays, "--batch-size", batch_size]
        common += ["--set", *options.set] if options.set else []
        sides = {}
        try:
            for name in ("keras", *options.precisions):
                python = options.keras_python if name == "keras" else sys.executable
                command = [python, Path(__file__).resolve(), "--worker", name, *common]
                sides[name if name == "keras" else f"convzoo {name}"] = Side(
                    [str(word) for word in command], options.threads
                )
            rates = interleaved(sides, options.rounds)
        finally:
            for side in sides.values():
                side.close()
    print(f"{IMAGES}, medians of {options.rounds} rounds of an epoch")
    print_medians(rates, "images/s")
    return print_verdicts(
        [
            Verdict(
                f"convzoo {precision} / keras", Ratio.of(rates[f"convzoo {precision}"], rates["keras"]),
                1.3 if precision == "bf16" else 1.0,
            )
            for precision in options.precisions
        ]
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
