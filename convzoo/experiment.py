"""A recipe from beginning to end: data, encoder, model, task, training, scores, opponents, report."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.errors import CheckError, ConvzooError, DataError, RecipeError, TrainingError
from convzoo.core.files import link, read_json, write_json
from convzoo.core.splits import Splits
from convzoo.core.task import Meter, Task
from convzoo.core.text import first_line
from convzoo.recipe import recipe as recipes
from convzoo.recipe.assembly import build, load_class
from convzoo.recipe.recipe import Part, Recipe
from convzoo.recipe.registry import OWN_DATA, PARTS, entries
from convzoo.runs import (
    Run,
    environment,
    load_state,
    newest_unfinished,
    read_header,
    save_state,
    save_weights,
    start_folder,
    without_arrays,
    write_table,
)
from convzoo.summary import outside_expectation
from convzoo.training.devices import Devices
from convzoo.training.events import Listener
from convzoo.training.listeners import CsvListener, LiveListener, PlainListener, TensorBoardListener
from convzoo.training.loader import Loader
from convzoo.training.random_states import seed_everything
from convzoo.training.trainer import Stopped, Trainer


@dataclass
class Experiment:
    """A recipe's parts, made: what training, checking and describing start from."""

    recipe: Recipe
    splits: Splits
    encoder: Encoder
    model: nn.Module
    task: Task


def run(
    source: str | Path | Recipe | Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    resume: str | Path | bool | None = None,
    seeds: int | None = None,
    live: bool = False,
    quiet: bool = False,
    report: bool = True,
) -> Run:
    """Train, score and explain a recipe.

    Args:
        source: a recipe file, the name of a shipped recipe, a mapping or a Recipe; not needed to resume a run by its folder
        overrides: dotted settings, `train.lr=3e-4`
        data: your own file or folder in place of the recipe's data
        out: the run's folder; by default `runs/<recipe>-<time>`
        resume: the folder of a run to go on with, or True for the newest unfinished one of this recipe
        seeds: train that many times with different seeds, for a mean and a standard deviation
        live: draw a progress bar
        quiet: print nothing
        report: write `report.html`

    Raises:
        RecipeError, DataError, TrainingError: what is wrong, in a line; nothing that was saved is lost.
    """
    if resume:
        recipe, folder = _resumed(source, resume)
    else:
        if source is None:
            raise RecipeError("name a recipe, or the folder of a run after --resume")
        recipe = open_recipe(source, overrides, data)
        if seeds is not None:
            recipe = _over_seeds(recipe, seeds)
        folder = _new_folder(recipe, out)
    # What every later step shares with the run's other processes, under torchrun or SLURM.
    devices = Devices.open(recipe.train.device, _same_precision(recipe, folder))
    folder = Path(devices.gather(str(folder))[0])
    listeners = _no_listeners if quiet else _live_listeners if live else _plain_listeners
    try:
        if recipe.repeat:
            _run_repeated(recipe, folder, devices, listeners, report)
        else:
            _run_once(recipe, folder, devices, listeners, report)
    except KeyboardInterrupt:
        raise Stopped(f"stopped; go on with: convzoo run --resume {folder}") from None
    except Stopped as stopped:
        raise Stopped(f"{stopped}; go on with: convzoo run --resume {folder}") from None
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"the device has no memory left; set train.accumulate={2 * recipe.train.accumulate} (same result) or a "
            f"smaller train.batch_size ({first_line(error)})"
        ) from None
    finally:
        devices.close()
    return Run.load(folder)


def open_recipe(
    source: str | Path | Recipe | Mapping[str, Any], overrides: Sequence[str] = (), data: str | Path | None = None
) -> Recipe:
    """A checked recipe, with a person's own data in place of its own where `data` is given."""
    if data is None:
        return recipes.load(source, overrides)
    chosen = next((text for key, _, text in (word.partition("=") for word in overrides) if key == "data.name"), None)
    # What is said, promised and published of the recipe's own data does not hold for other data.
    replaced = {
        "about": "",
        "data": reader_for(recipes.load(source).encoder, Path(data), chosen),
        "expect": {},
        "reference": [],
        "repeat": {},
    }
    return recipes.load(source, overrides, replaced)


def assemble(recipe: Recipe, encoder_state: Path | None = None) -> Experiment:
    """Read the data, fit the encoder on the training split (or load what it learnt), make model and task."""
    seed_everything(recipe.train.seed)
    splits = build("data", recipe.data, origins=recipe.origins).read()
    check_splits(splits)
    encoder = build("encoder", recipe.encoder, origins=recipe.origins)
    if encoder_state is not None and encoder_state.with_suffix(".json").exists():
        encoder.load_state(load_state(encoder_state))
    else:
        encoder.fit(splits.train)
    dims = encoder.dims
    seed_everything(recipe.train.seed)
    model = build("model", recipe.model, dims, recipe.origins)
    task = build("task", recipe.task, dims, recipe.origins)
    task.require(splits)
    return Experiment(recipe, splits, encoder, model, task)


def check_splits(splits: Splits) -> None:
    """Refuse a split that is empty, or a group (a patient, a speaker, a document) that stands in two of them.

    Raises:
        DataError: which split or group.
    """
    homes: dict[str, str] = {}
    for name, examples in splits:
        if not len(examples):
            raise DataError(f"the {name} split has no examples")
        for example in examples:
            group = getattr(example, "group", None)
            if group is not None and homes.setdefault(group, name) != name:
                raise DataError(f"group {group!r} stands in both {homes[group]} and {name}: scores would be a leak")


def loaders(experiment: Experiment, devices: Devices) -> dict[str, Loader]:
    """A loader for each split."""
    train = experiment.recipe.train
    size = _batch_size(experiment)
    found = {}
    for name, examples in experiment.splits:
        pieces = experiment.encoder.pieces(examples) if name == "train" else examples
        found[name] = Loader(
            pieces, experiment.encoder, size, train.seed, train.accumulate if name == "train" else 1,
            train.bucket, devices.rank, devices.world, train.workers, train.cache_gigabytes * 1e9, train.batch_tokens,
        )  # fmt: skip
    if len(found["train"].examples) < found["train"].parts:
        raise DataError(
            f"{len(found['train'].examples)} training examples are too few for {found['train'].parts} parts"
        )
    return found


def _batch_size(experiment: Experiment) -> int:
    chosen = experiment.recipe.train.batch_size
    if chosen != "auto":
        return chosen
    advised = experiment.encoder.dims.get("batch_size")
    if advised is None:
        raise RecipeError(f"train.batch_size: encoder {experiment.recipe.encoder.name} advises none; set a number")
    return int(advised)


def calibrate(trainer: Trainer, loader: Loader) -> None:
    """Let the task choose its thresholds on a split."""
    trainer.model.eval()
    with torch.no_grad(), trainer.devices.autocast():
        trainer.task.calibrate(trainer.model, (trainer.place(batch) for _, batch in loader.all()))


def predictions(trainer: Trainer, loader: Loader, meter: Meter) -> list[dict[str, Any]]:
    """One row an example of the split, in its order: where it is from, the truth, the prediction. The meter is fed on the way."""
    mine = []
    for indices, outputs, target in trainer.outputs(loader):
        meter.update(outputs, target)
        decoded = zip(indices, trainer.task.read_target(target), trainer.task.decode(outputs), strict=True)
        mine += [
            (index, {"index": index, "source": getattr(loader.examples[index], "source", "")}
             | {f"true_{key}": value for key, value in truth.items()} | without_arrays(prediction))
            for index, truth, prediction in decoded
        ]  # fmt: skip
    gathered = [row for rows in trainer.devices.gather(mine) for row in rows]
    return [row for _, row in sorted(gathered, key=lambda pair: pair[0])]


def score_baselines(experiment: Experiment, loader: Loader, devices: Devices) -> dict[str, dict[str, float]]:
    """Each opponent of the recipe, trained on the same split and scored by the same meter on test.

    The main process fits it; every process counts its own share, so that nothing is counted twice.
    """
    recipe = experiment.recipe
    shares = [(list(indices), batch.target) for indices, batch in loader.all()]
    found = {}
    for part in recipe.baselines:
        outputs: Any = None
        if devices.is_main:
            try:
                baseline = build("baseline", part, origins=recipe.origins)
                baseline.fit(experiment.splits.train, experiment.encoder.dims)
                outputs = baseline.outputs(loader.examples)
            except (ValueError, KeyError, ConvzooError) as error:
                outputs = RecipeError(f"baseline {part.name}: {first_line(error)}; baselines=[] leaves them out")
        outputs = devices.gather(outputs)[0]
        if isinstance(outputs, RecipeError):
            raise outputs
        meter = experiment.task.meter()
        for indices, target in shares:
            meter.update(outputs[indices], target)
        found[_baseline_name(part, recipe.baselines)] = {f"test/{name}": v for name, v in meter.compute().items()}
    return found


def _baseline_name(part: Part, others: Sequence[Part]) -> str:
    """The part's name; where another has the same, with the arguments in which they differ."""
    same = [other for other in others if other.name == part.name and other is not part]
    different = [f"{key}={value}" for key, value in part.args.items() if any(o.args.get(key) != value for o in same)]
    return " ".join([str(part.name), *different])


def require_expectation(run: Run) -> None:
    """Raise where a run's score falls outside its recipe's `expect`.

    Raises:
        CheckError: which score, and what was expected.
    """
    outside = outside_expectation(run.recipe, run.scores)
    if outside:
        raise CheckError("; ".join(outside))


def _run_once(
    recipe: Recipe,
    folder: Path,
    devices: Devices,
    listeners: Callable[[str], list[Listener]],
    report: bool,
) -> dict[str, Any]:
    """One training, with everything that its folder holds. A finished one is not done again."""
    if (folder / "scores.json").exists():
        return read_json(folder / "scores.json")
    began = time.perf_counter()
    experiment = assemble(recipe, folder / "encoder")
    split = loaders(experiment, devices)
    if devices.is_main and not (folder / "encoder.json").exists():
        start_folder(folder, recipe)
        files = experiment.splits.files
        where = f"{devices.device} {_device_name(devices.device)}".strip()
        about = environment(where, devices.precision, devices.world, files, experiment.splits.notes)
        write_json(folder / "environment.json", about)
        if experiment.splits.origin:
            _write_split(folder / "split.csv", experiment.splits)
        save_state(folder / "encoder", experiment.encoder.state())
    heard: list[Listener] = [
        CsvListener(folder / "metrics.csv"),
        TensorBoardListener(folder),
        *listeners(experiment.task.best_by),
    ]
    if devices.is_main and listeners is not _no_listeners:
        for line in filter(None, (*experiment.splits.notes, experiment.encoder.advice())):
            print(line, file=sys.stderr, flush=True)
    checkpoints = folder / "checkpoints"
    trainer = Trainer(
        experiment.model, experiment.task, recipe.train, devices, split["train"], split["val"], checkpoints, heard
    )
    if (checkpoints / "last.pt").exists():
        trainer.load("last.pt")
        if devices.is_main and trainer.progress.best_step == trainer.progress.step > 0:
            link(checkpoints / "last.pt", checkpoints / "best.pt")  # a kill may have come between the two
    try:
        progress = trainer.fit()
    finally:
        for listener in heard:
            if isinstance(listener, LiveListener):
                listener.close()
    devices.gather(None)  # the main process has written best.pt before the others read it
    trainer.load("best.pt")
    weights = trainer.weights()
    trainer.model.load_state_dict(weights)
    calibrate(trainer, split["val"])
    scores = {f"val/{key}": value for key, value in trainer.score(split["val"]).items()}
    meter = experiment.task.meter()
    rows = predictions(trainer, split["test"], meter)
    scores |= {f"test/{key}": value for key, value in meter.compute().items()}
    if devices.is_main:
        save_weights(folder / "model.safetensors", weights)
        write_json(folder / "task.json", experiment.task.state())
        write_table(folder / "predictions.csv", rows)
    baselines = score_baselines(experiment, split["test"], devices)
    if not devices.is_main:
        return {}
    results = {
        "scores": scores,
        "baselines": baselines,
        "ceiling": dict(experiment.splits.ceiling),
        "examples": {name: len(examples) for name, examples in experiment.splits},
        "best_step": progress.best_step,
        "steps": progress.step,
        "training_seconds": round(progress.seconds, 2),
        "seconds": round(time.perf_counter() - began, 2),
    }
    if report:
        from convzoo.report.page import write_report

        experiment.model.to(device="cpu", dtype=torch.float32).eval()
        write_report(
            folder, recipe, results, experiment.model, experiment.encoder, experiment.task, experiment.splits.test, rows
        )
    write_json(folder / "scores.json", results)  # last: where it is, the run is finished
    return results


def _run_repeated(
    recipe: Recipe, folder: Path, devices: Devices, listeners: Callable[[str], list[Listener]], report: bool
) -> None:
    """The same recipe once for each value of its repeated setting; then means and standard deviations."""
    ((setting, values),) = recipe.repeat.items()
    names = [re.sub(r"[^\w.+-]+", "_", f"{setting.rpartition('.')[2]}-{value}") for value in values]
    if devices.is_main and not (folder / "run.json").exists():
        start_folder(folder, recipe, parts=names)
    results = []
    for name, value in zip(names, values, strict=True):
        single = recipes.with_values(recipe, {setting: value})
        results.append(_run_once(single, folder / name, devices, listeners, report=False))
    if not devices.is_main:
        return
    merged: dict[str, Any] = {"repeated": {setting: list(values)}, "parts": [item["scores"] for item in results]}
    merged["scores"], merged["spread"] = _mean_and_spread([item["scores"] for item in results])
    merged["baselines"] = {
        name: _mean_and_spread([item["baselines"][name] for item in results])[0] for name in results[0]["baselines"]
    }
    merged["baselines_spread"] = {
        name: _mean_and_spread([item["baselines"][name] for item in results])[1] for name in results[0]["baselines"]
    }
    merged["ceiling"] = _mean_and_spread([item["ceiling"] for item in results])[0]
    merged["examples"] = results[0]["examples"]
    for key in ("training_seconds", "seconds"):
        merged[key] = round(sum(item[key] for item in results), 2)
    write_json(folder / "scores.json", merged)
    if report:
        from convzoo.report.page import write_report

        finished = Run.load(folder)
        single = recipes.with_values(recipe, {setting: values[0]})
        splits = build("data", single.data, origins=recipe.origins).read()
        rows = read_predictions(folder / names[0] / "predictions.csv")
        write_report(folder, recipe, merged, finished.model, finished.encoder, finished.task, splits.test, rows)


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """The rows of a `predictions.csv`, with numbers and mappings as such. A column with any cell that is text is text."""
    import csv
    import json

    with path.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for name in rows[0] if rows else ():
        if name in ("source", "label", "true_label"):
            continue
        try:
            values = [json.loads(row[name]) if row[name] else "" for row in rows]
        except ValueError:
            continue
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return rows


def _mean_and_spread(rows: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Means, and standard deviations with n - 1."""
    means, spreads = {}, {}
    for name in rows[0]:
        values = torch.tensor([row[name] for row in rows], dtype=torch.float64)
        means[name] = values.mean().item()
        spreads[name] = values.std().item() if len(rows) > 1 else 0.0
    return means, spreads


def _write_split(path: Path, splits: Splits) -> None:
    write_table(
        path,
        [
            {"split": name} | {key: getattr(e, key, None) for key in ("source", "label", "group")}
            for name, examples in splits
            for e in examples
        ],
    )


def reader_for(encoder: Part, path: Path, name: str | None = None) -> dict[str, Any]:
    """The `data` part that reads a person's own path for an encoder's type of example.

    Args:
        encoder: of the recipe
        path: of the person's file or folder
        name: the reader that the person chose with `data.name=…`; None: the one that recognises the path

    Raises:
        DataError: there is no such path, no reader recognises it, or several do.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if name is not None:
        return {"name": name, "path": str(path.resolve())}
    formats = []
    for row in _readers(encoder):
        readers = {name: load_class("data", name) for name in row}
        found = [name for name, reader in readers.items() if reader.recognises(path)]
        if len(found) > 1:
            both = " and ".join(f"{name} ({readers[name].formats})" for name in found)
            raise DataError(f"{path}: can be read by {both}; choose one: data.name={found[0]}")
        if found:
            return {"name": found[0], "path": str(path.resolve())}
        formats += [reader.formats for reader in readers.values() if reader.formats]
    raise DataError(f"{path}: is none of the formats that this recipe reads: {'; '.join(formats)}")


def _readers(encoder: Part) -> Iterator[tuple[str, ...]]:
    """The readers that may read a person's data for an encoder, in the order in which they are asked.

    An encoder of one's own is served like the one of ours whose examples it takes. Readers of installed packages come last.
    """
    wanted = load_class("encoder", encoder.name).example
    ours = encoder.name if encoder.name in OWN_DATA else next(
        (name for name in OWN_DATA if issubclass(load_class("encoder", name).example, wanted)), None
    )  # fmt: skip
    if ours is not None:
        yield from OWN_DATA[str(ours)]
    others = [name for name in entries("data") if name not in PARTS["data"]]
    yield tuple(name for name in others if issubclass(load_class("data", name).example, wanted))


def _over_seeds(recipe: Recipe, seeds: int) -> Recipe:
    if recipe.repeat:
        raise RecipeError(f"{recipe.name} is repeated over {next(iter(recipe.repeat))} already; leave --seeds out")
    if seeds < 2:
        raise RecipeError("--seeds: a standard deviation needs at least 2")
    return replace(recipe, repeat={"train.seed": [recipe.train.seed + index for index in range(seeds)]})


def _resumed(source: Any, resume: str | Path | bool) -> tuple[Recipe, Path]:
    if isinstance(resume, bool):
        if source is None:
            raise RecipeError("name the recipe, or the folder of a run after --resume")
        folder = newest_unfinished(Path("runs"), recipes.load(source).name)
    else:
        folder = Path(resume)
    name = read_header(folder)["recipe"]
    return replace(recipes.load(folder / "recipe.yaml"), name=name), folder


def _same_precision(recipe: Recipe, folder: Path) -> str:
    """What `auto` was decided to be when the run began: a measurement may say another thing today."""
    known = [path for path in (folder / "environment.json", *folder.glob("*/environment.json")) if path.exists()]
    return read_json(known[0])["precision"] if known and recipe.train.precision == "auto" else recipe.train.precision


def _new_folder(recipe: Recipe, out: str | Path | None) -> Path:
    if out is not None:
        folder = Path(out)
        if (folder / "run.json").exists():
            raise RecipeError(f"{folder}: holds a run already; choose another --out, or go on with --resume {folder}")
        return folder
    stem = f"{recipe.name}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = Path("runs") / stem
    count = 1
    while folder.exists():
        count += 1
        folder = Path("runs") / f"{stem}-{count}"
    return folder


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else ""


def _no_listeners(best_by: str) -> list[Listener]:
    return []


def _plain_listeners(best_by: str) -> list[Listener]:
    return [PlainListener(best_by)]


def _live_listeners(best_by: str) -> list[Listener]:
    return [LiveListener(best_by)]
