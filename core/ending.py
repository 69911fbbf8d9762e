"""How a process that only waits to be told to end hears it, whichever of its threads the signal reaches."""

import threading

LOOK_S = 0.5


def wait_for(asked: threading.Event) -> None:
    """Wait, in the main thread, until a signal handler has set the event.

    A handler runs in the main thread, but a signal that reaches another one does not wake it: so it is, more often than
    not, with a SIGTERM right after a SIGCONT. Waiting for ever, the main thread would never run the handler.
    """
    while not asked.wait(LOOK_S):
        pass
