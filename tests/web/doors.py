"""The pages that a token opens, with the purpose and scope that opens each, and a reader for whom all of them work."""

from dataclasses import dataclass

from articles import shelf
from core import addresses, clock, links, services
from core.database import db
from core.tokens import Purpose
from subscribers import address, addressing, leaving, mails, offer
from subscribers.models import SignupRequest, Subscriber
from subscribers.trail import AddressChange, LinkChange
from tests.web import friends
from tests.web.readers import Reader, Readers, korea_and_cuba

DIGEST = "asia-daily"
OPENS = {
    "confirm": (Purpose.CONFIRM, ""),
    "preferences": (Purpose.PREFERENCES, ""),
    "choices": (Purpose.PREFERENCES, ""),
    "why": (Purpose.PREFERENCES, ""),
    "unsubscribe": (Purpose.UNSUBSCRIBE, DIGEST),
    "unsubscribe_all": (Purpose.UNSUBSCRIBE, ""),
    "undo": (Purpose.UNDO, ""),
    "undo_one": (Purpose.UNDO, "change"),
    "not_me": (Purpose.NOT_ME, ""),
    "address": (Purpose.ADDRESS, ""),
    "confirm_address": (Purpose.NEW_ADDRESS, ""),
    "share_as": (Purpose.SHARE, ""),
    "share_confirm": (Purpose.SHARE_CONFIRM, ""),
    "share_opt_out": (Purpose.SHARE_OPT_OUT, ""),
    "share_not_me": (Purpose.SHARE_NOT_ME, ""),
}
"""What opens each page of core.links.PATHS that has a token; the scope `change` is the id of a change."""
OF_SHARE = ("share_confirm", "share_opt_out", "share_not_me")
SHOWS_ONLY = frozenset({"why"})
"""The pages that take no POST."""


def refusal(page: str, status: int) -> int:
    """Return what a POST to a page is answered with that a GET is answered with `status`."""
    return 405 if page in SHOWS_ONLY else status


@dataclass(frozen=True)
class House:
    """A reader of two digests who left one of them, asked for another digest, waits for a new address, and was asked
    whether it was them who wants to send a story.
    """

    reader: Reader
    asked: bytes
    moving: bytes
    change: str
    sending: bytes
    story: str
    language: str

    def key(self, page: str) -> bytes:
        """Return the key that the token of a page holds."""
        own = {"confirm": self.asked, "confirm_address": self.moving}
        return own.get(page, self.sending if page in OF_SHARE else self.reader.key)

    def path(
        self, page: str, purpose: Purpose | None = None, scope: str | None = None, *, version: int | None = None
    ) -> str:
        """Return the path of a page, with the token that opens it, or with one of another purpose, scope or version."""
        opens, scoped = OPENS[page]
        scope = scoped if scope is None else scope
        token = services.current().links.tokens.mint(
            purpose or opens,
            self.key(page),
            version=self._version(page) if version is None else version,
            day=clock.day_number(clock.utc_now()),
            scope=self.change if scope == "change" else scope,
        )
        return self.with_token(page, token)

    def _version(self, page: str) -> int:
        return 0 if page in ("confirm", "confirm_address", *OF_SHARE) else self.reader.row.link_version

    def with_token(self, page: str, token: str) -> str:
        """Return the path of a page with this token in it."""
        named = {"language": self.language, "story": self.story, "digest": DIGEST, "change": self.change}
        return links.path(page, token=token, **named)


def built(readers: Readers, email: str = "reader@example.org", *, language: str = "en") -> House:
    """Return a reader for whom every page works."""
    reader = readers.join(email, digests=(DIGEST, "asia-arabic"), language=language)
    now = clock.utc_now()
    leaving.leave(reader.row, offer.by_key("asia-arabic"), now=now)
    db.session.commit()
    asked = _asked(readers, f"second-{email}")
    moving = ask_to_move(reader.row, f"new-{email}")
    change = db.session.query(LinkChange).filter_by(subscriber_id=reader.row.id).one()
    story = korea_and_cuba() if language == "en" else shelf.latest(language, limit=1)[0]
    ref = story.ref
    friends.turn()
    sending = friends.asked(story.id, email, f"friend-{email}", language=language)
    return House(reader, asked, moving, change.public_id.hex(), sending, ref, language)


def _asked(readers: Readers, email: str) -> bytes:
    readers.ask(email)
    return db.session.query(SignupRequest).order_by(SignupRequest.id.desc()).first().public_id  # type: ignore[union-attr]


def ask_to_move(subscriber: Subscriber, email: str) -> bytes:
    """Ask for mail at another address and let that be answered; return the key of the link in that mail."""
    at, now = services.current(), clock.utc_now()
    typed = addresses.parse(email)
    key = at.keyring.hash(typed)
    address.note(subscriber, typed, public_id=key, now=now, keyring=at.keyring)
    db.session.flush()
    change = db.session.query(AddressChange).filter_by(public_id=key).one()
    decision = addressing.decide(change.id, services=at, now=now)
    assert decision is not None
    made = mails.make(decision.letter, at) if decision.letter else None
    addressing.write(decision, made, services=at, now=now)
    db.session.commit()
    return key
