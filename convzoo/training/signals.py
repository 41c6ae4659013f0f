"""Ctrl-C and SIGTERM, so that a training ends after a whole step."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def first_signal(ask: Callable[[], None]) -> Iterator[None]:
    """Inside this context the first Ctrl-C or SIGTERM calls `ask`, and a second one has its usual effect."""
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def heard(number: int, frame: FrameType | None) -> None:
        ask()
        restore()

    try:
        for kind in (signal.SIGINT, signal.SIGTERM):
            before[kind] = signal.getsignal(kind)
            signal.signal(kind, heard)
    except ValueError:  # not in the main thread: the calling program keeps its own handlers
        before.clear()
    try:
        yield
    finally:
        restore()
