"""Run a Python program as the terminal's own foreground job, though make started it.

Without this, Ctrl-C reaches make as well as the program: make then complains and ends with status 130, however
orderly the program ended. Away from a terminal nothing is different.
"""

import contextlib
import os
import runpy
import signal
import sys

TERMINAL = 0


def main() -> None:
    """Run the program named on the command line, in this process."""
    sys.argv.pop(0)
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    caller = os.getpgrp()
    shared = caller != os.getpid() and os.isatty(TERMINAL) and os.tcgetpgrp(TERMINAL) == caller
    if shared:
        os.setpgid(0, 0)
        give_terminal_to(os.getpgrp())
        # Nobody would be there to wake a program that Ctrl-Z had stopped.
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        if shared:
            give_terminal_to(caller)


def give_terminal_to(group: int) -> None:
    """Make a process group the one that the terminal's keys reach."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    with contextlib.suppress(OSError):  # The terminal may have been closed meanwhile.
        os.tcsetpgrp(TERMINAL, group)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


if __name__ == "__main__":
    main()
