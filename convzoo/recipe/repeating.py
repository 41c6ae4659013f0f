"""A recipe that is run several times: over seeds, or over the folds of a cross-validation."""

from dataclasses import replace
from typing import Any

from convzoo.core.errors import RecipeError
from convzoo.recipe import recipe as recipes
from convzoo.recipe.assembly import load_class
from convzoo.recipe.registry import entries
from convzoo.recipe.signatures import signature_of
from convzoo.recipe.types import Part, Recipe


def repeated(recipe: Recipe, seeds: int | None = None, folds: int | None = None) -> Recipe:
    """The recipe, repeated as `--seeds` and `--folds` say.

    Args:
        recipe: to be repeated
        seeds: how many seeds; None: it is not repeated over seeds
        folds: how many folds; None: the split stays as it is

    Raises:
        RecipeError: both are given, one is too small, the recipe is repeated already, or its reader makes no folds.
    """
    if seeds is not None and folds is not None:
        raise RecipeError("--seeds and --folds: a run is repeated over one of them; leave one out")
    if seeds is not None:
        return over_seeds(recipe, seeds)
    return recipe if folds is None else over_folds(recipe, folds)


def dropped(source: Any, data: Any, recipe: Recipe) -> str:
    """A sentence where a recipe's own repetition is left out, because the data are a person's; else empty."""
    before = recipes.load(source).repeat if data is not None and not recipe.repeat else {}
    if not before:
        return ""
    ((setting, values),) = before.items()
    again = f"--seeds {len(values)}" if setting == "train.seed" else f"--folds {len(values)}"
    may = again.startswith("--seeds") or makes_folds(recipe.data)
    return f"the recipe repeats its own data over {len(values)} values of {setting}; yours are trained once" + (
        f" ({again} repeats them)" if may else ""
    )


def over_seeds(recipe: Recipe, seeds: int) -> Recipe:
    """
    Raises:
        RecipeError: there are fewer than two seeds, or the recipe is repeated already.
    """
    if recipe.repeat:
        raise RecipeError(f"{recipe.name} is repeated over {next(iter(recipe.repeat))} already; leave --seeds out")
    if seeds < 2:
        raise RecipeError("--seeds: a standard deviation needs at least 2")
    return replace(recipe, repeat={"train.seed": [recipe.train.seed + index for index in range(seeds)]})


def over_folds(recipe: Recipe, folds: int) -> Recipe:
    """A cross-validation: each example is tested once, by a network that did not learn from it.

    Raises:
        RecipeError: there are fewer than two folds, the recipe is repeated over another setting, or its reader makes no folds.
    """
    other = next((setting for setting in recipe.repeat if setting != "data.fold"), None)
    if other is not None:
        raise RecipeError(f"{recipe.name} is repeated over {other} already; leave --folds out")
    if folds < 2:
        raise RecipeError(f"--folds: a cross-validation needs at least 2 folds, not {folds}")
    if not makes_folds(recipe.data):
        why = load_class("data", recipe.data.name).why_no_folds
        raise RecipeError(f"--folds: data {recipe.data.name} {why}; leave --folds out")
    given = recipe.origins.get(("data", "fold"), "")
    if given.startswith("override "):
        raise RecipeError(f"--folds runs every fold; leave data.fold={recipe.data.args['fold']} or --folds out")
    data = Part(recipe.data.name, {**recipe.data.args, "fold": 0, "folds": folds})
    return replace(recipe, data=data, repeat={"data.fold": list(range(folds))})


def makes_folds(data: Part) -> bool:
    """Whether a reader takes `fold` and `folds`."""
    place: str | type = data.name
    if isinstance(place, str) and ":" not in place:
        place = entries("data")[place].place
    return {"fold", "folds"} <= set(signature_of(place).arguments)
