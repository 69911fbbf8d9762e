"""Why a reader got a mail, or none: every reason there is, told from what really happened."""

from datetime import date, timedelta

import pytest
from sqlalchemy import event, select, update

from core import addresses, database
from core.database import db
from delivery.models import Delivery, Mailing
from digests import editions, why, whywords
from digests.why import Reason
from subscribers import consent, overall, rhythm, unsubscribe
from subscribers.models import Digest, Subscriber, Subscription
from tests.digests.house import DAY, DUE, HOUR, MINUTE, NOW

LATER = DUE + 2 * HOUR
JOINED = (Reason.NOT_YET, NOW)
PROMISED = DUE + 20 * MINUTE


def write(*statements) -> None:
    with database.write_turn():
        for statement in statements:
            db.session.execute(statement)
        db.session.commit()


def mail(**values) -> None:
    """Have the last mail of the ledger be so."""
    db.session.rollback()
    last = select(Delivery.id).order_by(Delivery.id.desc()).limit(1).scalar_subquery()
    write(update(Delivery).where(Delivery.id == last).values(values))


def ended(state: str, **values) -> None:
    mail(state=state, done_at=DUE + 22 * MINUTE, address_sealed=None, **values)


def told(mailbox: str = "reader@example.org", *, now=LATER) -> list[why.Slot]:
    db.session.rollback()
    subscriber = db.session.scalars(select(Subscriber).filter_by(address=mailbox)).one()
    return why.recent(subscriber, now=now)


def reasons(**given) -> list[Reason]:
    return [slot.reason for slot in told(**given)]


def said(**given) -> list[str]:
    return [whywords.sentence(slot, "en") for slot in told(**given)]


@pytest.fixture
def mailed(one_house):
    """A reader at Gmail whose first regular mail is in the ledger."""
    one_house.reader("reader@gmail.com")
    one_house.article("News", at=NOW)
    assert len(one_house.go(DUE)) == 1
    return one_house


def of_gmail() -> why.Slot:
    slot, joined = told("reader@gmail.com")
    assert (joined.reason, joined.at) == JOINED
    return slot


def test_a_mail_that_was_handed_over_is_told_with_its_day_its_time_and_to_whom(mailed):
    ended("sent")
    slot = of_gmail()
    assert (slot.reason, whywords.when(slot, "en")) == (Reason.HANDED_OVER, "Tuesday 3 March, 07:02")
    assert whywords.sentence(slot, "en") == "Handed over to gmail.com."


@pytest.mark.parametrize(
    ("returned_as", "reason", "words"),
    [
        ("hard", Reason.RETURNED, "Handed over to gmail.com; later it came back to us."),
        ("full", Reason.RETURNED, "because the mailbox was full"),
        ("refusal", Reason.RETURNED, "later it came back to us"),
        ("complaint", Reason.COMPLAINED, "reported as spam"),
        ("left", Reason.HANDED_OVER, "Handed over to gmail.com."),
    ],
)
def test_what_came_back_later_is_told(mailed, returned_as, reason, words):
    ended("sent", returned_at=DUE + HOUR, returned_as=returned_as)
    slot = of_gmail()
    assert slot.reason == reason and words in whywords.sentence(slot, "en")


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("failed", Reason.REFUSED, "gmail.com did not take it."),
        ("expired", Reason.EXPIRED, "while it was still news"),
        ("suppressed", Reason.SUPPRESSED, "not to mail this address"),
        ("cancelled", Reason.RECALLED, "the editors took back all that it would have brought"),
    ],
)
def test_a_mail_that_did_not_go_says_why(mailed, state, reason, words):
    ended(state)
    slot = of_gmail()
    assert slot.reason == reason and words in whywords.sentence(slot, "en")


@pytest.mark.parametrize("settled", [True, False])
def test_of_a_mail_in_doubt_it_is_said_that_we_cannot_tell(mailed, settled):
    doubt = {"doubt_at": DUE + 21 * MINUTE, "doubts": 1, "dated_at": DUE + 21 * MINUTE}
    if settled:
        ended("in_doubt", **doubt)
    else:
        mail(state="in_doubt", **doubt)
    slot = of_gmail()
    assert slot.reason == Reason.IN_DOUBT and whywords.sentence(slot, "en").startswith("We cannot tell whether")


def test_a_mail_that_has_not_left_yet_is_on_its_way_put_off_held_or_cancelled_with_its_mailing(mailed):
    assert of_gmail().reason == Reason.WAITING
    mail(epoch=1, attempts=1)
    assert of_gmail().reason == Reason.PUT_OFF
    write(update(Mailing).values(state="paused"))
    assert of_gmail().reason == Reason.HELD
    write(update(Mailing).values(state="cancelled"))
    assert of_gmail().reason == Reason.CANCELLED


def test_a_small_provider_is_named_by_the_readers_own_domain_and_an_unknown_one_not_at_all(house):
    house.reader()
    house.article("News", at=NOW)
    house.go(DUE)
    ended("sent")
    assert said()[0] == "Handed over to example.org."
    mail(provider=0)
    assert said()[0] == "Handed over to your mail provider."


def test_nothing_new_is_told_with_the_topics_that_there_was_nothing_on(house):
    house.reader(topics=["economy"], countries=["kr"])
    house.reader("all@example.org")
    house.go(DUE)
    assert [(slot.reason, slot.at) for slot in told()] == [(Reason.NOTHING, PROMISED), JOINED]
    assert said()[0] == "No mail: there was nothing new on South Korea or Economy."
    assert said(mailbox="all@example.org")[0] == "No mail: there was nothing new for you."


def test_a_digest_that_waits_for_more_stories_says_so(house):
    house.reader()
    write(update(Digest).values(least=3))
    house.articles(2)
    house.go(DUE)
    assert reasons() == [Reason.TOO_FEW, Reason.NOT_YET]


def test_paused_days_are_told_also_when_the_pause_is_long_over(house):
    subscription = house.reader()
    pause(house, subscription, date(2026, 3, 4), at=NOW + HOUR)
    house.reader("other@example.org")
    house.article("News", at=NOW)
    house.go(DUE)
    house.article("More", at=DUE + HOUR)
    house.go(DUE + DAY)
    pause(house, subscription, date(2026, 3, 10), at=DUE + DAY + HOUR)
    house.go(DUE + 2 * DAY)
    pause(house, subscription, None, at=DUE + 2 * DAY + HOUR)
    house.go(DUE + 3 * DAY)
    found = reasons(now=DUE + 3 * DAY + HOUR)
    assert found == [Reason.NOTHING, Reason.PAUSED, Reason.WAITING, Reason.PAUSED, Reason.NOT_YET]
    assert "No mail: you had paused until 4 March 2026." in said(now=DUE + 3 * DAY + HOUR)


def test_a_pause_that_ended_by_itself_explains_no_day_after_it(one_house):
    pause(one_house, one_house.reader(), date(2026, 3, 4), at=NOW + HOUR)
    for days in range(2):
        one_house.go(DUE + days * DAY)
    assert reasons(now=DUE + DAY + HOUR) == [Reason.NOTHING, Reason.PAUSED, Reason.NOT_YET]


def pause(house, subscription: int, until: date | None, *, at) -> None:
    with database.write_turn():
        overall.pause(house.subscription(subscription).subscriber, until, spoken=("en", "ar"), now=at)
        db.session.commit()


def test_after_an_outage_the_slots_that_were_missed_are_told(house):
    house.reader()
    house.article("News", at=NOW)
    house.open(DUE + 3 * DAY + 13 * HOUR)
    found = told(now=DUE + 3 * DAY + 14 * HOUR)
    assert [slot.reason for slot in found] == [Reason.MISSED] * 4 + [Reason.NOT_YET]
    assert whywords.sentence(found[3], "en").startswith("No mail: we had a breakdown")


def test_a_day_on_which_the_digest_did_not_come_out_is_told(house):
    house.reader()
    house.go(DUE)
    write(update(Digest).values(active=False))
    house.go(DUE + DAY)
    assert reasons(now=DUE + DAY + HOUR) == [Reason.NOT_OUT, Reason.NOTHING, Reason.NOT_YET]


def test_what_is_just_being_made_is_told_so(house):
    house.reader()
    house.article("News", at=NOW)
    assert reasons(now=DUE + MINUTE) == [Reason.COMING, Reason.NOT_YET], "not opened yet"
    house.open(DUE)
    assert reasons(now=DUE + HOUR) == [Reason.COMING, Reason.NOT_YET], "not composed yet"


def test_a_first_edition_is_told_and_stands_for_the_regular_one_of_its_date(house):
    house.reader(first=NOW)
    house.article("News", at=NOW - HOUR)
    assert said(now=NOW) == [
        "Your first edition. It is just being made.",
        "You subscribed. Before that, no mail could come.",
    ]
    house.go(NOW)
    mail(state="sent", done_at=NOW + MINUTE, address_sealed=None)
    house.go(DUE)
    found = told()
    assert [(slot.reason, slot.first) for slot in found] == [
        (Reason.NOTHING, False),
        (Reason.HANDED_OVER, True),
        (Reason.NOT_YET, False),
    ]


def test_who_left_is_told_when_and_of_nothing_after_that_until_they_come_back(house):
    subscription = house.reader()
    house.reader("other@example.org")
    house.go(DUE)
    with database.write_turn():
        found = house.subscription(subscription)
        unsubscribe.leave(found.subscriber, found.digest, now=DUE + 3 * HOUR)
        db.session.commit()
    for days in range(1, 5):
        house.go(DUE + days * DAY)
    assert reasons(now=DUE + 5 * DAY - HOUR) == [Reason.LEFT, Reason.NOTHING, Reason.NOT_YET]
    come_back(house, subscription, at=DUE + 3 * DAY + HOUR)
    found = told(now=DUE + 5 * DAY - HOUR)
    assert [slot.reason for slot in found] == [
        *(Reason.NOTHING, Reason.NOT_YET, Reason.LEFT, Reason.NOT_YET),
    ]


def come_back(house, subscription: int, *, at) -> None:
    with database.write_turn():
        found = house.subscription(subscription)
        found.state, found.subscriber.state = "on", "active"
        agreed(found, "opt_in", "v1", at)
        db.session.commit()


def agreed(found: Subscription, kind: str, wording: str, at) -> None:
    consent.record(
        kind, subscriber=found.subscriber, digest=found.digest, wording=wording, form="test", origin=None, now=at
    )


def test_days_on_which_the_rhythm_of_that_time_had_no_slot_are_not_told(house):
    subscription = house.reader(how_often="weekly", weekday=6)
    house.reader("daily@example.org")
    with database.write_turn():
        found = house.subscription(subscription)
        agreed(
            found, "change", "rhythm=weekly weekdays=64 minute=420 zone=Asia/Hong_Kong topics= countries=", NOW + HOUR
        )
        choice = rhythm.choose("daily", minute=7 * 60, zone="Asia/Hong_Kong")
        found.rhythm = rhythm.rhythm_row(found.digest, choice, now=DUE + 7 * DAY + HOUR)
        agreed(found, "change", "rhythm=daily weekdays=127 minute=420 zone=Asia/Hong_Kong", DUE + 7 * DAY + HOUR)
        db.session.commit()
    for days in range(9):
        house.go(DUE + days * DAY)
    found_slots = told(now=DUE + 9 * DAY - HOUR)
    assert [(slot.reason, slot.at) for slot in found_slots] == [
        (Reason.NOTHING, PROMISED + 8 * DAY),
        (Reason.NOTHING, PROMISED + 5 * DAY),
        (Reason.NOT_YET, NOW),
    ]


def test_a_mail_that_went_to_a_former_address_is_told_too_and_nobody_elses_ever(house):
    subscription = house.reader()
    house.reader("other@example.org")
    house.article("News", at=NOW)
    house.go(DUE)
    with database.write_turn():
        found = house.subscription(subscription)
        agreed(found, "change", "", NOW + MINUTE)
        found.subscriber.address = "new@example.org"
        found.subscriber.addr_hash = house.services.keyring.hash(addresses.parse("new@example.org"))
        db.session.commit()
    assert reasons(mailbox="new@example.org") == [Reason.WAITING, Reason.NOT_YET]
    write(update(Delivery).values(reader_key=b"somebody else's!"))
    assert Reason.WAITING not in reasons(mailbox="new@example.org")


def test_the_last_thirty_over_all_digests_are_told_the_newest_first(one_house):
    one_house.reader()
    one_house.reader(digest="asia-trade", minute=8 * 60)
    for days in range(20):
        for hour in range(2):
            one_house.go(DUE + days * DAY + hour * HOUR)
    found = told(now=DUE + 20 * DAY - HOUR)
    assert len(found) == why.MOST
    assert [slot.at for slot in found] == sorted((slot.at for slot in found), reverse=True)
    assert {slot.digest.key for slot in found} == {"asia-daily", "asia-trade"}


def test_telling_takes_a_fixed_number_of_questions_however_much_there_is(one_house):
    one_house.reader()
    one_house.reader(digest="asia-trade")
    one_house.reader(digest="asia-arabic")
    for days in range(20):
        one_house.go(DUE + days * DAY)
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert len(told(now=DUE + 20 * DAY)) == why.MOST
    assert len([one for one in asked if one.startswith("SELECT")]) == 7, "the reader, and six"


def test_looking_changes_nothing(mailed):
    before = editions.unfinished(LATER)
    told("reader@gmail.com")
    assert not db.session.dirty and not db.session.new
    assert editions.unfinished(LATER + timedelta(0)) == before
