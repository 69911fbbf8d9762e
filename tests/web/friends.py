"""Sending a story in a test of web/: the switch, what is typed into the form, and friends of all kinds."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from core import addresses, clock, database, links, services, tokens
from core.database import db
from core.shares import ShareSettings
from delivery import suppression
from delivery.classes import Class
from sharing import asking, senders, switch
from sharing.models import Share, ShareFriend, ShareOnce
from tests.web.readers import Reader, Readers, hidden_fields, korea_and_cuba

WIDE = ShareSettings(
    per_origin_hour=1000,
    per_origin_day=1000,
    per_sender_hour=1000,
    per_sender_day=1000,
    per_link_day=1000,
    per_story_hour=1000,
    per_site_hour=1000,
)
"""For tests that are about something else than limits."""
TYPED = {"name": "Mara Rossi", "email": "mara@example.org", "friend_1": "friend@example.org"}


def turn(mode: switch.Mode = switch.Mode.VERIFIED) -> None:
    """Turn the switch, as an operator does."""
    with database.write_turn():
        switch.turn(mode, who="Ada", accepted=switch.NOTICE_VERSION, now=clock.utc_now())
        db.session.commit()


def asked(article_id: int, email: str, *friends: str, language: str = "en") -> bytes:
    """Ask to send a story, and be asked whether it was so; return the key of the links in the mail that asks."""
    wish = asking.Wish(os.urandom(16), article_id, [addresses.parse(one) for one in friends], "Mara", "", language)
    with database.write_turn():
        asking.note(
            wish,
            senders.stranger(addresses.parse(email)),
            full=None,
            origin="192.0.2.9",
            given=WIDE,
            now=clock.utc_now(),
            keyring=services.current().keyring,
        )
        db.session.scalars(select(Share).filter_by(public_id=wish.public_id)).one().state = "asked"
        db.session.commit()
    return wish.public_id


@dataclass
class Form:
    """The form that sends a story, as a person without JavaScript meets it."""

    client: FlaskClient
    story: str
    language: str = "en"

    @property
    def path(self) -> str:
        """Return where it stands for whoever is not known."""
        return links.path("share", language=self.language, story=self.story)

    def as_reader(self, reader: Reader, *, days_ago: int = 0, version: int | None = None) -> str:
        """Return where it stands for a reader, as the link of a digest of some days ago has it."""
        given = services.current().links
        link = given.share_as(
            reader.key,
            language=self.language,
            story=self.story,
            version=reader.version if version is None else version,
            day=clock.day_number(clock.utc_now()) - days_ago,
        )
        return link.removeprefix(given.base_url)

    def send(self, path: str = "", *, page: str | None = None, origin: str = "192.0.2.1", **typed: Any) -> TestResponse:
        """Open the form, fill it in, and send it; what is given replaces what they typed."""
        path = path or self.path
        fields = hidden_fields(self.client.get(path).text if page is None else page) | TYPED | typed
        return self.client.post(path, data=fields, environ_overrides={"REMOTE_ADDR": origin})


def form(client: FlaskClient) -> Form:
    """Return the form of the story that tests send."""
    ref = korea_and_cuba().ref
    db.session.rollback()
    return Form(client, ref)


def shares() -> list[Share]:
    """Return all shares, in order."""
    db.session.rollback()
    return list(db.session.scalars(select(Share).order_by(Share.id)))


def to() -> list[str]:
    """Return the addresses to which stories wait to be sent."""
    db.session.rollback()
    keyring = services.current().keyring
    rows = db.session.scalars(select(ShareFriend).order_by(ShareFriend.id))
    return [keyring.unseal(one.sealed, one.addr_hash) for one in rows if one.sealed is not None]


def of_all_kinds(readers: Readers) -> list[str]:
    """Return friends of whom we know something, and one of whom we do not."""
    now, keyring = clock.utc_now(), services.current().keyring
    readers.join("subscriber@example.org")
    readers.ask("asked-to-subscribe@example.org")
    for name, scope, reason in (
        ("left-stories", "share", "left"),
        ("left-all", "all", "left"),
        ("bounced", "all", Class.HARD.value),
        ("complained", "share", Class.COMPLAINT.value),
    ):
        suppression.suppress(
            keyring.hash(addresses.parse(f"{name}@example.org")), scope=scope, reason=reason, source="test", now=now
        )
    had_it = asking.inbox_hash(addresses.parse("had-it@example.org"), keyring)
    db.session.add(ShareOnce(inbox_hash=had_it, story_id=korea_and_cuba().story_id, at=now - timedelta(days=3)))
    db.session.commit()
    kinds = (
        "unknown",
        "subscriber",
        "asked-to-subscribe",
        "left-stories",
        "left-all",
        "bounced",
        "complained",
        "had-it",
    )
    return [f"{kind}@example.org" for kind in kinds]


def path_of(share: bytes, page: str) -> str:
    """Return the path of a page that a share's mails lead to."""
    mint = services.current().links.tokens.mint
    purposes = {
        "share_confirm": tokens.Purpose.SHARE_CONFIRM,
        "share_opt_out": tokens.Purpose.SHARE_OPT_OUT,
        "share_not_me": tokens.Purpose.SHARE_NOT_ME,
    }
    token = mint(purposes[page], share, version=0, day=clock.day_number(clock.utc_now()))
    return links.path(page, token=token)
