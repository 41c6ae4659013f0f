"""What a run's folder holds, read again: every file is checked, and an error says which one is damaged."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from convzoo.core.errors import ConvzooError, DataError
from convzoo.core.files import explain, read_json
from convzoo.core.text import first_line


class Header(BaseModel):
    """`run.json`."""

    format: int
    recipe: str
    parts: list[str] = []


class Environment(BaseModel):
    """`environment.json`, as far as a resumed run and its report need it."""

    device: str
    precision: str
    processes: int
    threads: int
    notes: list[str] = []
    described: dict[str, str] = {}
    split: str = ""


class Results(BaseModel):
    """`scores.json`, as far as it is read again. Former versions wrote less. An undefined score is null."""

    scores: dict[str, float | None]
    spread: dict[str, float | None] = {}
    intervals: dict[str, list[float]] = {}
    baselines: dict[str, dict[str, float | None]] = {}
    baselines_spread: dict[str, dict[str, float | None]] = {}
    ceiling: dict[str, float] = {}
    examples: dict[str, int] = {}
    judged_by: list[str] = []
    left_out: dict[str, str] = {}
    best_by: str = ""
    training_seconds: float
    seconds: float


def read_stored(path: Path, shape: Any) -> dict[str, Any]:
    """A JSON file of a run.

    Raises:
        DataError: it cannot be read, or is not what convzoo wrote; the error says what to do.
    """
    try:
        return read_json(path, shape)
    except DataError as error:
        raise DataError(f"{error}; {_mend(path)}") from None


def read_results(path: Path) -> dict[str, Any]:
    """`scores.json`, with NaN for the scores that are undefined.

    Raises:
        DataError: as `read_stored`.
    """
    found = read_stored(path, Results)
    for name in ("scores", "spread"):
        if name in found:
            found[name] = _nan_for_null(found[name])
    for name in ("baselines", "baselines_spread"):
        if name in found:
            found[name] = {who: _nan_for_null(scores) for who, scores in found[name].items()}
    return found


def _nan_for_null(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in scores.items()}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file of a run.

    Raises:
        DataError: it cannot be read, or is damaged.
    """
    try:
        return load_tensors(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {explain(error)}; {_mend(path)}") from None
    except (SafetensorError, ValueError) as error:
        why = first_line(error).removeprefix("Error while deserializing: ")
        raise DataError(f"{path}: is damaged ({why}); {_mend(path)}") from None


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Inside this context a part takes over what a file of the run holds. What it cannot take makes the error of a damaged file.

    Raises:
        DataError: the values are not those that the part wrote.
    """
    try:
        yield
    except ConvzooError:
        raise
    except Exception as error:  # libraries that restore a state (tokenizers) raise anything
        why = f"has no {error.args[0]!r}" if isinstance(error, KeyError) and error.args else first_line(error)
        raise DataError(f"{path}: is damaged or of another version ({why}); {_mend(path)}") from None


def _mend(path: Path) -> str:
    return f"restore it from a copy, or run {path.parent / 'recipe.yaml'} again"
