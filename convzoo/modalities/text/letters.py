"""E-mails as text."""

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

from convzoo.core.errors import DataError
from convzoo.reading.lines import encoding_of, read_bytes

SUFFIXES = (".eml", ".txt")
"""Of messages in a file each: e-mails with their headers, and plain text."""
_FIRST_ID = re.compile(r"<[^<>\s]+>")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is read of an e-mail.

    Attributes:
        text: its subject and its body, without markup and attachments
        sender: its address in lower case; empty if unknown
        thread: the id of the first message of its thread; empty if it answers none
    """

    text: str
    sender: str = ""
    thread: str = ""


def read_letter(path: Path) -> Letter:
    """An e-mail (`.eml`), or a file of plain text.

    Raises:
        DataError: the file cannot be read, or holds zero bytes, which no text has.
    """
    content = read_bytes(path)
    if path.suffix.lower() == ".txt":
        return Letter(_decoded(path, content))
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    if not message.keys():
        raise DataError(f"{path}: has no headers of an e-mail; name a file of plain text .txt")
    body = " ".join(_body(part) for part in _text_parts(message))
    subject = _header(message, "subject")
    ids = _FIRST_ID.findall(f"{_header(message, 'references')} {_header(message, 'in-reply-to')}")
    sender = parseaddr(_header(message, "from"))[1].lower()
    return Letter("\n".join(part for part in (subject, body) if part.strip()), sender, ids[0] if ids else "")


def _decoded(path: Path, content: bytes) -> str:
    """Plain text as UTF-8 or UTF-16, else as Windows writes it: old mail says no encoding."""
    encoding = encoding_of(content)
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    if "\0" in text:
        raise DataError(f"{path}: is no text (it holds zero bytes)")
    return text


def _header(message: EmailMessage, name: str) -> str:
    """A header as text; empty where it is absent, or so damaged that the parser gives up."""
    try:
        return str(message.get(name, ""))
    except Exception:  # the parser of headers raises errors of many kinds on what spam writes there
        return ""


def _text_parts(message: EmailMessage) -> list[EmailMessage]:
    """The parts that a person reads: of alternatives the plain one, and no attachments."""
    if message.get_content_type() == "multipart/alternative":
        parts = [part for part in message.iter_parts() if isinstance(part, EmailMessage)]
        plain = [part for part in parts if part.get_content_type() == "text/plain" and _body(part).strip()]
        return plain[:1] or [inner for part in parts for inner in _text_parts(part)][:1]
    if message.is_multipart():
        return [inner for part in message.iter_parts() if isinstance(part, EmailMessage) for inner in _text_parts(part)]
    is_text = message.get_content_maintype() == "text" and message.get_content_disposition() != "attachment"
    return [message] if is_text else []


def _body(part: EmailMessage) -> str:
    """The text of a part, in whatever encoding it says or has."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    text = ""
    for encoding in (part.get_content_charset() or "utf-8", "utf-8", "cp1252"):
        try:
            text = content.decode(encoding)
            break
        except (UnicodeDecodeError, LookupError):
            text = content.decode("latin-1")
    return without_markup(text) if part.get_content_subtype() == "html" else text


def without_markup(html: str) -> str:
    """The text of a page, without its tags, scripts and styles."""
    reader = _Words()
    reader.feed(html)
    reader.close()
    return " ".join(" ".join(reader.found).split())


class _Words(HTMLParser):
    silent: ClassVar[frozenset[str]] = frozenset({"script", "style", "head", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in self.silent:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            del self.inside[self.inside.index(tag) :]

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.found.append(data)
