"""`flask delivery progress`: how far mailings are, live in the terminal."""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import click
from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from commands import turns, words
from commands.words import Course
from core import services
from core.database import db, ledger_now
from core.settings import Settings
from delivery import ceilings, progress
from delivery.progress import Pace, Standing
from digests.models import Edition, Wave

ONCE_S = 1.0
"""How long two looks lie apart when only one is shown: the least that tells a rate."""
_SHARE = 5
"""Counting a large mailing takes a while: looking may take up this share of the time, and no more."""
_UP = "\x1b[{}F\x1b[J"


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment."""

    at: datetime
    found: list[Course]

    @property
    def over(self) -> bool:
        """Return whether nothing more happens by itself."""
        return all(one.over for one in self.found)

    def lines(self) -> list[str]:
        """Return a line for each mailing, and one for all of them."""
        if not self.found:
            return ["Nothing is under way."]
        each = [words.course(one, self.at) for one in self.found]
        return each if len(each) == 1 else [*each, words.courses(self.found, self.at)]

    def line(self) -> str:
        """Return the same on one line."""
        told = words.courses(self.found, self.at) if self.found else "Nothing is under way."
        return f"{self.at:%H:%M:%S} UTC  {told}"

    def json(self) -> str:
        """Return the same for a script, on one line."""
        return json.dumps(
            {
                "at": self.at.isoformat(timespec="seconds"),
                "over": self.over,
                "mailings": [_plain(one) for one in self.found],
            }
        )


def _plain(one: Course) -> dict[str, object]:
    standing = one.standing
    return {
        "mailing": standing.key,
        "state": standing.state,
        "why_paused": standing.why_paused,
        "composing": one.composing,
        "total": standing.total,
        "handed_over": standing.handed_over,
        "waiting": standing.waiting,
        "counts": dict(standing.counts),
        "returned": dict(standing.returned),
        "doubts_unsettled": standing.unsettled,
        "held_back_by": one.held_back_by,
        "rate": None if one.rate is None else round(one.rate, 2),
        "ends_at": None if one.ends_at is None else one.ends_at.isoformat(timespec="seconds"),
        "over": one.over,
    }


class Watch:
    """Looks at one mailing, or at all that are under way, again and again. `clock` is any steady clock, in seconds."""

    def __init__(self, key: str | None, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = key
        self._settings = settings
        self._clock = clock
        self._paces: dict[int, tuple[Pace, Pace]] = {}

    def look(self) -> Look:
        """Look once more. Raises NotFound for a key that there is not."""
        now = ledger_now(db.session.connection())
        standings, composing = self._standings(), _composing()
        if self._key is None:
            standings += progress.of_these(composing - {one.id for one in standings})
        post, identity = self._settings.post, services.current().identity
        full = ceilings.reached(ceilings.of_today(post, identity, now), now)
        held = {lane: one.domain for one in full for lane in one.lanes}
        at = self._clock()
        found = [self._course(one, at, now, held.get(one.lane), one.id in composing) for one in standings]
        # Nothing is held between two looks: no connection, and no old snapshot.
        db.session.rollback()
        return Look(now, sorted(found, key=lambda one: one.standing.key))

    def _standings(self) -> list[Standing]:
        """Return those to look at: also those that ended since the first look, so that their end is seen."""
        if self._key is not None:
            return [progress.of(self._key)]
        running = progress.of_running()
        return running + progress.of_these(self._paces.keys() - {one.id for one in running})

    def _course(self, one: Standing, at: float, now: datetime, held_back_by: str | None, composing: bool) -> Course:
        handed_over, ended = self._paces.setdefault(one.id, (Pace(), Pace()))
        handed_over.look(at, one.handed_over)
        ended.look(at, one.ended)
        goes_on = one.state == "running" and held_back_by is None and not composing
        ends_at = progress.estimated_end(one.waiting, ended.rate, now) if goes_on else None
        return Course(one, handed_over.rate, ends_at, held_back_by, composing)


def _composing() -> set[int]:
    """Return the mailings of editions that are still being composed: they get more mails."""
    unfinished = select(Edition.mailing_id).join(Wave, Wave.edition_id == Edition.id)
    return set(db.session.scalars(unfinished.where(Wave.state.in_(["open", "composing"]))))


class Screen:
    """Where the looks are shown: drawn over each other in a terminal, else one line for each."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._redraws = sys.stdout.isatty() and not as_json
        self._drawn = 0

    def show(self, look: Look) -> None:
        """Show a look in place of the one before, or below it."""
        if self._as_json:
            click.echo(look.json())
        elif self._redraws:
            self._draw(look.lines())
        else:
            click.echo(look.line())

    def tell(self, sentence: str) -> None:
        """Say that there is nothing to show just now."""
        if self._redraws:
            self._draw([sentence])
        else:
            click.echo(sentence, err=True)

    def _draw(self, lines: list[str]) -> None:
        columns, rows = shutil.get_terminal_size()
        if len(lines) > rows - 1:
            # The last line is that of all together.
            lines = [*lines[: max(0, rows - 3)], f"… and {len(lines) - rows + 2} more", lines[-1]]
        cut = [line if len(line) < columns else line[: columns - 2] + "…" for line in lines]
        click.echo((_UP.format(self._drawn) if self._drawn else "") + "\n".join(cut))
        self._drawn = len(cut)


@click.command("progress")
@click.argument("key", required=False)
@click.option("--once", is_flag=True, help="Look for a second, show one picture, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each look, for a script.")
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    help="How often to look. A very large mailing is looked at less often.",
)
def show(key: str | None, once: bool, as_json: bool, every: float) -> None:
    """Show how far the mailing KEY is, or every mailing that is under way: how many are handed over, the rate over the
    last seconds, and when it will be over at that rate.

    It ends by itself when nothing more happens by itself; Ctrl-C ends it, too. It only looks: ending it stops nothing.

    The exit status is 0 at the end and after Ctrl-C, 1 when there is no such mailing, 2 for a wrong call.
    """
    settings: Settings = current_app.extensions["postrider settings"]
    watch, screen = Watch(key, settings), Screen(as_json)
    try:
        if once:
            screen.show(_once(watch))
            return
        for pause in _until_over(watch, screen):
            time.sleep(max(pause, every))
    except KeyboardInterrupt:
        click.echo(err=True)


def _once(watch: Watch) -> Look:
    with turns.told():
        look = watch.look()
        if look.over:
            return look
        time.sleep(ONCE_S)
        return watch.look()


def _until_over(watch: Watch, screen: Screen) -> Iterator[float]:
    """Look and show until nothing more happens by itself; yield the least pause before the next look, in seconds."""
    while True:
        started = time.monotonic()
        try:
            with turns.told():
                look = watch.look()
        except (OperationalError, InterfaceError):
            with suppress(SQLAlchemyError):
                db.session.rollback()
            screen.tell("The database cannot be reached. Looking again.")
        else:
            screen.show(look)
            if look.over:
                return
        yield _SHARE * (time.monotonic() - started)
