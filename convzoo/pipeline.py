"""A recipe from beginning to end: data, encoder, model, task, training, scores, opponents, report."""

import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from convzoo.checks import look
from convzoo.core.errors import DataError, RecipeError, TrainingError
from convzoo.core.files import link, possible_names, write_json
from convzoo.core.processes import LostProcess
from convzoo.core.splits import Splits
from convzoo.core.tables import write_table
from convzoo.core.text import first_line, harmless
from convzoo.experiment import assemble, loaders
from convzoo.judging import best_opponent, judged, over_parts, sentence
from convzoo.manifest import Manifest, data_facts
from convzoo.recipe import recipe as recipes
from convzoo.recipe.assembly import build_reader, load_class
from convzoo.recipe.own_code import uncopied
from convzoo.recipe.own_data import open_recipe
from convzoo.recipe.repeating import dropped, repeated
from convzoo.recipe.types import Recipe
from convzoo.run_folder import FolderWatch, claimed, finish, note_start
from convzoo.runs import (
    Run,
    environment,
    newest_unfinished,
    read_header,
    read_predictions,
    recipe_of,
    save_state,
    save_weights,
    start_folder,
    write_skipped,
    write_split,
)
from convzoo.scoring import calibrate, mean_and_spread, predictions, score_baselines
from convzoo.stored import Environment, read_stored
from convzoo.summary import main_score
from convzoo.training.devices import Devices
from convzoo.training.events import Listener
from convzoo.training.listeners import CsvListener, LiveListener, LossWatch, PlainListener, TensorBoardListener
from convzoo.training.threads import kept_threads, use_threads
from convzoo.training.trainer import Stopped, Trainer

_RUNNING = threading.RLock()
"""Two trainings in one process would draw from the same random numbers."""


@possible_names()
def run(
    source: str | Path | Recipe | Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    resume: str | Path | bool | None = None,
    seeds: int | None = None,
    folds: int | None = None,
    live: bool = False,
    quiet: bool = False,
    report: bool = True,
    trust: bool = False,
    accept_changes: bool = False,
) -> Run:
    """Train, score and explain a recipe.

    Args:
        source: a recipe file, the name of a shipped recipe, a mapping or a Recipe; not needed to resume a run by its folder
        overrides: dotted settings, `train.lr=3e-4`
        data: your own file or folder in place of the recipe's data
        out: the run's folder; by default `runs/<recipe>-<time>`
        resume: the folder of a run to go on with, or True for the newest unfinished one of this recipe
        seeds: train that many times with different seeds, for a mean and a standard deviation
        folds: a cross-validation: cut the data into that many parts, by group and stratified, and test on each once
        live: draw a progress bar
        quiet: print nothing
        report: write `report.html`
        trust: let code run that comes from elsewhere than the current folder and the recipe's, and remember it
        accept_changes: go on although data or files were changed since the run began; the run keeps a note of it

    Raises:
        RecipeError, DataError, TrainingError: what is wrong, in a line; nothing that was saved is lost.
    """
    if resume:
        place: Path | None
        recipe, place = _resumed(source, resume, trust, accept_changes)
    else:
        if source is None:
            raise RecipeError("name a recipe, or the folder of a run after --resume")
        recipe = repeated(open_recipe(source, overrides, data, trust), seeds, folds)
        left_out = dropped(source, data, recipe)
        if left_out and not quiet:
            print(harmless(left_out), file=sys.stderr, flush=True)
        place = None if out is None else Path(out)
    # What every later step shares with the run's other processes, under torchrun or SLURM.
    devices = Devices.open(recipe.train.device, _same_precision(recipe, place) if resume else recipe.train.precision)
    listeners = _no_listeners if quiet else _live_listeners if live else _plain_listeners
    with ExitStack() as stack:
        stack.callback(devices.close)
        if not _RUNNING.acquire(blocking=False):
            raise RecipeError(
                "another training goes on in this process, and both would draw from the same random numbers; wait for it, or "
                "start this one as a process of its own"
            )
        stack.callback(_RUNNING.release)
        folder = devices.from_main(lambda: stack.enter_context(claimed(recipe.name, place, bool(resume))))
        try:
            if recipe.repeat:
                _run_repeated(recipe, folder, devices, listeners, report, accept_changes)
            else:
                _run_once(recipe, folder, devices, listeners, report, accept_changes)
        except KeyboardInterrupt:
            raise Stopped(f"stopped{_how_to_go_on(folder)}") from None
        except (Stopped, LostProcess) as stopped:
            raise Stopped(f"{stopped}{_how_to_go_on(folder)}") from None
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"the device has no memory left; set train.accumulate={2 * recipe.train.accumulate} (the same batch, in parts) "
                f"or a smaller train.batch_size ({first_line(error)})"
            ) from None
    return Run.load(folder, trust, accept_changes)


def _how_to_go_on(folder: Path) -> str:
    return f"; go on with: convzoo run --resume {folder}" if (folder / "run.json").exists() else "; nothing was begun"


def _run_once(
    recipe: Recipe,
    folder: Path,
    devices: Devices,
    listeners: Callable[[str], list[Listener]],
    report: bool,
    accept_changes: bool,
    compare: Callable[[Splits], None] | None = None,
) -> dict[str, Any]:
    """One training, with everything that its folder holds. A finished one is not done again.

    Args:
        compare: is given the data of a training that begins, and may refuse them; None: with its own manifest only
    """
    if (folder / "scores.json").exists():
        try:
            return Run.load(folder).results
        except DataError as error:
            if devices.is_main:
                print(harmless(f"{error}; the run is scored again"), file=sys.stderr, flush=True)
    with kept_threads():
        return _train_and_score(recipe, folder, devices, listeners, report, accept_changes, compare)


def _train_and_score(
    recipe: Recipe,
    folder: Path,
    devices: Devices,
    listeners: Callable[[str], list[Listener]],
    report: bool,
    accept_changes: bool,
    compare_more: Callable[[Splits], None] | None,
) -> dict[str, Any]:
    began = time.perf_counter()
    checkpoints = folder / "checkpoints"

    def say(line: str) -> None:
        if devices.is_main and listeners is not _no_listeners:
            print(harmless(line), file=sys.stderr, flush=True)

    manifest = Manifest.of(folder)
    # A kill may have come between the encoder's state and the manifest. Nothing says which data that encoder saw, so all is made
    # anew. (A run of a former version has no manifest; its checkpoint says that it has begun.)
    is_known = bool(manifest.content) or (checkpoints / "last.pt").exists()
    has_begun = is_known and (folder / "encoder.json").exists()
    changes = ""

    def compare(splits: Splits) -> None:
        nonlocal changes
        try:
            manifest.check_data(splits)
            if compare_more is not None:
                compare_more(splits)
        except DataError as error:
            if not accept_changes:
                raise
            changes = str(error).rpartition("; ")[0]

    encoder_state = folder / "encoder" if has_begun else None
    with manifest.blaming():
        experiment = assemble(recipe, encoder_state, (checkpoints / "last.pt").exists(), compare)
    known = folder / "environment.json"
    experiment = replace(experiment, recipe=_as_many_parts(experiment.recipe, known, devices.world, say))
    recipe = experiment.recipe
    split = loaders(experiment, devices)
    findings = look(experiment.splits, experiment.encoder, experiment.task, split)

    watch = LossWatch(say)
    heard: list[Listener] = [
        FolderWatch(folder),
        CsvListener(folder / "metrics.csv"),
        TensorBoardListener(folder),
        *listeners(experiment.task.best_by),
        watch,
    ]
    trainer = Trainer(
        experiment.model, experiment.task, recipe.train, devices, split["train"], split["val"], checkpoints, heard
    )
    skipped = experiment.splits.skipped
    left_out = [f"{skipped.in_words()}; skipped.csv lists them"] if skipped.reasons else []
    told = (*findings.notes, *left_out, *uncopied(recipe), *experiment.chosen)
    # Of a run that has begun, the file is needed now and for the report, so its lack is not found only at the end.
    began_with = read_stored(known, Environment) if has_begun else None
    use_threads(trainer, recipe.train.threads, began_with["threads"] if began_with else None)
    if devices.is_main and not has_begun:
        start_folder(folder, recipe)
        files = experiment.splits.files
        where = f"{devices.device} {_device_name(devices.device)}".strip()
        about = environment(where, devices.precision, devices.world, files, told, findings.described)
        if experiment.splits.origin:
            about["split"] = experiment.splits.origin
        if experiment.started:
            about["started"] = experiment.started
        write_json(known, about)
        if experiment.splits.origin:
            write_split(folder / "split.csv", experiment.splits)
        if skipped.reasons:
            write_skipped(folder / "skipped.csv", skipped)
        save_state(folder / "encoder", experiment.encoder.state())
        note_start(folder, data_facts(experiment.splits))
    if devices.is_main and changes:
        about = read_stored(known, Environment)
        write_json(known, about | {"notes": [*about.get("notes", []), f"{changes}; the run went on all the same"]})
        note_start(folder, data_facts(experiment.splits))
    for line in filter(None, (*told, experiment.started)):
        say(line)
    if (checkpoints / "last.pt").exists():
        _go_on(trainer, say)
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
    # `predict`, `evaluate` and exported models compute in full precision, so thresholds and scores are made in it.
    trainer.devices = devices if devices.precision == "64" else replace(devices, precision="32")
    calibrate(trainer, split["val"])
    if experiment.task.advice():
        say(experiment.task.advice())
    scores = {f"val/{key}": value for key, value in trainer.score(split["val"]).items()}
    meter = experiment.task.meter()
    scored = experiment.splits.scored
    rows = predictions(trainer, split[scored], meter)
    scores |= {f"{scored}/{key}": value for key, value in meter.compute().items()}
    if devices.is_main:
        if watch.notes:
            about = read_stored(known, Environment)
            write_json(known, about | {"notes": [*about.get("notes", []), *watch.notes]})
        # The weights last: where they are, everything is there that reads their outputs.
        write_json(folder / "task.json", experiment.task.state())
        save_weights(folder / "model.safetensors", weights)
    opponents = score_baselines(experiment, split, devices)
    order = [index for part in devices.gather(opponents.order) for index in part]
    groups = [getattr(experiment.splits.shown[index], "group", None) for index in order]
    wanted = experiment.task.judged_by
    main = main_score(recipe, scores, wanted).removeprefix(f"{scored}/")
    compared = opponents.meters if not wanted or main in wanted or f"test/{main}" in recipe.expect else {}
    judgement = judged(meter, compared, groups, main, experiment.task.is_error, scored)
    if not devices.is_main:
        return {}
    said_before = len(watch.notes)
    naive = next((str(part.name) for part in recipe.baselines), "")  # recipes name the one that only guesses first
    watch.compare(judgement.get("comparisons", {}).get(naive, {}))
    if len(watch.notes) > said_before:
        about = read_stored(known, Environment)
        write_json(known, about | {"notes": [*about.get("notes", []), *watch.notes]})
    if answers := opponents.answers.get(best_opponent(judgement)):
        for row in rows:
            row["best_opponent"] = answers[int(row["index"])]
    write_table(folder / "predictions.csv", rows)
    results = {
        "scores": scores,
        **judgement,
        "judged_by": list(wanted),
        "judgement": sentence(judgement.get("comparisons", {}), opponents.scores, experiment.task.is_error),
        "baselines": opponents.scores,
        "baseline_settings": opponents.settings,
        "left_out": opponents.left_out,
        "ceiling": dict(experiment.splits.ceiling),
        "best_by": experiment.task.best_by,
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
            folder,
            recipe,
            results,
            experiment.model,
            experiment.encoder,
            experiment.task,
            experiment.splits.shown,
            rows,
        )
    finish(folder, results)
    return results


def _as_many_parts(recipe: Recipe, environment: Path, world: int, say: Callable[[str], None]) -> Recipe:
    """The recipe for a run that goes on with another number of processes: its steps keep their micro-batches, because what a
    network draws and the statistics of norms hang on them. Where the processes cannot share them equally, that is said."""
    if not environment.exists() or (began := read_stored(environment, Environment)["processes"]) == world:
        return recipe
    parts = began * recipe.train.accumulate
    if parts % world:
        say(
            f"the run began with {began} processes; {world} cannot share its {parts} micro-batches of a step equally, so the "
            "result will not be exactly the same"
        )
        return recipe
    return replace(recipe, train=replace(recipe.train, accumulate=parts // world))


def _go_on(trainer: Trainer, say: Callable[[str], None]) -> None:
    """Restore `last.pt`, or `best.pt` where that is damaged: it is a whole checkpoint of an earlier step.

    Raises:
        DataError: both are damaged.
    """
    last, best = trainer.folder / "last.pt", trainer.folder / "best.pt"
    try:
        trainer.load(last.name)
    except DataError as error:
        if not best.exists():
            raise DataError(f"{error}; there is no other checkpoint, so run the recipe again") from None
        try:
            trainer.load(best.name)
        except DataError:
            raise DataError(f"{error}; {best.name} is damaged, too, so run the recipe again") from None
        trainer.save(last.name)
        say(f"{error}; {best.name} is sound: going on from its step {trainer.progress.step}")
    if trainer.devices.is_main and trainer.progress.best_step == trainer.progress.step > 0:
        link(last, best)  # a kill may have come between the two


def _run_repeated(
    recipe: Recipe,
    folder: Path,
    devices: Devices,
    listeners: Callable[[str], list[Listener]],
    report: bool,
    accept_changes: bool,
) -> None:
    """The same recipe once for each value of its repeated setting; then means and standard deviations."""
    ((setting, values),) = recipe.repeat.items()
    names = [re.sub(r"[^\w.+-]+", "_", f"{setting.rpartition('.')[2]}-{value}") for value in values]
    if devices.is_main and not (folder / "run.json").exists():
        start_folder(folder, recipe, parts=names)
        note_start(folder, None)
    results = []

    def compare(splits: Splits) -> None:
        # All parts have the data of the first one. A setting of the reader, such as the fold, may choose other files.
        Manifest.of(folder / names[0]).check_data(splits, may_differ=setting.startswith("data."))

    for name, value in zip(names, values, strict=True):
        single = recipes.with_values(recipe, {setting: value})
        results.append(_run_once(single, folder / name, devices, listeners, False, accept_changes, compare))
    if not devices.is_main:
        return
    merged: dict[str, Any] = {"repeated": {setting: list(values)}, "parts": [item["scores"] for item in results]}
    merged["scores"], merged["spread"] = mean_and_spread([item["scores"] for item in results])
    # Parts of a former version, in a run that is resumed, have neither of these.
    merged["left_out"] = {name: why for item in reversed(results) for name, why in item.get("left_out", {}).items()}
    # An opponent that one part has to leave out has no mean over the parts.
    opponents = [name for name in results[0]["baselines"] if name not in merged["left_out"]]
    both = {name: mean_and_spread([item["baselines"][name] for item in results]) for name in opponents}
    merged["baselines"] = {name: pair[0] for name, pair in both.items()}
    merged["baselines_spread"] = {name: pair[1] for name, pair in both.items()}
    merged |= {**over_parts(results), "judged_by": results[0].get("judged_by", [])}
    is_error = load_class("task", recipe.task.name).is_error
    merged["judgement"] = sentence(merged["comparisons"], merged["baselines"], is_error)
    merged["ceiling"] = mean_and_spread([item["ceiling"] for item in results])[0]
    merged["examples"] = results[0]["examples"]
    merged["tested"] = sum(item["examples"]["test"] for item in results) if setting == "data.fold" else None
    merged["best_by"] = results[0].get("best_by", "")
    for key in ("training_seconds", "seconds"):
        merged[key] = round(sum(item[key] for item in results), 2)
    finish(folder, merged)
    if report:
        from convzoo.report.page import write_report

        finished = Run.load(folder, accept_changes=accept_changes)
        single = recipes.with_values(recipe, {setting: values[0]})
        splits = build_reader(single).read()
        rows = read_predictions(folder / names[0] / "predictions.csv")
        write_report(
            folder, recipe, merged, finished.model, finished.encoder, finished.task, splits.shown, rows, names[0]
        )


def _resumed(source: Any, resume: str | Path | bool, trust: bool, accept_changes: bool) -> tuple[Recipe, Path]:
    if isinstance(resume, bool):
        if source is None:
            raise RecipeError("name the recipe, or the folder of a run after --resume")
        folder = newest_unfinished(Path("runs"), recipes.load(source).name)
    else:
        folder = Path(resume)
    name = read_header(folder)["recipe"]
    return replace(recipe_of(folder, trust, accept_changes), name=name), folder


def _same_precision(recipe: Recipe, folder: Path | None) -> str:
    """What `auto` was decided to be when the run began: a measurement may say another thing today."""
    if folder is None or recipe.train.precision != "auto":
        return recipe.train.precision
    known = [path for path in (folder / "environment.json", *folder.glob("*/environment.json")) if path.exists()]
    return read_stored(known[0], Environment)["precision"] if known else recipe.train.precision


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else ""


def _no_listeners(best_by: str) -> list[Listener]:
    return []


def _plain_listeners(best_by: str) -> list[Listener]:
    return [PlainListener(best_by)]


def _live_listeners(best_by: str) -> list[Listener]:
    return [LiveListener(best_by)]
