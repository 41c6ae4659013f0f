"""`python -m convzoo`, the form that torchrun takes, and the program `convzoo`."""

import os
import signal
import sys

from convzoo.core.stopping import EXIT_CODE, Interrupts, stop_at_once

# From here on Ctrl-C prints one line. Where the caller ignores it (nohup), it stays ignored.
OWN = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if OWN:
    signal.signal(signal.SIGINT, stop_at_once)


def main() -> None:
    """Run the command line as the program of this process."""
    from convzoo.cli import main as run

    interrupts = Interrupts()
    if OWN:
        signal.signal(signal.SIGINT, interrupts)
    try:
        code = run()
    except BaseException:
        if not interrupts.heard:
            raise
        stop_at_once()
    if OWN:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the work is done: what follows is Python's own end
    if interrupts.heard and code == EXIT_CODE:
        # Python itself would end the process by the signal if the interrupt came while a library made code of text.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
