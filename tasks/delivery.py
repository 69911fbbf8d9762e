"""The sender's bell, and the thread it wakes."""

import threading
from dataclasses import dataclass

from celery import shared_task
from flask import Flask

from core import database
from core.services import current
from core.settings import Settings
from delivery import pump
from delivery.bell import Bell

_bell = Bell()


@shared_task
def ring() -> None:
    """Wake the sender of this process. It also looks by itself, so a lost ring costs seconds and no mail."""
    _bell.set()


@dataclass(frozen=True, slots=True)
class Sender:
    """The running sender thread of this process."""

    thread: threading.Thread
    halt: threading.Event

    def stop(self, patience_s: float) -> bool:
        """Let the mail in hand come to its end, then stop; return whether it did within the time."""
        self.halt.set()
        _bell.set()
        self.thread.join(patience_s)
        return not self.thread.is_alive()


def start_sender(app: Flask, *, patience_s: float = pump.PATIENCE_S) -> Sender:
    """Start the sender thread of this process. When it is told to stop, mails in hand get `patience_s` seconds."""
    halt = threading.Event()
    settings: Settings = app.extensions["postrider settings"]
    with app.app_context():
        passed_down = current()
    engine = database.own_engine(settings.database_url)
    thread = threading.Thread(
        target=pump.run,
        args=(halt, _bell),
        kwargs={
            "engine": engine,
            "post": settings.post,
            "services": passed_down,
            "state_dir": settings.state_dir,
            "patience_s": patience_s,
        },
        name="sender",
        daemon=True,
    )
    thread.start()
    return Sender(thread, halt)
