"""The command line: the commands and their options. Each command is a module in `commands/`, imported only when it is used."""

import argparse
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from convzoo.core.errors import ConvzooError, DataError, RecipeError
from convzoo.core.files import explain, is_folder, possible_names
from convzoo.core.stopping import EXIT_CODE, interrupted, loading
from convzoo.core.text import harmless

EPILOG = "exit codes: 0 done, 2 wrong use or recipe, 3 data, 4 training, 5 a check that failed"


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise RecipeError(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the terminal's encoding lacks is shown as an escape
            stream.reconfigure(errors="backslashreplace")
    try:
        options, extra = _parser().parse_known_args([word for word in arguments if word != "--debug"])
        # argparse adds nothing to a list that it has already filled, so in `run recipe --quiet train.lr=1` the override is left.
        rest = next((name for name in ("overrides", "inputs") if hasattr(options, name)), None)
        unknown = [word for word in extra if (word.startswith("-") and word != "-") or rest is None]
        if unknown:
            raise RecipeError(f"unknown argument {unknown[0]!r}; see `convzoo {options.command} --help`")
        if rest is not None:
            setattr(options, rest, [*getattr(options, rest), *extra])
        with possible_names(), nullcontext() if debug else _without_warnings():
            _check_recipe(options)
            with loading():
                command = import_module(f"convzoo.commands.{options.command.replace('-', '_')}")
            code = int(command.main(options) or 0)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
    except ConvzooError as error:
        if interrupted() and error.exit_code != EXIT_CODE:  # a library that could not be loaded, because of Ctrl-C
            raise KeyboardInterrupt from None
        if debug:
            raise
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("stopped")
        return 4
    except BrokenPipeError:  # the program that reads our output (such as `head`) has ended
        _write_no_more()
        return 0
    except OSError as error:  # those of files are caught where they are read and written
        if debug:
            raise
        _complain(f"{error.filename or 'standard output'}: {explain(error).partition(';')[0]}")
        _write_no_more()
        return DataError.exit_code
    except MemoryError:
        if debug:
            raise
        _complain("memory is full; set a smaller train.batch_size or train.cache_gigabytes")
        return 4


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep warnings of Python and of libraries from the terminal: they are for programmers, and `--debug` shows them.

    What matters for a result is said in a note. The filters stay as they are, so a warning that is to be an error is one.
    """
    quiet, last = logging.NullHandler(), logging.lastResort
    with warnings.catch_warnings(record=True):
        # What a library logs and nobody handles would go to the terminal, too.
        logging.lastResort = quiet  # type: ignore[assignment]
        try:
            yield
        finally:
            logging.lastResort = last


def _check_recipe(options: argparse.Namespace) -> None:
    """If the command takes a recipe, find its faults before torch is imported."""
    source = getattr(options, "recipe", None)
    if source is not None and not getattr(options, "resume", None) and not is_folder(Path(source)):
        from convzoo.recipe.recipe import load

        load(source, options.overrides if getattr(options, "data", None) is None else ())


def _write_no_more() -> None:
    """Standard output cannot take more; what is left in its buffer must not fail again at the end."""
    with suppress(OSError, ValueError):  # a test has no file there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str) -> None:
    for line in text.split("\n"):  # a text may hold other ends of lines, which are shown
        print(f"convzoo: {harmless(line)}", file=sys.stderr)


def _parser() -> _Parser:
    parser = _Parser(prog="convzoo", description="Convolution on every kind of data, with one trainer.", epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"convzoo {_version()}")
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error, and warnings of libraries"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".", epilog=EPILOG)
        return command

    def takes_recipe(command: argparse.ArgumentParser, optional: bool = False) -> None:
        command.add_argument(
            "recipe", nargs="?" if optional else None, help="a recipe file, or the name of a shipped recipe"
        )
        command.add_argument("overrides", nargs="*", help="dotted settings: train.lr=3e-4 model.kernel_sizes=[3,4,5]")

    def may_trust(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--trust", action="store_true",
            help="run code that a recipe or a run brought from elsewhere; it is asked once for each content",
        )  # fmt: skip

    def may_accept(command: argparse.ArgumentParser, what: str) -> None:
        command.add_argument("--accept-changes", action="store_true", help=f"go on although {what} since the run began")

    command = add("run", "train, score and explain a recipe")
    takes_recipe(command, optional=True)
    may_trust(command)
    may_accept(command, "the data or the run's files were changed")
    command.add_argument("--data", metavar="PATH", help="your own file or folder in place of the recipe's data")
    command.add_argument("--out", metavar="FOLDER", help="the run's folder (default: runs/<recipe>-<time>)")
    command.add_argument(
        "--resume",
        metavar="RUN",
        nargs="?",
        const=True,
        help="continue a run (default: the recipe's newest unfinished one)",
    )
    command.add_argument("--seeds", type=int, metavar="N", help="train N times, for a mean and a standard deviation")
    command.add_argument(
        "--folds", type=int, metavar="N",
        help="cross-validation: cut the data into N parts and test on each once, for a mean and a standard deviation",
    )  # fmt: skip
    command.add_argument("--quiet", action="store_true", help="print the table at the end only")
    command.add_argument("--require-expected", action="store_true", help="exit with 5 if a score is outside `expect`")

    command = add("list", "list the recipes")
    command.add_argument("--modality", help="only those of one modality: image, text, series, audio, graph, volume …")

    command = add("show", "print a recipe with every default")
    takes_recipe(command)
    command.add_argument("--origin", action="store_true", help="say which file, line or override set each value")

    command = add("check", "do everything except training: parts, data, one step, memory and time")
    takes_recipe(command)
    may_trust(command)
    command.add_argument("--data", metavar="PATH", help="your own file or folder in place of the recipe's data")
    command.add_argument("--folds", type=int, metavar="N", help="check a cross-validation with N parts, on the first")

    command = add(
        "verify-resume", "run a recipe straight, and killed again and again, and compare the ends bit for bit"
    )
    takes_recipe(command)
    may_trust(command)
    command.add_argument("--data", metavar="PATH", help="your own file or folder in place of the recipe's data")
    command.add_argument("--kills", type=int, default=3, metavar="N", help="how many times (default: 3)")
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the steps at which it is killed (default: 0)"
    )

    command = add("describe", "explain a network layer by layer")
    takes_recipe(command)
    may_trust(command)
    may_accept(command, "the run's files were changed")
    command.add_argument("--data", metavar="PATH", help="your own file or folder in place of the recipe's data")
    command.add_argument("--json", action="store_true", help="print JSON")

    def takes_device(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--device", metavar="NAME", default="auto",
            help="cpu, cuda, cuda:0, mps, or auto: a CUDA GPU where there is one, else the CPU (default: auto)",
        )  # fmt: skip

    command = add("evaluate", "score a run again, or on other data")
    command.add_argument("run", help="the folder of a run")
    may_trust(command)
    may_accept(command, "the data or the run's files were changed")
    command.add_argument(
        "overrides", nargs="*", help="with --data: how to read the data, data.label=state data.windows=null"
    )
    command.add_argument("--data", metavar="PATH", help="labelled data in place of the run's test split")
    command.add_argument("--json", action="store_true", help="print JSON")
    takes_device(command)

    command = add("predict", "predict from raw input")
    command.add_argument("run", help="the folder of a run")
    may_trust(command)
    may_accept(command, "the run's files were changed")
    command.add_argument("inputs", nargs="*", help="texts, files, folders, or - for lines on standard input")
    command.add_argument(
        "--nodes", "--user", "--users", "--pairs", "--links", "--community", dest="ids", nargs="+", action="extend",
        metavar="ID", default=[],
        help="ids of parts of the run's own data: nodes, users (all for all of them); pairs of nodes as ID,ID; nodes whose "
        "links are asked for",
    )  # fmt: skip
    command.add_argument(
        "--vectors", metavar="FILE", help="write the vectors of all users and items: a .csv, .jsonl or .parquet file"
    )
    command.add_argument(
        "--keep-known", action="store_true", help="recommend also what a user has already (recommendation)"
    )
    command.add_argument(
        "--top", "--n-best", type=int, metavar="N", help="give N answers to each input: classes, translations or items"
    )
    command.add_argument(
        "--series",
        metavar="NAME",
        help="the run's series that the stream continues, if each series has its own threshold",
    )
    command.add_argument(
        "--explain", action="store_true", help="say which words speak for the answer and which against it (texts)"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object per line")
    command.add_argument(
        "-o", "--out", metavar="PATH",
        help="write the predictions: a .csv or .jsonl file, or the files of the field (a mask, a folder of label files)",
    )  # fmt: skip

    takes_device(command)

    command = add("export", "write a model to ship, and check that it computes the same as the original")
    command.add_argument("run", help="the folder of a run")
    may_trust(command)
    may_accept(command, "the data or the run's files were changed")
    command.add_argument("--format", choices=("onnx", "torch"), default="onnx", help="onnx, or torch for torch.export")
    command.add_argument("--out", metavar="FILE", help="default: model.onnx or model.pt2 in the run's folder")

    command = add("data", "list, download or show data sets")
    command.add_argument("action", choices=("list", "get", "show"))
    command.add_argument("name", nargs="?", help="a data set")

    command = add("schema", "write the JSON Schema of recipes, for editors")
    command.add_argument("--out", metavar="FILE", help="default: standard output")

    add("doctor", "say what is installed, which devices there are, and what does not work and why")
    return parser


def _version() -> str:
    from convzoo.core.version import VERSION

    return VERSION
