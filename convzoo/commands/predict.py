"""`convzoo predict`: predicts from raw input."""

import json
import sys
from typing import Any

from convzoo.core.errors import DataError, RecipeError
from convzoo.runs import Run, shown_of, without_arrays


def main(options: Any) -> None:
    """Predict from raw input, and print or write the predictions."""
    if not options.inputs and not options.ids:
        raise RecipeError("name what to predict: texts, files, folders, ids, or - for standard input")
    run = Run.load(options.run)
    if options.top is not None:
        if options.top < 1:
            raise RecipeError(f"--top: should be at least 1, not {options.top}")
        run.task.answers(options.top)
    if options.series is not None and not (options.inputs == ["-"] and run.task.follows):
        raise RecipeError(
            "--series: is for a stream on standard input, and names the series that it continues: "
            "convzoo predict RUN - --series NAME"
        )
    if options.out is not None and options.inputs == ["-"] and run.task.follows:
        raise RecipeError("--out: predictions of a stream are printed line by line; write them to a file with >")
    if options.inputs == ["-"] and run.task.follows:
        if options.device not in ("auto", "cpu"):
            raise RecipeError("--device: a stream is followed row by row on the CPU; leave --device out")
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
    predictions = run.predict(examples, device=options.device)
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
    while lines and not lines[-1].strip():  # blank lines between others stay, so that row n is the prediction of line n
        lines.pop()
    return lines
