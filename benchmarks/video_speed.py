"""Video: clips per second from files against decoding whole files, convzoo's trainer against a careful loop, and peak memory.

From files: the encoder's `gather`, which decodes only the stretch that a clip shows, against reading each file from end to end
with OpenCV (`pip install opencv-python-headless`; convzoo does not need it) and cutting random clips out of it; or, with
`--opponent pyav`, with PyAV. Both scale and stack; both have one thread. Short files are the recipe's own (30 frames of 64×64);
long ones have `--frames` frames of 320×240 with a key frame every 12 frames, as in UCF101. The positions of the frames in a file
are known after the first round, as they are after the first epoch of a training.

`careful` is a carefully written loop around the same module: frames decoded and scaled in advance, the same functions to cut,
augment and normalise, channels-last, a fused optimizer. Memory is measured in new processes: preparing a recipe and an epoch with
its evaluation, against decoding the same files with PyAV, keeping one clip of each as float32, and an epoch of the loop that most
people write.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import (
    Ratio,
    Verdict,
    interleaved,
    parser,
    pin,
    print_environment,
    print_medians,
    print_verdicts,
    seconds,
)
from hand_written import plain_step
from memory import convzoo_worker, peak, peaks
from torch import Tensor
from trainer_speed import NEVER, careful_rates

from convzoo.core.libraries import import_av
from convzoo.core.randomness import Draws
from convzoo.experiment import Experiment, assemble
from convzoo.modalities.video.data.motions import write_video
from convzoo.modalities.video.example import Video
from convzoo.recipe.own_data import open_recipe

RECIPE = "actions_cnn3d"
FACTORISED = ["model.kernels=factorised"]


def batches(experiment: Experiment) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled batches, without end: videos are decoded once, then the encoder's own functions are used."""
    encoder = experiment.encoder
    items = [encoder.prepare(example) for example in encoder.pieces(experiment.splits.train)]
    for epoch in range(NEVER):
        order = torch.randperm(len(items), generator=torch.Generator().manual_seed(epoch))
        for chosen in order.split(experiment.recipe.train.batch_size):
            numbers = chosen.tolist()
            batch = encoder.collate([items[number] for number in numbers], Draws(1, epoch, numbers))
            yield batch.inputs["clip"], batch.target["label"]


def file_rates(
    encoder: Any, examples: list[Video], whole: Callable[[Path], list[Any]], rounds: int
) -> dict[str, list[float]]:
    """Clips per second from files: with decoded stretches, and with whole files."""
    pieces, epoch = encoder.pieces(examples), iter(range(NEVER))
    random = np.random.default_rng(0)

    def stretches() -> None:
        numbers = list(range(len(examples)))
        encoder.gather(pieces, numbers, Draws(0, next(epoch), numbers))

    def from_end_to_end() -> None:
        found = []
        for example in examples:
            assert example.path is not None
            frames = whole(example.path)
            start = int(random.integers(max(1, len(frames) - encoder.seen + 1)))
            found.append(np.stack([scaled(frame, encoder.size) for frame in frames[start : start + encoder.seen]]))
        clips = torch.from_numpy(np.stack(found)).float().div_(255).unsqueeze(1)
        (clips[:, :, 1:] - clips[:, :, :-1]).div_(encoder.deviation[0])

    sides = {"stretches": stretches, "whole files": from_end_to_end}
    return interleaved({name: lambda act=act: len(examples) / seconds(act) for name, act in sides.items()}, rounds)


def scaled(frame: Any, size: tuple[int, int]) -> np.ndarray:
    """A frame of OpenCV or PyAV, grey and scaled."""
    if isinstance(frame, np.ndarray):
        import cv2

        return cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return frame.reformat(size[1], size[0], "gray", interpolation="AREA").to_ndarray()


def whole_with_opencv(path: Path) -> list[Any]:
    """All frames of a file."""
    import cv2

    capture, found = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            return found
        found.append(frame)


def whole_with_pyav(path: Path) -> list[Any]:
    """All frames of a file, not yet converted."""
    with import_av().open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        return list(container.decode(video=0))


def long_files(folder: Path, count: int, frames: int) -> list[Video]:
    """Write files of 320×240 in which a block moves in a circle in front of a still, grainy wall."""
    random = np.random.default_rng(0)
    found = []
    for number in range(count):
        wall = random.integers(60, 190, (15, 20, 3), np.uint8).repeat(16, 0).repeat(16, 1)
        film = np.repeat(wall[None], frames, axis=0)
        for frame in range(frames):
            left = (7 * frame + 31 * number) % 280
            film[frame, 90:150, left : left + 40] = 255
        path = folder / f"{number}.mp4"
        write_video(path, film, 25)
        found.append(Video(path, label="block"))
    return found


def plain_worker(overrides: list[str], threads: int) -> None:
    """Decode the files with PyAV, keep one clip of each, and train an epoch with a DataLoader."""
    from convzoo.recipe.assembly import build

    torch.set_num_threads(threads)
    recipe = open_recipe(RECIPE, overrides)
    examples = build("data", recipe.data).read().train
    height, width = recipe.encoder.args.get("size", [64, 64])
    frames = recipe.encoder.args.get("frames", 16)
    labels = sorted({example.label for example in examples})
    rows = []
    for example in examples:
        film = np.stack([scaled(frame, (height, width)) for frame in whole_with_pyav(example.path)[: frames + 1]])
        rows.append(torch.from_numpy(film).float().div(255).diff(dim=0).unsqueeze(0))
    target = torch.tensor([labels.index(example.label) for example in examples])
    dims = {"in_channels": 1, "frames": frames, "height": height, "width": width, "classes": len(labels)}
    network = build("model", recipe.model, dims)
    step = plain_step(network, torch.stack(rows), target, recipe.train.batch_size)
    done = 0
    while done < len(target):
        done += step()


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=9, steps=8)
    made.add_argument("--opponent", choices=("opencv", "pyav"), default="opencv", help="who decodes whole files")
    made.add_argument("--files", type=int, default=24, help="files of each kind (default 24)")
    made.add_argument("--frames", type=int, default=300, help="of a long file (default 300)")
    made.add_argument("--memory-rounds", type=int, default=3, help="how often memory is measured (default 3)")
    made.add_argument("--worker", choices=("convzoo", "plain"), help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker:
        if options.worker == "convzoo":
            # A file that already exists, so that no file is written for an opponent.
            convzoo_worker(RECIPE, options.set, options.threads, Path(__file__))
        else:
            plain_worker(options.set, options.threads)
        print(json.dumps({"peak": peak()}))
        return 0
    whole = whole_with_pyav
    if options.opponent == "opencv":
        try:
            import cv2
        except ImportError:
            print("OpenCV is not installed: pip install opencv-python-headless, or --opponent pyav", file=sys.stderr)
            return 2
        cv2.setNumThreads(1)
        whole = whole_with_opencv

    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    verdicts = []
    for kind, more in (("full", []), ("factorised", FACTORISED)):
        experiment = assemble(open_recipe(RECIPE, [*options.set, *more]))
        rates = careful_rates(experiment, batches(experiment), options.rounds, options.steps)
        print(f"{RECIPE}, {kind} kernels, medians of {options.rounds} rounds of {options.steps} steps")
        print_medians(rates, "clips/s")
        verdicts.append(Verdict(f"{kind}: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97))
    with tempfile.TemporaryDirectory() as folder:
        short = list(experiment.splits.train)[: options.files]
        for kind, examples, wanted in (
            ("short files", short, 1.0),
            ("long files", long_files(Path(folder), options.files, options.frames), 3.0),
        ):
            experiment.encoder.targets = type(experiment.encoder.targets)(
                "class", sorted({str(e.label) for e in examples})
            )
            found = file_rates(experiment.encoder, examples, whole, options.rounds)
            print(f"{kind}: {len(examples)} files of {len(examples[0].film().times)} frames")
            print_medians(found, "clips/s")
            ratio = Ratio.of(found["stretches"], found["whole files"])
            verdicts.append(Verdict(f"{kind}: stretches / whole, {options.opponent}", ratio, wanted))
    memory = peaks(__file__, options.set, options.threads, options.memory_rounds)
    print_medians(memory, "peak MB")
    verdicts.append(Verdict("memory: convzoo / plain", Ratio.of(memory["convzoo"], memory["plain"]), 1.2, at_most=True))
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
