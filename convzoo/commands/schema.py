"""`convzoo schema`: the JSON Schema of recipes, for editors."""

import json
from pathlib import Path
from typing import Any

from convzoo.core.errors import RecipeError
from convzoo.core.files import is_file, write_text
from convzoo.recipe.schema import recipe_schema


def main(options: Any) -> None:
    """Write the schema to a file or to standard output."""
    text = json.dumps(recipe_schema(), indent=1, ensure_ascii=False) + "\n"
    if options.out:
        _refuse_other(Path(options.out))
        write_text(options.out, text)
    else:
        print(text, end="")


def _refuse_other(path: Path) -> None:
    """
    Raises:
        RecipeError: there is such a file, and it is no schema of recipes.
    """
    if not is_file(path):
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("title") != recipe_schema()["title"]:
        raise RecipeError(f"--out: {path}: exists and is no schema of recipes; choose another name, or delete it")
