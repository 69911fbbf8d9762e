"""What is looked at before a wave goes out: what is not fit is left out, the desk is told, the wave is on time.

A picture that cannot be shown costs its story the picture, and no more. A breaking mail has one story: it waits until
that is fit, as long as it is news.

Only what would harm every reader stops another wave: a place that nothing fills, no way to unsubscribe, a reader who is
not whom the mail is addressed to. It is tried again until its news is stale, and then left out as one that was missed.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update

from articles import pictures_missing, shelf
from articles.models import Article
from core import alerts, logs
from core.database import db
from core.services import Services
from delivery import content, outbox
from delivery.models import LinkSet
from digests import alerted, shelves
from digests.models import Edition, Special, Wave
from subscribers import rhythm
from subscribers.duereaders import DueReader
from subscribers.models import Digest

log = logs.get(__name__)

KIND = "preflight"
MOST_LINKS = 200
"""Links that are tried for one wave, of the newest stories."""
TRIED_AGAIN = timedelta(minutes=1)
SAMPLE = 20
"""Readers of a chunk who are looked at: a mix-up is of all of them, or of none."""
Probe = Callable[[Sequence[str]], dict[str, int]]
"""Tries addresses; returns those that are gone for certain, with the answers that say so. The door's: it is slow."""
_SCRIPTS = {"ar": ("ARABIC",), "ko": ("HANGUL", "CJK"), "zh": ("CJK",), "ja": ("CJK", "HIRAGANA", "KATAKANA")}
_LATIN = ("LATIN",)
_LEAST_LETTERS = 8
_SHARE = 5
"""A text of which not a fifth of the letters is in its language's script is in another language."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A story that is left out of a wave, or goes without its picture, and why."""

    article_id: int
    public_id: str
    why: str
    is_left_out: bool = True


class Stopped(Exception):
    """The wave must not go out: its text says why, in English, for the desk and operators."""


def is_to_do(wave_id: int) -> bool:
    """Return whether nobody has looked at a wave yet, or it was stopped and is to be looked at again."""
    found = db.session.get_one(Wave, wave_id, populate_existing=True).found
    return found is None or (_is(wave_id, alerted.KIND) and "stopped" in found)


def stories(wave_id: int) -> list[Article]:
    """Return what a wave may bring, newest first."""
    wave = db.session.get_one(Wave, wave_id)
    edition = db.session.get_one(Edition, wave.edition_id)
    digest = db.session.get_one(Digest, edition.digest_id)
    if edition.special_id is not None:
        ids = db.session.get_one(Special, edition.special_id).article_ids
    elif edition.article_id is not None:
        ids = [edition.article_id]
    else:
        since = wave.due_at - 2 * max(rhythm.period(one) for one in digest.rhythms)
        ids = [one.article_id for one in shelves.candidates(digest, since=since)]
    found = shelf.by_ids(ids)
    for one in found:
        db.session.expunge(one)
    return found


def without_picture(found: Sequence[Article]) -> list[Finding]:
    """Return which stories have a picture that cannot be shown."""
    why = pictures_missing.lacking([one.id for one in found])
    return [Finding(one.id, one.public_id, why[one.id], is_left_out=False) for one in found if one.id in why]


def check(found: Sequence[Article], probe: Probe) -> list[Finding]:
    """Return which stories are not fit to be mailed. Slow, so outside of any transaction."""
    elsewhere = [one for one in found if one.is_read_elsewhere][:MOST_LINKS]
    gone = probe([one.url for one in elsewhere]) if elsewhere else {}
    dead = [
        Finding(one.id, one.public_id, f"its page at its publisher answers {gone[one.url]}")
        for one in elsewhere
        if one.url in gone
    ]
    foreign = [
        Finding(one.id, one.public_id, f"its headline is not in {one.language}") for one in found if is_foreign(one)
    ]
    return [*dead, *(one for one in foreign if one.article_id not in {other.article_id for other in dead})]


def is_foreign(article: Article) -> bool:
    """Return whether headline and standfirst are in no script of the article's language."""
    letters = [char for char in article.headline + article.standfirst if char.isalpha()]
    scripts = _SCRIPTS.get(article.language.partition("-")[0], _LATIN)
    own = sum(unicodedata.name(char, "").startswith(scripts) for char in letters)
    return len(letters) >= _LEAST_LETTERS and own * _SHARE < len(letters)


def keep(wave_id: int, found: Sequence[Finding], *, now: datetime) -> None:
    """Leave out of a wave what was found, and have the desk told. Raises Stopped when that is all that it is about."""
    out = [one for one in found if one.is_left_out]
    bare = [one for one in found if not one.is_left_out]
    if out and _is(wave_id, alerted.KIND):
        raise Stopped(f"Its story is not fit to be mailed: {out[0].why}.")
    pictures_missing.make_anew([one.article_id for one in bare], now)
    wave = db.session.get_one(Wave, wave_id)
    of_all_parts = (Wave.edition_id == wave.edition_id, Wave.due_at == wave.due_at)
    _note({"unfit": _noted(out), **({"bare": _noted(bare)} if bare else {})}, *of_all_parts)
    told = _of(wave_id)
    connection = db.session.connection()
    if not found:
        alerts.close(connection, [told.key], now)
        return
    counts = [
        *([f"without {len(out)} stories that are not fit to be mailed"] if out else []),
        *([f"with {len(bare)} stories that lack their picture"] if bare else []),
    ]
    trouble = alerts.trouble(
        told.key,
        what=f"{told.name} goes out {', and '.join(counts)}.",
        how_much="; ".join(f"{one.public_id}: {one.why}" for one in found),
        cure="Look with: flask articles show, and the story. What is put right comes in a later edition.",
    )
    alerts.raise_alert(connection, trouble, now)
    log.warning("stories not fit", wave=wave_id, left_out=len(out), without_picture=len(bare))


def _noted(found: Sequence[Finding]) -> list[dict[str, object]]:
    return [{"article": one.article_id, "why": one.why} for one in found]


def refuse_unfit(
    head: content.Part,
    foot: content.Part,
    blocks: Sequence[content.Part],
    readers: Sequence[DueReader],
    services: Services,
) -> None:
    """Raise Stopped for what would harm every reader."""
    strange = content.places(head, foot, *blocks) - outbox.PLACES[LinkSet.READER]
    if strange:
        raise Stopped(f"A template has a place that nothing fills: {', '.join(sorted(strange))}.")
    for form in ("text", "html"):
        there = content.places(*(content.Part(getattr(part, form), ()) for part in (head, foot)))
        if "unsubscribe" not in there:
            raise Stopped(f"The {form} of the mail has no link to unsubscribe.")
    for reader in readers[:SAMPLE]:
        if services.keyring.hash(reader.address) != reader.addr_hash:
            raise Stopped("A reader's address is not the one that their links and suppressions are kept for.")


def stop(wave_id: int, why: str, *, now: datetime) -> None:
    """Put a wave off, and have it told until when it is tried again."""
    wave, told = db.session.get_one(Wave, wave_id), _of(wave_id)
    deadline = wave.due_at + timedelta(seconds=told.news_s)
    _note({**(wave.found or {}), "stopped": why, "until": deadline.isoformat()}, Wave.id == wave_id)
    db.session.execute(
        update(Wave)
        .where(Wave.id == wave_id)
        .values(lease_until=now + TRIED_AGAIN)
        .execution_options(synchronize_session=False)
    )
    trouble = alerts.trouble(
        told.key,
        what=f"{told.name} is stopped: {why}",
        how_much=f"It is tried again every minute until {alerts.at(deadline)}; after that it is left out.",
        cure="Put it right, and it goes out by itself. What is in templates needs a new start of the workers.",
    )
    alerts.raise_alert(db.session.connection(), trouble, now)
    log.error("wave stopped", wave=wave_id, why=why)


def _note(found: dict[str, object], *waves: ColumnElement[bool]) -> None:
    noted = update(Wave).where(*waves).values(found=found)
    db.session.execute(noted.execution_options(synchronize_session=False))


@dataclass(frozen=True, slots=True)
class _Told:
    """What the desk is told of: the key of its alert, the edition's name, and for how many seconds it is news."""

    key: str
    name: str
    news_s: int


def _of(wave_id: int) -> _Told:
    wanted = select(Digest, Edition).join(Edition, Edition.digest_id == Digest.id)
    digest, edition = db.session.execute(
        wanted.join(Wave, Wave.edition_id == Edition.id).where(Wave.id == wave_id)
    ).one()
    if edition.kind == alerted.KIND:
        name = f"The breaking mail of {digest.name} of {edition.slot}"
        return _Told(f"{KIND}:{digest.key}:{alerted.KIND}", name, digest.breaking_not_after_s)
    if edition.special_id is not None:
        name = f"The special {db.session.get_one(Special, edition.special_id).key}"
        return _Told(f"{KIND}:{digest.key}:special", name, digest.not_after_s)
    return _Told(f"{KIND}:{digest.key}", f"{digest.name} of {edition.slot}", digest.not_after_s)


def _is(wave_id: int, kind: str) -> bool:
    wanted = select(Edition.kind).join(Wave, Wave.edition_id == Edition.id).where(Wave.id == wave_id)
    return db.session.scalar(wanted) == kind
