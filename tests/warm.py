"""A process that has imported what is slow to import, and forks others from itself, which begin at once.

Orders come as a line of JSON on standard input, a list of processes that run together; a line with their exit codes goes back.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO


def ask(orders: TextIO, answers: TextIO, processes: Sequence[dict]) -> list[int]:
    """Have processes run together; their exit codes.

    Args:
        orders: where orders are written
        answers: where exit codes are read
        processes: of each the `words` of its command after `python`, `folder`, more `environment`, the file for its `output`
    """
    print(json.dumps(processes), file=orders, flush=True)
    return json.loads(answers.readline())


def serve(orders: TextIO, answers: TextIO) -> None:
    """Fork what is asked for, until there are no more orders."""
    for line in orders:
        numbers = [fork(order) for order in json.loads(line)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in numbers]
        print(json.dumps(codes), file=answers, flush=True)


def fork(order: dict) -> int:
    """Start what `python -m MODULE …` or `python SCRIPT …` would."""
    sys.stdout.flush()
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        signal.alarm(order.get("seconds", 240))
        with open(order["output"], "w") as output, open(order["output"] + ".errors", "w") as errors:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(order.get("folder", "."))
        os.environ.update(order.get("environment", {}))
        code = run(order["words"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(words: list[str]) -> int:
    """Run a module or a benchmark as the main program; the code it exits with."""
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            if "--worker" not in words:
                fork_workers()
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    return 0


def fork_workers() -> None:
    """Let a benchmark fork its workers, too: from a process beside it, since one that has trained must not fork."""
    import common

    (orders, to), (answers, back) = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(to)
        with open(orders) as asked, open(back, "w") as answered:
            serve(asked, answered)
        os._exit(0)
    os.close(orders)
    os.close(back)
    asked, answered = os.fdopen(to, "w"), os.fdopen(answers)

    def last_line(command: Sequence[str | Path], threads: int) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "output"
            words = [str(word) for word in command[1:]]
            (code,) = ask(asked, answered, [{"words": words, "output": str(output)}])
            if code:
                sys.exit(f"{words} ended with {code}:\n{Path(f'{output}.errors').read_text()}")
            return json.loads(output.read_text().splitlines()[-1])

    common.last_line = last_line


if __name__ == "__main__":
    # What most runs import: torch._dynamo comes with the first optimizer. Without an extra its recipes do not run either.
    heavy = ("torch._dynamo", "sklearn.ensemble", "sklearn.linear_model", "sklearn.svm", "monai.inferers",
             "monai.networks.nets", "torch_geometric.nn")  # fmt: skip
    for name in ("convzoo.cli", "convzoo.pipeline", *heavy):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    serve(sys.stdin, sys.stdout)
