"""Every link of every mail that readers get: opening it, as scanners do, changes not one row."""

import re

import pytest
from sqlalchemy import select

from core import clock, services
from core.database import db
from delivery import message
from delivery.models import Delivery, Mailing
from delivery.moves import Intent
from delivery.recipes import Recipes
from digests.models import Wave
from subscribers import leaving, offer
from subscribers.trail import LinkChange
from tasks import digests, notices, sharing
from tasks import signup as answering
from tests.subscribers import people
from tests.web import doors, friends
from tests.web.readers import dump

DOORS = {"confirm", "preferences", "unsubscribe", "undo", "not-me", "address", "share"}
URL = re.compile(r"http://127\.0\.0\.1:8000(/[^\s<>\"]+)")


def mails() -> dict[str, str]:
    """Return every mail in the ledger as it leaves, decoded, by its mailing and number."""
    db.session.rollback()
    recipes, found = Recipes(db.engine), {}
    rows = db.session.execute(select(Delivery, Mailing.key).join(Mailing, Mailing.id == Delivery.mailing_id)).all()
    for row, key in rows:
        fields = {name: getattr(row, name) for name in Intent.__slots__ if name != "dated_at"}
        intent = Intent(**fields, dated_at=clock.utc_now())
        raw = message.splice(recipes.of(row.content_id), intent, to="somebody@example.org", services=services.current())
        text = raw.decode().replace("=\r\n", "").replace("=3D", "=").replace("&amp;", "&")
        found[f"{key.rpartition(':')[0]} {row.id}"] = text
    return found


@pytest.fixture
def sent(client, readers, nudged) -> dict[str, str]:
    """All kinds of mails that readers get: somebody joined, asked again, moved, changed, left, and had digests."""
    house = doors.built(readers)
    doors.ask_to_move(house.reader.row, "moved@example.net")
    readers.join("known@example.net")
    doors.ask_to_move(house.reader.row, "known@example.net")
    other = readers.join("other@example.org")
    leaving.leave(readers.join("clicked@example.org", digests=("asia-daily", "asia-arabic")).row, _arabic(), now=_now())
    people.note_fresh_link(services.current(), "other@example.org", at=_now())
    people.note(services.current(), "other@example.org", at=_now())
    db.session.commit()
    answering.answer_waiting()
    moving = doors.ask_to_move(other.row, "elsewhere@example.net")
    link = services.current().links.confirm_address(moving, day=clock.day_number(_now()))
    assert client.post(link.removeprefix(services.current().links.base_url)).status_code == 200
    friends.turn()
    friends.form(client).send(friends.form(client).as_reader(house.reader))
    friends.form(client).send()
    _let_time_pass()
    notices.tell()
    db.session.rollback()
    for _time in range(2):
        sharing.answer()
    digests.open_due()
    for wave in _waves():
        digests.compose(wave)
    found = mails()
    kinds = {key.split(":")[1].split()[0] if key.startswith("system:") else "digest" for key in found}
    assert kinds >= {"confirm", "already", "fresh-link", "new-address", "address-known", "address-changed", "changed"}
    assert kinds >= {"share-confirm", "share-notice"}
    assert "digest" in kinds
    assert any(key.startswith("share:") for key in found)
    return found


def paths(sent: dict[str, str]) -> list[str]:
    """Return every link in them, once."""
    return sorted({path for text in sent.values() for path in URL.findall(text)})


def test_whatever_opens_the_links_of_all_mails_changes_nothing(client, sent):
    before = dump()
    opened = set()
    for path in paths(sent):
        statuses = {ask(path).status_code for _time in range(3) for ask in (client.get, client.head)}
        # One reader has moved: what was sent to the old address opens nothing any more.
        assert statuses in ({200}, {410}), path
        opened |= {path.split("/")[1]} if statuses == {200} else set()
    assert opened >= DOORS
    assert dump() == before


@pytest.mark.xdist_group("browser")
def test_a_browser_that_opens_them_all_with_scripts_changes_nothing(served, page, sent):
    """As a scanner with a browser does, which waits for what the scripts of a page do; it has no cookie of ours."""
    before = dump()
    opened, posted = set(), []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    for path in paths(sent):
        answer = page.goto(served + path, wait_until="networkidle")
        assert answer.status in (200, 410), path
        opened |= {path.split("/")[1]} if answer.status == 200 else set()
    assert opened >= DOORS
    assert posted == []
    assert dump() == before


def _now():
    return clock.utc_now()


def _arabic():
    return offer.by_key("asia-arabic")


def _let_time_pass() -> None:
    for one in db.session.scalars(select(LinkChange)):
        one.tell_at = _now()
    db.session.commit()


def _waves() -> list[int]:
    return list(db.session.scalars(select(Wave.id)))
