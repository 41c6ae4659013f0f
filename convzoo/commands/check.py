"""`convzoo check`: everything before training, to find faults early."""

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convzoo.checks import look
from convzoo.core.errors import CheckError
from convzoo.core.text import duration_in_words, harmless, size_in_words
from convzoo.experiment import assemble, loaders
from convzoo.recipe.own_data import open_recipe
from convzoo.recipe.repeating import dropped, repeated
from convzoo.training.devices import Devices
from convzoo.training.listeners import NO_LOSS
from convzoo.training.trainer import Trainer


def main(options: Any) -> None:
    """Print what the check finds, line by line."""
    for line in check(options.recipe, options.overrides, options.data, options.trust, options.folds):
        print(harmless(line), flush=True)


def check(
    source: str, overrides: Sequence[str], data: str | None, trust: bool = False, folds: int | None = None
) -> Iterator[str]:
    """Do everything except training, and report line by line: parts, data and what was taken for what, one step, memory and time.

    Raises:
        CheckError: the step gives no finite loss, or a weight gets no gradient.
        RecipeError, DataError, TrainingError: what else is wrong.
    """
    recipe = repeated(open_recipe(source, overrides, data, trust), folds=folds)
    parts = ", ".join(f"{kind} {getattr(recipe, kind).name}" for kind in ("data", "encoder", "model", "task"))
    yield f"recipe    {recipe.name}: {parts}"
    devices = Devices.open(recipe.train.device, recipe.train.precision)
    if recipe.repeat:
        yield f"repeat    {', '.join(f'{key} over {len(values)} values' for key, values in recipe.repeat.items())}"
    elif left_out := dropped(source, data, recipe):
        yield f"repeat    {left_out}"
    experiment = assemble(recipe)
    sizes = ", ".join(f"{name} {len(examples):,}" for name, examples in experiment.splits)
    yield f"data      {sizes}" + (f" ({experiment.splits.origin})" if experiment.splits.origin else "")
    split = loaders(experiment, devices)
    findings = look(experiment.splits, experiment.encoder, experiment.task, split)
    for topic, phrase in findings.described.items():
        yield f"{topic:<9} {phrase}"
    for note in findings.notes:
        yield f"note      {note}"
    skipped = experiment.splits.skipped
    if skipped.reasons:
        yield f"note      {skipped.in_words()}"
        yield from (f"left out  {line}" for line in skipped.lines())
    for line in experiment.chosen:
        yield f"chosen    {line}"
    if experiment.started:
        yield f"start     {experiment.started}"
    recipe = experiment.recipe
    trainer = Trainer(
        experiment.model, experiment.task, recipe.train, devices, split["train"], split["val"], Path("unused")
    )
    batches = chain.from_iterable(split["train"].steps(epoch) for epoch in range(7))  # an epoch may have one step only
    tensors = {
        key: value for key, value in next(split["train"].steps(0))[0].inputs.items() if isinstance(value, Tensor)
    }
    shapes = ", ".join(f"{key} {'×'.join(map(str, value.shape))}" for key, value in tensors.items())
    yield f"batch     {shapes}"
    losses = trainer.try_step(next(batches))
    silent = [name for name, p in experiment.model.named_parameters() if p.requires_grad and p.grad is None]
    if silent:
        raise CheckError(f"no gradient reaches {', '.join(silent[:5])}: the model does not use these weights")
    yield f"step      loss {', '.join(f'{name} {value:.4f}' for name, value in losses.items())}; every weight gets a gradient"
    if not sum(losses.values()):
        yield f"note      {NO_LOSS}"
    times = []
    for _, step in zip(range(5), batches, strict=False):
        began = time.perf_counter()
        trainer.try_step(step)
        times.append(time.perf_counter() - began)
    each = sorted(times)[len(times) // 2] if times else 0.0
    weights = sum(p.numel() * p.element_size() for p in experiment.model.parameters())
    memory = _peak_memory(devices.device)
    runs = len(next(iter(recipe.repeat.values()))) if recipe.repeat else 1
    yield f"memory    {size_in_words(memory)} so far, {size_in_words(weights)} of weights"
    yield (
        f"time      about {duration_in_words(each * trainer.total_steps * runs)} for {trainer.total_steps:,} steps"
        f"{f' in each of {runs} runs' if runs > 1 else ''}, without validation, on {devices.device} ({devices.precision})"
    )
    yield "ok"


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    try:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
    except ImportError:  # Windows
        return 0.0
