"""Runs the tests that need a GPU, times three recipes on GPU and CPU, and writes a short summary, in at most eight minutes.

It is made for a bare machine with a GPU: `python3 benchmarks/cuda_checks.py`. Where this Python has torch with CUDA and the
libraries of the tests, it is used; else a virtual environment is made in a temporary folder and filled from the package index, or
from a folder of wheels (`--wheels`). Each part has a time limit of its own, and what was found before it ended is in the summary.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECIPES = {
    "emotion_cnn2d": ["data.train=2000", "data.val=100", "data.test=100"],
    "translation_convs2s": ["data.train=3000", "data.val=50", "data.test=50"],
    "organ_unet3d": ["data.train=24", "data.val=2", "data.test=2"],
}
"""The recipes that are timed, with as many examples as are made in a few seconds."""
SIDES = (("cpu", "32"), ("cuda", "32"), ("cuda", "bf16"))
LIMITS = {"install": 180, "tests": 180, "speed": 90}
"""Seconds of each part; together less than eight minutes."""
NEEDED = (
    "torch",
    "pytest",
    "beartype",
    "hypothesis",
    "jaxtyping",
    "sacrebleu",
    "monai",
    "torch_geometric",
    "av",
    "filelock",
)
"""What the tests of all recipes import."""


def main() -> int:
    """Run the parts; 0 if every test passed and every recipe was timed, 1 if not, 2 if there is no GPU."""
    options = _options()
    if options.measure:
        print(json.dumps(measure(*options.measure, options.seconds)))
        return 0
    began = time.monotonic()
    lines = [f"python {sys.version.split()[0]} on {platform.platform()}, {os.cpu_count()} cores"]
    with tempfile.TemporaryDirectory(prefix="cuda-checks-") as folder:
        python = sys.executable
        if not options.no_install:
            python, said = interpreter(Path(folder), options.wheels, LIMITS["install"])
            lines += said
        found = _ask(python, "import torch; print(torch.__version__, torch.version.cuda, torch.cuda.is_available(), "
                             "torch.cuda.get_device_name() if torch.cuda.is_available() else '')")  # fmt: skip
        lines.append(f"torch {found or 'does not load'}")
        if " True " not in f" {found} ":
            lines.append("no CUDA device: nothing was checked")
            return _finish(lines, options.out, 2)
        passed, said = tests(python, LIMITS["tests"])
        lines += said
        timed, said = speeds(python, options.seconds, LIMITS["speed"])
        lines += said
    lines.append(f"{time.monotonic() - began:.0f} s in all")
    return _finish(lines, options.out, 0 if passed and timed else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--wheels", metavar="FOLDER", help="a folder of wheels to install from, in place of the package index"
    )
    parser.add_argument("--no-install", action="store_true", help="use the present Python, whatever it has")
    parser.add_argument(
        "--out", metavar="FILE", default="cuda_checks.txt", help="the summary (default: cuda_checks.txt)"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measured training (default: 5)")
    parser.add_argument(
        "--measure", nargs=3, metavar=("RECIPE", "DEVICE", "PRECISION"), help="time one training, and print JSON"
    )
    return parser.parse_args()


def interpreter(folder: Path, wheels: str | None, seconds: float) -> tuple[str, list[str]]:
    """A Python with torch for CUDA and what the tests need, and what was done for it."""
    has_torch = "True" in _ask(sys.executable, "import torch; print(torch.cuda.is_available())")
    if has_torch and all(importlib.util.find_spec(name) for name in NEEDED):
        return sys.executable, ["environment: the present one"]
    # A torch that finds the GPU is kept: it fits the machine's driver.
    more = ["--system-site-packages"] if has_torch else []
    subprocess.run([sys.executable, "-m", "venv", *more, str(folder / "venv")], check=True)
    python = str(folder / "venv" / "bin" / "python")
    source = ["--no-index", "--find-links", wheels] if wheels else []
    code, output, took = _limited([python, "-m", "pip", "install", "-q", *source, "-e", f"{ROOT}[test]"], seconds)
    said = f"environment: new, {'with the present torch, ' if has_torch else ''}installed in {took:.0f} s"
    if code != 0:
        last = (output.strip().splitlines() or ["no output"])[-1]
        said += f"; pip {'ran out of time' if code is None else 'failed'}: {last}"
    return python, [said]


def tests(python: str, seconds: float) -> tuple[bool, list[str]]:
    """Whether every CUDA test passed, and a line for each that did not."""
    # Few processes: all share one GPU, and each has a copy of CUDA's kernels in its memory.
    several = ["-n", str(min(6, os.cpu_count() or 1))] if _ask(python, "import xdist; print(1)") else []
    command = [python, "-m", "pytest", "tests/test_cuda.py", "-m", "cuda", "-vv", "--tb=short", *several]
    code, output, took = _limited(command, seconds)
    # pytest alone writes the name before the result, several processes write it behind.
    results = dict(re.findall(r"(tests/\S+) (PASSED|FAILED|ERROR)", output))
    results |= {name: result for result, name in re.findall(r"(PASSED|FAILED|ERROR) (tests/\S+)", output)}
    counts = {kind: sum(result == kind for result in results.values()) for kind in ("PASSED", "FAILED", "ERROR")}
    head = f"tests: {counts['PASSED']} passed, {counts['FAILED']} failed, {counts['ERROR']} with errors in {took:.0f} s"
    if code is None:
        head += "; stopped at the time limit, so others were not run"
    lines = [head, *(f"  {result} {name}" for name, result in sorted(results.items()) if result != "PASSED")]
    # The reasons, as pytest prints them with a short traceback.
    lines += [f"  {line}" for line in output.splitlines() if re.match(r"E  +\S", line)][:60]
    if not results:
        lines += [f"  {line}" for line in output.strip().splitlines()[-15:]]
    return code == 0 and counts["PASSED"] > 0, lines


def speeds(python: str, seconds: float, limit: float) -> tuple[bool, list[str]]:
    """Whether every recipe was timed, and its examples a second on each side."""
    lines = [
        f"{'training, examples a second':<28} " + " ".join(f"{f'{d} {p}':>12}" for d, p in SIDES) + "   GPU memory"
    ]
    end, every = time.monotonic() + limit, True
    for recipe in RECIPES:
        rates, memory = [], ""
        for device, precision in SIDES:
            command = [python, __file__, "--measure", recipe, device, precision, "--seconds", str(seconds)]
            code, output, _ = _limited(command, max(1.0, end - time.monotonic()))
            if code != 0:
                every = False
                lines += [f"  {recipe} on {device}: {(output.strip().splitlines() or ['time limit'])[-1]}"]
            found = json.loads(output.strip().splitlines()[-1]) if code == 0 else {}
            rates.append(found.get("rate"))
            memory = found.get("memory") or memory
        cells = " ".join(f"{rate:>12,.0f}" if rate else f"{'-':>12}" for rate in rates)
        lines.append(f"{recipe:<28} {cells}   {memory}")
    return every, lines


def measure(recipe: str, device: str, precision: str, seconds: float | str) -> dict[str, Any]:
    """Examples a second of the trainer's steps, batches included, after a few steps to warm up."""
    import torch

    from convzoo.core.text import size_in_words
    from convzoo.experiment import assemble, loaders
    from convzoo.recipe.own_data import open_recipe
    from convzoo.training.devices import Devices
    from convzoo.training.trainer import Trainer

    experiment = assemble(open_recipe(recipe, [*RECIPES.get(recipe, []), "baselines=[]"]))
    devices = Devices.open(device, precision)
    split = loaders(experiment, devices)
    config = experiment.recipe.train
    trainer = Trainer(experiment.model, experiment.task, config, devices, split["train"], split["val"], Path("unused"))
    epoch, done, steps = 0, 0, 0
    began = time.perf_counter()
    while steps < 4 or time.perf_counter() - began < float(seconds):
        for step in split["train"].steps(epoch):
            trainer.try_step(step)  # it reads the loss, so the GPU has finished
            steps += 1
            if steps == 3:
                began, done = time.perf_counter(), 0
            elif steps > 3:
                done += split["train"].examples_per_step
                if time.perf_counter() - began > float(seconds):
                    break
        epoch += 1
    rate = done / (time.perf_counter() - began)
    memory = size_in_words(torch.cuda.max_memory_allocated()) if device == "cuda" else ""
    return {"rate": rate, "steps": steps, "memory": memory}


def _ask(python: str, code: str) -> str:
    """What a line of Python prints in an interpreter; empty if it fails."""
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _limited(command: list[str], seconds: float) -> tuple[int | None, str, float]:
    """The exit code of a command (None if it ran out of time), its output and the seconds it took. Its children end with it."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH")) if part)
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        output.seek(0)
        return code, output.read(), time.monotonic() - began


def _finish(lines: list[str], out: str, code: int) -> int:
    text = "\n".join(lines) + "\n"
    Path(out).write_text(text, encoding="utf-8")
    print(text, end="")
    return code


if __name__ == "__main__":
    sys.exit(main())
