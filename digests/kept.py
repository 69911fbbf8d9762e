"""What was found out for the groups of a wave, kept from chunk to chunk: each copy is chosen, made and written once.

It holds as long as the ground does on which it was found: the stories to choose from, as they are, and what editors
have laid down. A wave is composed by one task at a time, so what is kept is lent to it and given back.
"""

import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from articles.shelf import Candidate
from delivery.content import Part
from digests.copies import Copy
from digests.pool import Pool
from digests.rendering import StoryView, View
from digests.selection import Known
from digests.why import Reason
from subscribers.models import Taste

MOST = 50_000
"""Groups of which is kept what they get; with more, it begins anew, so that memory stays flat."""
MOST_COPIES = 20_000
"""The same of copies."""
_MOST_WAVES = 4
_KEPT_S = 120.0
"""Seconds after which a wave that nobody here went on with is composed by another process, or not at all."""


@dataclass(slots=True)
class Printed:
    """A copy as it fits into a mail: with its pieces until it is in the database, then with its `content_id`."""

    copy: Copy
    article_ids: frozenset[int]
    views: Sequence[View]
    parts: Sequence[Part]
    content_id: int | None = None

    def settle(self, content_id: int) -> None:
        """Keep what it is in the database, and let its pieces go."""
        self.content_id, self.views, self.parts = content_id, (), ()


class Kept:
    """What is kept of one wave: by group, its copy, or why there is none; and what became of each copy."""

    def __init__(self) -> None:
        self.tastes: dict[int, Taste] = {}
        """The tastes of its readers; they belong to no session."""
        self.reach = timedelta(0)
        """So far before the wave what may be chosen was looked up."""
        self.shown = ""
        """What all pages show, see core.changes, when the views of stories were looked up."""
        self.views: dict[int, StoryView] = {}
        self._of_pauses: Kept | None = None
        self._topics: Mapping[str, int] = {}
        self._ground: Hashable = None
        self.forget()

    @property
    def of_pauses(self) -> "Kept":
        """Return what is kept of the readers who come back from a pause: they choose from more."""
        if self._of_pauses is None:
            self._of_pauses = Kept()
        return self._of_pauses

    def forget(self) -> None:
        """Forget what was chosen, and all that was made of it."""
        self._ground = None
        self.pool = Pool(())
        self.topic_ids: dict[int, frozenset[int] | None] = {}
        self._forget_pasts()
        self.same: dict[Hashable, Copy | Reason] = {}
        """The same by what is known of a past, instead of by the past."""
        self._pasts: dict[frozenset[tuple[int, Known]], int] = {}
        self.copies: dict[Hashable, Copy] = {}
        self.printed: dict[Copy, Printed] = {}

    def _forget_pasts(self) -> None:
        self.known: dict[int | None, dict[int, Known]] = {}
        self.had_besides: dict[int | None, frozenset[int]] = {}
        self.holding: dict[int, dict[int, bool]] = {}
        """Whether a history holds a story that was breaking news, by the story's article."""
        self.chosen: dict[Hashable, Copy | Reason] = {}
        self.steps: dict[tuple[int | None, Copy], int] = {}
        """The history that readers have after a copy, by the one that they had before; those in the database."""

    def past(self, history_id: int | None) -> int:
        """Return a number for what is known of a history: the same for all that say the same of what may be chosen."""
        return self._pasts.setdefault(frozenset(self.known.get(history_id, {}).items()), len(self._pasts))

    def stand_on_topics(self, known: Mapping[str, int]) -> None:
        """Forget what was chosen by other topics than these, of which the ids are known by their keys."""
        if known != self._topics:
            self.forget()
            self._topics = known

    def stand_on(self, ground: Hashable, found: Sequence[Candidate]) -> None:
        """Forget what was chosen on another ground than this, where `found` is what may be chosen."""
        if ground != self._ground or len(self.copies) > MOST_COPIES:
            topic_ids = self.topic_ids
            self.forget()
            self._ground, self.pool, self.topic_ids = ground, Pool(found), topic_ids
        elif len(self.chosen) > MOST:
            self._forget_pasts()


_waves: WeakKeyDictionary[Engine, dict[int, tuple[float, Kept]]] = WeakKeyDictionary()
_lock = threading.Lock()


def lend(engine: Engine, wave_id: int) -> Kept:
    """Return what is kept of a wave; nobody else gets it until it is given back."""
    with _lock:
        waves = _waves.setdefault(engine, {})
        _let_go(waves)
        return waves.pop(wave_id)[1] if wave_id in waves else Kept()


def give_back(engine: Engine, wave_id: int, kept: Kept) -> None:
    """Keep it for the task that goes on with the wave; not of one that is done, of which nobody asks any more."""
    with _lock:
        waves = _waves.setdefault(engine, {})
        waves[wave_id] = time.monotonic(), kept
        _let_go(waves)


def _let_go(waves: dict[int, tuple[float, Kept]]) -> None:
    """Forget waves that others have gone on with, and all but the last few."""
    late = [one for one, (at, _kept) in waves.items() if time.monotonic() - at > _KEPT_S]
    for one in late + [one for one in waves if one not in late][:-_MOST_WAVES]:
        del waves[one]
