"""Start several at one shot, each in a thread and an application context of its own, as two workers would."""

import threading
from collections.abc import Callable

from flask import Flask

from core import database
from core.database import db

WITHIN_S = 60
"""Nobody may wait longer for anybody: threads that hold each other up fail the test."""


def run(app: Flask, *works: Callable[[], object]) -> list[object]:
    """Return what each of the works returned or raised."""
    start = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)

    def work_on(place: int, work: Callable[[], object]) -> None:
        with app.app_context():
            start.wait(10)
            try:
                results[place] = work()
            except Exception as error:  # noqa: BLE001 - handed to the test
                results[place] = error
            db.session.remove()

    threads = [threading.Thread(target=work_on, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN_S)
        assert not thread.is_alive()
    db.session.rollback()
    return results


def run_as_writers(app: Flask, *doors: Callable[[], object]) -> list[object]:
    """Run each as a door does: a turn, the call, a commit."""

    def writer(door: Callable[[], object]) -> Callable[[], object]:
        def write() -> object:
            with database.write_turn():
                result = door()
                db.session.commit()
            return result

        return write

    return run(app, *(writer(door) for door in doors))
