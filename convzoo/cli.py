"""The commands. Nothing here imports torch until a command needs it."""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from convzoo.core.errors import ConvzooError, DataError, RecipeError

if TYPE_CHECKING:
    from convzoo.inspect.describe import Breakdown
    from convzoo.runs import Run

EPILOG = "exit codes: 0 done, 2 wrong use or recipe, 3 data, 4 training, 5 a check that failed"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise RecipeError(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    try:
        options, extra = _parser().parse_known_args([word for word in arguments if word != "--debug"])
        # argparse gives what follows an option to no list that it has filled before: `run recipe --quiet train.lr=1`.
        rest = next((name for name in ("overrides", "inputs") if hasattr(options, name)), None)
        unknown = [word for word in extra if (word.startswith("-") and word != "-") or rest is None]
        if unknown:
            raise RecipeError(f"unknown argument {unknown[0]!r}; see `convzoo {options.command} --help`")
        if rest is not None:
            setattr(options, rest, [*getattr(options, rest), *extra])
        return int(options.act(options) or 0)
    except ConvzooError as error:
        if debug:
            raise
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("stopped")
        return 4
    except BrokenPipeError:  # the reader of our output, `head` perhaps, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        if debug:
            raise
        _complain("memory is full; set a smaller train.batch_size or train.cache_gigabytes")
        return 4


def _complain(text: str) -> None:
    for line in text.splitlines():
        print(f"convzoo: {line}", file=sys.stderr)


def _parser() -> _Parser:
    parser = _Parser(prog="convzoo", description="Convolution on every kind of data, with one trainer.", epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"convzoo {_version()}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, act: Callable[[Any], int | None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".", epilog=EPILOG)
        command.set_defaults(act=act)
        return command

    def takes_recipe(command: argparse.ArgumentParser, optional: bool = False) -> None:
        command.add_argument(
            "recipe", nargs="?" if optional else None, help="a recipe file, or the name of a shipped recipe"
        )
        command.add_argument("overrides", nargs="*", help="dotted settings: train.lr=3e-4 model.kernel_sizes=[3,4,5]")

    command = add("run", _run, "train, score and explain a recipe")
    takes_recipe(command, optional=True)
    command.add_argument("--data", metavar="PATH", help="your own file or folder in place of the recipe's data")
    command.add_argument("--out", metavar="FOLDER", help="the run's folder (default: runs/<recipe>-<time>)")
    command.add_argument(
        "--resume",
        metavar="RUN",
        nargs="?",
        const=True,
        help="go on with a run (default: the recipe's newest unfinished)",
    )
    command.add_argument("--seeds", type=int, metavar="N", help="train N times, for a mean and a standard deviation")
    command.add_argument("--quiet", action="store_true", help="print the table at the end only")
    command.add_argument(
        "--require-expected", action="store_true", help="exit with 5 where a score is outside `expect`"
    )

    command = add("list", _list, "list the recipes")
    command.add_argument("--modality", help="only those of one modality: image, text, series, audio, graph, volume …")

    command = add("show", _show, "print a recipe with every default")
    takes_recipe(command)
    command.add_argument("--origin", action="store_true", help="say which file, line or override set each value")

    command = add("check", _check, "do everything short of training: parts, data, one step, memory and time")
    takes_recipe(command)
    command.add_argument("--data", metavar="PATH", help="your own file or folder in place of the recipe's data")

    command = add("describe", _describe, "explain a network layer by layer")
    takes_recipe(command)
    command.add_argument("--data", metavar="PATH", help="your own file or folder in place of the recipe's data")
    command.add_argument("--json", action="store_true", help="print JSON")

    command = add("evaluate", _evaluate, "score a run again, or on other data")
    command.add_argument("run", help="the folder of a run")
    command.add_argument(
        "overrides", nargs="*", help="with --data: how they are read, data.label=state data.windows=null"
    )
    command.add_argument("--data", metavar="PATH", help="labelled data in place of the run's test split")
    command.add_argument("--json", action="store_true", help="print JSON")

    command = add("predict", _predict, "predict from raw input")
    command.add_argument("run", help="the folder of a run")
    command.add_argument("inputs", nargs="*", help="texts, files, folders, or - for lines on standard input")
    command.add_argument(
        "--nodes", "--user", "--users", dest="ids", nargs="+", metavar="ID", default=[],
        help="ids, where the inputs are parts of the run's own data",
    )  # fmt: skip
    command.add_argument("--top", "--n-best", type=int, metavar="N", help="that many answers to each input")
    command.add_argument(
        "--series", metavar="NAME", help="the run's series that a stream goes on with, where each has its own threshold"
    )
    command.add_argument("--json", action="store_true", help="print a JSON object a line")
    command.add_argument(
        "-o", "--out", metavar="PATH",
        help="write the predictions: a .csv or .jsonl file, or the files of the field (a mask, a folder of label files)",
    )  # fmt: skip

    command = add("export", _export, "write a model to ship, and check that it computes the same")
    command.add_argument("run", help="the folder of a run")
    command.add_argument("--format", choices=("onnx", "torch"), default="onnx", help="onnx, or torch for torch.export")
    command.add_argument("--out", metavar="FILE", help="default: model.onnx or model.pt2 in the run's folder")

    command = add("data", _data, "list, fetch or show data sets")
    command.add_argument("action", choices=("list", "get", "show"))
    command.add_argument("name", nargs="?", help="a data set")

    command = add("schema", _schema, "write the JSON Schema of recipes, for editors")
    command.add_argument("--out", metavar="FILE", help="default: standard output")

    add("doctor", _doctor, "say what is installed, which devices there are, and what does not work and why")
    return parser


def _version() -> str:
    from convzoo.core.version import VERSION

    return VERSION


def _run(options: Any) -> int:
    resume = options.resume
    if resume and (options.overrides or "=" in (options.recipe or "")):
        raise RecipeError("--resume goes on with the recipe as it was; leave the overrides out")
    for flag in ("seeds", "data", "out"):
        if resume and getattr(options, flag) is not None:
            raise RecipeError(f"--resume goes on with the run as it was; leave --{flag} out")
    if isinstance(resume, str) and options.recipe is None and not Path(resume).is_dir():
        raise RecipeError(f"{resume}: no such folder of a run")
    if options.recipe is not None and not resume:
        _check_recipe(options)
    from convzoo import experiment

    run = experiment.run(
        options.recipe, options.overrides, data=options.data, out=options.out, resume=resume, seeds=options.seeds,
        live=sys.stderr.isatty() and not options.quiet, quiet=options.quiet,
    )  # fmt: skip
    if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", 0))) == 0:
        _print_summary(run)
        if options.require_expected:
            experiment.require_expectation(run)
    return 0


def _check_recipe(options: Any) -> None:
    """Find a recipe's faults before torch is imported."""
    from convzoo.recipe.recipe import load

    load(options.recipe, options.overrides if options.data is None else ())


def _print_summary(run: "Run") -> None:
    from rich.console import Console
    from rich.table import Table

    from convzoo import summary
    from convzoo.core.text import duration_in_words

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 130)
    rows = summary.rows(run.recipe, run.results)
    # As many scores as the terminal has room for, the main one at least.
    room = console.width - max(len(row.name) + len(row.kind) for row in rows) - 2
    shown = summary.columns(run.recipe, run.results, most=max(1, min(4, room // 21)))
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(str(run.about.get("recipe", "")), no_wrap=console.width >= 100)
    table.add_column("", no_wrap=True)
    for column in shown:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        cells = [summary.written(row, column) for column in shown]
        table.add_row(row.name, row.kind, *cells, style="bold" if row.kind == "this network" else None)
    console.print()
    console.print(table)
    outside = summary.outside_expectation(run.recipe, run.scores)
    if run.recipe.expect:
        console.print(f"expected: {'; '.join(outside) if outside else 'inside'}")
    console.print(f"trained in {duration_in_words(run.results['training_seconds'])}; the run is in {run.path}")
    sample = run.encoder.example.sample_input  # type: ignore[attr-defined]
    console.print(
        f"next: open {run.path}/report.html · convzoo predict {run.path} {sample} · convzoo describe {run.path} · "
        f"convzoo export {run.path}",
        soft_wrap=True,
    )


def _list(options: Any) -> None:
    from convzoo.core.text import did_you_mean
    from convzoo.recipe.recipe import MODALITIES, headline, present_modality, shipped_recipes

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


def _show(options: Any) -> None:
    from convzoo.recipe.recipe import load, to_yaml

    print(to_yaml(load(options.recipe, options.overrides), origins=options.origin), end="")


def _check(options: Any) -> None:
    _check_recipe(options)
    from convzoo.commands.check import check

    for line in check(options.recipe, options.overrides, options.data):
        print(line, flush=True)


def _describe(options: Any) -> None:
    if not Path(options.recipe).is_dir():
        _check_recipe(options)
    from convzoo.commands.check import describe_source

    breakdown = describe_source(options.recipe, options.overrides, options.data)
    if options.json:
        print(json.dumps(breakdown.as_dict(), indent=2))
    else:
        _print_breakdown(breakdown)


def _print_breakdown(breakdown: "Breakdown") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(breakdown.columns[0], style="cyan", no_wrap=True)
    table.add_column(breakdown.columns[1], ratio=1)
    for name in breakdown.columns[2:]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in breakdown.rows():
        table.add_row(*row)
    console.print(f"input: {breakdown.inputs_in_words()}")
    console.print(table)
    console.print(breakdown.size_in_words())
    console.print("`sees` is the receptive field: how much of the input one output depends on.")


def _evaluate(options: Any) -> None:
    from convzoo.commands.check import evaluate

    scores = evaluate(options.run, options.data, options.overrides)
    if options.json:
        print(json.dumps(scores, indent=2))
        return
    width = max(map(len, scores))
    for name, value in scores.items():
        print(f"{name:<{width}}  {value:.4f}")


def _predict(options: Any) -> None:
    from convzoo.runs import Run, shown_of, without_arrays

    if not options.inputs and not options.ids:
        raise RecipeError("name what to predict: texts, files, folders, ids, or - for standard input")
    run = Run.load(options.run)
    if options.top is not None:
        if options.top < 1:
            raise RecipeError(f"--top: should be at least 1, not {options.top}")
        run.task.answers(options.top)
    if options.series is not None and not (options.inputs == ["-"] and run.task.follows):
        raise RecipeError(
            "--series: names what a stream on standard input goes on with: convzoo predict RUN - --series NAME"
        )
    if options.out is not None and options.inputs == ["-"] and run.task.follows:
        raise RecipeError("--out: a stream is printed as it comes; send it to a file with >")
    if options.inputs == ["-"] and run.task.follows:
        try:
            for prediction in run.follow(sys.stdin, options.series or ""):
                if options.json:
                    print(json.dumps(prediction, ensure_ascii=False), flush=True)
                elif words := run.task.in_words(prediction, ""):
                    print(words, flush=True)
        except UnicodeDecodeError as error:
            raise DataError(f"standard input: is not UTF-8 text (byte {error.start})") from None
        return
    examples: list[Any] = []
    for word in [*options.inputs, *options.ids]:
        examples += run.encoder.from_lines(_standard_input()) if word == "-" else run.examples([word])
    if not examples:
        raise RecipeError("nothing to predict: standard input is empty")
    predictions = run.predict(examples)
    written = [] if options.out is None else run.write(options.out, examples, predictions)
    for path in written:
        print(f"wrote {path}", file=sys.stderr if options.json else sys.stdout)
    for example, prediction in zip(examples, predictions, strict=True):
        shown = shown_of(example)
        if options.json:
            print(json.dumps({"input": shown, **without_arrays(prediction)}, ensure_ascii=False))
        else:
            print(run.task.in_words(prediction, shown))


def _standard_input() -> list[str]:
    try:
        lines = sys.stdin.read().split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"standard input: is not UTF-8 text (byte {error.start})") from None
    while lines and not lines[-1].strip():  # blank lines between others stay, so that line n's prediction is row n
        lines.pop()
    return lines


def _export(options: Any) -> None:
    from convzoo.commands.export import export

    for line in export(options.run, options.format, options.out):
        print(line)


def _data(options: Any) -> None:
    from convzoo.core.text import size_in_words
    from convzoo.datasets.cards import list_cards, load_card

    if options.action == "list":
        cards = [load_card(name) for name in list_cards()]
        width = max(len(card.name) for card in cards)
        for card in cards:
            size = sum(entry.bytes or 0 for entry in card.entries)
            print(f"{card.name:<{width}}  {card.modality:<8}  {size_in_words(size):>9}  {card.title}")
        return
    if options.name is None:
        raise RecipeError(f"convzoo data {options.action} NAME: name a data set; `convzoo data list` shows them")
    card = load_card(options.name)
    if options.action == "get":
        from convzoo.datasets.download import fetch

        fetched = fetch(card.name)
        print(f"{card.name}: {len(fetched.files)} files, checked, in {fetched.folder}")
        return
    for key, value in card.model_dump(exclude_none=True).items():
        if key not in ("files", "folders") and value not in ("", None):
            print(f"{key}: {value}")
    for file in card.files:
        print(f"file: {file.name}  {size_in_words(file.bytes or 0)}  sha256 {file.sha256}")
        for source in file.sources:
            print(f"      {source.address}{'  (address not tried)' if source.unverified else ''}")
    for folder in card.folders:
        content = f"{folder.files:,} files, {size_in_words(folder.bytes)}"
        print(f"folder: {folder.name}  {content}  sha256 of the list {folder.sha256}")
        for archive in folder.sources:
            print(f"      {archive.address}{'  (address not tried)' if archive.unverified else ''}")


def _schema(options: Any) -> None:
    from convzoo.recipe.schema import recipe_schema

    text = json.dumps(recipe_schema(), indent=1, ensure_ascii=False) + "\n"
    if options.out:
        from convzoo.core.files import write_text

        write_text(options.out, text)
    else:
        print(text, end="")


def _doctor(options: Any) -> None:
    from convzoo.commands.doctor import report

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line in report():
            print(line)
