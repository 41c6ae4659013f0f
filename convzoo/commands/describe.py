"""`convzoo describe`: explains a network layer by layer."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convzoo.core.files import is_folder
from convzoo.core.text import harmless
from convzoo.experiment import assemble
from convzoo.inspect.describe import Breakdown, describe
from convzoo.recipe.assembly import build_reader
from convzoo.recipe.own_data import open_recipe
from convzoo.runs import first_part


def main(options: Any) -> None:
    """Print the layers of a network."""
    breakdown = describe_source(options.recipe, options.overrides, options.data, options.trust, options.accept_changes)
    if options.json:
        print(json.dumps(breakdown.as_dict(), indent=2))
    else:
        print_breakdown(breakdown)


def print_breakdown(breakdown: Breakdown) -> None:
    """Print a breakdown as a table."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 140)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(breakdown.columns[0], style="cyan", no_wrap=True)
    table.add_column(breakdown.columns[1], ratio=1)
    for name in breakdown.columns[2:]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in breakdown.rows():
        table.add_row(*map(harmless, row))
    console.print(harmless(f"input: {breakdown.inputs_in_words()}"))
    console.print(table)
    console.print(breakdown.size_in_words())
    console.print("`sees` is the receptive field: how much of the input one output depends on.")


def describe_source(
    source: str, overrides: Sequence[str], data: str | None, trust: bool = False, accept_changes: bool = False
) -> Breakdown:
    """The breakdown of a recipe's network, or of a run's."""
    if is_folder(Path(source)):
        run = first_part(source, trust, accept_changes)
        splits = build_reader(run.recipe).read()
        return describe(run.model, run.encoder.sample(splits.shown).inputs)
    experiment = assemble(open_recipe(source, overrides, data, trust))
    # The longest of some examples shows the shapes best.
    pieces = experiment.encoder.pieces(experiment.splits.train)
    items = [experiment.encoder.prepare(pieces[index]) for index in range(min(64, len(pieces)))]
    longest = max(items, key=lambda item: experiment.encoder.length(item) or 0)
    return describe(experiment.model, experiment.encoder.collate([longest]).inputs)
