"""What becomes of each story for one reader: the best of what is left is taken, again and again."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tests.proofs.year_state import Article, Had

OF_TOPIC = 3


class Fate(StrEnum):
    """What became of a story that matched and was fresh."""

    IN_FULL = "sent in full"
    HEADLINE = "headline"
    OUTRANKED = "outranked"
    WAITING = "waiting"
    QUIET = "quiet hours"
    HAD = "had"
    ELSEWHERE = "had, or to come, in another language"
    ALERTED = "alerted before"
    ENOUGH = "as many as the reader wants a day"
    PAUSED = "paused"
    NO_MATCH = "no match"


@dataclass(frozen=True, slots=True)
class Picture:
    """What a reader wants of an edition."""

    topics: frozenset[str]
    most: int
    headlines: int = 0
    repeat: str = "never"
    evenly: bool = True
    fresh_from: datetime | None = None
    until: datetime | None = None
    alerted: Mapping[str, str] = field(default_factory=dict)
    night: Collection[str] = ()
    front: str | None = None
    pins: Sequence[str] = ()

    def is_placed(self, one: Article) -> bool:
        """Say whether a story comes whatever there is of its topic."""
        return one.name in self.night or one.name in self.alerted or one.name == self.front


@dataclass(slots=True)
class Offered:
    """What a reader gets: stories in full with their marks, headlines, how many more; and the fate of each story."""

    full: list[tuple[str, str]] = field(default_factory=list)
    headlines: list[str] = field(default_factory=list)
    more: int = 0
    fates: dict[str, Fate] = field(default_factory=dict)


def choose(articles: Collection[Article], wish: Picture, *, had: Mapping[str, Had], out: Mapping[str, Fate]) -> Offered:
    """Choose from the articles of a digest; the stories in `out` have their fate already."""
    made = Offered()
    told: Counter[str] = Counter()
    left = [one for one in articles if _is_wanted(one, wish) and _is_new(one, wish)]
    while left:
        one = max(left, key=lambda each: _worth(each, wish))
        left.remove(one)
        how = _how(one, wish, had.get(one.name))
        if how is None:
            if had.get(one.name) and _is_fresh(one.seen, wish):
                made.fates[one.name] = Fate.HAD
        elif one.story in out:
            made.fates[one.name] = out[one.story]
        else:
            made.fates[one.name] = _place(one, how, wish, made, told)
    return made


def _is_wanted(one: Article, wish: Picture) -> bool:
    return not wish.topics or bool(wish.topics & one.topics) or one.name == wish.front


def _worth(one: Article, wish: Picture) -> tuple[object, ...]:
    is_alarming = one.name in wish.night or one.name in wish.alerted
    pinned = len(wish.pins) - wish.pins.index(one.name) if one.name in wish.pins else 0
    return (
        one.name in wish.night,
        one.name == wish.front,
        pinned,
        is_alarming,
        one.rank,
        len(one.topics & wish.topics),
        one.published,
        one.number,
    )


def _how(one: Article, wish: Picture, had: Had | None) -> str | None:
    """Return how a story may come by its age and how it was had; None: not at all."""
    if had is None and wish.is_placed(one):
        return "full"
    if had is None or (wish.repeat == "recap" and not had.by_recap):
        return "full" if _is_fresh(one.seen, wish) else None
    if wish.repeat == "updated" and one.updated is not None and one.revision > had.revision:
        return "updated" if _is_fresh(one.updated, wish) else None
    if wish.repeat == "headline" and had.in_full:
        return "headline" if _is_fresh(one.seen, wish) else None
    return None


def _is_new(one: Article, wish: Picture) -> bool:
    """Say whether anything of an article is fresh, so that it has to be spoken of."""
    return (
        wish.is_placed(one) or _is_fresh(one.seen, wish) or (one.updated is not None and _is_fresh(one.updated, wish))
    )


def _is_fresh(at: datetime, wish: Picture) -> bool:
    return (wish.fresh_from is None or at > wish.fresh_from) and (wish.until is None or at <= wish.until)


def _place(one: Article, how: str, wish: Picture, made: Offered, told: Counter[str]) -> Fate:
    mine = one.topics & wish.topics
    is_enough = wish.evenly and len(wish.topics) > 1 and all(told[each] >= OF_TOPIC for each in mine)
    if how != "headline" and len(made.full) < wish.most and (wish.is_placed(one) or not is_enough):
        front = "front" if one.name == wish.front else ""
        marks = front, wish.alerted.get(one.name, ""), "updated" if how == "updated" else ""
        made.full.append((one.name, "; ".join(filter(None, marks))))
        told.update(mine)
        return Fate.IN_FULL
    if len(made.headlines) < wish.headlines:
        made.headlines.append(one.name)
        return Fate.HEADLINE
    made.more += how != "headline"
    return Fate.OUTRANKED if how != "headline" else Fate.HAD
