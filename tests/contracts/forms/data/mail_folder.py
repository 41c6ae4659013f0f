"""E-mails in a folder a class, one of them copied."""

import shutil
from pathlib import Path
from typing import Any

from contracts import files


def form(folder: Path) -> dict[str, Any]:
    """Two classes, no split; every sender has written twice."""
    for at in range(40):
        label = ("spam", "ham")[at % 2]
        sender = at // 4 * 2 + at % 2
        text = [f"From: Name <a{sender}@example.org>", f"Subject: number {at}", "", f"a {label} text"]
        files.lines(folder / label / f"{at}.eml", text)
    shutil.copy(folder / "spam" / "0.eml", folder / "spam" / "copy.eml")
    return {"path": str(folder)}
