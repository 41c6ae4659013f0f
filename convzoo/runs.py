"""The folder of a run: writing it, and loading the run again."""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, ValuesView
from contextlib import contextmanager
from copy import copy
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from convzoo import summary
from convzoo.core import html
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, RecipeError, TrainingError
from convzoo.core.files import atomic_write, is_file, is_folder, possible_names, write_json, write_text
from convzoo.core.inputs import Given, joined
from convzoo.core.libraries import EXTRAS
from convzoo.core.reader import Reader
from convzoo.core.splits import Skipped, Splits
from convzoo.core.tables import as_read, read_table, write_rows, write_table
from convzoo.core.task import Task
from convzoo.core.text import first_line, harmless, score_in_words
from convzoo.core.version import VERSION
from convzoo.inspect.left_out import falls_without
from convzoo.manifest import Manifest
from convzoo.recipe.assembly import build
from convzoo.recipe.own_code import with_copied_code
from convzoo.recipe.own_data import input_reader
from convzoo.recipe.recipe import load as load_recipe
from convzoo.recipe.recipe import to_yaml
from convzoo.recipe.trust import approve
from convzoo.recipe.types import Recipe
from convzoo.stored import Header, read_results, read_stored, read_tensors, restoring
from convzoo.training.choice import choose_device
from convzoo.written import Written

FORMAT = 1
"""The version of the layout of a run's folder. A folder of another version is refused."""


class Run:
    """A finished (or stopped) run.

    Attributes:
        path: its folder
        scores: by name, `test/accuracy`; the means for a repeated run
        spread: the standard deviations of a repeated run, else empty
        about: the header of the run, `run.json`
        results: everything in `scores.json`, with the opponents' scores and the ceiling; empty while the run is unfinished
    """

    @possible_names()
    def __init__(self, path: str | Path, trust: bool = False, accept_changes: bool = False) -> None:
        self.path = Path(path)
        self.trust = trust
        self.accept_changes = accept_changes
        self.about = read_header(self.path)
        finished = self.path / "scores.json"
        self.results: dict[str, Any] = read_results(self._file("scores.json")) if finished.exists() else {}
        self.scores: dict[str, float] = self.results.get("scores", {})
        self.spread: dict[str, float] = self.results.get("spread", {})

    @classmethod
    def load(cls, path: str | Path, trust: bool = False, accept_changes: bool = False) -> "Run":
        """Open a run's folder. Its files are compared with its manifest when they are read.

        Args:
            path: of the folder
            trust: let code that came with a run from elsewhere run, and remember it
            accept_changes: take files as they are that were changed since the run wrote them

        Raises:
            DataError: it is not the folder of a run, has another version, or is damaged.
        """
        return cls(path, trust, accept_changes)

    def _file(self, *names: str) -> Path:
        """A file of the run, or of its first part, that is as the run wrote it.

        Raises:
            DataError: it was changed or damaged.
        """
        path = self.path.joinpath(*names)
        return path if self.accept_changes else self.manifest.check_file(path)

    @cached_property
    def manifest(self) -> Manifest:
        """What the run was made from and what it wrote.

        Raises:
            DataError: it is damaged.
        """
        return Manifest.of(self.path)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as it was run, with all defaults. Its own code may run (`trust.approve`)."""
        return recipe_of(self.path, self.trust, self.accept_changes)

    def check_data(self, splits: Splits) -> None:
        """Compare the data with those that the run began with, if they were read again.

        Raises:
            DataError: which files were changed, are new or are gone.
        """
        if not self.accept_changes:
            self.manifest.check_data(splits)

    @cached_property
    def _first(self) -> "Run":
        return self if self.parts == [self.path] else self.part(0)

    def part(self, number: int) -> "Run":
        """One of the single runs of a repeated run."""
        return Run(self.parts[number], self.trust, self.accept_changes)

    @property
    def parts(self) -> list[Path]:
        """The folders of the single runs of a repeated run; for a single run, its own folder."""
        return [self.path / name for name in self.about.get("parts", [])] or [self.path]

    def single(self) -> "Run":
        """This run, or, where it is a repeated one, its first part, with the recipe of that part."""
        return self.part(0) if self.about.get("parts") else self

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, with what it learnt from the training split."""
        recipe = self.recipe
        encoder = build("encoder", recipe.encoder, origins=recipe.origins)
        self._first._file("encoder.safetensors")
        restore(encoder, self._first._file("encoder.json").with_suffix(""))
        return encoder

    @cached_property
    def model(self) -> nn.Module:
        """The model with its best weights, ready to predict on the CPU."""
        path = self._first._file("model.safetensors")
        model = build("model", self.recipe.model, self.task.model_dims(self.encoder.dims), self.recipe.origins)
        if not path.exists():
            raise self._unfinished("has no weights yet")
        weights = read_tensors(path)
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise DataError(f"{path}: is damaged or of another model ({first_line(error)})") from None
        return model.eval()

    @cached_property
    def task(self) -> Task:
        """The task, calibrated.

        Raises:
            DataError: the run was stopped before its thresholds were chosen.
        """
        task = build("task", self.recipe.task, self.encoder.dims, self.recipe.origins)
        path = self._first._file("task.json")
        if not path.exists():
            raise self._unfinished("has no task.json yet, which says how its outputs are read")
        state = read_stored(path, dict[str, Any])
        with restoring(path):
            task.load_state(state)
        return task

    def _unfinished(self, what: str) -> DataError:
        return DataError(f"{self.path}: {what}; finish it with `convzoo run --resume {shlex.quote(str(self.path))}`")

    def predict(
        self,
        inputs: Any,
        batch_size: int | None = None,
        damaged: Literal["refuse", "skip"] = "refuse",
        device: str = "auto",
        top: int | None = None,
    ) -> list[dict[str, Any]]:
        """Predictions for raw inputs, one dictionary each: texts, image files, arrays, or examples.

        Args:
            inputs: one or several, as a list, a tuple, an iterator, or a column of pandas or Polars; the rows of a table are an
                input each
            batch_size: how many are computed together; by default the encoder's `at_once`
            damaged: what to do with inputs that cannot be read: refuse them all, or skip them: the dictionary of such an input is
                `{"damaged": reason}`
            device: auto (a CUDA GPU where there is one, else the CPU), cpu, cuda, cuda:0, mps
            top: how many answers each input gets: the most probable classes, the best translations or items; None: the task's own

        Raises:
            DataError: an input cannot be read, and `damaged` is `refuse`.
            RecipeError: this machine does not have the device, or an argument is out of its range.
            TrainingError: the device has no memory left.
        """
        if top is None:
            return self._each(inputs, self._predicted, batch_size, damaged, device)
        if isinstance(top, bool) or not isinstance(top, int) or top < 1:
            raise RecipeError(f"top: should be a whole number of at least 1, not {top!r}")
        task = copy(self.task)
        task.answers(top)
        return self._each(inputs, partial(self._predicted, task=task), batch_size, damaged, device)

    def explain(
        self, inputs: Any, damaged: Literal["refuse", "skip"] = "refuse", device: str = "auto"
    ) -> list[dict[str, Any]]:
        """Predictions for raw texts, as `predict` gives them, each with an `explanation`: what each word says.

        An explanation is a list with `{"start", "end", "text", "weight"}` for each word: where it stands in the text, and how
        much the answer falls when it is left out: the probability of the class, or the number. Of several labels at once it is
        a dictionary with such a list for each label of the prediction. Words that the network is not given are not listed.

        Args:
            inputs, damaged, device: as for `predict`

        Raises:
            RecipeError: the run's inputs are not texts, or its answers are neither classes, numbers nor labels.
            DataError, TrainingError: as for `predict`.
        """
        self.check_explains("explain")
        return self._each(inputs, self._explained, None, damaged, device)

    def check_explains(self, setting: str) -> None:
        """
        Raises:
            RecipeError: the run's predictions cannot be explained word by word; it names `setting`.
        """
        can = type(self.encoder).parts is not Encoder.parts and type(self.task).said is not Task.said
        if can:
            return
        page = self.path / "report.html"
        shown = f"; its page shows what counted: {page}" if page.exists() else ""
        raise RecipeError(
            f"{setting}: is there for texts with classes, numbers or labels; this run has encoder {self.recipe.encoder.name} and "
            f"task {self.recipe.task.name}{shown}"
        )

    def _explained(self, examples: Sequence[Any], place: torch.device) -> list[dict[str, Any]]:
        """Predictions, each with its explanation."""
        found = self._predicted(examples, place)
        for example, prediction in zip(examples, found, strict=True):
            parts, answers = self.encoder.parts(example) or [], self.task.said(prediction)
            falls = falls_without(self.model, self.encoder, self.task, example, answers, parts, place)
            words = {
                answer: [
                    {"start": start, "end": end, "text": example.text[start:end], "weight": weight}
                    for (start, end), weight in zip(parts, weights, strict=True)
                ]
                for answer, weights in zip(answers, falls, strict=True)
            }
            prediction["explanation"] = words if self.task.label_type == "classes" else words[answers[0]]
        return found

    def _each(
        self,
        inputs: Any,
        predict: Callable[[Sequence[Any], torch.device], list[dict[str, Any]]],
        batch_size: int | None,
        damaged: str,
        device: str,
    ) -> list[dict[str, Any]]:
        """What `predict` gives for each input, on the device, computed some together."""
        if batch_size is not None and (
            isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1
        ):
            raise RecipeError(f"batch_size: should be a whole number of at least 1, not {batch_size!r}")
        if damaged not in ("refuse", "skip"):
            raise RecipeError(f"damaged: should be 'refuse' or 'skip', not {damaged!r}")
        examples = self.examples(inputs) if damaged == "refuse" else [one.example for one in self.given(inputs)]
        sound = [example for example in examples if not isinstance(example, DataError)]
        batch_size = batch_size or self.encoder.at_once
        found: list[dict[str, Any]] = []
        with self.on(device) as place:
            for start in range(0, len(sound), batch_size):
                chunk = sound[start : start + batch_size]
                try:
                    found += predict(chunk, place)
                except DataError:
                    if damaged == "refuse":
                        raise
                    found += [_predicted_or_reason(predict, example, place) for example in chunk]
        rest = iter(found)
        return [{"damaged": str(each)} if isinstance(each, DataError) else next(rest) for each in examples]

    def _predicted(
        self, examples: Sequence[Any], place: torch.device, task: Task | None = None
    ) -> list[dict[str, Any]]:
        """The predictions of examples that are computed together, on the device where the model is."""
        with torch.no_grad():
            batch = self.encoder.encode(examples).to(place)
            task = task or self.task
            decoded = task.decode(task.predict(self.model, batch))
        return [self.encoder.annotate(*pair) for pair in zip(examples, decoded, strict=True)]

    @contextmanager
    def on(self, device: str) -> Iterator[torch.device]:
        """Inside this context the model is on a device; afterwards it is on the CPU again.

        Args:
            device: as for `predict`

        Raises:
            RecipeError: this machine does not have the device.
            TrainingError: the device has no memory left.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            chosen = choose_device(device, setting="device")
        except TrainingError as error:
            raise RecipeError(str(error)) from None
        try:
            self.model.to(chosen)
            yield chosen
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"the device {chosen} has no memory left; take the CPU (--device cpu), or fewer inputs ({first_line(error)})"
            ) from None
        finally:
            self.model.to("cpu")

    @possible_names()
    def write(
        self,
        path: str | Path,
        inputs: Any,
        predictions: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[Path]:
        """Write the predictions for some inputs, in the field's own format if it has one, else as `.csv`, `.jsonl` or `.parquet`.

        What is predicted for the rows of a person's table stands in further columns of that table (`core.inputs.joined`).

        Args:
            path: a file; a folder if each input gets its own file
            inputs: as for `predict`
            predictions: what `predict` gave for them; None: predict now

        Returns:
            the files written

        Raises:
            RecipeError: `path` is not a valid name for such files, is an input, or is a file that this run did not write.
            DataError: an input cannot be read, or a file cannot be written.
        """
        inputs = _several(inputs)
        refuse_overwriting([path], inputs)
        path, own = Path(path), Written(self.path)
        own.refuse(path, "--out")
        given = self.given(inputs)
        predictions = self.predict(given) if predictions is None else predictions
        if len(predictions) != len(given):
            raise RecipeError(f"predictions: there are {len(predictions):,} for {len(given):,} inputs")
        sound = [pair for pair in zip(given, predictions, strict=True) if "damaged" not in pair[1]]
        written = self.encoder.write_files(path, [one.example for one, _ in sound], [found for _, found in sound])
        if written is None:
            rows, _ = joined(given, [without_arrays(found) for found in predictions], input_of)
            write_rows(path, rows if path.suffix == ".jsonl" else [_with_columns(row) for row in rows], "--out")
            written = [path]
        own.add(written)
        return written

    def follow(
        self, lines: Iterable[Any], series: str = "", refused: Callable[[DataError], None] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Predict each line of a stream as soon as it arrives.

        Args:
            lines: the lines of the stream, as they arrive; of sound its bytes (raw 16-bit samples)
            series: the series of the run's data that the stream continues, if each series has its own scale and threshold
            refused: is called with the error of a row that cannot be read, and the stream goes on; None: the error is raised

        Raises:
            RecipeError: the task or the model cannot follow a stream.
            DataError: a line cannot be read, and nobody is told.
        """
        with torch.inference_mode():
            yield from self.task.follow(self.model, self.encoder.stream(lines, series, refused))

    def sources(self) -> dict[str, set[str]]:
        """By name of the splits, where their examples come from; empty where the run did not write it down."""
        path = self.parts[0] / "split.csv"
        found: dict[str, set[str]] = {}
        for row in read_table(path, ("split", "source")) if path.exists() else ():
            found.setdefault(row["split"], set()).add(row["source"])
        return found

    def trained_on(self, examples: Sequence[Any]) -> int:
        """How many of some examples the run was trained on, by the file and the line that they come from; 0 where examples name
        no file (nodes, users), or where the run did not make its split."""
        path = self.parts[0] / "split.csv"
        if not path.exists():
            return 0
        rows = read_table(path, ("split", "source"))
        seen = {row["source"] for row in rows if row["split"] == "train" and os.sep in row["source"]}
        return sum(as_read(str(getattr(example, "source", ""))) in seen for example in examples)

    @possible_names()
    def examples(self, inputs: Any) -> list[Any]:
        """Turn raw inputs into the encoder's type of example. Tables are read as the run's data were; `given` has their columns.

        Raises:
            DataError: an input cannot be read.
        """
        values = _several(inputs)
        if not any(isinstance(value, Given) or self._reader_of(value) for value in values):
            return self._from_inputs(values)
        given = self.given(values)
        for one in given:
            if one.damaged:
                raise one.example
        return [one.example for one in given]

    def _from_inputs(self, values: Sequence[Any]) -> list[Any]:
        try:
            return self.encoder.from_inputs(values)
        except TypeError as error:
            kinds = ", ".join(dict.fromkeys(type(each).__name__ for each in values))
            raise DataError(f"inputs of type {kinds} cannot be read ({first_line(error)})") from error

    def given(self, inputs: Any) -> list[Given]:
        """The inputs of `predict` one by one: with the row and the columns of a table where they stand in one, and with the error
        in place of the example where one cannot be read.

        Args:
            inputs: one or several: as for `predict`
        """
        found: list[Given] = []
        for value in _several(inputs):
            try:
                if isinstance(value, Given):
                    found.append(value)
                elif (reader := self._reader_of(value)) is not None:
                    found += reader.inputs()
                else:
                    found += map(Given, self._from_inputs([value]))
            except DataError as error:
                found.append(Given(error))
        return found

    def _reader_of(self, value: Any) -> Reader | None:
        """The reader of a table or a folder of inputs; None where the value is none."""
        if not isinstance(value, str | Path) or not (is_file(Path(value)) or is_folder(Path(value))):
            return None
        reader = input_reader(self.recipe, Path(value))
        if reader is not None:
            reader.read_like(self.encoder.reading())
        return reader

    def __repr__(self) -> str:
        prefix = summary.scored_in(self.scores)
        shown = ", ".join(
            f"{name}={score_in_words(value)}" for name, value in self.scores.items() if name.startswith(prefix)
        )
        return f"Run({str(self.path)!r}, {shown if self.results else 'unfinished'})"

    def _repr_html_(self) -> str:
        """The scores beside the opponents, where the run is, and how to continue, for notebooks."""
        path = shlex.quote(str(self.path))
        if not self.results:
            return html.block(
                html.line(f"{self.about.get('recipe', '')}: this run is unfinished. It is in {self.path}; go on with:"),
                html.line(f"convzoo run --resume {path}", code=True),
                html.line(f"convzoo.run(resume={str(self.path)!r})", code=True),
            )
        page = self.path / "report.html"
        shown = summary.columns(self.recipe, self.results)
        rows = summary.rows(self.recipe, self.results)
        cells = [[row.name, row.kind, *(summary.written(row, column) for column in shown)] for row in rows]
        outside = summary.outside_expectation(self.recipe, self.scores)
        return html.block(
            html.table(
                [str(self.about.get("recipe", "")), "", *shown],
                cells,
                numbers=range(2, 2 + len(shown)),
                bold=[number for number, row in enumerate(rows) if row.kind == "this network"],
            ),
            html.line(f"expected: {'; '.join(outside) or 'inside'}") if self.recipe.expect else "",
            html.line(
                f"The run is in {self.path}"
                + (f"; its page is {page}. Go on with:" if page.exists() else "; go on with:")
            ),
            html.line("run.predict(inputs)", code=True),
            html.line(f"convzoo describe {path}", code=True),
            html.line(f"convzoo export {path}", code=True),
        )


def first_part(folder: str | Path, trust: bool = False, accept_changes: bool = False) -> Run:
    """A run for a command that takes one network: of a repeated run its first part, which is said on standard error."""
    run = Run.load(folder, trust, accept_changes)
    single = run.single()
    if single is not run:
        print(
            harmless(f"{run.path}: is a repeated run of {len(run.parts)} parts; this is {single.path.name}, the first"),
            file=sys.stderr,
        )
    return single


def _predicted_or_reason(
    predict: Callable[[Sequence[Any], torch.device], list[dict[str, Any]]], example: Any, place: torch.device
) -> dict[str, Any]:
    try:
        (found,) = predict([example], place)
    except DataError as error:
        return {"damaged": str(error)}
    return found


def _several(inputs: Any) -> list[Any]:
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "UO":  # a column of texts or of paths
        return inputs.tolist()
    if callable(column := getattr(inputs, "to_list", None)):  # of pandas or Polars; neither needs to be there
        return list(column())
    many = isinstance(inputs, Sequence | Iterator | ValuesView) and not isinstance(inputs, str | bytes | bytearray)
    return list(inputs) if many else [inputs]


def input_of(example: Any) -> str:
    """What an example is called in tables and JSON: its text, or its source (a file, an id)."""
    return str(getattr(example, "text", "") or getattr(example, "source", ""))


def shown_of(example: Any) -> str:
    """What an example is called on the terminal: `node p3` says more than its id."""
    return str(getattr(example, "shown", "") or input_of(example))


def refuse_overwriting(written: Iterable[str | Path], inputs: Iterable[Any]) -> None:
    """
    Raises:
        RecipeError: a file that will be written is an input: a path, or an example with one.
    """
    paths = (
        value.table.path if isinstance(value, Given) and value.table is not None
        else value if isinstance(value, str | Path) else getattr(value, "path", None)
        for value in inputs
    )  # fmt: skip
    given = {Path(path).resolve() for path in paths if path is not None and is_file(Path(path))}
    for path in written:
        if Path(path).resolve() in given:
            raise RecipeError(f"--out: {path}: is an input; predictions are not written over it: choose another name")


def without_arrays(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction as a row of a table, without its arrays (a mask), which have their own files."""
    return {key: value for key, value in prediction.items() if not isinstance(value, np.ndarray)}


def _with_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a table of which the most probable classes are columns: `label_1`, `probability_1`, `label_2`, …"""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key != "top":
            found[key] = value
            continue
        for rank, each in enumerate(value, 1):
            found |= {f"{name}_{rank}": part for name, part in each.items()}
    return found


def recipe_of(folder: Path, trust: bool = False, accept_changes: bool = False) -> Recipe:
    """The recipe of a run, whose own code may run.

    Args:
        folder: of the run
        trust, accept_changes: as for `Run.load`

    Raises:
        DataError: the recipe or the code was changed or damaged since.
        RecipeError: the code came from elsewhere, and the user has not allowed it.
    """
    manifest = Manifest.of(folder)
    for path in (folder / "recipe.yaml", *sorted((folder / "code").glob("*.py"))):
        if not accept_changes:
            manifest.check_file(path)
    file = folder / "recipe.yaml"
    if not file.is_file():
        raise DataError(f"{file}: {'is no file' if file.exists() else 'does not exist'}; restore it from a copy")
    recipe = load_recipe(file)
    approve(recipe, trust)
    return recipe


def read_header(path: Path) -> dict[str, Any]:
    """The content of `run.json`.

    Raises:
        DataError: it does not exist, or has another version.
    """
    file = path / "run.json"
    if not file.exists():
        raise DataError(f"{path}: is not the folder of a run (it has no run.json)")
    about = read_stored(file, dict[str, Any])
    if about.get("format") != FORMAT:
        made_by = about.get("convzoo", "another version")
        raise DataError(
            f"{file}: is a run of format {about.get('format')!r:.20} (convzoo {made_by!s:.20}); this is convzoo {VERSION}, which "
            f"reads format {FORMAT}: install the version that made it, or run its recipe.yaml again"
        )
    return read_stored(file, Header)


def start_folder(path: Path, recipe: Recipe, **more: Any) -> None:
    """Write into a run's folder its recipe, the code of its own parts, and its header."""
    recipe = with_copied_code(recipe, path)
    write_text(path / "recipe.yaml", to_yaml(recipe))
    write_json(path / "run.json", {"format": FORMAT, "convzoo": VERSION, "recipe": recipe.name, **more})


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write plain values to `path`.json and tensors to `path`.safetensors."""
    tensors = {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in state.items()
        if isinstance(value, Tensor | np.ndarray)
    }
    save_weights(path.with_suffix(".safetensors"), tensors)
    # The JSON file is written last: if it exists, everything exists.
    write_json(path.with_suffix(".json"), {key: value for key, value in state.items() if key not in tensors})


def load_state(path: Path) -> dict[str, Any]:
    """Restore what `save_state` wrote.

    Raises:
        DataError: a file is missing or damaged.
    """
    return read_stored(path.with_suffix(".json"), dict[str, Any]) | read_tensors(path.with_suffix(".safetensors"))


def restore(encoder: Encoder, path: Path) -> None:
    """Give an encoder what it learnt, from the files that `save_state` wrote.

    Raises:
        DataError: a file is missing, is damaged, or holds what this encoder does not take.
    """
    state = load_state(path)
    with restoring(path.with_suffix(".json")):
        encoder.load_state(state)
        assert encoder.dims is not None  # what is wrong is often seen only when it is used


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors atomically as safetensors."""
    with atomic_write(path) as file:
        file.write(save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()}))


def environment(
    device: str,
    precision: str,
    world: int,
    files: Mapping[str, Any],
    notes: Sequence[str] = (),
    described: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a result depends on besides the recipe: versions, device, git state, the hashes of the data and how they were read."""
    loaded = {name.partition(".")[0] for name in sys.modules}
    optional = [name for brought in EXTRAS.values() for name in brought if name in loaded]
    packages = ("torch", "numpy", "scipy", "scikit-learn", "tokenizers", "pillow", "safetensors", *optional)
    return {
        "convzoo": VERSION,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: found for name in packages if (found := _version(name)) is not None},
        "device": device,
        "precision": precision,
        "processes": world,
        "threads": torch.get_num_threads(),
        "git": _git(),
        "data": dict(files),
        "described": dict(described or {}),
        "notes": list(notes),
        "command": sys.argv,
    }


def _version(name: str) -> str | None:
    """The version of a package, by its name or by that of its module; None if it is not installed."""
    for package in (name, {"nrrd": "pynrrd", "open3d": "open3d-cpu"}.get(name, name.replace("_", "-"))):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def _git() -> dict[str, Any] | None:
    """The git commit of the working folder, and whether it was changed; None without git."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, timeout=5, check=True).stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return None


def newest_unfinished(folder: Path, name: str) -> Path:
    """The newest unfinished run of a recipe.

    Raises:
        RecipeError: there is none.
    """
    candidates = [
        path.parent
        for path in folder.glob(f"{name}-*/run.json")
        if not (path.parent / "scores.json").exists() and read_header(path.parent)["recipe"] == name
    ]
    if not candidates:
        raise RecipeError(f"{folder}: holds no unfinished run of {name}; name the run's folder after --resume")
    return max(candidates, key=lambda path: path.stat().st_mtime)


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """The rows of a `predictions.csv`, with numbers and mappings as values. If one cell of a column is text, all of them are."""
    rows: list[dict[str, Any]] = [*read_table(path)]
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


def write_split(path: Path, splits: Splits) -> None:
    """Write which examples each split has; where an example is in several, what it has in which (`record` of the examples)."""
    rows: list[dict[str, Any]] = []
    for name, examples in splits:
        record = getattr(examples, "record", None)
        found = (
            record()
            if record
            else ({key: getattr(e, key, None) for key in ("source", "label", "group")} for e in examples)
        )
        rows += [{"split": name} | row for row in found]
    write_table(path, rows)


def write_skipped(path: Path, skipped: Skipped) -> None:
    """Write what was left out because it is damaged: the file or row, and the reason."""
    write_table(path, [{"source": place, "reason": reason} for place, reason in skipped.reasons.items()])
