"""What is kept of whom, and for how long; what a friend's opt-out and a sender's "not me" come to; what came back."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from core import clock, errors, tokens
from core.database import Base, db
from delivery import outcomes, private, suppression
from delivery.models import Delivery, Lane, Mailing
from delivery.outcomes import Kind
from sharing import notme, optout, privacy, purging, returned, senders
from sharing.models import Friend, Share, ShareEndedToken, ShareFriend, ShareOnce
from subscribers.models import Subscriber
from tests.digests import sender
from tests.digests.house import NOW
from tests.sharing.desk import HOUR, MINUTE, SENDER, Desk, address

DAY = timedelta(days=1)
JO = "jo@example.org"


def everything(desk: Desk) -> str:
    """Return all that the database holds, but for readers' own rows."""
    db.session.rollback()
    kept = [one for one in Base.metadata.sorted_tables if one.name not in ("subscribers", "stories")]
    return "\n".join(str(tuple(row)) for table in kept for row in db.session.execute(table.select()))


def forget(desk: Desk, at) -> None:
    with desk.services_turn():
        for step in (purging.end_unconfirmed, purging.wipe_due, private.wipe_due, purging.forget_old):
            step(at)


def test_after_72_hours_only_keyed_hashes_are_left(desk: Desk):
    article = desk.article()
    desk.house.subscriber("reader@example.org")
    for number, who in enumerate((desk.reader("reader@example.org"), None)):
        desk.post(desk.wish(article, f"jo{number}@example.org", name="Marabella", note="a note"), who)
    desk.work()
    desk.send()
    assert "reader@example.org" in everything(desk) and "Marabella" in everything(desk)
    forget(desk, NOW + 72 * HOUR)
    left = everything(desk)
    for word in ("reader@example.org", "Marabella", "a note", "j***", "mara@", "192.0.2"):
        assert word not in left
    assert all(one.sealed is None for one in desk.friends()) and all(not one.sender_sealed for one in desk.shares())
    assert desk.house.count(ShareOnce) == 1 and desk.house.count(Friend) == 1


def test_a_text_that_is_still_to_be_sent_is_not_wiped(desk: Desk):
    desk.post(desk.wish(desk.article(), JO), desk.reader())
    desk.work()
    forget(desk, NOW + 73 * HOUR)
    assert "asked us to send you" in desk.mail_to(JO)[0].text


def test_two_mails_that_read_the_same_are_wiped_apart(desk: Desk):
    article = desk.article()
    for at, friend in ((NOW, JO), (NOW + 48 * HOUR, "li@example.org")):
        desk.post(desk.wish(article, friend), desk.reader(), at=at)
        desk.work(at=at)
        if friend == JO:
            desk.send()
    forget(desk, NOW + 72 * HOUR)
    relay = sender.Sender(desk.services)
    assert relay.go() == ["li@example.org", SENDER]
    assert "asked us to send you" in relay.made["li@example.org"]


def test_after_a_year_nobody_knows_who_sent_what_and_a_friend_still_gets_it_once(desk: Desk):
    desk.post(desk.wish(desk.article(), JO), desk.reader())
    desk.work()
    desk.send()
    forget(desk, NOW + 4 * DAY)
    forget(desk, NOW + 366 * DAY)
    assert desk.house.count(Share) == desk.house.count(ShareFriend) == 0
    assert desk.house.count(ShareOnce) == 1


def test_what_nobody_confirms_ends_after_a_day(desk: Desk):
    desk.post(desk.wish(desk.article(), JO))
    desk.work()
    forget(desk, NOW + 24 * HOUR)
    assert [(one.state, one.sender_sealed) for one in desk.shares()] == [("ended", None)]
    assert [one.sealed for one in desk.friends()] == [None]


def test_never_again_works_for_ever_and_for_every_plus_tag(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo+a@example.org"), desk.reader())
    desk.work()
    link = re.search(r"/share/never/t/(\w+)", desk.mail_to("jo+a@example.org")[0].text)
    assert link
    desk.send()
    forget(desk, NOW + 4 * DAY)
    forget(desk, NOW + 3650 * DAY)
    token = desk.services.links.tokens.read(tokens.Purpose.SHARE_OPT_OUT, link[1])
    with desk.services_turn():
        optout.opt_out(optout.open_link(token), everything=True, source="link", now=NOW)
    for friend in (JO, "jo+b@example.org"):
        desk.post(desk.wish(desk.article(), friend), desk.reader("r@example.org"))
    assert [one.state for one in desk.friends()] == ["dropped", "dropped"]


def test_a_link_that_names_nobody_opens_nothing(one_desk: Desk):
    with pytest.raises(errors.LinkExpired):
        optout.open_link(tokens.Token(bytes(16), 0, 0))
    with pytest.raises(errors.LinkExpired):
        notme.open_share(tokens.Token(bytes(16), 0, 0))


def test_not_me_ends_the_link_and_all_that_waits(desk: Desk):
    desk.post(desk.wish(desk.article(), JO), desk.reader())
    desk.work()
    desk.post(desk.wish(desk.article(), "li@example.org"), desk.reader())
    link = re.search(r"/share/not-me/t/(\w+)", desk.mail_to(SENDER)[0].text)
    assert link
    token = desk.services.links.tokens.read(tokens.Purpose.SHARE_NOT_ME, link[1])
    with desk.services_turn():
        assert notme.end(notme.open_share(token), now=NOW) == 1
        assert notme.end(notme.open_share(token), now=NOW) == 0
    desk.work(at=NOW + MINUTE)
    assert desk.send() == [SENDER]
    with pytest.raises(errors.LinkExpired):
        senders.by_link(desk.link(), services=desk.services, now=NOW)
    db.session.rollback()
    assert desk.house.count(ShareEndedToken) == 1
    tomorrow = senders.by_link(desk.link(at=NOW + DAY), services=desk.services, now=NOW + DAY)
    assert tomorrow.is_proven


@pytest.mark.parametrize(("days", "good"), [(0, True), (30, True), (31, False)])
def test_the_link_of_a_digest_sends_for_thirty_days(one_desk: Desk, days: int, good: bool):
    one_desk.house.subscriber(SENDER)
    token, later = one_desk.link(), NOW + days * DAY
    if good:
        assert senders.by_link(token, services=one_desk.services, now=later).address.mailbox == SENDER
    else:
        with pytest.raises(errors.LinkExpired):
            senders.by_link(token, services=one_desk.services, now=later)


@pytest.mark.parametrize("change", [{"state": "left"}, {"link_version": 2}])
def test_the_link_ends_when_its_reader_leaves_or_gets_new_ones(one_desk: Desk, change):
    one_desk.house.subscriber(SENDER)
    token = one_desk.link()
    with one_desk.services_turn():
        db.session.execute(update(Subscriber).values(**change))
    with pytest.raises(errors.LinkExpired):
        senders.by_link(token, services=one_desk.services, now=NOW)


@pytest.mark.parametrize("purpose", [one for one in tokens.Purpose if one is not tokens.Purpose.SHARE])
def test_no_other_token_of_a_mail_sends_a_story(one_desk: Desk, purpose):
    one_desk.house.subscriber(SENDER)
    read = one_desk.services.links.tokens.read(tokens.Purpose.SHARE, one_desk.link())
    other = one_desk.services.links.tokens.mint(purpose, read.key, version=1, day=clock.day_number(NOW))
    with pytest.raises(errors.LinkDamaged):
        senders.by_link(other, services=one_desk.services, now=NOW)


@pytest.mark.parametrize(("kind", "reason"), [(Kind.COMPLAINT, "complaint"), (Kind.HARD_BOUNCE, "hard")])
def test_what_comes_back_of_a_friends_mail_ends_such_mails_and_a_new_opt_in_does_not_bring_them_back(
    desk: Desk, kind: Kind, reason: str
):
    desk.post(desk.wish(desk.article(), JO), desk.reader())
    desk.work()
    db.session.rollback()
    delivery = db.session.query(Delivery, Mailing).join(Mailing).filter(Delivery.lane == Lane.SHARE).one()[0]
    row = {"kind": kind.value, "at": NOW, "delivery_id": delivery.id, "mailing_id": delivery.mailing_id}
    with desk.services_turn():
        outcomes.add([{**row, "reader_key": delivery.reader_key, "addr_hash": delivery.addr_hash}])
    with desk.services_turn():
        assert returned.record_outcomes(outcomes.newest(), limit=10, now=NOW) == 1
        assert returned.record_outcomes(outcomes.newest(), limit=10, now=NOW) == 0
        suppression.lift_returned(delivery.addr_hash)
    desk.post(desk.wish(desk.article(), JO), desk.reader("r@example.org"))
    assert desk.friends()[-1].state == "dropped"
    assert reason in {one.reason for one in suppression.of(delivery.addr_hash, now=NOW) if one.scope == "share"}


def test_whoever_is_erased_is_in_no_share_and_still_gets_nothing_twice(desk: Desk):
    article = desk.article()
    desk.post(desk.wish(article, JO, "li@example.org"), desk.reader())
    desk.work()
    jo, mara = (desk.keyring.hash(address(one)) for one in (JO, SENDER))
    assert privacy.export(jo)["received"] and privacy.export(mara)["sent"]
    with desk.services_turn():
        privacy.forget(jo, now=NOW)
        privacy.forget(mara, now=NOW)
    left = "\n".join(str(tuple(row)) for name in ("shares", "share_friends") for row in _rows(name))
    assert "j***" not in left and "Mara" not in left
    assert [share.subscriber_id for share in desk.shares()] == [None]
    assert desk.house.count(ShareOnce) == 2
    assert desk.send() == [SENDER]


def _rows(name: str):
    db.session.rollback()
    return db.session.execute(Base.metadata.tables[name].select()).all()
