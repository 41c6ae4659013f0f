"""Transferring one file over http or from a folder: it is resumed after a broken connection, retried, and limited in size."""

import hashlib
import http.client
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from convzoo.core.errors import DataError
from convzoo.core.text import size_in_words
from convzoo.datasets.archives import MAX_BYTES, reason

CACHE_VARIABLE = "CONVZOO_DATA"
CHUNK_BYTES = 1 << 18

# After these answers a second attempt may succeed; other refusals (404, 403) are final.
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Network:
    """How patient a download is.

    Attributes:
        timeout: a connection counts as broken after this many seconds without a byte.
        attempts: how often one address is tried.
        wait: seconds before the second attempt; doubled before each later one.
    """

    timeout: float = 30.0
    attempts: int = 3
    wait: float = 1.0


PATIENT = Network()


class UnavailableError(Exception):
    """An address does not give the file: the next source is tried."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(address, why)
        self.address, self.why = address, why


class _BrokenError(Exception):
    """A connection broke, or a server was busy: the same address is tried again."""


@dataclass(frozen=True)
class Expected:
    """The expected size and checksums of a file. All None: an archive without a published checksum; its members are checked."""

    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None

    def difference(self, found: dict[str, Any]) -> str:
        """What is not as expected, in words; "" if everything is."""
        for key in ("bytes", "sha256", "md5"):
            wanted = getattr(self, key)
            if wanted is not None and found.get(key) != wanted:
                return f"{key} expected {wanted}, found {found.get(key)}"
        return ""

    def measure(self, path: Path) -> dict[str, Any]:
        """Size and checksums of a file. The md5 is computed only if the card has no better checksum."""
        names = ["sha256"] if self.md5 is None else ["sha256", "md5"]
        hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        size = 0
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                size += len(chunk)
                for each in hashes.values():
                    each.update(chunk)
        return {"bytes": size} | {name: each.hexdigest() for name, each in hashes.items()}


def transfer_patiently(
    address: str, part: Path, expected: Expected, network: Network, bar: Callable[[int], None]
) -> None:
    """Complete the partial file `part`, continuing where an earlier transfer stopped.

    Raises:
        UnavailableError: the address does not give the file.
        DataError: the part cannot be written.
    """
    wait, problem = network.wait, ""
    for attempt in range(network.attempts):
        if attempt:
            time.sleep(wait)
            wait *= 2
        try:
            return _transfer(address, part, expected, network, bar)
        except _BrokenError as error:
            problem = str(error)
    raise UnavailableError(address, f"{problem} ({network.attempts} attempts)")


def _transfer(address: str, part: Path, expected: Expected, network: Network, bar: Callable[[int], None]) -> None:
    if not address.lower().startswith(("http://", "https://")):
        return _copy(local_path(address) if address.lower().startswith("file://") else Path(address), part)
    start = part.stat().st_size if part.exists() else 0
    if start and start == expected.bytes:
        return None
    response = _open(address, start, network)
    with response:
        start = _accepted_start(response, start, part)
        length = _content_length(response)
        if length is not None and expected.bytes is not None and start + length != expected.bytes:
            part.unlink(missing_ok=True)
            raise UnavailableError(address, f"bytes expected {expected.bytes}, found {start + length}")
        received = _receive(response, part, start, expected.bytes or MAX_BYTES, bar)
    end = start + length if length is not None else expected.bytes
    if end is not None and start + received < end:
        raise _BrokenError(f"the connection broke off after {start + received} of {end} bytes")


def _copy(path: Path, part: Path) -> None:
    """Copy from a folder. An interrupted copy starts again from the beginning, because disks are fast."""
    if not path.is_file():
        raise UnavailableError(str(path), "no such file")
    with writing(part):
        shutil.copyfile(path, part)


def _open(address: str, start: int, network: Network) -> http.client.HTTPResponse:
    headers = {"User-Agent": "convzoo", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        request = urllib.request.Request(address, headers=headers)
        response: http.client.HTTPResponse = _opener().open(request, timeout=network.timeout)
        return response
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            return _open(address, 0, network)
        said = f"the server says {error.code} {error.reason}"
        raise (_BrokenError(said) if error.code in _PASSING_STATUS else UnavailableError(address, said)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _connection_problem(address, error) from error


def _connection_problem(address: str, error: Exception) -> Exception:
    cause = getattr(error, "reason", error)
    if isinstance(cause, socket.gaierror):
        # Without a network no host name is found, so a second attempt would only waste time.
        return UnavailableError(address, f"no network, or no such host ({cause.strerror or cause})")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return UnavailableError(address, f"the server's certificate is not trusted ({cause.verify_message})")
    if isinstance(cause, ValueError):
        return UnavailableError(address, "is not a valid address")
    if isinstance(cause, TimeoutError):
        return _BrokenError("no answer in time")
    return _BrokenError(f"no connection ({getattr(cause, 'strerror', None) or cause or type(cause).__name__})")


def _opener() -> urllib.request.OpenerDirector:
    """An opener for http and https only: urllib's default opener also follows a redirect to ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.UnknownHandler, urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler, urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def _accepted_start(response: http.client.HTTPResponse, start: int, part: Path) -> int:
    """Where the body begins: at `start` if the server sends the rest, at 0 if it sends the whole file again."""
    if response.status != 206:
        return 0
    if (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-"):
        return start
    part.unlink(missing_ok=True)
    raise _BrokenError("the server sent another part than was asked for")


def _content_length(response: http.client.HTTPResponse) -> int | None:
    value = response.headers.get("Content-Length") or ""
    return int(value) if value.isdigit() else None


def _receive(response: http.client.HTTPResponse, part: Path, start: int, limit: int, bar: Callable[[int], None]) -> int:
    received = 0
    with writing(part), open(part, "ab" if start else "wb") as file:
        while True:
            try:
                chunk = response.read(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise _BrokenError(f"the connection broke off after {start + received} bytes") from error
            if not chunk:
                return received
            received += len(chunk)
            if start + received > limit:
                file.truncate(0)
                raise UnavailableError(response.url, f"gives more than {size_in_words(limit)}")
            file.write(chunk)
            bar(start + received)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error while the cache is written into one line."""
    try:
        yield
    except OSError as error:
        advice = f"{CACHE_VARIABLE} chooses another folder"
        raise DataError(f"{path}: cannot be written: {reason(error)}; {advice}") from error


def local_path(address: str) -> Path:
    """The path in a file: address."""
    return Path(urllib.request.url2pathname(urlsplit(address).path))


@contextmanager
def progress_bar(name: str, total: int | None, show: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, or nothing."""
    if not show:
        yield lambda position: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=total)
        yield lambda position: progress.update(task, completed=position)
