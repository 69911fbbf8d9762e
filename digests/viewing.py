"""The link in a mail that shows its stories in a browser, as they read now; it names the stories, and no reader."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from articles import shelf
from articles.models import Article
from core import clock, errors, tokens
from core.database import db
from core.services import Services
from core.tokens import Purpose
from digests.models import Cohort, Edition
from digests.rendering import HeadlineView, StoryView
from digests.showing import Shown
from subscribers.models import Digest

FIRST = "first-"
"""Before the date of a first edition in a path."""


def packed(views: Iterable[StoryView | HeadlineView]) -> bytes:
    """Return which articles are shown, 8 bytes each."""
    return b"".join(one.article_id.to_bytes(8, "big") for one in views)


def key(shown: Shown) -> bytes:
    """Return what stands for these stories and headlines in a link."""
    both = hashlib.sha256(packed(shown.stories) + b"|" + packed(shown.headlines))
    return both.digest()[: tokens.KEY_BYTES]


def view_url(digest: Digest, slot: date, shown: Shown, *, first: bool, services: Services) -> str:
    """Return the link to these stories of an edition."""
    name = f"{FIRST}{slot}" if first else slot.isoformat()
    day = (slot - clock.EPOCH_DAY).days
    token = services.links.tokens.mint(Purpose.VIEW, key(shown), version=0, day=day, scope=f"{digest.key}:{name}")
    return services.links.to("view", language=digest.language, digest=digest.key, edition=name, token=token)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a mail brought, as it reads now: stories and headlines that are still there, and of which date it was."""

    slot: date
    stories: Sequence[Article]
    headlines: Sequence[Article]


def of(digest: Digest, edition: str, token: str, services: Services) -> Seen:
    """Return what a link shows. Raises LinkDamaged, or NotFound for an edition that is not kept any more."""
    read = services.links.tokens.read(Purpose.VIEW, token, scope=f"{digest.key}:{edition}")
    kinds = ("first",) if edition.startswith(FIRST) else ("regular", "special")
    slot = day(edition.removeprefix(FIRST))
    wanted = (
        select(Cohort)
        .join(Edition, Edition.id == Cohort.edition_id)
        .where(
            Edition.digest_id == digest.id, Edition.kind.in_(kinds), Edition.slot == slot, Cohort.view_key == read.key
        )
    )
    cohort = db.session.scalar(wanted.order_by(Cohort.id).limit(1))
    if cohort is None:
        raise errors.NotFound
    return Seen(slot, published(cohort.article_ids), published(cohort.headline_ids or b""))


def day(text: str) -> date:
    """Return the date that a path names. Raises NotFound."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise errors.NotFound from error


def published(article_ids: bytes) -> list[Article]:
    """Return those of packed articles that readers may see."""
    return [one for one in shelf.by_ids(unpacked(article_ids)) if one.state in ("published", "flash")]


def unpacked(article_ids: bytes) -> list[int]:
    """Return the ids of packed articles, in order."""
    return [int.from_bytes(article_ids[at : at + 8], "big") for at in range(0, len(article_ids), 8)]
