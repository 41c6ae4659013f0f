"""A first try of parts of one's own, on two examples and before the training: what does not fit is said in a line."""

import inspect
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import ConvzooError, RecipeError
from convzoo.core.task import Task
from convzoo.core.text import first_line
from convzoo.recipe.assembly import load_class
from convzoo.recipe.registry import PARTS
from convzoo.recipe.types import Part, Recipe

KINDS = ("data", "encoder", "model", "task")


def is_own(kind: str, part: Part) -> bool:
    """Whether a part does not come with convzoo."""
    if isinstance(part.name, type):
        return not part.name.__module__.startswith("convzoo.")
    return part.name not in PARTS[kind]


@contextmanager
def blaming(kind: str, part: Part) -> Iterator[None]:
    """Inside this context a part's code runs. If it is one's own, its errors become one line with the place.

    Raises:
        RecipeError: what went wrong, and in which line of the part.
    """
    try:
        yield
    except (ConvzooError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a user's code may raise anything
        if not is_own(kind, part):
            raise
        # An opponent is named by those who leave it out.
        name = "" if kind == "baseline" else f"{_named(kind, part)}: "
        raise RecipeError(f"{name}{in_words(error)}{_place(error, kind, part)}") from error


def try_parts(recipe: Recipe, encoder: Encoder, model: nn.Module, task: Task, examples: Sequence[Any]) -> None:
    """Compute two training examples, if the encoder, the model or the task is one's own. Neither weights nor random numbers
    change.

    Raises:
        RecipeError: what does not fit, and what would.
    """
    if not any(is_own(kind, getattr(recipe, kind)) for kind in ("encoder", "model", "task")):
        return
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    was = model.training
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        model.eval()
        batch = _batch(recipe, encoder, examples)
        outputs = _outputs(recipe, model, batch)
        _check_axes(recipe, task, task.model_dims(encoder.dims), outputs, batch)
        _check_task(recipe, task, outputs, batch)
    model.train(was)


def _batch(recipe: Recipe, encoder: Encoder, examples: Sequence[Any]) -> Batch:
    part = recipe.encoder
    with blaming("encoder", part):
        pieces = encoder.pieces(examples)
        batch = encoder.gather(pieces, range(min(2, len(pieces))))
        fits = isinstance(batch, Batch) and isinstance(batch.inputs, Mapping) and isinstance(batch.size, int)
        if not fits or not all(isinstance(name, str) for name in batch.inputs):
            raise RecipeError(
                f"{_named('encoder', part)}: it returned {described(batch)} as a batch; that should be a convzoo.Batch, whose "
                "inputs are a dictionary with the names of the arguments of forward"
            )
    return batch


def _outputs(recipe: Recipe, model: nn.Module, batch: Batch) -> Any:
    part = recipe.model
    taken = inspect.signature(model.forward).parameters
    kinds = inspect.Parameter
    names = {name for name, item in taken.items() if item.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)}
    needed = {name for name in names if taken[name].default is kinds.empty}
    takes_all = any(item.kind is kinds.VAR_KEYWORD for item in taken.values())
    if not needed <= batch.inputs.keys() or (not takes_all and not batch.inputs.keys() <= names):
        raise RecipeError(
            f"{_named('model', part)}: forward takes {', '.join(map(str, taken.values())) or 'nothing'}, but the batch has "
            f"{', '.join(batch.inputs)}; give the arguments these names"
        )
    with blaming("model", part):
        return model(**batch.inputs)


def _check_axes(recipe: Recipe, task: Task, dims: Mapping[str, Any], outputs: Any, batch: Batch) -> None:
    if outputs is None or isinstance(outputs, tuple | list | Mapping | str | int | float):
        wrong = bool(task.output_axes) or outputs is None
    else:
        wrong = False
    counts = {"batch": len(batch.target) if isinstance(batch.target, Tensor) else batch.size, **dims}
    wanted = tuple(counts.get(name) for name in task.output_axes)
    if isinstance(outputs, Tensor) and wanted:
        wrong = outputs.ndim != len(wanted) or any(
            size is not None and size != found for size, found in zip(wanted, outputs.shape, strict=True)
        )
    if wrong:
        shape = (
            f"a tensor ({', '.join(task.output_axes)}), here ({', '.join(map(str, wanted))})" if wanted else "outputs"
        )
        raise RecipeError(
            f"{_named('model', recipe.model)}: forward returned {described(outputs)}; task {recipe.task.name} needs {shape}"
        )


def _check_task(recipe: Recipe, task: Task, outputs: Any, batch: Batch) -> None:
    part = recipe.task
    blamed = ("task", part) if is_own("task", part) else ("model", recipe.model)
    try:
        losses = task.losses(outputs, batch.target)
    except ConvzooError:
        raise
    except Exception as error:
        if not is_own(*blamed):
            raise
        if blamed[0] == "task":
            raise RecipeError(f"{_named(*blamed)}: losses: {in_words(error)}{_place(error, *blamed)}") from error
        raise RecipeError(
            f"{_named(*blamed)}: forward returned {described(outputs)}, which task {part.name} cannot use ({in_words(error)})"
        ) from error
    if not is_own("task", part):
        return
    scalars = isinstance(losses, Mapping) and losses and all(
        isinstance(value, Tensor) and value.ndim == 0 for value in losses.values()
    )  # fmt: skip
    if not scalars:
        raise RecipeError(
            f"{_named(*blamed)}: losses returned {described(losses)}; it should be a dictionary of tensors with one number each, "
            'such as {"error": error.mean()}'
        )
    with blaming("task", part):
        decoded = task.decode(outputs)
        if not isinstance(decoded, list) or not all(isinstance(each, Mapping) for each in decoded):
            raise RecipeError(
                f"{_named(*blamed)}: decode returned {described(decoded)}; it should be a list with a dictionary an example"
            )
        meter = task.meter()
        meter.update(outputs, batch.target)
        scores = meter.compute()
    name = str(task.best_by).removeprefix("-").removeprefix("val/")
    if not isinstance(scores, Mapping) or name not in scores:
        found = ", ".join(f"val/{score}" for score in scores) if isinstance(scores, Mapping) else described(scores)
        raise RecipeError(f"{_named(*blamed)}: best_by is {task.best_by!r}, but its meter gives {found}")


def described(value: Any) -> str:
    """What a part returned, in words: None, a tensor (2, 5), a tuple of 2."""
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return f"a tensor ({', '.join(map(str, value.shape))})"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)} ({', '.join(map(described, value[:3]))})"
    if isinstance(value, Mapping):
        return f"a dictionary with {', '.join(f'{key}: {described(item)}' for key, item in list(value.items())[:3]) or 'nothing'}"
    return f"{value!r:.60}" if isinstance(value, str | int | float) else f"an object of {type(value).__name__}"


def in_words(error: Exception) -> str:
    """An error of somebody's code, without the names that Python gives to errors."""
    if isinstance(error, KeyError) and error.args:
        return f"there is no {error.args[0]!r}"
    if isinstance(error, NotImplementedError) and not str(error):
        return "is not implemented"
    return first_line(error) if str(error).strip() else "failed without a message"


def _named(kind: str, part: Part) -> str:
    name = part.name if isinstance(part.name, str) else part.name.__qualname__
    return f"{kind} {Path(name).name if '.py:' in name else name}"


def _place(error: Exception, kind: str, part: Part) -> str:
    """Where the part's own code was, when it failed: the innermost line of its file."""
    try:
        file = inspect.getfile(load_class(kind, part.name))
    except (TypeError, OSError):
        return ""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" ({file}:{lines[-1].lineno}, in {lines[-1].name})" if lines else ""
