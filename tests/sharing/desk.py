"""Sharing in a test: the switch is on, stories are there, and somebody at a page wants to send them."""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask, current_app
from sqlalchemy import select

from articles.models import Article
from core import addresses, clock, database, tokens
from core.database import Base, db
from core.shares import ShareSettings
from core.windows import Windows
from sharing import asking, confirming, friends, limits, senders, sending, switch
from sharing.asking import Answer, Wish
from sharing.models import Share, ShareFriend
from sharing.senders import Sender
from subscribers.models import Subscriber
from tasks import nudge
from tasks import sharing as tasks
from tests import installation
from tests.digests import sender as relay
from tests.digests.house import NOW, House, Mail

WIDE = ShareSettings(
    per_origin_hour=1000,
    per_origin_day=1000,
    per_sender_hour=1000,
    per_sender_day=1000,
    per_link_day=1000,
    per_story_hour=1000,
    per_site_hour=1000,
    questions_day=1000,
    burst=100_000,
)
"""For tests that are about something else than limits at the page."""
SENDER = "mara@example.org"
_names = itertools.count(1)


def address(text: str) -> addresses.Address:
    """Return a checked address."""
    return addresses.parse(text)


@dataclass
class Desk:
    """The page, the tasks and the ledger of one publication."""

    house: House
    windows: Windows = field(default_factory=lambda: Windows(None))

    def __post_init__(self) -> None:
        self.services = self.house.services
        self.keyring = self.house.services.keyring

    def turn(self, mode: switch.Mode, *, at: datetime = NOW) -> None:
        """Turn the switch, as an operator does."""
        with database.write_turn():
            switch.turn(mode, who="Ada", accepted=switch.NOTICE_VERSION, now=at)
            db.session.commit()

    def article(self, headline: str = "Seoul and Havana", **values: Any) -> int:
        """Let a story come in."""
        return self.house.article(headline, **values)

    def sender(self, mailbox: str) -> Sender:
        """Return somebody who comes from their own digest, without there being one."""
        return Sender(address(mailbox), link_hash=self.keyring.blur("test", mailbox))

    def reader(self, mailbox: str = SENDER) -> Sender:
        """Return a reader who comes from the link in their digest of that day."""
        self.house.subscriber(mailbox)
        with database.write_turn():
            return senders.by_link(self.link(mailbox), services=self.services, now=NOW)

    def link(self, mailbox: str = SENDER, *, at: datetime = NOW) -> str:
        """Return the token in a reader's digest of a day."""
        reader = db.session.scalars(select(Subscriber).filter_by(address=mailbox)).one()
        db.session.rollback()
        made = self.services.links.tokens
        day = clock.day_number(at)
        return made.mint(tokens.Purpose.SHARE, reader.public_id, version=reader.link_version, day=day)

    def wish(self, article_id: int, *friends: str, **values: Any) -> Wish:
        """Return what a form asks for."""
        given = {"public_id": os.urandom(16), "name": "Mara", "note": "", "language": "en", **values}
        return Wish(article_id=article_id, friends=[address(one) for one in friends], **given)

    def post(
        self,
        wish: Wish,
        sender: Sender | None = None,
        *,
        at: datetime = NOW,
        origin: str | None = "192.0.2.7",
        given: ShareSettings = WIDE,
    ) -> Answer:
        """Send the form, as the page does."""
        sender = sender or senders.stranger(address(SENDER))
        full = limits.full_window(
            windows=self.windows,
            origin=origin,
            sender=sender.address,
            is_proven=sender.is_proven,
            story=str(wish.article_id),
            count=len(wish.friends),
            limits=given,
            keyring=self.keyring,
        )
        with database.write_turn():
            answer = asking.note(wish, sender, full=full, origin=origin, given=given, now=at, keyring=self.keyring)
            db.session.commit()
        return answer

    def unsealed(self, sealed: bytes | None, addr_hash: bytes) -> str:
        """Return the address that was sealed."""
        assert sealed is not None
        return self.keyring.unseal(sealed, addr_hash)

    def shares(self) -> list[Share]:
        """Return all shares, in order."""
        db.session.rollback()
        return list(db.session.scalars(select(Share).order_by(Share.id)))

    def friends(self) -> list[ShareFriend]:
        """Return all friends of shares, in order."""
        db.session.rollback()
        return list(db.session.scalars(select(ShareFriend).order_by(ShareFriend.id)))

    def confirm(self, share: Share, *, at: datetime = NOW, given: ShareSettings = WIDE) -> bool:
        """Press the button behind the link that the sender was sent."""
        token = tokens.Token(share.public_id, 0, clock.day_number(at))
        with database.write_turn():
            share = confirming.open_share(token, at)
            done = confirming.confirm(share, given=given, keyring=self.keyring, now=at)
            db.session.commit()
        return done

    def work(self, *, at: datetime = NOW, given: ShareSettings = WIDE) -> None:
        """Do what the task does that answers, at a moment."""
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        settings = replace(installation.settings_for("sqlite://"), sharing=given)
        app.extensions.update({"postrider": self.services, "postrider settings": settings})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "utc_now", lambda: at)
            patch.setattr(nudge, "post", lambda: None)
            patch.setattr(nudge, "sharing", lambda: None)
            # Not as a task: Celery would run it in whichever application another test made last.
            tasks.answer.run()
        db.session.rollback()

    @contextmanager
    def services_turn(self) -> Iterator[None]:
        """Write as a door does."""
        with database.write_turn():
            yield
            db.session.commit()

    def work_shares(self, *, at: datetime = NOW, given: ShareSettings = WIDE) -> None:
        """Queue what is confirmed, without deciding on any friend."""
        for share_id in sending.waiting(100, now=at):
            made = sending.make(share_id, given=given, services=self.services)
            db.session.rollback()
            assert made is not None
            with self.services_turn():
                assert sending.write(made, given=given, services=self.services, now=at)

    def decide(self, friend_id: int, *, at: datetime = NOW, given: ShareSettings = WIDE) -> None:
        """Decide on one friend."""
        with self.services_turn():
            friends.decide(friend_id, given=given, services=self.services, now=at)

    def change(self, article_id: int, **values: Any) -> None:
        """Change a story."""
        with self.services_turn():
            article = db.session.get_one(Article, article_id)
            for name, value in values.items():
                setattr(article, name, value)

    @staticmethod
    def story_of(article_id: int) -> int:
        """Return the story that an article is a version of."""
        return db.session.get_one(Article, article_id).story_id

    def send(self) -> list[str]:
        """Hand over what may leave; return to whom."""
        return relay.Sender(self.services).go()

    @staticmethod
    def all(model: type[Base], column: str) -> list[Any]:
        """Return one column of all rows."""
        db.session.rollback()
        return [getattr(one, column) for one in db.session.scalars(select(model))]

    def mail_to(self, mailbox: str) -> list[Mail]:
        """Return the mails in the ledger to one address."""
        return [mail for mail in self.mails() if mail.to == mailbox]

    def mails(self) -> Sequence[Mail]:
        """Return the mails in the ledger."""
        return self.house.mails()


HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
