"""Taking a change back, and *this was not me*."""

import pytest
from sqlalchemy import select

from core import clock, services
from core.database import db
from delivery import suppression
from subscribers import joining
from subscribers.models import ConsentEntry
from subscribers.trail import AddressChange, LeavingReason, LinkChange
from tests.web import doors, fields, markup
from tests.web.readers import dump
from tests.web.test_preferences import filled

WEEKLY = {"action": "save", "rhythm": "weekly"}


@pytest.fixture
def both(readers):
    """A reader of both digests."""
    return readers.join("reader@example.org", digests=("asia-daily", "asia-arabic"))


def states(reader):
    return {one.digest.key: one.state for one in joining.subscriptions_of(reader.row).values()}


def suppressed(reader, digest="asia-daily", reason="left"):
    stands = suppression.of(reader.row.addr_hash, now=clock.utc_now())
    return (f"digest:{digest}", reason) in {(one.scope, one.reason) for one in stands}


def suppressed_scopes(reader):
    return {one.scope for one in suppression.of(reader.row.addr_hash, now=clock.utc_now())}


def undo_path(answer):
    (path,) = {
        form.attrs["action"] for form in markup.read(answer.text).all("form") if "/undo/" in form.attrs["action"]
    }
    return path


def choices(reader):
    rows = joining.subscriptions_of(reader.row).values()
    return [(one.digest_id, one.state, one.taste_id, one.rhythm_id, one.first_due_at, one.fresh_from) for one in rows]


@pytest.mark.parametrize("leaves", ["unsubscribe", "leave_all"])
def test_leaving_is_taken_back_with_all_choices_as_they_were(client, both, leaves):
    before = choices(both)
    path = undo_path(client.post(getattr(both, leaves)))
    assert choices(both) != before
    assert "This was taken back." in client.post(path).text
    assert choices(both) == before
    assert both.row.state == "active"
    assert not suppressed(both)
    assert not suppressed(both, "asia-arabic")


def test_taking_back_lifts_no_suppression_but_its_own(client, both):
    path = undo_path(client.post(both.unsubscribe))
    addr_hash = both.row.addr_hash
    for reason in ("complaint", "operator"):
        suppression.suppress(addr_hash, scope="digest:asia-daily", reason=reason, source="test", now=clock.utc_now())
    db.session.commit()
    client.post(path)
    assert not suppressed(both)
    assert suppressed(both, reason="complaint")
    assert suppressed(both, reason="operator")


def test_leaving_all_and_taking_it_back_leaves_alone_what_was_left_before(client, both):
    _preferences, arabic = both.links(digest="asia-arabic")
    client.post(arabic)
    client.post(undo_path(client.post(both.leave_all)))
    assert states(both) == {"asia-daily": "on", "asia-arabic": "off"}
    assert suppressed(both, "asia-arabic")
    assert not suppressed(both)


def test_taking_back_twice_is_once(client, both):
    path = undo_path(client.post(both.unsubscribe))
    client.post(path)
    after = dump()
    assert client.get(path).status_code == 200
    assert "This was taken back." in client.post(path).text
    assert dump() == after


def test_a_change_that_was_taken_back_and_made_again_is_not_taken_back_by_the_first_link(client, both):
    path = undo_path(client.post(both.unsubscribe))
    client.post(path)
    client.post(both.unsubscribe)
    client.post(path)
    assert states(both)["asia-daily"] == "off"
    assert suppressed(both)


def test_after_24_hours_nothing_is_taken_back(client, both, later):
    path = undo_path(client.post(both.unsubscribe))
    later(hours=24)
    before = dump()
    assert client.get(path).status_code == client.post(path).status_code == 410
    assert dump() == before
    assert suppressed(both)


def test_what_was_changed_again_since_stays_as_it_is(client, both, readers):
    path = undo_path(client.post(both.unsubscribe))
    readers.join("reader@example.org", digests=("asia-daily",))
    client.post(both.unsubscribe)
    before = states(both), suppressed(both)
    assert "so it stays as it is now" in client.post(path).text
    assert (states(both), suppressed(both)) == before


def test_taking_back_is_proved(client, both):
    client.post(undo_path(client.post(both.unsubscribe)))
    entries = db.session.execute(select(ConsentEntry.kind, ConsentEntry.wording).order_by(ConsentEntry.id)).all()
    assert [tuple(entry) for entry in entries[-2:]] == [("opt_out", ""), ("opt_in", "taken back")]


@pytest.mark.parametrize("instead", ["weekly", "pause"])
def test_fewer_mails_instead_of_leaving_is_one_button_and_can_be_taken_back(client, both, instead):
    before = choices(both), both.row.paused_until
    buttons = markup.read(client.get(both.unsubscribe).text).all("button")
    assert instead in [button.attrs.get("value") for button in buttons]
    answer = client.post(both.unsubscribe, data={"instead": instead})
    assert answer.status_code == 200
    assert set(states(both).values()) == {"on"}
    assert (choices(both), both.row.paused_until) != before
    again = dump()
    client.post(both.unsubscribe, data={"instead": instead})
    assert dump() == again
    client.post(undo_path(answer))
    assert (choices(both), both.row.paused_until) == before


def test_weekly_is_not_offered_where_the_digest_has_no_weekly(client, both):
    _preferences, arabic = both.links(digest="asia-arabic")
    offered = {digest["key"]: digest["rhythms"] for digest in _digests()}
    values = [button.attrs.get("value") for button in markup.read(client.get(arabic).text).all("button")]
    assert ("weekly" in values) == ("weekly" in offered["asia-arabic"])
    assert client.post(arabic, data={"instead": "hourly"}).status_code == 422


def _digests():
    table = db.metadata.tables["digests"] if "digests" in db.metadata.tables else LinkChange.metadata.tables["digests"]
    return db.session.execute(select(table.c.key, table.c.rhythms)).mappings().all()


def test_a_reason_is_counted_once_and_names_nobody(client, both):
    client.post(both.unsubscribe)
    for reason in ("too_many", "other"):
        assert client.post(both.unsubscribe, data={"reason": reason}).status_code == 200
    rows = db.session.execute(select(LeavingReason.reason, LeavingReason.count)).all()
    assert [tuple(row) for row in rows] == [("too_many", 1)]
    assert client.post(both.unsubscribe, data={"reason": "my name is"}).status_code == 422
    assert {column.name for column in LeavingReason.__table__.columns} == {
        *("day", "digest_id", "reason", "after", "count")
    }


def test_a_reason_without_leaving_counts_nothing(client, both):
    client.post(both.unsubscribe, data={"reason": "other"})
    assert db.session.scalars(select(LeavingReason)).all() == []
    assert set(states(both).values()) == {"on"}


def test_not_me_ends_all_links_but_those_that_stop_mail(client, readers):
    house = doors.built(readers)
    paths = {page: house.path(page) for page in doors.OPENS}
    preferences, unsubscribe = house.reader.preferences, house.reader.unsubscribe
    answer = client.post(paths["not_me"])
    assert "Your links are renewed" in answer.text
    for page in ("preferences", "choices", "why", "undo", "undo_one", "address", "confirm_address"):
        assert client.get(paths[page]).status_code == 410, page
        assert client.post(paths[page]).status_code == doors.refusal(page, 410), page
    assert client.get(preferences).status_code == 410
    assert client.post(unsubscribe).status_code == 200
    assert suppressed(house.reader)


def test_not_me_says_what_was_changed_lately_and_takes_it_back(client, readers):
    house = doors.built(readers)
    answer = client.post(house.path("not_me"))
    assert "was stopped." in answer.text
    client.post(undo_path(answer))
    assert states(house.reader) == {"asia-daily": "on", "asia-arabic": "on"}


def test_not_me_ends_a_change_of_address_that_waits(client, readers):
    house = doors.built(readers)
    client.post(house.path("not_me"))
    (change,) = db.session.scalars(select(AddressChange)).all()
    assert (change.state, change.address) == ("dropped", None)


def test_not_me_twice_renews_once(client, readers):
    house = doors.built(readers)
    path = house.path("not_me")
    client.post(path)
    after = dump()
    assert client.post(path).status_code == client.get(path).status_code == 200
    assert dump() == after
    assert services.current().links.base_url not in client.post(path).text


def test_the_links_that_not_me_shows_open_the_choices(client, readers):
    answer = client.post(doors.built(readers).path("not_me"))
    (path,) = [a.attrs["href"] for a in markup.read(answer.text).all("a") if "/preferences/t/" in a.attrs["href"]]
    assert client.get(path).status_code == 200


def test_the_pages_are_sound(client, readers):
    house = doors.built(readers)
    pages = [client.get(house.path(page)) for page in ("undo", "undo_one", "not_me", "unsubscribe", "address")]
    pages += [client.post(house.path(page)) for page in ("undo_one", "unsubscribe", "not_me")]
    for answer in pages:
        assert answer.status_code == 200
        assert markup.problems(markup.read(answer.text)) == []


def choose_weekly(client, reader):
    return client.post(reader.choices(), data=fields.filled(client.get(reader.choices()).text, "choices") | WEEKLY)


def let_nobody_send(client, reader):
    return client.post(reader.preferences, data=filled(client, reader) | {"action": "save", "friends": "0"})


def pause_a_week(client, reader):
    return client.post(reader.preferences, data={"action": "pause", "length": "week"})


@pytest.mark.parametrize(
    ("change", "kind"), [(choose_weekly, "saved"), (let_nobody_send, "saved"), (pause_a_week, "paused")]
)
def test_choices_that_were_saved_are_taken_back(client, both, change, kind):
    before = choices(both), both.row.paused_until, suppressed_scopes(both)
    assert change(client, both).status_code == 303
    assert (choices(both), both.row.paused_until, suppressed_scopes(both)) != before
    (noted,) = db.session.scalars(select(LinkChange)).all()
    assert noted.kind == kind
    link = services.current().links.undo(both.key, version=both.version, day=clock.day_number(clock.utc_now()))
    client.post(undo_path(client.get(link.removeprefix(services.current().links.base_url))))
    assert (choices(both), both.row.paused_until, suppressed_scopes(both)) == before


def test_a_pause_that_was_ended_is_taken_back(client, both):
    client.post(both.unsubscribe, data={"instead": "pause"})
    until = both.row.paused_until
    assert client.post(both.preferences, data={"action": "resume"}).status_code == 303
    change = db.session.scalars(select(LinkChange).order_by(LinkChange.id.desc())).first()
    assert change is not None and change.kind == "resumed"
    link = services.current().links.undo(
        both.key, version=both.version, day=clock.day_number(clock.utc_now()), change=change.public_id.hex()
    )
    client.post(link.removeprefix(services.current().links.base_url))
    assert both.row.paused_until == until is not None


def test_choices_saved_as_they_were_are_no_change(client, both):
    assert client.post(both.preferences, data=filled(client, both) | {"action": "save"}).status_code == 303
    assert db.session.scalars(select(LinkChange)).all() == []
