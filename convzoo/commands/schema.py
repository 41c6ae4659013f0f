"""`convzoo schema`: the JSON Schema of recipes, for editors."""

import json
from typing import Any

from convzoo.core.files import write_text
from convzoo.recipe.schema import recipe_schema


def main(options: Any) -> None:
    """Write the schema to a file or to standard output."""
    text = json.dumps(recipe_schema(), indent=1, ensure_ascii=False) + "\n"
    if options.out:
        write_text(options.out, text)
    else:
        print(text, end="")
