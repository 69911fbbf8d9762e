"""What happens in a simulated year, drawn from a seed: readers and their minds, stories and what becomes of them.

It knows nothing of the product: only what people can ask of it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

BEGIN = datetime(2026, 3, 20, tzinfo=UTC)
"""Before the clocks of Europe are put forward: a short run has such a night, too."""
THEMES = ("economy", "diplomacy", "culture", "climate")
COUNTRIES = ("kr", "cu", "it")
ZONES = (
    "Asia/Hong_Kong",
    "Asia/Kathmandu",
    "Europe/Rome",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Antarctica/Troll",
    "America/Havana",
    "Pacific/Apia",
)
LANGUAGES = ("en", "it")
_LIFE = ("update", "update", "mark", "withdraw", "restore", "hold", "rank", "flag", "flag", "flag", "unflag")

_ROLES = ("front", "front", "front", "pin", "pin", "pin", "drop")

_DIGEST = {
    "language": "en",
    "rhythms": ["daily", "weekdays", "weekly"],
    "default_time": "07:00",
    "default_zone": "Asia/Hong_Kong",
    "lead_minutes": 20,
    "not_after_hours": 6,
    "subject": "{headline}",
    "offers_breaking": True,
    "breaking_not_after_minutes": 60,
}
DIGESTS: tuple[dict[str, Any], ...] = (
    {**_DIGEST, "key": "daily", "name": "Daily", "repeat": "never", "most": 7, "least": 2, "headlines": 3},
    {
        **_DIGEST,
        "key": "live",
        "name": "Live",
        "repeat": "updated",
        "most": 6,
        "headlines": 2,
        "topics": ["economy", "climate", "kr"],
        "lead_minutes": 45,
    },
    {
        **_DIGEST,
        "key": "short",
        "name": "Short",
        "repeat": "headline",
        "most": 6,
        "least": 4,
        "headlines": 4,
        "default_time": "18:30",
        "default_zone": "Europe/Rome",
        "offers_breaking": False,
    },
    {**_DIGEST, "key": "week", "name": "Week", "repeat": "recap", "rhythms": ["weekly"], "most": 8, "headlines": 2},
    {**_DIGEST, "key": "giorno", "name": "Giorno", "language": "it", "repeat": "never", "most": 7, "headlines": 2},
)
_BY_KEY = {one["key"]: one for one in DIGESTS}


@dataclass
class _Person:
    """As far as the script has to remember somebody, so that it asks for what can be asked for."""

    name: str
    on: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Script:
    """What happens, in order; and from when until when nothing looks (an outage), or no mail leaves."""

    events: tuple[dict[str, Any], ...]
    outages: tuple[tuple[datetime, datetime], ...]
    jams: tuple[tuple[datetime, datetime], ...]
    begin: datetime
    end: datetime
    seed: int


def write(seed: int, *, days: int, readers: int, stories: int, begin: datetime = BEGIN) -> Script:
    """Return what happens in so many days, with about so many stories a day."""
    return _Writer(seed, begin, days, readers, stories).script()


class _Writer:
    def __init__(self, seed: int, begin: datetime, days: int, readers: int, stories: int) -> None:
        self._seed, self._chance = seed, random.Random(f"year {seed}")
        self._begin, self._days, self._stories = begin, days, stories
        self._people = [_Person(f"r{number}@example.org") for number in range(readers)]
        self._recent: list[str] = []
        self._number = 0

    def script(self) -> Script:
        """Write day after day."""
        events: list[dict[str, Any]] = []
        for day in range(self._days):
            start = self._begin + timedelta(days=day)
            for drawn in (self._news(), self._of_readers(day), self._desk(start.date())):
                moments = sorted(self._chance.sample(range(60, 24 * 60 * 60), len(drawn)))
                events += [{**one, "at": start + timedelta(seconds=at)} for one, at in zip(drawn, moments, strict=True)]
        return Script(
            events=tuple(sorted(events, key=lambda one: one["at"])),
            outages=tuple(self._windows(every=12, hours=(2, 60))),
            jams=tuple(self._windows(every=6, hours=(1, 4))),
            begin=self._begin,
            end=self._begin + timedelta(days=self._days),
            seed=self._seed,
        )

    def _windows(self, *, every: int, hours: tuple[int, int]) -> Iterator[tuple[datetime, datetime]]:
        for _each in range(self._days // every):
            begin = self._begin + timedelta(minutes=self._chance.randrange(self._days * 24 * 60))
            yield begin, begin + timedelta(hours=self._chance.randint(*hours))

    def _news(self) -> list[dict[str, Any]]:
        chance = self._chance
        # Some days are full and some are empty: that is when there is too much, too little, or nothing.
        count = chance.choice((0, 1, 2, self._stories, self._stories, self._stories, 2 * self._stories))
        found = [self._story() for _each in range(count)]
        born = {name: place for place, one in enumerate(found) for name in one["names"].values()}
        later = [self._life() for _each in range(chance.choice((0, 2, 5)))] if self._recent else []
        # From the last one on, so that places before it stay what they are.
        placed = [(chance.randint(born.get(one["name"], -1) + 1, count), one) for one in later]
        for place, one in sorted(placed, key=lambda each: each[0], reverse=True):
            found.insert(place, one)
        return found

    def _story(self) -> dict[str, Any]:
        chance = self._chance
        self._number += 1
        languages = chance.choice((("en",), ("en",), ("it",), ("en", "it"), ("it", "en")))
        names = {language: f"Story {self._number}{language}" for language in languages}
        self._recent = [*self._recent[-20:], *names.values()]
        return {
            "what": "story",
            "names": names,
            "topics": sorted(chance.sample(THEMES + COUNTRIES, chance.choice((0, 1, 1, 2, 2, 3)))),
            "age_s": chance.randrange(1, 5 * 3600),
            "rank": chance.choice((0, 0, 0, 0, 2, 5)),
            "embargo_h": chance.choice((0, 0, 0, 0, 0, 5, 30)),
        }

    def _life(self) -> dict[str, Any]:
        chance = self._chance
        name = chance.choice(self._recent)
        what = chance.choice(_LIFE)
        found: dict[str, Any] = {"what": what, "name": name}
        if what == "flag":
            found |= {"urgent": chance.random() < 0.25}
        elif what == "hold":
            found |= {"hours": chance.choice((3, 20, 40))}
        elif what == "rank":
            found |= {"rank": chance.choice((0, 3, 9))}
        return found

    def _desk(self, today: date) -> list[dict[str, Any]]:
        """Lay stories down for a digest and a date, and take some back."""
        chance = self._chance
        found: list[dict[str, Any]] = []
        for _each in range(chance.choice((0, 1, 2, 4))):
            digest = chance.choice(DIGESTS)
            names = [name for name in self._recent if name.endswith(digest["language"])]
            if names:
                of = {"digest": digest["key"], "slot": str(today + timedelta(days=chance.choice((0, 1, 1, 2))))}
                what = chance.choice(("lay", "lay", "lay", "lay", "lift"))
                found.append({"what": what, **of, "role": chance.choice(_ROLES), "name": chance.choice(names)})
        return found

    def _of_readers(self, day: int) -> list[dict[str, Any]]:
        chance = self._chance
        found = []
        for number, person in enumerate(self._people):
            # They come one after the other in the first days, and some while the year goes on.
            if not person.on:
                if day >= number % 4 and chance.random() < (0.9 if day < 8 else 0.02):
                    found.append(self._join(person))
            elif chance.random() < 0.04:
                found.append(self._mind(person))
        return found

    def _join(self, person: _Person) -> dict[str, Any]:
        chance = self._chance
        left = [key for key in _BY_KEY if key not in person.on]
        keys = chance.sample(left, chance.choice((1, 1, 2, min(3, len(left)))))
        person.on.update(keys)
        topics = chance.sample(THEMES + COUNTRIES, chance.choice((0, 0, 1, 2, 4)))
        rhythm = chance.choice((None, None, "weekdays", "weekly"))
        return {
            "what": "join",
            "who": person.name,
            "digests": keys,
            "topics": sorted(topics),
            "zone": chance.choice(ZONES),
            "rhythm": rhythm,
            "choices": [self._choose(person, key) for key in keys if chance.random() < 0.8],
        }

    def _mind(self, person: _Person) -> dict[str, Any]:
        chance = self._chance
        what = chance.choice(("choose", "choose", "choose", "pause", "pause", "resume", "overall", "leave", "join"))
        if what == "choose":
            return self._choose(person, chance.choice(sorted(person.on)))
        if what == "join" and len(person.on) < 3:
            return self._join(person)
        if what == "pause":
            return {"what": "pause", "who": person.name, "days": chance.choice((1, 3, 9, 20, 40))}
        if what == "leave":
            key = chance.choice((*sorted(person.on), None))
            person.on = person.on - {key} if key else set()
            return {"what": "leave", "who": person.name, "digest": key}
        if what == "resume":
            return {"what": "resume", "who": person.name}
        order = list(LANGUAGES)
        chance.shuffle(order)
        flags = {"once": chance.random() < 0.6, "catch_up": chance.random() < 0.6}
        return {"what": "overall", "who": person.name, "languages": order, **flags}

    def _choose(self, person: _Person, key: str) -> dict[str, Any]:
        chance, digest = self._chance, _BY_KEY[key]
        rhythm = chance.choice((*digest["rhythms"], digest["rhythms"][0]))
        hours = (0, 2, 3, 7, 7, 7, 7, 18, 18, 23)
        return {
            "what": "choose",
            "who": person.name,
            "digest": key,
            "topics": sorted(chance.sample(THEMES, chance.choice((0, 0, 1, 2, 3)))),
            "countries": sorted(chance.sample(COUNTRIES, chance.choice((0, 0, 1, 2)))),
            "rhythm": rhythm,
            "weekday": chance.randrange(7) if rhythm == "weekly" else None,
            "minute": 60 * chance.choice(hours) + chance.choice((0, 0, 0, 0, 15, 30)),
            "zone": chance.choice(ZONES),
            "breaking": chance.choice((0, 1, 3, 255, 255)) if digest["offers_breaking"] else 0,
            "most": chance.choice((5, digest["most"], digest["most"])),
            "format": chance.choice(("both", "both", "text")),
        }


def within(at: datetime, windows: tuple[tuple[datetime, datetime], ...]) -> bool:
    """Say whether an instant is in one of some windows."""
    return any(begin <= at < end for begin, end in windows)


def beats(script: Script) -> Iterator[datetime]:
    """Yield when somebody looks: each quarter of an hour, a little late, but for outages."""
    chance = random.Random(f"beats {script.seed}")
    at = script.begin + timedelta(minutes=10)
    while at < script.end:
        late = timedelta(seconds=chance.choice((0, 0, 5, 40, 200)))
        if not within(at + late, script.outages):
            yield at + late
        at += timedelta(minutes=15)
