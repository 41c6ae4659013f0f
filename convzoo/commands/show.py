"""`convzoo show`: a recipe with every default."""

from typing import Any


def main(options: Any) -> None:
    """Print a recipe as YAML, every default written out."""
    from convzoo.core.text import harmless
    from convzoo.recipe.recipe import load, to_yaml

    print(harmless(to_yaml(load(options.recipe, options.overrides), origins=options.origin)), end="")
