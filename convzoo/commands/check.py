"""What can be said of a recipe or a run without training: check, describe, evaluate."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from convzoo.core.errors import CheckError, DataError, RecipeError
from convzoo.core.reader import Reader
from convzoo.core.text import duration_in_words, size_in_words
from convzoo.experiment import assemble, loaders, open_recipe, reader_for
from convzoo.inspect.describe import Breakdown, describe
from convzoo.recipe.assembly import build
from convzoo.recipe.recipe import load
from convzoo.runs import Run
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.trainer import Trainer


def check(source: str, overrides: Sequence[str], data: str | None) -> Iterator[str]:
    """Everything short of training, a line at a time: parts, data, forward and backward of one batch, memory and time.

    Raises:
        CheckError: the step gives no finite loss, or a weight gets no gradient.
        RecipeError, DataError, TrainingError: what is wrong.
    """
    recipe = open_recipe(source, overrides, data)
    parts = ", ".join(f"{kind} {getattr(recipe, kind).name}" for kind in ("data", "encoder", "model", "task"))
    yield f"recipe    {recipe.name}: {parts}"
    devices = Devices.open(recipe.train.device, recipe.train.precision)
    if recipe.repeat:
        yield f"repeat    {', '.join(f'{key} over {len(values)} values' for key, values in recipe.repeat.items())}"
    experiment = assemble(recipe)
    sizes = ", ".join(f"{name} {len(examples):,}" for name, examples in experiment.splits)
    yield f"data      {sizes}" + (f" ({experiment.splits.origin})" if experiment.splits.origin else "")
    for note in experiment.splits.notes:
        yield f"note      {note}"
    if experiment.encoder.advice():
        yield f"advice    {experiment.encoder.advice()}"
    split = loaders(experiment, devices)
    trainer = Trainer(
        experiment.model, experiment.task, recipe.train, devices, split["train"], split["val"], Path("unused")
    )
    batches = split["train"].steps(0)
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


def describe_source(source: str, overrides: Sequence[str], data: str | None) -> Breakdown:
    """The breakdown of a recipe's network, or of a run's."""
    if Path(source).is_dir():
        run = Run.load(source)
        splits = build("data", run.recipe.data, origins=run.recipe.origins).read()
        return describe(run.model, run.encoder.gather(run.encoder.pieces(splits.test), [0]).inputs)
    experiment = assemble(open_recipe(source, overrides, data))
    # The longest of some examples shows the shapes best.
    pieces = experiment.encoder.pieces(experiment.splits.train)
    items = [experiment.encoder.prepare(pieces[index]) for index in range(min(64, len(pieces)))]
    longest = max(items, key=lambda item: experiment.encoder.length(item) or 0)
    return describe(experiment.model, experiment.encoder.collate([longest]).inputs)


def evaluate(folder: str, data: str | None, overrides: Sequence[str] = ()) -> dict[str, float]:
    """The scores of a run's model on its test split, read anew, or on a person's own labelled data, all of it.

    Args:
        folder: of the run
        data: a person's own file or folder; None: the test split
        overrides: how the own data are read, `data.label=state`, where that differs from how the run's were

    Raises:
        RecipeError: a setting that is none of the data's.
        DataError: the data cannot be read.
    """
    for setting in overrides:
        if data is None or not setting.startswith("data."):
            raise RecipeError(
                f"{setting!r}: evaluate takes settings of the data only, data.label=…, and beside --data PATH"
            )
    run = Run.load(folder)
    recipe = run.recipe
    part = recipe.data
    if data is not None:
        named = next((word.partition("=")[2] for word in overrides if word.startswith("data.name=")), None)
        chosen = reader_for(recipe.encoder, Path(data), named)
        # Columns that the run's own data named are named alike here; how those were split is theirs.
        own = recipe.data.args if recipe.data.name == chosen["name"] else {}
        kept = {key: value for key, value in own.items() if key not in ("val", "test", "seed", "split")}
        section = {"name": chosen["name"], **kept, "path": chosen["path"]}
        part = load(recipe, overrides, {"data": section, "expect": {}, "reference": [], "repeat": {}}).data
    elif recipe.repeat:
        raise DataError(f"{folder}: is repeated; evaluate one of {', '.join(str(path) for path in run.parts[:3])} …")
    reader: Reader = build("data", part, origins=recipe.origins)
    examples = list(reader.read().test) if data is None else reader.examples()
    meter = run.task.meter()
    with torch.no_grad():
        for _, batch in Loader(examples, run.encoder, run.encoder.at_once, workers=0).all():
            meter.update(run.task.predict(run.model, batch), batch.target)
    prefix = "test" if data is None else "data"
    return {f"{prefix}/{name}": value for name, value in meter.compute().items()}


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    try:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
    except ImportError:  # Windows
        return 0.0
