"""Small functions on text that several rooms need: the nearest name, and lists, sizes and durations in words."""

import difflib
import json
import math
import re
from collections.abc import Iterable
from typing import Any

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal may obey instead of showing it: control characters but line feeds and tabs, and what turns the direction of
writing; and halves of characters, which no encoding can write."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that is most similar to `name`; None if none is similar."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return close[0]
    folded = {n.lower().replace("-", "_"): n for n in names}
    return folded.get(name.lower().replace("-", "_"))


def did_you_mean(name: str, names: Iterable[str], limit: int = 12) -> str:
    """The end of an error about an unknown name: the nearest one, and what is allowed."""
    names = sorted(names)
    near = nearest(name, names)
    shown = ", ".join(names[:limit]) + (f", … ({len(names)} in all)" if len(names) > limit else "")
    hint = f"did you mean {near!r}? " if near else ""
    return f"{hint}allowed: {shown or 'nothing'}"


def size_in_words(count: float) -> str:
    """1234567 bytes -> '1.2 MB'."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def duration_in_words(seconds: float) -> str:
    """75 -> '1 min 15 s'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def harmless(text: object) -> str:
    """A text of somebody's data for the terminal: what the terminal would obey is shown as an escape, `\\x1b`."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], str(text))


def json_line(value: Any, encoding: str | None = None) -> str:
    """A value as one line of JSON that reads as exactly this value again, and that a terminal only shows.

    Args:
        value: plain
        encoding: of the stream that it is written to; what this cannot write is escaped. None: UTF-8
    """
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def first_line(error: BaseException) -> str:
    """The first line of an error's message; the name of its type if the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def score_in_words(value: float) -> str:
    """A score as it is printed: `0.8123`, or `undefined` for NaN."""
    return "undefined" if math.isnan(value) else f"{value:.4f}"
