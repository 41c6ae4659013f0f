"""Ctrl-C in a process that convzoo has for itself: one line, and exit code 4, at any moment."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

EXIT_CODE = 4


class Interrupts:
    """What Ctrl-C does: it raises `KeyboardInterrupt`, and is remembered, because some libraries turn that into another error.

    Attributes:
        heard: whether there was a Ctrl-C
    """

    def __init__(self) -> None:
        self.heard = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """What Python calls at the signal."""
        self.heard = True
        raise KeyboardInterrupt


def stop_at_once(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """End this process, where there is nothing to save."""
    with suppress(OSError):  # nobody reads what we print
        os.write(2, b"convzoo: stopped\n")
    os._exit(EXIT_CODE)


def interrupted() -> bool:
    """Whether this process was asked to stop by Ctrl-C, and is one of our own."""
    handler = signal.getsignal(signal.SIGINT)
    return isinstance(handler, Interrupts) and handler.heard


@contextmanager
def loading() -> Iterator[None]:
    """Inside this context libraries are loaded. In a process of our own Ctrl-C ends it at once: a library that is loaded half
    raises errors of its own, and there is nothing to save."""
    before = signal.getsignal(signal.SIGINT)
    if not isinstance(before, Interrupts):
        yield
        return
    signal.signal(signal.SIGINT, stop_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
