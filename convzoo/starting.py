"""The start of a training from the weights of an earlier run, where classes, tokens or channels may have changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.errors import ConvzooError, DataError, RecipeError
from convzoo.recipe.assembly import build
from convzoo.recipe.types import Part, Recipe
from convzoo.runs import Run

_WORDS = {
    "vocabulary_size": "tokens",
    "source_size": "source tokens",
    "target_size": "target tokens",
    "in_channels": "channels",
}
"""What the positions of a size are called, where the size's own name does not say it."""

CHANNELS = "in_channels"
"""The one size whose positions need no names: the weights of other channels are summed and divided among the present ones."""

Axes = dict[int, list[str]]
"""For each axis of a tensor that depends on the data, the sizes that it counts, one after another."""


@dataclass(frozen=True)
class _Change:
    """A size that is not the same in both runs: how many positions there are, and their names if they have names."""

    earlier: int
    present: int
    earlier_names: Sequence[str] | None
    present_names: Sequence[str] | None


class Start:
    """The earlier run that a recipe names in `train.start_from`.

    Args:
        recipe: of the new training

    Raises:
        DataError: there is no such run, or it has no weights yet.
        RecipeError: its model is of another class.
    """

    def __init__(self, recipe: Recipe) -> None:
        path = str(recipe.train.start_from)
        try:
            self.run = Run.load(path)
            self.weights: dict[str, Tensor] = {k: v.detach() for k, v in self.run.model.state_dict().items()}
        except DataError as error:
            raise DataError(f"train.start_from: {error}") from None
        self.recipe = recipe
        parts = self.run.parts
        first = f" (the first of {len(parts)} runs, {parts[0].name})" if parts != [self.run.path] else ""
        self.source = f"{path}{first}"
        there, here = self.run.recipe.model.name, recipe.model.name
        if str(there) != str(here):
            raise RecipeError(
                f"train.start_from: {path} is a run of the model {there}, and this recipe trains {here}; "
                f"set model.name={there}, or name a run of {here}"
            )

    @property
    def keeps_encoder(self) -> bool:
        """Whether what the earlier encoder learnt about its inputs is kept."""
        same = str(self.run.recipe.encoder.name) == str(self.recipe.encoder.name)
        return self.recipe.train.start_encoder == "keep" and same

    def encoder_part(self) -> Part:
        """The recipe's encoder; a setting that is left to the data gets the value that the earlier run found."""
        part = self.recipe.encoder
        if not self.keeps_encoder:
            return part
        found = {
            key: getattr(self.run.encoder, key, None) for key, value in part.args.items() if value in (None, "auto")
        }
        plain = {k: v for k, v in found.items() if isinstance(v, int | float | str | tuple | list) and v != "auto"}
        chosen = {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}
        return replace(part, args=part.args | chosen)

    def keep(self, encoder: Encoder, examples: Sequence[Any]) -> None:
        """Give a fitted encoder what the earlier one learnt about its inputs, if that is kept."""
        if self.keeps_encoder:
            encoder.keep(self.run.encoder, examples)

    def give_weights(self, model: nn.Module, dims: Mapping[str, Any], encoder: Encoder) -> str:
        """Copy the earlier weights into a new model, and say in a line what was taken and what is new.

        Args:
            model: new
            dims: which it was built with
            encoder: of the new run

        Raises:
            RecipeError: the model's settings give tensors of other shapes.
        """
        self._require_same_settings(model, dims)
        present = model.state_dict()
        changes = _changes(self.run.encoder, encoder)
        axes = self._axes(model, dims, changes)
        notes: dict[str, list[str]] = {}
        taken = 0
        for name, tensor in present.items():
            earlier = self.weights.get(name)
            if earlier is None:
                notes.setdefault("not in the earlier run", []).append(name)
                continue
            value, note = _mapped(tensor, earlier, axes.get(name, {}), changes)
            taken += not note
            if note:
                notes.setdefault(note, []).append(name)
            if value is not None:
                tensor.copy_(value)  # a tensor of state_dict shares its memory with the model
        line = f"started from {self.source}: {taken} of {len(present)} tensors"
        if notes:
            line += " as they were; " + "; ".join(f"{', '.join(names)}: {note}" for note, names in notes.items())
        return line

    def _require_same_settings(self, model: nn.Module, dims: Mapping[str, Any]) -> None:
        """Refuse settings of the model that change the shape of a tensor: only data may do that."""
        here, there = self.recipe.model.args, self.run.recipe.model.args
        differ = [key for key in here.keys() | there.keys() if here.get(key) != there.get(key)]
        wanted = _shapes(model)
        if not differ or self._shapes_with(dims, there) == wanted:
            return
        guilty = [key for key in differ if self._shapes_with(dims, here | {key: there.get(key)}) != wanted] or differ
        said = ", ".join(f"model.{key} is {there.get(key)} there and {here.get(key)} here" for key in sorted(guilty))
        raise RecipeError(
            f"train.start_from: {self.source}: its network has other shapes: {said}; set the same, or leave "
            "train.start_from out"
        )

    def _axes(self, model: nn.Module, dims: Mapping[str, Any], changes: Mapping[str, _Change]) -> dict[str, Axes]:
        """Which axes of which tensors count what. This is found by building the model with one position more of each size: so no
        model has to say it."""
        shapes = _shapes(model)
        found: dict[str, Axes] = {}
        for key, change in changes.items():
            more = {k: torch.cat([v, v[:1]]) for k, v in dims.items() if isinstance(v, Tensor) and len(v) == dims[key]}
            larger = self._shapes_with({**dims, **more, key: dims[key] + 1}, self.recipe.model.args) or {}
            for name, shape in shapes.items():
                for axis, (size, grown) in enumerate(zip(shape, larger.get(name, shape), strict=False)):
                    if grown == size + 1 and size == change.present:
                        found.setdefault(name, {}).setdefault(axis, []).append(key)
        # Where a model takes the length of an axis from elsewhere (a recommender's graph), all sizes together have that length.
        named = {key: change for key, change in changes.items() if change.present_names is not None}
        lengths = (sum(change.earlier for change in named.values()), sum(change.present for change in named.values()))
        for name, shape in shapes.items():
            earlier = tuple(self.weights[name].shape) if name in self.weights else shape
            for axis, both in enumerate(zip(earlier, shape, strict=False)):
                if named and both == lengths and axis not in found.get(name, {}):
                    found.setdefault(name, {})[axis] = list(named)
        return found

    def _shapes_with(self, dims: Mapping[str, Any], args: Mapping[str, Any]) -> dict[str, tuple[int, ...]] | None:
        """The shapes of the model with other settings or sizes; None if it cannot be built so."""
        try:
            with torch.random.fork_rng(devices=[]):  # the training's own random numbers stay as they are
                return _shapes(build("model", replace(self.recipe.model, args=dict(args)), dims, self.recipe.origins))
        except ConvzooError:
            return None


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _changes(earlier: Encoder, present: Encoder) -> dict[str, _Change]:
    """The sizes that differ between two encoders, or whose positions have other names or another order."""
    names, names_now = earlier.names, present.names
    found: dict[str, _Change] = {}
    alike: dict[str, _Change] = {}
    for key, size in present.dims.items():
        before = earlier.dims.get(key)
        if not isinstance(size, int) or not isinstance(before, int) or isinstance(size, bool):
            continue
        one, other = names.get(key), names_now.get(key)
        if one is not None and other is not None and len(one) == before and len(other) == size:
            change = _Change(before, size, one, other)
            (found if list(one) != list(other) else alike)[key] = change
        elif key == CHANNELS and before != size:
            found[key] = _Change(before, size, None, None)
    # An axis may count several of them one after another (users, then items), so those without a change are needed too.
    return {**alike, **found} if any(change.present_names is not None for change in found.values()) else found


def _mapped(present: Tensor, earlier: Tensor, axes: Axes, changes: Mapping[str, _Change]) -> tuple[Tensor | None, str]:
    """The earlier tensor in the present shape, and what to say about it; None if nothing of it can be taken."""
    if present.ndim != earlier.ndim:
        return None, "new, because its shape is another"
    value, said = earlier.to(present.dtype), []
    places: list[tuple[Tensor, Tensor]] = []  # for each axis: positions in the present tensor and in the earlier one
    for axis, size in enumerate(present.shape):
        keys = axes.get(axis, [])
        own = [changes[key] for key in keys]
        whole = torch.arange(size)
        if own and sum(change.earlier for change in own) == value.shape[axis]:
            if own[0].present_names is None:
                value = _over_channels(value, axis, size)
                said.append(f"made of {_count(own[0].earlier)} for {size}")
                places.append((whole, whole))
                continue
            here, there = [], []
            first, first_there = 0, 0
            for key, change in zip(keys, own, strict=True):
                assert change.earlier_names is not None and change.present_names is not None
                number = {name: place for place, name in enumerate(change.earlier_names)}
                kept = [(place, number[name]) for place, name in enumerate(change.present_names) if name in number]
                here += [first + place for place, _ in kept]
                there += [first_there + place for _, place in kept]
                if len(kept) < change.present:
                    missing = change.present - len(kept)
                    word = _WORDS.get(key, key.replace("_", " "))
                    said.append(f"{missing} of {change.present} {word} {'is' if missing == 1 else 'are'} new")
                first, first_there = first + change.present, first_there + change.earlier
            places.append((torch.tensor(here, dtype=torch.int64), torch.tensor(there, dtype=torch.int64)))
        elif value.shape[axis] != size:
            return None, "new, because its shape is another"
        else:
            places.append((whole, whole))
    result = present.clone()
    result[_grid([here for here, _ in places])] = value[_grid([there for _, there in places])]
    return result, ", ".join(said)


def _over_channels(value: Tensor, axis: int, size: int) -> Tensor:
    """Weights for another number of channels. Kernels are summed over their channels and divided among the present ones, so that
    a grey picture gives the same output in colour; what each channel has for itself (a norm, a depthwise kernel) is averaged."""
    total = value.sum(axis, keepdim=True) if axis else value.double().mean(axis, keepdim=True).to(value.dtype)
    shape = [size if at == axis else length for at, length in enumerate(value.shape)]
    return total.expand(shape) / (size if axis else 1)


def _count(channels: int) -> str:
    return "1 channel" if channels == 1 else f"{channels} channels"


def _grid(places: list[Tensor]) -> tuple[Tensor, ...]:
    """Positions along each axis as an index of all their combinations."""
    count = len(places)
    return tuple(place.view([-1 if at == axis else 1 for at in range(count)]) for axis, place in enumerate(places))
