"""Small pieces of HTML that notebooks show. They are escaped, need no other file, and take the colours of the page."""

from collections.abc import Sequence
from html import escape

_CELL = "padding: 0.2em 0.8em; border-bottom: 1px solid rgba(128, 128, 128, 0.35); vertical-align: top; "


def block(*parts: str) -> str:
    """Pieces of HTML, one below the other. The colours are those of the page, so that a dark page stays dark."""
    return f'<div style="color: inherit; background: transparent; line-height: 1.4">{"".join(parts)}</div>'


def line(text: str, code: bool = False) -> str:
    """A line of text, as it is or as code."""
    shown = f"<code>{escape(text)}</code>" if code else escape(text)
    return f'<div style="margin: 0.3em 0">{shown}</div>'


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = (), bold: Sequence[int] = ()
) -> str:
    """A table of text.

    Args:
        header: the names of the columns
        rows: the cells, as text; this function escapes them
        numbers: the columns that hold numbers; these are aligned to the right
        bold: the rows that are printed in bold
    """

    def cells(kind: str, row: Sequence[str], more: str = "") -> str:
        style = [
            _CELL + more + ("text-align: right" if at in numbers else "text-align: left") for at in range(len(row))
        ]
        return "".join(f'<{kind} style="{style[at]}">{escape(text)}</{kind}>' for at, text in enumerate(row))

    head = f"<tr>{cells('th', header, 'font-weight: bold; ')}</tr>"
    body = "".join(
        f"<tr>{cells('td', row, 'font-weight: bold; ' if number in bold else '')}</tr>"
        for number, row in enumerate(rows)
    )
    return (
        '<table style="border-collapse: collapse; color: inherit; background: transparent; margin: 0.3em 0">'
        f"<thead>{head}</thead><tbody>{body}</tbody></table>"
    )
