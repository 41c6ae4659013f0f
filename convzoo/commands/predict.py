"""`convzoo predict`: predicts from raw input."""

import codecs
import io
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from convzoo.core.errors import DataError, RecipeError
from convzoo.core.files import is_file
from convzoo.core.inputs import Given, joined
from convzoo.core.splits import SHOWN, Skipped
from convzoo.core.tables import write_rows
from convzoo.core.text import first_line, harmless, json_line
from convzoo.recipe.yaml_files import parse_value
from convzoo.runs import Run, first_part, input_of, refuse_overwriting, shown_of, without_arrays
from convzoo.written import Written

_SETTING = re.compile(r"data\.\w+=")

FOR, AGAINST, UNDERLINED, PLAIN = "\x1b[34m", "\x1b[35m", "\x1b[1;4m", "\x1b[0m"
COLOURS = tuple(f"\x1b[{number}m" for number in (32, 33, 34, 35, 36))
WEAK, STRONG = 0.05, 0.5
"""Words whose weight is at most this part of the largest are not coloured; from the second on they are underlined."""


def main(options: Any) -> int:
    """Predict from raw input, and print or write the predictions. 3 where an input could not be read."""
    if not options.inputs and not options.ids and options.vectors is None:
        raise RecipeError("name what to predict: texts, files, folders, ids, or - for standard input")
    run = first_part(options.run, options.trust, options.accept_changes)
    if settings := _settings(options):
        run.encoder.read_with(settings)
    if options.top is not None:
        if options.top < 1:
            raise RecipeError(f"--top: should be at least 1, not {options.top}")
        run.task.answers(options.top)
    held = run.encoder.holds(_head()) if "-" in options.inputs else "lines"
    # A stream of sound is bytes; where lines name sounds, they are predicted one by one.
    follows = options.inputs == ["-"] and run.task.follows and held == run.encoder.streams
    if options.series is not None and not follows:
        raise RecipeError(
            "--series: is for a stream on standard input, and names the series that it continues: "
            "convzoo predict RUN - --series NAME"
        )
    if options.ids and not run.encoder.takes_ids:
        raise RecipeError(
            "--nodes and --user: are for graphs and recommendation, whose nodes and users have ids; name the inputs without them"
        )
    if options.keep_known:
        run.encoder.keep_known()
    if options.vectors is not None:
        _write_vectors(run, Path(options.vectors))
        if not options.inputs and not options.ids:
            return 0
    if options.explain:
        run.check_explains("--explain")
    if options.out is not None and follows:
        raise RecipeError("--out: predictions of a stream are printed line by line; write them to a file with >")
    if follows:
        if options.device not in ("auto", "cpu"):
            raise RecipeError("--device: a stream is followed row by row on the CPU; leave --device out")
        return _follow(run, options.series or "", options.json)
    if options.out is not None:
        refuse_overwriting([options.out], options.inputs)
        Written(run.path).refuse(Path(options.out), "--out")
    found = _examples(run, [*options.inputs, *options.ids], held == "file")
    if not found:
        empty = "standard input is empty" if "-" in options.inputs else f"{options.inputs[0]} holds nothing"
        raise RecipeError(f"nothing to predict: {empty}")
    _say_taken(found)
    predictions = _predictions(run, found, options.device, options.explain)
    left_out = _left_out(found, predictions)
    if any("damaged" not in prediction for prediction in predictions):
        table = options.out is not None and Path(options.out).suffix.lower() in (".csv", ".jsonl", ".parquet")
        if options.out is not None:
            if table:
                _say_renamed(found, predictions)
            _say_written(run.write(options.out, found, predictions), predictions, options.json, table)
        if not table:
            _print(run, found, predictions, options.json, options.explain and _takes_colours())
    return _complain(left_out)


def _settings(options: Any) -> dict[str, Any]:
    """How the inputs are read, if otherwise than the run's data: the words `data.missing=forward`, which are taken out."""
    words = [word for word in options.inputs if _SETTING.match(word) and not is_file(Path(word))]
    options.inputs = [word for word in options.inputs if word not in words]
    found = {}
    for word in words:
        name, _, text = word.removeprefix("data.").partition("=")
        try:
            found[name] = parse_value(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise RecipeError(f"{word}: is not valid YAML ({first_line(error)})") from None
    if words and not options.inputs and not options.ids:
        raise RecipeError("name what to predict: texts, files, folders, ids, or - for standard input")
    return found


def _write_vectors(run: Run, path: Path) -> None:
    """Write what the model learnt of each user and item, and say how many there are."""
    own = Written(run.path)
    own.refuse(path, "--vectors")
    rows = run.encoder.learnt_vectors(run.model)
    write_rows(path, rows, "--vectors")
    own.add([path])
    print(harmless(f"wrote {path}: {len(rows):,} vectors"), file=sys.stderr)


def _say_taken(found: Sequence[Given]) -> None:
    """Of each table, which column is predicted from."""
    tables = {one.table.path: one.table for one in found if one.table is not None}
    for table in tables.values():
        print(harmless(f"{table.path}: {table.taken}"), file=sys.stderr)


def _say_renamed(found: Sequence[Given], predictions: Sequence[Mapping[str, Any]]) -> None:
    """The predicted columns whose names the tables have already."""
    _, renamed = joined(found, predictions, input_of)
    if renamed:
        names = ", ".join(f"{name!r} is written as {other!r}" for name, other in renamed.items())
        print(harmless(f"the table has these columns already, so the predicted {names}"), file=sys.stderr)


def _follow(run: Run, series: str, as_json: bool) -> int:
    """Predict a stream row by row. Of rows that cannot be read, the first are said at once."""
    count = 0

    def refused(error: DataError) -> None:
        nonlocal count
        count += 1
        if count <= SHOWN:
            print(f"convzoo: {harmless(error)}", file=sys.stderr, flush=True)

    def lines() -> Iterator[str]:
        for line in _standard_input():
            if isinstance(line, DataError):
                refused(line)
                line = ""
            yield line

    source = lines() if run.encoder.streams == "lines" else _chunks()
    for prediction in run.follow(source, series, refused):
        if as_json:
            print(json_line(prediction, sys.stdout.encoding), flush=True)
        elif words := run.task.in_words(prediction, ""):
            print(harmless(words), flush=True)
    if count > SHOWN:
        print(f"convzoo: … and {count - SHOWN:,} more", file=sys.stderr)
    return DataError.exit_code if count else 0


def _examples(run: Run, words: Sequence[str], content: bool = False) -> list[Given]:
    """The inputs, with the row of standard input or of a table; the error of one that cannot be read.

    Args:
        run: that predicts
        words: paths, texts, ids, or `-`
        content: whether standard input is the content of one file
    """
    found: list[Given] = []
    for word in words:
        if word != "-":
            found += run.given([word])
            continue
        if content:
            try:
                found += map(Given, run.encoder.from_content(sys.stdin.buffer.read()))
            except DataError as error:
                found.append(Given(error))
            continue
        lines = list(_standard_input())
        # Blank lines between others stay, so that row n is the prediction of line n.
        while lines and isinstance(lines[-1], str) and not lines[-1].strip():
            lines.pop()
        for number, line in enumerate(lines, 1):
            try:
                if isinstance(line, DataError):
                    raise line
                found += [Given(example, number) for example in run.encoder.from_lines([line])]
            except DataError as error:
                found.append(Given(DataError(_at_row(number, str(error))), number))
    return found


def _predictions(run: Run, found: Sequence[Given], device: str, explain: bool) -> list[dict[str, Any]]:
    """A prediction for each input, with its explanation if asked for; `{"damaged": reason}` for one that cannot be read."""
    predictions = (run.explain if explain else run.predict)(found, damaged="skip", device=device)
    return [
        {"damaged": _at_row(one.row, prediction["damaged"])}
        if "damaged" in prediction and one.row is not None and one.table is None
        else prediction
        for one, prediction in zip(found, predictions, strict=True)
    ]


def _at_row(row: int, reason: str) -> str:
    place = f"standard input:{row}: "
    return place + reason.removeprefix(place)


def _left_out(found: Sequence[Given], predictions: Sequence[Mapping[str, Any]]) -> Skipped:
    """What could not be read: inputs, and rows of tables that the run leaves out."""
    reasons: dict[str, str] = {}
    for one, prediction in zip(found, predictions, strict=True):
        if "damaged" in prediction:
            place, _, reason = prediction["damaged"].partition(": ")
            reasons.setdefault(place, reason)
        reasons |= getattr(one.example, "skipped", Skipped()).reasons
    return Skipped(reasons, len(found), "inputs")


def _complain(left_out: Skipped) -> int:
    for line in left_out.lines():
        print(f"convzoo: {harmless(line)}", file=sys.stderr)
    return DataError.exit_code if left_out.reasons else 0


def _print(
    run: Run, found: Sequence[Given], predictions: Sequence[Mapping[str, Any]], as_json: bool, coloured: bool
) -> None:
    if coloured and not as_json:
        sides = zip((FOR, AGAINST), run.task.sides, strict=True)
        print("; ".join(f"{colour}word{PLAIN} {side}" for colour, side in sides) + "; the strongest are underlined")
    several = len({one.table.path if one.table is not None else None for one in found}) > 1
    for one, prediction in zip(found, predictions, strict=True):
        if "damaged" in prediction:
            if one.row is not None and not as_json:
                print()  # line n of the output stays that of line n of the input
            continue
        if as_json:
            place = {"file": str(one.table.path)} if several and one.table is not None else {}
            number = {} if one.row is None else {"row": one.row}
            line = {**place, **number, "input": input_of(one.example), **without_arrays(prediction)}
            print(json_line(line, sys.stdout.encoding))
            continue
        plain = {key: value for key, value in prediction.items() if key != "explanation"}
        if (marks := run.task.marks(plain)) and _takes_colours():
            print(_marked(shown_of(one.example), marks))
            continue
        if not coloured:
            print(harmless(run.task.in_words(plain, shown_of(one.example))))
            for answer, words in _explanations(prediction):
                print(harmless(f"  {answer}{_weights_in_words(words, run.task.sides)}"))
            continue
        said = harmless(run.task.in_words(plain, "")).rstrip()
        for number_of, (answer, words) in enumerate(_explanations(prediction)):
            print(f"{'' if number_of else said}  {harmless(answer)}{_coloured(one.example.text, words)}")


def _explanations(prediction: Mapping[str, Any]) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
    """What introduces each explained answer, and its words: of several labels at once the name of each."""
    found = prediction.get("explanation", {})
    return [(f"{answer}: ", words) for answer, words in found.items()] if isinstance(found, dict) else [("", found)]


def _weights_in_words(words: Sequence[Mapping[str, Any]], sides: tuple[str, str]) -> str:
    """`speaks for it: good +0.12, fine +0.05; speaks against it: but -0.01`: the strongest words."""
    strongest = sorted(words, key=lambda word: -abs(word["weight"]))[:SHOWN]
    parts = []
    for side, sign in zip(sides, (1, -1), strict=True):
        chosen = [f"{word['text']} {word['weight']:+.3g}" for word in strongest if word["weight"] * sign > 0]
        parts += [f"{side}: {', '.join(chosen)}"] if chosen else []
    return "; ".join(parts) or "no word changes the answer"


def _coloured(text: str, words: Sequence[Mapping[str, Any]]) -> str:
    """A text for the terminal, whose words have a colour for their side; the strongest are underlined, the weak ones plain."""
    top = max((abs(word["weight"]) for word in words), default=0.0)
    shown, end = "", 0
    for word in words:
        part = abs(word["weight"]) / top if top else 0.0
        colour = (FOR if word["weight"] > 0 else AGAINST) + (UNDERLINED if part >= STRONG else "")
        inside = harmless(word["text"])
        shown += harmless(text[end : word["start"]]) + (f"{colour}{inside}{PLAIN}" if part > WEAK else inside)
        end = word["end"]
    return shown + harmless(text[end:])


def _marked(text: str, marks: Sequence[Mapping[str, Any]]) -> str:
    """A text for the terminal: each marked part underlined, in a colour of its label, with the label behind it."""
    shown, end = "", 0
    for mark in marks:
        colour = COLOURS[sum(mark["label"].encode()) % len(COLOURS)]
        inside = harmless(text[mark["start"] : mark["end"]])
        label = f"{colour}{harmless(mark['label'])}{PLAIN}"
        shown += f"{harmless(text[end : mark['start']])}{colour}{UNDERLINED}{inside}{PLAIN} {label}"
        end = mark["end"]
    return shown + harmless(text[end:])


def _takes_colours() -> bool:
    """Whether standard output is a terminal whose user wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _say_written(paths: Sequence[Path], predictions: Sequence[Mapping[str, Any]], as_json: bool, table: bool) -> None:
    """The files that were written; for a table also how many predictions it holds, and how many of each class."""
    if not table or len(paths) > 1:
        for path in paths:
            print(f"wrote {harmless(path)}", file=sys.stderr if as_json else sys.stdout)
        return
    predictions = [prediction for prediction in predictions if "damaged" not in prediction]
    classes = Counter(str(prediction["label"]) for prediction in predictions if "label" in prediction)
    (path,) = paths
    if as_json:
        written = {"predictions": len(predictions), "file": str(path), "classes": dict(classes.most_common())}
        print(json_line(written, sys.stdout.encoding))
        return
    number = "1 prediction" if len(predictions) == 1 else f"{len(predictions):,} predictions"
    counts = ", ".join(f"{name} {count:,}" for name, count in classes.most_common(SHOWN))
    more = f", … ({len(classes)} classes in all)" if len(classes) > SHOWN else ""
    print(harmless(f"wrote {path}: {number}" + (f" ({counts}{more})" if counts else "")))


def _head() -> bytes:
    """The first bytes of standard input, which stay there."""
    peek = getattr(getattr(sys.stdin, "buffer", None), "peek", None)
    return peek(1) if peek is not None else b""


def _chunks() -> Iterator[bytes]:
    """The bytes of standard input, as they arrive."""
    read = sys.stdin.buffer.read1  # type: ignore[union-attr]
    while content := read(1 << 16):
        yield content


def _standard_input() -> Iterator[str | DataError]:
    """The lines of standard input, as they arrive; for one that is not UTF-8 text the error. UTF-16 is known by its mark."""
    stream = getattr(sys.stdin, "buffer", sys.stdin)
    if hasattr(stream, "peek") and stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        stream = io.TextIOWrapper(stream, encoding="utf-16")
    for number, line in enumerate(stream, 1):
        if isinstance(line, str):
            yield line.removesuffix("\n").removesuffix("\r")
            continue
        try:
            yield line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            yield DataError(f"standard input:{number}: is not UTF-8 text (byte {byte:#04x} at {error.start})")
