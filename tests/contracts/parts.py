"""What the contract tests share: every part of the registry, a small form of each, and comparisons of whatever parts give.

A part that an embedded recipe uses has that recipe's small form (`TINY` in tests/conftest.py). Any part may have forms of its own
in `forms/<kind>/<name>.py`, found by glob: a part that no recipe uses needs one, and so does every reader of files.
"""

import dataclasses
import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, singledispatch
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from conftest import EMBEDDED, TINY
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.splits import Splits
from convzoo.core.task import Task
from convzoo.experiment import Experiment, assemble
from convzoo.modalities.audio.transcribed import Utterance
from convzoo.modalities.graph.example import Node
from convzoo.modalities.graph.links import NodePair
from convzoo.modalities.graph.whole import WholeGraph, fingerprint
from convzoo.modalities.points.example import PointCloud
from convzoo.modalities.recommendation.example import User
from convzoo.modalities.series.example import Stretch
from convzoo.modalities.series.history import History, TimedHistory
from convzoo.modalities.text.pair import Pair
from convzoo.modalities.volume.example import Volume
from convzoo.recipe import recipe as recipes
from convzoo.recipe.assembly import build, load_class
from convzoo.recipe.registry import entries
from convzoo.recipe.types import Part, Recipe

FORMS = Path(__file__).parent / "forms"
KINDS = ("data", "encoder", "model", "task", "baseline")


@dataclasses.dataclass(frozen=True, eq=False)
class Form:
    """An embedded recipe in its small form, with some of its parts replaced.

    Attributes:
        recipe: the embedded recipe's name
        parts: parts that replace the recipe's, by kind; `data: {"name": …}` alone takes that reader's own form, and
            `data: {"name": …, "form": "numbers"}` another one of its file
        augments: whether the encoder's training batches differ from epoch to epoch; None to find out
    """

    recipe: str
    parts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    augments: bool | None = None

    def load(self) -> Recipe:
        """The checked recipe. Settings of `TINY` for a part that is replaced are left out."""
        replaced = {kind: dict(part) if isinstance(part, Mapping) else part for kind, part in self.parts.items()}
        if "data" in replaced and set(replaced["data"]) <= {"name", "form"}:
            name, form = replaced["data"]["name"], replaced["data"].get("form", "form")
            replaced["data"] = {"name": name, **written(name, form)}
        kept = [o for o in TINY[self.recipe] if o.partition("=")[0].partition(".")[0] not in replaced]
        return recipes.load(self.recipe, kept, replaced)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One part in one small form; `form` is None where it has none, which is a fault of the tests."""

    kind: str
    name: str
    label: str
    form: Form | None

    def experiment(self) -> Experiment:
        """The form's data, fitted encoder, model and task; made once a session, so not to be changed."""
        if self.form is None:
            pytest.fail(
                f"{self.kind} {self.name!r} stands in no embedded recipe: write tests/contracts/forms/{self.kind}/{self.name}.py "
                "with FORMS = {'small': Form('<recipe>', {…})}"
            )
        return assembled(self.label, self.form)

    def part(self, experiment: Experiment) -> Part:
        """The part as the form's recipe writes it."""
        found = getattr(experiment.recipe, self.kind) if self.kind != "baseline" else None
        if found is None:
            found = next(part for part in experiment.recipe.baselines if part.name == self.name)
        return found


def names(kind: str) -> list[str]:
    """Every registered part of a kind, in the registry's order."""
    return list(entries(kind))


def class_of(kind: str, name: str) -> Any:
    """The class of a registered part."""
    return load_class(kind, name)


def form_module(kind: str, name: str) -> ModuleType | None:
    """The part's own file of forms; None where it has none."""
    if not (FORMS / kind / f"{name}.py").is_file():
        return None
    return importlib.import_module(f"contracts.forms.{kind}.{name}")


@cache
def cases(kind: str) -> tuple[Case, ...]:
    """Every registered part of a kind in each of its forms."""
    found = []
    for name in names(kind):
        forms = {path.stem: Form(path.stem) for path in EMBEDDED if name in _names_in(path.stem, kind)}
        module = form_module(kind, name)
        forms |= {f"{form.recipe}-{label}": form for label, form in getattr(module, "FORMS", {}).items()}
        found += [Case(kind, name, f"{name}-{label}", form) for label, form in forms.items()]
        if not forms:
            found.append(Case(kind, name, name, None))
    return tuple(found)


@cache
def _names_in(recipe: str, kind: str) -> frozenset[str]:
    loaded = recipes.load(recipe, TINY[recipe])
    parts = loaded.baselines if kind == "baseline" else [getattr(loaded, kind)]
    return frozenset(str(part.name) for part in parts)


def over(kind: str, known: Mapping[str, str] | None = None) -> Any:
    """Parametrise a test over all cases of a kind. A case of `known`, by its label, must fail, for the reason that is given."""
    return pytest.mark.parametrize("case", [_marked(case, case.label, known) for case in cases(kind)])


def over_names(kind: str, known: Mapping[str, str] | None = None) -> Any:
    """Parametrise a test over the names of all parts of a kind."""
    return pytest.mark.parametrize("name", [_marked(name, name, known) for name in names(kind)])


def _marked(value: Any, label: str, known: Mapping[str, str] | None) -> Any:
    reason = (known or {}).get(label)
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
    return pytest.param(value, id=label, marks=marks)


_made: dict[str, Experiment] = {}


def assembled(label: str, form: Form) -> Experiment:
    """A form's experiment. Forms that differ in model, task or opponents share their data and their encoder."""
    recipe = form.load()
    data = f"{form.recipe} {recipe.data} {recipe.encoder} {recipe.train.seed}"
    if data not in _made:
        _made[data] = assemble(recipe)
    first = _made[data]
    whole = f"{data} {recipe.model} {recipe.task}"
    if whole not in _made:
        torch.manual_seed(0)
        dims = first.encoder.dims
        task = build("task", recipe.task, dims)
        model = build("model", recipe.model, task.model_dims(dims))
        _made[whole] = Experiment(recipe, first.splits, first.encoder, model, task)
    return dataclasses.replace(_made[whole], recipe=recipe)


@cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="contracts-")


@cache
def _written(name: str, form: str) -> dict[str, Any]:
    module = form_module("data", name)
    if module is None:
        pytest.fail(
            f"reader {name!r} has no form: write tests/contracts/forms/data/{name}.py with form(folder), which writes a small "
            "data set and returns the reader's arguments"
        )
    folder = Path(_folder().name) / name / form
    folder.mkdir(parents=True)
    return getattr(module, form)(folder)


def written(name: str, form: str = "form") -> dict[str, Any]:
    """A small data set in a reader's format, written once a session: the arguments that read it."""
    return dict(_written(name, form))


@cache
def generators() -> dict[str, dict[str, Any]]:
    """The data parts that need no files, with the arguments of their recipes' small forms."""
    found = {}
    for path in EMBEDDED:
        part = recipes.load(path.stem, TINY[path.stem]).data
        found[str(part.name)] = dict(part.args)
    return found


def reader(name: str, **more: Any) -> Any:
    """A reader or generator of a small data set."""
    arguments = generators()[name] if name in generators() else written(name)
    return class_of("data", name)(**{**arguments, **more})


@cache
def small_splits(name: str) -> Splits:
    """What a reader reads of its small data set."""
    return reader(name).read()


# What a model sees


def fresh(kind: str, part: Part, dims: Mapping[str, Any] | None = None) -> Any:
    """A new part, as a recipe makes it."""
    return build(kind, part, dims)


def training_batch(experiment: Experiment, indices: Sequence[int], epoch: int = 0, seed: int = 0) -> Any:
    """Pieces of the training split as the loader gives them to the trainer."""
    from convzoo.core.randomness import Draws

    pieces = experiment.encoder.pieces(experiment.splits.train)
    return experiment.encoder.gather(pieces, list(indices), Draws(seed, epoch, list(indices)))


def predicted(task: Task, model: nn.Module, encoder: Encoder, examples: Sequence[Any]) -> list[dict[str, Any]]:
    """What a task says of some examples, in plain values."""
    with torch.no_grad():
        return task.decode(task.predict(model.eval(), encoder.encode(examples)))


# Comparisons


def same(one: Any, other: Any, tolerance: float = 0.0) -> bool:
    """Whether two values are equal, to the bit or within a tolerance, whatever they are made of.

    Functions are not compared, but for their presence: those of two encoders are two.
    """
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        return same(one.detach().cpu().numpy(), other.detach().cpu().numpy(), tolerance)
    if scipy.sparse.issparse(one) and scipy.sparse.issparse(other):
        return same(one.toarray(), other.toarray(), tolerance)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if one.shape != other.shape:
            return False
        if tolerance and one.dtype.kind in "fc":
            return np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)
        return np.array_equal(one, other, equal_nan=one.dtype.kind in "fcmM")
    if isinstance(one, float | np.floating) and isinstance(other, float | np.floating):
        return bool(np.isclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key], tolerance) for key in one)
    if isinstance(one, str | bytes | Path) or one is None:
        return type(one) is type(other) and one == other
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return len(one) == len(other) and all(same(*pair, tolerance) for pair in zip(one, other, strict=True))
    if callable(one) and not isinstance(one, nn.Module):
        return callable(other)
    state, its = _attributes(one), _attributes(other)
    if state and type(one) is type(other):
        return one is other or same(state, its, tolerance)
    return bool(one == other)


def _attributes(value: Any) -> dict[str, Any]:
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    found = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return found | dict(getattr(value, "__dict__", {}))


def row_of(value: Any, row: int, count: int, like: Any) -> Any:
    """A row of a batch of `count`, cut to the size that it has in a batch of one; None where a value is no list of rows."""
    batched = isinstance(value, Tensor) and value.ndim and value.shape[0] == count and like.shape[:1] == (1,)
    if (
        not batched
        or value.ndim != like.ndim
        or any(a < b for a, b in zip(value.shape[1:], like.shape[1:], strict=True))
    ):
        return None
    return value[(slice(row, row + 1), *(slice(0, size) for size in like.shape[1:]))]


# Examples of every type


@singledispatch
def atoms(example: Any) -> list[Any]:
    """What an example is made of, by name: parts of two splits share none."""
    return [example.source]


@atoms.register
def _(example: Stretch) -> list[Any]:
    return [(example.series.name, row) for row in range(example.start, example.stop)]


@atoms.register
def _(example: NodePair) -> list[Any]:
    return [tuple(sorted((example.first, example.second)))]


@atoms.register
def _(example: TimedHistory) -> list[Any]:
    # The rows before the judged ones are context: they may be judged in an earlier split.
    return [(example.table.name, example.name, row) for row in range(example.judged_from, example.stop)]


@atoms.register
def _(example: History) -> list[Any]:
    return [(example.table.name, example.name)]  # several histories of a unit may end at different rows


@atoms.register
def _(example: User) -> list[Any]:
    return [(example.index, int(item)) for item in example.wanted]


@singledispatch
def contents(example: Any) -> list[Any]:
    """What an example holds, whatever it is called: a copy of it has the same."""
    path = getattr(example, "path", None)
    if path is not None:
        files = [path] if Path(path).is_file() else sorted(file for file in Path(path).iterdir() if file.is_file())
        return [b"".join(file.read_bytes() for file in files)]
    if getattr(example, "text", None) is not None:
        return [" ".join(example.text.lower().split())]
    held = [value for value in _attributes(example).values() if isinstance(value, np.ndarray)]
    assert held, f"{type(example).__name__}: register in `contents` what two examples may not share"
    return [(held[0].shape, held[0].tobytes())]


@contents.register
def _(example: WholeGraph) -> list[Any]:
    return [fingerprint(example.read())]


# Rows of a graph or a table may be alike by chance: what they are is which they are.
contents.register(Node, atoms.dispatch(Node))
contents.register(NodePair, atoms.dispatch(NodePair))
contents.register(User, atoms.dispatch(User))
contents.register(Stretch, atoms.dispatch(Stretch))
contents.register(History, atoms.dispatch(History))
contents.register(TimedHistory, atoms.dispatch(TimedHistory))


@singledispatch
def unlabelled(example: Any) -> Any:
    """The example without the truth: what a model or an opponent may look at."""
    return dataclasses.replace(example, label=None)


@unlabelled.register
def _(example: Pair) -> Pair:
    return dataclasses.replace(example, translation=None)


@unlabelled.register
def _(example: Utterance) -> Utterance:
    return dataclasses.replace(example, transcript=None)


@unlabelled.register
def _(example: PointCloud) -> PointCloud:
    return dataclasses.replace(example, objects=None)


@unlabelled.register
def _(example: Volume) -> Volume:
    return dataclasses.replace(example, label=None, mask=None)


@unlabelled.register
def _(example: Node) -> Node:
    return dataclasses.replace(example, label=None)


@unlabelled.register
def _(example: NodePair) -> NodePair:
    return dataclasses.replace(example, label=None)


@unlabelled.register
def _(example: User) -> User:
    return dataclasses.replace(example, wanted=np.zeros(0, np.int32))


@unlabelled.register
def _(example: History) -> History:
    table = dataclasses.replace(example.table, targets=None, extra={})
    return dataclasses.replace(example, table=table)


@unlabelled.register
def _(example: Stretch) -> Stretch:
    return dataclasses.replace(example, series=dataclasses.replace(example.series, anomalies=None))


def with_the_rest_scrambled(splits: Splits) -> list[Any]:
    """The training examples, with what validation and test hold made nonsense of, where all are references into one object."""
    train = list(splits.train)
    if isinstance(train[0], Node):
        graph, chosen = train[0].graph, {example.index for example in train}
        labels = [label if index in chosen else "nonsense" for index, label in enumerate(graph.labels)]
        return [dataclasses.replace(e, graph=dataclasses.replace(graph, labels=labels, numbers={})) for e in train]
    if isinstance(train[0], Stretch):
        found = []
        for example in train:
            values = np.full_like(example.series.values, 1e9)
            values[example.start : example.stop] = example.values
            found.append(dataclasses.replace(example, series=dataclasses.replace(example.series, values=values)))
        return found
    if isinstance(train[0], History):
        table = train[0].table
        numbers, targets = np.full_like(table.numbers, 1e9), np.full(len(table), 1e9)
        for example in train:
            rows = slice(example.start, example.stop)
            numbers[rows] = example.numbers
            targets[rows] = np.nan if example.targets is None else example.targets
        scrambled = dataclasses.replace(table, numbers=numbers, targets=targets)
        return [dataclasses.replace(example, table=scrambled) for example in train]
    return train


def with_random_state(seed: int, function: Callable[[], Any]) -> Any:
    """What a function gives with the global random numbers of torch, NumPy and Python seeded; they are put back afterwards."""
    import random

    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002 (what is tested)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        return function()
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        random.setstate(kept[2])


def every_argument(cls: type) -> Iterator[tuple[str, Any]]:
    """The arguments of a part's class, with their annotations."""
    import inspect

    if cls.__init__ is object.__init__:
        return
    for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]:
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            yield name, parameter.annotation
