"""The chunks of a wave of a digest, one after the other: each is read, made and written.

Where writers need not wait for a turn, the next one is read and made while one is written: half of the time goes by in
the database, and half of it here.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from flask import Flask, current_app

from core import clock, database, logs
from core.database import db
from core.services import current
from digests import cohorts, dispatch, kept, making, recall, specialwaves
from digests.kept import Kept
from digests.making import Made
from digests.preflight import Stopped
from tasks import ownparts, preflight

log = logs.get(__name__)


class Chunks:
    """Composes one wave, with what is kept of it, until it is done or let go of."""

    def __init__(self, wave_id: int, known: Kept, executor: ThreadPoolExecutor) -> None:
        self._wave_id, self._kept, self._executor = wave_id, known, executor
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._special = specialwaves.is_special(wave_id)
        self._looks_ahead = not self._special and db.engine.dialect.name != "sqlite"
        self._ahead: Future[Made] | None = None
        self.is_done = False

    def compose(self, *, is_last: bool) -> bool:
        """Write the next chunk; return whether there is nothing more to do here. After the last one of this task, no
        other is looked at ahead.
        """
        self.is_done = self._compose(is_last=is_last)
        return self.is_done

    def _compose(self, *, is_last: bool) -> bool:
        try:
            made = self._ahead.result() if self._ahead else self._made()
        except Stopped as stopped:
            preflight.stop(self._wave_id, str(stopped))
            return True
        chunk = made.chunk
        self._ahead = None
        if self._looks_ahead and not is_last and not chunk.finished:
            self._ahead = self._executor.submit(self._made_apart, chunk.last)
        try:
            with database.write_turn():
                written = dispatch.write_chunk(made, clock.utc_now(), current())
                db.session.commit()
        except dispatch.WaveTaken:
            log.warning("wave taken over", wave=self._wave_id)
            return True
        except recall.StoryGone:
            log.info("chunk read anew", wave=self._wave_id)
            self._look_again()
            return False
        made.settle()
        if written.reached != chunk.last:
            self._look_again()
        log.info(
            "chunk composed",
            wave=self._wave_id,
            readers=sum(len(group.readers) for group in chunk.groups),
            groups=len(chunk.groups),
            nothing=len(chunk.empty),
        )
        return written.finished

    def _made(self, after: int | None = None) -> Made:
        now, services = clock.utc_now(), current()
        if self._special:
            chunk = specialwaves.read_chunk(self._wave_id, now, services)
        else:
            chunk = cohorts.read_chunk(self._wave_id, now, services, self._kept, after=after)
        db.session.rollback()
        return making.make(chunk, services)

    def _made_apart(self, after: int) -> Made:
        with self._app.app_context():
            return self._made(after)

    def _look_again(self) -> None:
        """Let go of what was read ahead: some of it is to be read anew. It is waited for, as it uses what is kept."""
        if self._ahead is not None:
            self._ahead.exception()
            self._ahead = None


@contextmanager
def of(wave_id: int) -> Iterator[Chunks]:
    """Compose a wave: what was found out so far is there, and is kept for the task that goes on with it."""
    known = kept.lend(db.engine, wave_id)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as executor:
        wave = Chunks(wave_id, known, executor)
        yield wave
    if wave.is_done:
        ownparts.forget(wave_id)
    else:
        kept.give_back(db.engine, wave_id, known)
