"""A digest that was passed on: whoever has it opens every link, presses every button, and does no harm that lasts.

What they change is told to its reader, who takes it back; what they send in the reader's name is little, and told, too;
and nobody else's is touched.
"""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from core import clock, services
from core.database import db
from core.windows import Windows
from digests.models import Wave
from subscribers import joining
from subscribers.models import Subscriber
from subscribers.trail import LinkChange
from tasks import digests, notices, sharing
from tests.web import friends
from tests.web.readers import Reader, dump
from tests.web.test_every_link import URL, mails

DIGESTS = ("asia-daily", "asia-arabic")
OF_READERS = ("/preferences/", "/why/", "/unsubscribe/", "/send/t/")


class _Buttons(HTMLParser):
    """Gathers what each button of a page would send, and where; whoever means harm ticks what there is to tick."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page
        self._action: str | None = None
        self._fields: dict[str, str] = {}
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method") == "post":
            self._action, self._fields = given.get("action", self._page), {}
        elif self._action and tag == "input" and "name" in given:
            ticked = "on" if given.get("type") in ("checkbox", "radio") else ""
            self._fields[given["name"]] = given.get("value", ticked)
        elif self._action and tag == "button" and given.get("type") == "submit":
            own = {given["name"]: given["value"]} if given.get("name") else {}
            self.found.append((self._action, self._fields | own))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._action = None


def press_all(client: FlaskClient, path: str, **typed: Any) -> int:
    """Press every button of a page, one after the other, each as the page was first; return how many there are."""
    reading = _Buttons(path)
    reading.feed(client.get(path).text)
    for action, fields in reading.found:
        assert (
            client.post(action, data=fields | {name: typed[name] for name in typed if name in fields}).status_code < 500
        )
    return len(reading.found)


def state_of(address: str) -> object:
    """Return what a reader chose, all of it."""
    db.session.rollback()
    row = db.session.scalars(select(Subscriber).filter_by(address=address)).one()
    chosen = ("state", "language", "zone", "paused_until", "languages", "once_over_digests", "catch_up", "address")
    subscriptions = joining.subscriptions_of(row).values()
    return (
        [getattr(row, name) for name in chosen],
        [(one.digest_id, one.state, one.taste_id, one.rhythm_id, one.breaking) for one in subscriptions],
    )


def run_tasks() -> None:
    """Tell readers, and send stories, as the beat has it done."""
    db.session.rollback()
    notices.tell()
    for _time in range(3):
        sharing.answer()
        db.session.rollback()


@pytest.fixture
def passed_on(app, client, readers, nudged, monkeypatch) -> tuple[Reader, list[str]]:
    """A reader, and the personal links in their digest, which somebody else has got hold of."""
    # Only what a link itself allows counts here, wherever it is opened.
    settings = app.extensions["postrider settings"]
    limits = replace(friends.WIDE, per_link_day=settings.sharing.per_link_day)
    monkeypatch.setitem(app.extensions, "postrider settings", replace(settings, sharing=limits))
    monkeypatch.setitem(app.extensions, "postrider windows", Windows(None))
    friends.turn()
    reader = readers.join("owner@example.org", digests=DIGESTS)
    readers.join("bystander@example.org")
    digests.open_due()
    db.session.rollback()
    waves = list(db.session.scalars(select(Wave.id)))
    db.session.rollback()
    for wave in waves:
        digests.compose(wave)
    keys = {one.rpartition("/")[2] for one in reader.links()}
    digest = next(text for text in mails().values() if any(key in text for key in keys) and "/send/t/" in text)
    return reader, sorted({path for path in URL.findall(digest) if "/t/" in path})


def test_to_open_every_link_of_it_does_nothing(client, passed_on):
    _reader, paths = passed_on
    assert all(any(kind in path for path in paths) for kind in OF_READERS)
    before = dump()
    for path in paths:
        for _time in range(3):
            assert (client.get(path).status_code, client.head(path).status_code) == (200, 200)
    assert dump() == before


def test_to_press_every_button_of_it_is_told_and_can_be_taken_back_and_touches_nobody_else(client, passed_on, later):
    reader, paths = passed_on
    before, other = state_of("owner@example.org"), state_of("bystander@example.org")
    for path in paths:
        assert press_all(client, path, name="Owner", friend_1="victim@example.net", friend_2="", friend_3="") >= 1 or (
            "/why/" in path or "/view" in path or "/digests/" in path
        )
    assert state_of("owner@example.org") != before
    later(hours=1)
    run_tasks()
    changes = list(db.session.scalars(select(LinkChange)))
    assert changes
    assert all(change.told_at is not None for change in changes)
    told = {key.split(":")[1]: text for key, text in mails().items() if key.startswith("system:")}
    assert "/undo/" in told["changed"]
    assert "/share/not-me/" in told["share-notice"]
    _take_back(client, reader)
    assert state_of("owner@example.org") == before
    assert state_of("bystander@example.org") == other


def test_what_goes_out_in_the_readers_name_is_three_friends_a_day_and_one_press_ends_it(client, passed_on, later):
    reader, paths = passed_on
    sends = [path for path in paths if "/send/t/" in path]
    assert len(sends) > 3
    for number, path in enumerate(sends):
        press_all(client, path, name="Owner", friend_1=f"a{number}@example.net", friend_2=f"b{number}@example.net")
    run_tasks()
    assert len([key for key in mails() if key.startswith("share")]) <= 3
    (share,) = [one for one in friends.shares() if one.state == "queued"]
    assert client.post(friends.path_of(share.public_id, "share_not_me")).status_code == 200
    later(days=1, hours=1)
    for path in sends:
        assert client.get(path).status_code == 410
    # The reader's own next digest sends again.
    token = services.current().links.share_as(
        reader.key, language="en", story=sends[0].split("/")[2], version=reader.row.link_version, day=_today()
    )
    assert client.get(token.removeprefix(services.current().links.base_url)).status_code == 200


def _today() -> int:
    return clock.day_number(clock.utc_now())


def _take_back(client: FlaskClient, reader: Reader) -> None:
    """Take back whatever the notice offers, the newest first, until nothing is left to take back."""
    links = services.current().links
    page = links.undo(reader.key, version=reader.row.link_version, day=_today()).removeprefix(links.base_url)
    for _time in range(40):
        reading = _Buttons(page)
        reading.feed(client.get(page).text)
        if not reading.found:
            return
        action, fields = reading.found[0]
        assert client.post(action, data=fields).status_code == 200
