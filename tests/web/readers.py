"""People for the tests of web/: they ask on the form, get their mail answered, press the button, hold their links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import Flask
from sqlalchemy import select

from articles import shelf
from articles.models import Article
from core import clock, services
from core.database import Base, db
from subscribers.models import SignupRequest, Subscriber
from tests.subscribers import people

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


@dataclass(frozen=True)
class Reader:
    """A subscriber and the paths of their links."""

    key: bytes
    version: int
    confirm: str

    def links(self, *, days_ago: int = 0, digest: str = "asia-daily") -> tuple[str, str]:
        """Return the paths of the preferences and of leaving `digest`, as a mail of some days ago has them."""
        found = services.current().links.reader(
            self.key, digest=digest, version=self.version, day=clock.day_number(clock.utc_now()) - days_ago
        )
        return path(found.preferences), path(found.unsubscribe)

    @property
    def preferences(self) -> str:
        return self.links()[0]

    @property
    def unsubscribe(self) -> str:
        return self.links()[1]

    @property
    def leave_all(self) -> str:
        return self.links(digest="")[1]

    def choices(self, digest: str = "asia-daily") -> str:
        return self.preferences.replace("/preferences/", f"/preferences/{digest}/")

    @property
    def row(self) -> Subscriber:
        db.session.rollback()
        return db.session.execute(select(Subscriber).filter_by(public_id=self.key)).scalar_one()


class Readers:
    """Makes readers by the rooms' own functions, so that each test of a page starts with the page."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def ask(self, email: str, *, digests=("asia-daily",), topics=(), language="en", zone=None, at=None) -> str:
        """Ask for digests; return the path of the link in the confirmation mail."""
        now = at or clock.utc_now()
        asked = {"digests": digests, "topics": topics, "language": language, "zone": zone}
        request = people.note(services.current(), email, at=now, **asked)
        people.answer(request.id, services=services.current(), now=now)
        db.session.commit()
        return path(services.current().links.confirm(request.public_id, day=clock.day_number(now)))

    def join(self, email: str, **asked) -> Reader:
        """Ask for digests and confirm."""
        confirm = self.ask(email, **asked)
        request = db.session.scalars(select(SignupRequest).order_by(SignupRequest.id.desc()).limit(1)).one()
        done = people.confirm(request, services=services.current(), now=clock.utc_now())
        db.session.commit()
        return Reader(done.subscriber.public_id, done.subscriber.link_version, confirm)


def path(link: str) -> str:
    """Return a link of ours without the host."""
    return link.removeprefix(services.current().links.base_url)


def korea_and_cuba() -> Article:
    """Return the demo's story that has versions in both languages."""
    return next(article for article in shelf.latest("en", limit=50) if "Cuba" in article.headline)


def hidden_fields(page: str) -> dict[str, str]:
    """Return the names and values of a page's hidden inputs."""
    return dict(HIDDEN.findall(page))


def dump() -> list[tuple[object, ...]]:
    """Return all rows of all tables."""
    db.session.rollback()
    return list(_rows())


def _rows() -> Iterator[tuple[object, ...]]:
    for table in Base.metadata.sorted_tables:
        for row in db.session.execute(select(table)):
            yield (table.name, *row)


def at(text: str) -> datetime:
    """Return an instant."""
    return datetime.fromisoformat(text)
