"""Why a mail came, or none: the reader's last slots, in words. It is opened by the link to the preferences.

Whoever may change what a reader gets may see what became of it: a token of its own would be a fifth one in each mail.
"""

from collections.abc import Iterable

from flask import Blueprint, Response

from core import clock, links, services, tokens
from core.links import PATHS
from digests import why as reasons
from digests import whybreaking, whywords
from digests.why import Slot
from subscribers import preferences as choices_of
from subscribers.models import Digest
from web import pages, words

why = Blueprint("why", __name__)


@why.get(PATHS["why"])
def show(token: str) -> Response:
    """Show a reader's last slots, one list for each digest."""
    now = clock.utc_now()
    subscriber = choices_of.by_token(services.current().links.tokens.read(tokens.Purpose.PREFERENCES, token), now)
    pages.speak(subscriber.language)
    hours = services.current().publication.quiet
    values = {
        "address": subscriber.mailbox.masked,
        "digests": list(_by_digest(whybreaking.recent(subscriber, now=now, hours=hours))),
        "most": reasons.MOST,
        "back": links.path("preferences", token=token),
    }
    return pages.page("why/slots.html", values)


def _by_digest(slots: Iterable[Slot]) -> Iterable[tuple[Digest, str, list[tuple[str, str, str]]]]:
    """Yield each digest with its city and its slots: when for machines and people, and what."""
    found: dict[int, list[Slot]] = {}
    for slot in slots:
        found.setdefault(slot.digest.id, []).append(slot)
    for same in found.values():
        spoken = pages.language()
        yield (
            same[0].digest,
            words.city(same[0].zone),
            [(pages.iso(one.at), whywords.when(one, spoken), whywords.sentence(one, spoken)) for one in same],
        )
