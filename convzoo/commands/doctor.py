"""`convzoo doctor`: what is installed, which devices there are, and what does not work and why."""

import importlib
import platform
import shutil
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from convzoo.core.libraries import EXTRAS, import_open3d, import_torchaudio
from convzoo.core.text import first_line, size_in_words
from convzoo.core.version import VERSION


def main(options: Any) -> None:
    """Print what is installed and what does not work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line in report():
            print(line)


_SPECIAL = {"torchaudio": lambda name: import_torchaudio(), "open3d": lambda name: import_open3d()}
"""Libraries that need a special import."""


def report() -> Iterator[str]:
    """One line for each fact."""
    yield f"convzoo    {VERSION} in {Path(__file__).parents[1]}"
    yield f"python     {sys.version.split()[0]} on {platform.platform()}"
    yield from _required()
    yield from _devices()
    for extra, modules in EXTRAS.items():
        missing = [problem for problem in map(_problem, modules) if problem]
        yield f"extra      {extra}: " + (
            "works" if not missing else f"{'; '.join(missing)}: pip install 'convzoo[{extra}]'"
        )
    from convzoo.datasets.download import cache_folder

    folder = cache_folder()
    home = next(path for path in (folder, *folder.parents) if path.exists())
    yield f"data       {folder} ({size_in_words(shutil.disk_usage(home).free)} free)"


def _required() -> Iterator[str]:
    try:
        names = [line.split(";")[0] for line in requires("convzoo") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        names = ["torch", "numpy"]
    found = []
    for line in names:
        name = line.split(">")[0].split("<")[0].split("=")[0].split("[")[0].strip()
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} is missing")
    yield f"libraries  {', '.join(found)}"


def _devices() -> Iterator[str]:
    import torch

    from convzoo.training.bf16 import fast_at_bf16

    cpu = torch.device("cpu")
    fast = "faster in bf16" if fast_at_bf16(cpu) else "not faster in bf16: train.precision=auto means 32"
    yield f"device     cpu: {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, {fast}"
    for index in range(torch.cuda.device_count()):
        yield f"device     cuda:{index}: {torch.cuda.get_device_name(index)}"
    if torch.backends.mps.is_available():
        yield "device     mps"
    if not torch.cuda.is_available():
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built without CUDA"
        yield f"device     no cuda: {built}"


def _problem(module: str) -> str | None:
    """Why a module cannot be imported; None if it can."""
    try:
        _SPECIAL.get(module, importlib.import_module)(module)
    except ImportError as error:
        missing = getattr(error, "name", None) == module
        return f"{module} is not installed" if missing else f"{module} does not load ({first_line(error)})"
    except Exception as error:  # a library that is linked against a missing one may raise anything
        return f"{module} does not load ({type(error).__name__}: {first_line(error)})"
    return None
