"""`convzoo run`: trains, scores and explains a recipe."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convzoo.core.errors import CheckError, RecipeError
from convzoo.core.files import is_folder
from convzoo.core.stopping import loading

if TYPE_CHECKING:
    from convzoo.runs import Run


def main(options: Any) -> int:
    """Train, score and explain a recipe, or resume a run."""
    resume = options.resume
    if resume and (options.overrides or "=" in (options.recipe or "")):
        raise RecipeError("--resume continues with the run's own recipe; leave the overrides out")
    for flag in ("seeds", "folds", "data", "out"):
        if resume and getattr(options, flag) is not None:
            raise RecipeError(f"--resume continues the run with its own settings; leave --{flag} out")
    if options.accept_changes and not resume:
        raise RecipeError(
            "--accept-changes: is for a run that goes on, --resume RUN; a new run takes everything as it is"
        )
    if isinstance(resume, str) and options.recipe is None and not is_folder(Path(resume)):
        raise RecipeError(f"{resume}: no such folder of a run")
    with loading():
        from convzoo import pipeline

    run = pipeline.run(
        options.recipe, options.overrides, data=options.data, out=options.out, resume=resume, seeds=options.seeds,
        folds=options.folds, live=sys.stderr.isatty() and not options.quiet, quiet=options.quiet, trust=options.trust,
        accept_changes=options.accept_changes,
    )  # fmt: skip
    if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", 0))) == 0:
        print_summary(run)
        if options.require_expected:
            require_expectation(run)
    return 0


def print_summary(run: "Run") -> None:
    """Print the scores beside those of the opponents, where the run is, and what to do next."""
    from rich.console import Console
    from rich.table import Table

    from convzoo import summary
    from convzoo.core.text import duration_in_words, harmless

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 130)
    rows = summary.rows(run.recipe, run.results)
    # As many scores as the terminal has room for, the main one at least.
    room = console.width - max(len(row.name) + len(row.kind) for row in rows) - 2
    shown = summary.columns(run.recipe, run.results, most=max(1, min(4, room // 25)))
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(harmless(run.about.get("recipe", "")), no_wrap=console.width >= 100)
    table.add_column("", no_wrap=True)
    for column in shown:
        table.add_column(harmless(column), justify="right", no_wrap=True)
    for row in rows:
        cells = [summary.written(row, column) for column in shown]
        table.add_row(harmless(row.name), row.kind, *cells, style="bold" if row.kind == "this network" else None)
    console.print()
    console.print(table)
    if summary.untested(run.results):
        console.print(summary.untested(run.results), soft_wrap=True)
    if run.spread:
        console.print(summary.repeated_in_words(run.results), soft_wrap=True)
    if summary.judgement(run.results):
        console.print(harmless(f"verdict: {summary.judgement(run.results)}"), soft_wrap=True)
    for name, reason in run.results.get("left_out", {}).items():
        console.print(harmless(f"opponent {name} is left out: {reason}"))
    if sampled := summary.sampled_in_words(run.results):
        console.print(harmless(sampled), soft_wrap=True)
    outside = summary.outside_expectation(run.recipe, run.scores)
    if run.recipe.expect:
        console.print(harmless(f"expected: {'; '.join(outside) if outside else 'inside'}"))
    took = duration_in_words(run.results["training_seconds"])
    console.print(f"trained in {took}; the run is in {harmless(run.path)}")
    sample = run.encoder.example.sample_input  # type: ignore[attr-defined]
    path = harmless(run.path)
    console.print(
        f"next: open {path}/report.html · convzoo predict {path} {sample} · convzoo describe {path} · convzoo export {path}",
        soft_wrap=True,
    )


def require_expectation(run: "Run") -> None:
    """Raise an error if a score of the run is outside its recipe's `expect`.

    Raises:
        CheckError: which score, and what was expected.
    """
    from convzoo import summary

    outside = summary.outside_expectation(run.recipe, run.scores)
    if outside:
        raise CheckError("; ".join(outside))
