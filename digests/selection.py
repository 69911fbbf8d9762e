"""Which stories a reader gets: set arithmetic over the few hundred candidates of a wave, in memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from articles.shelf import Candidate

FIRST_MOST = 10
"""The most stories in a reader's first edition, and in the one that makes up for a pause."""
MOST_OF_TOPIC = 3
"""So many stories of one topic stand in full where a reader has chosen two topics or more; the rest are headlines."""


class Repeat(StrEnum):
    """What becomes of a story that a reader had: nothing; a headline; in full again, marked, when its text is another
    by now; or in full again as if they had not had it, which is for the best of a week that dailies brought, too; but
    never what a recap brought.
    """

    NEVER = "never"
    HEADLINE = "headline"
    UPDATED = "updated"
    RECAP = "recap"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader wants: topic ids (None: everything), how many in full and how many headlines below at the most,
    nothing seen here before `fresh_from`, nor after `until`; and what becomes of what they had.

    `evenly` keeps one of several topics from filling the mail. `fresh_from` is None for a first edition: the latest
    stories that match then, however old.
    """

    topic_ids: frozenset[int] | None
    most: int
    fresh_from: datetime | None
    headlines: int = 0
    repeat: Repeat = Repeat.NEVER
    until: datetime | None = None
    evenly: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """How a reader had a story: in which revision last, whether in full or as a headline only, and whether in full in a
    recap.
    """

    revision: int
    in_full: bool
    by_recap: bool = False


@dataclass(frozen=True, slots=True)
class Foremost:
    """What editors put before all else, by article: the front page, for every reader, whatever their topics and its
    age; then the pins in their order, for those whose wish they match.
    """

    front: int | None = None
    pins: tuple[int, ...] = ()

    def worth(self, article_id: int) -> int:
        """Return how far before the others an article stands; 0 for all others."""
        if article_id == self.front:
            return len(self.pins) + 1
        return len(self.pins) - self.pins.index(article_id) if article_id in self.pins else 0


NOTHING_FOREMOST = Foremost()


@dataclass(frozen=True, slots=True)
class Alarm:
    """What was breaking news, by article: what a reader was `alerted` to, with the time of it in words, comes in full;
    what was kept from them by `night` comes before all else. Both whatever their age.
    """

    alerted: tuple[tuple[int, str], ...] = ()
    night: frozenset[int] = frozenset()

    @property
    def articles(self) -> frozenset[int]:
        """Return the articles of both kinds."""
        return self.night.union(article_id for article_id, _at in self.alerted)


NO_ALARM = Alarm()


@dataclass(frozen=True, slots=True)
class Picked:
    """A story in full; `updated` when the reader had it, and its text is another by now; `front` on the front page."""

    article_id: int
    updated: bool = False
    front: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reader gets: stories in full, headlines below, and how many `more` there would have been."""

    full: tuple[Picked, ...]
    headlines: tuple[int, ...]
    more: int


class _How(StrEnum):
    NEW = "new"
    UPDATED = "updated"
    HEADLINE = "headline"


def choose(
    candidates: Sequence[Candidate],
    wish: Wish,
    *,
    had: Mapping[int, Known],
    without: Iterable[int] = (),
    foremost: Foremost = NOTHING_FOREMOST,
    alarm: Alarm = NO_ALARM,
) -> Choice:
    """Return what matches and is fresh, one version of each story, the best first: breaking news that the night kept
    back, what editors put foremost, what the reader was alerted to; then by the editors' rank, then on the most of the
    wanted topics, then the newest.

    `had` is by article; of the stories in `without` no version comes. A flash is a headline, whatever the number of
    them that the wish has, and not for who was alerted to it.
    """
    wanted = wish.topic_ids or frozenset[int]()
    stories = set(without)
    told: Counter[int] = Counter()
    exhausted: set[int] = set()
    full: list[Picked] = []
    headlines: list[int] = []
    more = 0
    alarming, alerted = alarm.articles, frozenset(article_id for article_id, _at in alarm.alerted)

    def worth(one: tuple[Candidate, _How]) -> tuple[bool, int, bool, tuple[int, int, datetime, int]]:
        article_id = one[0].article_id
        return article_id in alarm.night, foremost.worth(article_id), article_id in alarming, _worth(one[0], wanted)

    coming = [
        (one, how)
        for one in candidates
        if one.story_id not in stories and (how := _may(one, wish, had, foremost, alarming, alerted)) is not None
    ]
    nothing_foremost = not alarming and foremost == NOTHING_FOREMOST
    for one, how in sorted(coming, key=_alone(wanted) if nothing_foremost else worth, reverse=True):
        if one.story_id in stories:
            continue
        stories.add(one.story_id)
        front, alarms = one.article_id == foremost.front, one.article_id in alarming
        topics = one.topic_ids & wanted
        if (
            how is not _How.HEADLINE
            and len(full) < wish.most
            and (front or alarms or not (wish.evenly and len(wanted) > 1 and topics <= exhausted))
        ):
            full.append(Picked(one.article_id, updated=how is _How.UPDATED, front=front))
            told.update(topics)
            exhausted.update(topic for topic in topics if told[topic] >= MOST_OF_TOPIC)
        elif len(headlines) < wish.headlines or one.is_flash:
            headlines.append(one.article_id)
        elif how is not _How.HEADLINE:
            more += 1
    return Choice(tuple(full), tuple(headlines), more)


def matches(one: Candidate, wish: Wish) -> bool:
    """Return whether an article is fresh enough, and on a topic that is wanted."""
    return _is_wanted(one, wish) and _is_fresh(one.first_seen_at, wish)


def _alone(wanted: frozenset[int]) -> Callable[[tuple[Candidate, _How]], tuple[int, int, datetime, int]]:
    """Return the order where nothing is foremost, as it is for most: asked of each article of each group."""
    return lambda one: _worth(one[0], wanted)


def _worth(one: Candidate, wanted: frozenset[int]) -> tuple[int, int, datetime, int]:
    return one.rank, len(one.topic_ids & wanted), one.published_at, one.article_id


def _may(
    one: Candidate,
    wish: Wish,
    had: Mapping[int, Known],
    foremost: Foremost,
    alarming: frozenset[int],
    alerted: frozenset[int],
) -> _How | None:
    """Return how an article may come, with all that editors and alarms say; None: not at all."""
    article_id = one.article_id
    front, alarms, known = article_id == foremost.front, article_id in alarming, had.get(article_id)
    if known is None and not (front or alarms or one.is_flash):
        # As it is with nearly all: asked here once more, since it is asked for each article and group.
        return _How.NEW if matches(one, wish) else None
    how = _how(one, wish, known, front=front, alarms=alarms)
    if not one.is_flash or how is None:
        return how
    # There is no more to read than its headline, which an alert has told already.
    return None if article_id in alerted else _How.HEADLINE


def _how(one: Candidate, wish: Wish, known: Known | None, *, front: bool, alarms: bool) -> _How | None:
    """Return how an article may come, by its topics, its age, and how the reader had it; None: not at all."""
    if front and known is None:
        return _How.NEW
    if not (front or _is_wanted(one, wish)):
        return None
    if alarms and known is None:
        return _How.NEW
    if known is None or (wish.repeat is Repeat.RECAP and not known.by_recap):
        return _How.NEW if _is_fresh(one.first_seen_at, wish) else None
    if wish.repeat is Repeat.UPDATED and one.revision > known.revision and one.updated_at is not None:
        return _How.UPDATED if _is_fresh(one.updated_at, wish) else None
    if wish.repeat is Repeat.HEADLINE and known.in_full and _is_fresh(one.first_seen_at, wish):
        return _How.HEADLINE
    return None


def _is_wanted(one: Candidate, wish: Wish) -> bool:
    return wish.topic_ids is None or not wish.topic_ids.isdisjoint(one.topic_ids)


def _is_fresh(at: datetime, wish: Wish) -> bool:
    return (wish.fresh_from is None or at > wish.fresh_from) and (wish.until is None or at <= wish.until)
