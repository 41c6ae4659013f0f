"""Messages of the SMS Spam Collection."""

from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """The file, with quotation marks that are text."""
    words = ("claim the prize now", 'see you "soon"')
    names = ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op", "qr", "st", "uv", "wx", "yz"]
    rows = [f"{('spam', 'ham')[at % 2]}\t{words[at % 2]} {names[at % 13]} {names[at // 13]} {at}" for at in range(80)]
    files.lines(folder / "SMSSpamCollection", rows)
    return {"path": str(folder)}
