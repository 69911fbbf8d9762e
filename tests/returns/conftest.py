"""The whole application with a Maildir, mails that were handed over, and letters to put into the box."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import create_app
from core.database import Base, db
from core.mailboxes import Mailbox, ReturnSettings
from core.services import Services, current
from core.settings import Settings
from delivery import verp
from delivery.models import Delivery, Mailing
from delivery.states import State
from returns.models import Arrival
from returns.taking import Taken
from tasks import mailbox, nudge
from tests.delivery import mailings
from tests.installation import settings_for

DESK = "people@monsoon.example.org"
NEWS = "news@monsoon.example.org"


@dataclass
class House:
    """An installation whose one mailbox is a Maildir."""

    app: Flask
    folder: Path
    settings: Settings

    @property
    def services(self) -> Services:
        """Return what the rooms are given."""
        return current()

    def sent(self, count: int = 1, **values: object) -> list[int]:
        """Have so many mails that were handed over; return their ids."""
        return mailings.mails(mailings.mailing(f"edition:{os.urandom(4).hex()}"), {State.SENT: count}, **values)

    def envelope(self, delivery: int, prefix: str = verp.PREFIX) -> str:
        """Return the address that the bounces of a mail come back to, or that its reader leaves by."""
        token = verp.token(delivery, tokens=self.services.links.tokens, prefix=prefix)
        return f"{prefix}{token}@bounces.monsoon.example.org"

    def put(self, raw: bytes | str, name: str | None = None) -> str:
        """Put a mail into the box; return the name of its file."""
        name = name or f"{len(list((self.folder / 'new').iterdir())):06d}.{os.urandom(6).hex()}.host"
        (self.folder / "new" / name).write_bytes(raw.encode() if isinstance(raw, str) else raw)
        return name

    def read(self) -> Taken:
        """Read the box to its end; return what came of it."""
        db.session.rollback()
        found = Taken()
        failed = mailbox.read_all(self.settings.returns, services=self.services, tell=lambda _box, one: found.add(one))
        assert not failed
        return found

    def arrivals(self) -> list[Arrival]:
        """Return what was kept, in order."""
        db.session.rollback()
        return list(db.session.scalars(select(Arrival).order_by(Arrival.id)))

    def came_back(self, delivery: int) -> str | None:
        """Return as what a mail came back."""
        db.session.rollback()
        return db.session.scalar(select(Delivery.returned_as).where(Delivery.id == delivery))

    def outgoing(self) -> int:
        """Return how many mails there are in the ledger that were not handed over before."""
        db.session.rollback()
        return db.session.scalar(select(func.count()).where(Delivery.state == State.PLANNED)) or 0

    def queued(self, key: str) -> int:
        """Return how many mails of a kind of system mail are in the ledger."""
        db.session.rollback()
        found = select(func.count()).join(Mailing).where(Mailing.key.startswith(key))
        return db.session.scalar(found.select_from(Delivery)) or 0

    def files(self, folder: str) -> list[str]:
        """Return the files of one of the box's folders."""
        path = self.folder / folder
        return sorted(one.name for one in path.iterdir()) if path.is_dir() else []


def maildir(folder: Path) -> Path:
    """Make an empty Maildir."""
    for name in ("tmp", "new", "cur"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def house(tmp_path: Path, monkeypatch) -> Iterator[House]:
    """An installation on SQLite with an empty box; nobody is nudged."""
    folder = maildir(tmp_path / "box")
    returns = ReturnSettings((Mailbox(path=folder),), desk=DESK)
    settings = replace(settings_for(f"sqlite:///{tmp_path / 'house.db'}"), returns=returns)
    monkeypatch.setattr(nudge, "_nudge", lambda *_task: None)
    made = create_app(settings)
    with made.app_context():
        Base.metadata.create_all(db.engine)
        yield House(made, folder, settings)
        db.session.remove()
        db.engine.dispose()


def bounce(to: str, status: str = "5.1.1", *, number: int = 0, action: str = "failed") -> str:
    """Return a notification that came to an envelope sender."""
    return f"""Return-Path: <>
Delivered-To: {to}
From: MAILER-DAEMON@mx.readers.test
To: {to}
Subject: Undelivered
Message-ID: <{number}@mx.readers.test>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="e"

--e
Content-Type: text/plain

It could not be delivered.
--e
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.readers.test

Final-Recipient: rfc822; ada@readers.test
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} user unknown

--e--
"""


def letter(body: str = "Lovely.", *, to: str = NEWS, writer: str = "ada@readers.test", **headers: str) -> str:
    """Return a letter of a person. Headers are named with _ for -."""
    own = {
        "Return_Path": f"<{writer}>",
        "Delivered_To": to,
        "From": f"Ada <{writer}>",
        "To": to,
        "Subject": "Re: Asia Daily",
        **headers,
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in own.items() if value]
    return "\n".join([*lines, "", body, ""])
