"""`convzoo list`: lists the recipes."""

from typing import Any

from convzoo.core.errors import RecipeError
from convzoo.core.text import did_you_mean
from convzoo.recipe.recipe import headline, shipped_recipes
from convzoo.recipe.registry import MODALITIES
from convzoo.recipe.renamed import present_modality


def main(options: Any) -> None:
    """Print the recipes, one a line."""
    wanted = present_modality(options.modality)
    if wanted is not None and wanted not in MODALITIES:
        raise RecipeError(f"--modality: no modality {wanted!r}; {did_you_mean(wanted, MODALITIES)}")
    rows = []
    for name, path in shipped_recipes().items():
        about, modality = headline(path)
        if wanted in (None, modality):
            rows.append((name, modality, about))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for name, modality, about in rows:
        print(f"{name:<{widths[0]}}  {modality:<{widths[1]}}  {about}")
