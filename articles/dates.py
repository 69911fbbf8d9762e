"""Read the dates of feeds as they are written: RFC 822, ISO 8601, and the days of East Asia; the rest is not guessed.

feedparser reads more, and takes "2024年2月15日" for a day of November: it counts only where it agrees on the year.
"""

import re
import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_tz

_LONGEST = 100
_TIME = r"(?:\d{1,2}):\d{2}(?::\d{2}(?:[.,]\d+)?)?"
_ISO = re.compile(
    rf"(?P<day>\d{{4}}-\d{{2}}-\d{{2}})(?:[Tt\s]\s*(?P<time>{_TIME}))?\s*(?P<zone>[Zz]|[+-]\d{{2}}:?\d{{2}})?", re.ASCII
)
_EAST = re.compile(rf"(\d{{4}})[年년]\s?(\d{{1,2}})[月월]\s?(\d{{1,2}})[日일]?\s?(?P<time>{_TIME})?", re.ASCII)
_ZONED = re.compile(r"(?:[+-]\d{4}|\b(?:UTC?|GMT|Z|[ECMP][SD]T))$", re.ASCII | re.IGNORECASE)
_OFFSET = re.compile(r"([+-]\d{2}):(\d{2})$", re.ASCII)


def read(written: str, *, zone: tzinfo, guess: time.struct_time | None) -> time.struct_time | None:
    """Return a date in UTC, as feedparser gives one, or None. Without a zone it is one of `zone`, the publisher's.

    `guess` is what feedparser made of it.
    """
    text = " ".join(written[: _LONGEST + 1].split())
    if len(text) > _LONGEST:
        return None
    try:
        at = _iso(text, zone) or _east(text, zone) or _mail(text, zone)
        if at is not None:
            return at.astimezone(UTC).timetuple()
    except (ValueError, OverflowError):
        return None
    return guess if guess and re.search(rf"\b{guess.tm_year}\b", text) else None


def _iso(text: str, zone: tzinfo) -> datetime | None:
    """Read ISO 8601 as RFC 3339 and W3C-DTF have it, with a blank for the T, too."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    at = datetime.fromisoformat(f"{found['day']}T{_clock(found['time'])}{(found['zone'] or '').upper()}")
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _east(text: str, zone: tzinfo) -> datetime | None:
    found = _EAST.fullmatch(text)
    if found is None:
        return None
    year, month, day = (int(found[place]) for place in (1, 2, 3))
    return datetime.fromisoformat(f"{year:04}-{month:02}-{day:02}T{_clock(found['time'])}").replace(tzinfo=zone)


def _clock(text: str | None) -> str:
    """Return a time of day in whole seconds with two figures each."""
    hour, *rest = re.split(r"[.,]", text or "0:00")[0].split(":")
    return ":".join([hour.zfill(2), *rest])


def _mail(text: str, zone: tzinfo) -> datetime | None:
    """Read RFC 822 and RFC 5322. A zone by a name that those do not know is the publisher's own."""
    text = _OFFSET.sub(r"\1\2", text)
    parts = parsedate_tz(text)
    if parts is None or not re.search("[A-Za-z]{3}", text):
        return None
    told = _ZONED.search(text) and parts[9] is not None
    return datetime(*parts[:6], tzinfo=timezone(timedelta(seconds=parts[9] or 0)) if told else zone)
