"""Dates as feeds write them. The publication of the proof is in Hong Kong, eight hours ahead of UTC."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from tests.proofs.corpus.model import SEEN, Dated, Member, Story
from tests.proofs.corpus.writing import STARTED, atom, entry, item, look, rss, took

ZONE = timedelta(hours=8)
_NO_NEWS = ("1970", "1969", "2099", "year 1")
"""Dates that nothing of today has: at a feed's first look such a story is shown, and mailed to nobody."""
_PAST = datetime(2024, 2, 15, 6, 13, tzinfo=UTC)


def members() -> Iterator[Member]:
    """Return the classes of this module."""
    yield from _of("dates without a zone", {
        "rfc 822": ("Thu, 15 Feb 2024 14:13:00", _PAST),
        "iso with a t": ("2024-02-15T14:13:00", _PAST),
        "iso with a space": ("2024-02-15 14:13:00", _PAST),
        "iso with parts of seconds": ("2024-02-15T14:13:00.250", _PAST),
        "a day alone": ("2024-02-15", datetime(2024, 2, 14, 16, 0, tzinfo=UTC)),
    })  # fmt: skip
    yield from _of("dates of rfc 822 with oddities", {
        "two figures for the year": ("Thu, 15 Feb 24 06:13:00 GMT", _PAST),
        "a name for the zone": ("Thu, 15 Feb 2024 01:13:00 EST", _PAST),
        "ut": ("Thu, 15 Feb 2024 06:13:00 UT", _PAST),
        "no weekday and no seconds": ("15 Feb 2024 14:13 +0800", _PAST),
        "the wrong weekday": ("Mon, 15 Feb 2024 06:13:00 GMT", _PAST),
        "a zone of half hours": ("Thu, 15 Feb 2024 11:58:00 +0545", _PAST),
        "all in capitals": ("THU, 15 FEB 2024 06:13:00 GMT", _PAST),
        "the month in full": ("Thu, 15 February 2024 06:13:00 GMT", _PAST),
        "blanks around it": ("\n   Thu, 15 Feb 2024 06:13:00 GMT\n  ", _PAST),
        "a zone with a colon": ("Thu, 15 Feb 2024 14:13:00 +08:00", _PAST),
    })  # fmt: skip
    yield from _of("dates in other words", {
        "spanish": ("jueves, 15 de febrero de 2024 14:13", SEEN),
        "arabic": ("١٥ فبراير ٢٠٢٤", SEEN),
        "chinese": ("2024年2月15日 14:13", _PAST),
        "korean": ("2024년 2월 15일 14:13", _PAST),
        "a number of seconds": ("1707977580", SEEN),
        "yesterday": ("yesterday", SEEN),
        "us order": ("02/15/2024 14:13", SEEN),
    })  # fmt: skip
    yield from _of("dates that cannot be", {
        "1970": ("Thu, 01 Jan 1970 00:00:00 GMT", SEEN),
        "1969": ("Wed, 31 Dec 1969 23:59:59 GMT", SEEN),
        "2099": ("Thu, 01 Jan 2099 00:00:00 GMT", SEEN),
        "an hour ahead": ((STARTED + timedelta(hours=1)).isoformat(), SEEN),
        "year nought": ("0000-00-00T00:00:00Z", SEEN),
        "year 1": ("0001-01-01T00:00:00Z", SEEN),
        "the 31st of february": ("Sat, 31 Feb 2024 06:13:00 GMT", SEEN),
        "a year of five figures": ("99999-01-01T00:00:00Z", SEEN),
        "nothing in it": ("   ", SEEN),
        "none": (None, SEEN),
        "five thousand figures": ("9" * 5_000, SEEN),
    })  # fmt: skip
    for name, (written, at) in {
        "utc": ("2024-02-15T06:13:00Z", _PAST),
        "a zone": ("2024-02-15T15:13:00+09:00", _PAST),
        "parts of seconds": ("2024-02-15T06:13:00.123456Z", _PAST),
        "updated alone": (None, _PAST),
    }.items():
        one = entry(f"Atom dated by {name}", date=_PAST)
        wanted = "<published>2024-02-15T06:13:00+00:00</published>"
        assert wanted in one
        instead = f"<published>{written}</published>" if written else "<updated>2024-02-15T06:13:00Z</updated>"
        feed = atom(one.replace(wanted, instead))
        yield Member(
            "dates of atom",
            name,
            (look(feed, took(1)),),
            (Story(f"Atom dated by {name}", at=at, news=False),),
        )


def _of(kind: str, dates: Mapping[str, tuple[str | None, Dated]]) -> Iterator[Member]:
    for name, (written, at) in dates.items():
        title = f"{kind.capitalize()}: {name}"
        story = Story(title, at=at, news=at == SEEN and name not in _NO_NEWS)
        yield Member(kind, name, (look(rss(item(title, date=written)), took(1)),), (story,))
