"""Breaking mails: who gets one, when, how many a day; and how they are stopped."""

import re
from dataclasses import replace
from datetime import date, datetime

import pytest
from sqlalchemy import select, update

import tasks.breaking
from articles import breaking as flags
from articles import flash, life
from articles.models import Article
from core import addresses, alerts, clock, database
from core.database import db
from delivery import progress
from delivery.models import Delivery, Lane
from delivery.states import State
from digests import alarm, breaking, corrections, dispatch, editions, whybreaking, whywords
from digests.models import Edition, Wave
from subscribers import offer, preferences
from subscribers.models import Digest, Subscriber, Subscription
from tests.digests import test_recall as recalled
from tests.digests.house import ASIA, DAY, HOUR, MINUTE, NOW, TRADE, House, Mail
from tests.digests.sender import Sender

NOON_IN_ROME = datetime(2026, 3, 2, 11, 0, tzinfo=NOW.tzinfo)
"""19:00 in Hong Kong, 06:00 in New York."""
NIGHT_IN_HONG_KONG = datetime(2026, 3, 2, 15, 0, tzinfo=NOW.tzinfo)
"""23:00 there, 16:00 in Rome."""


@pytest.fixture(autouse=True)
def offered(request: pytest.FixtureRequest) -> None:
    """Offer breaking mail with one digest."""
    name = next(name for name in ("house", "postgres_house", "one_house") if name in request.fixturenames)
    request.getfixturevalue(name)
    offers(ASIA)


def offers(*digests) -> None:
    """Have these digests offer breaking mail."""
    with database.write_turn():
        offer.apply([{**one, "offers_breaking": True} for one in digests])
        db.session.commit()


def wants(house: House, mailbox: str = "reader@example.org", *, breaking: int = 255, **values) -> int:
    """Subscribe a reader who wants so many breaking mails a day."""
    made = house.reader(mailbox, **values)
    with database.write_turn():
        db.session.execute(update(Subscription).where(Subscription.id == made).values(breaking=breaking))
        db.session.commit()
    return made


def flag(article_id: int, *, at: datetime = NOW, **values) -> None:
    with database.write_turn():
        flags.flag(db.session.get_one(Article, article_id), now=at, **values)
        db.session.commit()


def look(house: House, at: datetime = NOW) -> list[int]:
    """Open and end what is due, as the task does; return what waits to be composed."""
    if breaking.anything_to_do(at):
        with database.write_turn():
            breaking.keep(at, house.services)
            db.session.commit()
    return breaking.waiting(at)


def chunk(house: House, wave_id: int, at: datetime = NOW) -> bool:
    read = alarm.read_chunk(wave_id, at, house.services)
    db.session.rollback()
    with database.write_turn():
        done = alarm.write_chunk(read, at, house.services)
        db.session.commit()
    return done


def begin(wave_id: int, at: datetime = NOW) -> bool:
    with database.write_turn():
        ours = editions.begin(wave_id, at)
        db.session.commit()
    return ours


def go(house: House, at: datetime = NOW) -> list[Mail]:
    """Open and compose all breaking mails; return what came of it, by address."""
    before = max((row for row in db.session.scalars(select(Delivery.id))), default=0)
    for wave_id in look(house, at):
        assert begin(wave_id, at)
        while not chunk(house, wave_id, at):
            pass
    return sorted(house.mails(after=before), key=lambda mail: mail.to)


def to(mails: list[Mail]) -> list[str]:
    return [mail.to.partition("@")[0] for mail in mails]


def end_all(state: State, *, at: datetime = NOW) -> None:
    """Let every mail that waits come to an end."""
    with database.write_turn():
        rows = update(Delivery).where(Delivery.state == "planned")
        db.session.execute(rows.values(state=state.value, done_at=at, address_sealed=None))
        db.session.commit()


def test_a_flagged_story_is_mailed_at_once_to_those_who_want_it_before_any_digest(house):
    wants(house)
    wants(house, "none@example.org", breaking=0)
    story = house.article("Ferry aground")
    assert go(house) == [], "nothing is flagged"
    flag(story)
    (mail,) = go(house)
    assert mail.to == "reader@example.org"
    assert mail.parsed["Subject"] == "Ferry aground"
    assert "What Ferry aground is about." in mail.text
    page = house.services.links.to("story", language="en", story=db.session.get_one(Article, story).ref)
    assert f"\n{page}\n" in mail.text
    assert db.session.scalars(select(Delivery.lane)).all() == [Lane.BREAKING]
    assert go(house) == [], "once"


def test_the_mail_leads_to_fewer_of_its_kind_to_why_and_out_and_has_the_headers_of_a_digest(house):
    wants(house)
    flag(house.article("Ferry aground"))
    (mail,) = go(house)
    assert re.search(r"Fewer breaking mails, or none:\nhttp\S+/preferences/t/\S+\n", mail.text)
    assert re.search(r"Why this mail\?\nhttp\S+/why/t/\S+\n", mail.text)
    for page in ("preferences/t/", "why/t/", "unsubscribe/asia-daily/t/"):
        assert page in mail.html
    assert "asia-daily" in mail.parsed["List-Id"]
    assert mail.parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "You get this mail because you asked for breaking news of Asia Daily." in mail.text


def test_readers_get_what_is_on_their_topics_and_on_the_shelves_of_the_digest(house):
    wants(house, "all@example.org")
    wants(house, "kr@example.org", countries=["kr"])
    wants(house, "cu@example.org", countries=["cu"])
    flag(house.article("Seoul", "kr"))
    assert to(go(house)) == ["all", "kr"]
    offers({**ASIA, "topics": ["economy"]})
    flag(house.article("Seoul again", "kr"))
    assert go(house) == []


def test_only_the_digests_that_offer_it_in_the_language_of_the_story_mail_it(house):
    wants(house, "daily@example.org")
    wants(house, "arabic@example.org", digest="asia-arabic")
    with database.write_turn():
        offer.apply([{**ASIA, "offers_breaking": False}])
        db.session.commit()
    flag(house.article("Ferry aground"))
    flag(house.article("عاجل", language="ar"))
    assert go(house) == []


@pytest.mark.parametrize(("number", "expected"), [(0, 0), (1, 1), (3, 3), (255, 4)])
def test_a_reader_gets_as_many_a_day_as_they_chose(house, number, expected):
    made = wants(house, breaking=0 if number else 1)
    with database.write_turn():
        subscription = db.session.get_one(Subscription, made)
        choice = preferences.of(subscription, NOW)
        preferences.save(subscription, replace(choice.chosen, breaking=number), version=choice.version, now=NOW)
        db.session.commit()
    got = 0
    for minute in range(4):
        flag(house.article(f"News {minute}"), at=NOW + minute * MINUTE)
        got += len(go(house, NOW + minute * MINUTE))
    assert got == expected


def test_the_number_is_of_a_digest_and_of_the_publishers_date(house):
    zone = house.services.publication.zone
    offers(TRADE)
    wants(house, breaking=1, zone=zone)
    wants(house, breaking=1, zone=zone, digest="asia-trade")
    flag(house.article("One"))
    assert len(go(house)) == 1, "one story once, though two digests bring it"
    flag(house.article("Two"), at=NOW + MINUTE)
    (mail,) = go(house, NOW + MINUTE)
    assert "asia-trade" in mail.mailing
    flag(house.article("Three"), at=NOW + 2 * MINUTE)
    assert go(house, NOW + 2 * MINUTE) == []
    flag(house.article("Tomorrow", at=NOW + DAY - HOUR), at=NOW + DAY)
    assert len(go(house, NOW + DAY)) == 1


def test_what_was_not_handed_over_in_time_counts_as_not_had(house):
    wants(house, breaking=1)
    story = house.article("One")
    flag(story)
    (mail,) = go(house)
    assert mail.not_after == NOW + HOUR
    end_all(State.EXPIRED)
    flag(house.article("Two"), at=NOW + 2 * HOUR)
    assert len(go(house, NOW + 2 * HOUR)) == 1


def test_urgent_news_passes_the_number_and_the_night_but_not_those_who_want_none(house):
    wants(house, "night@example.org", breaking=1)
    wants(house, "day@example.org", breaking=1, zone="Europe/Rome")
    wants(house, "none@example.org", breaking=0)
    flag(house.article("One", at=NIGHT_IN_HONG_KONG), at=NIGHT_IN_HONG_KONG)
    assert to(go(house, NIGHT_IN_HONG_KONG)) == ["day"]
    later = NIGHT_IN_HONG_KONG + MINUTE
    flag(house.article("Two", at=later), at=later, urgent=True)
    mails = go(house, later)
    assert to(mails) == ["day", "night"]
    assert {mail.not_after for mail in mails} == {later + HOUR}


def test_a_story_that_becomes_urgent_reaches_those_who_were_left_out_and_nobody_twice(house):
    wants(house, "night@example.org")
    wants(house, "day@example.org", zone="Europe/Rome")
    story = house.article("One", at=NIGHT_IN_HONG_KONG)
    flag(story, at=NIGHT_IN_HONG_KONG)
    assert to(go(house, NIGHT_IN_HONG_KONG)) == ["day"]
    flag(story, at=NIGHT_IN_HONG_KONG + MINUTE, urgent=True)
    assert to(go(house, NIGHT_IN_HONG_KONG + MINUTE)) == ["night"]


def test_a_mail_must_have_left_before_the_night_of_its_reader_begins(house):
    wants(house, "hong-kong@example.org")
    wants(house, "rome@example.org", zone="Europe/Rome")
    at = NIGHT_IN_HONG_KONG - HOUR - 20 * MINUTE
    flag(house.article("One", at=at), at=at)
    assert {mail.to[:4]: mail.not_after - at for mail in go(house, at)} == {"hong": 20 * MINUTE, "rome": HOUR}


def test_who_paused_left_switched_off_or_waits_for_a_first_edition_gets_none(house):
    names = ["paused", "left", "off", "first", "over"]
    made = {name: wants(house, f"{name}@example.org", first=NOW if name == "first" else None) for name in names}
    with database.write_turn():
        for name, until in (("paused", date(2026, 3, 3)), ("over", date(2026, 3, 2))):
            db.session.get_one(Subscription, made[name]).subscriber.paused_until = until
        left = db.session.get_one(Subscription, made["left"]).subscriber_id
        db.session.execute(update(Subscriber).where(Subscriber.id == left).values(state="left"))
        db.session.execute(update(Subscription).where(Subscription.id == made["off"]).values(state="off"))
        db.session.commit()
    flag(house.article("One"))
    assert to(go(house)) == ["over"]


def test_who_had_the_story_in_a_digest_is_not_alerted_to_it_unless_it_has_changed(house):
    wants(house, "had@example.org")
    due = datetime(2026, 3, 2, 22, 40, tzinfo=NOW.tzinfo)
    one, two = house.article("One"), house.article("Two")
    assert to(house.go(due)) == ["had"]
    wants(house, "new@example.org")
    flag(one, at=due + HOUR)
    assert to(go(house, due + HOUR)) == ["new"]
    with database.write_turn():
        life.mark_updated(db.session.get_one(Article, two), now=due + HOUR)
        db.session.commit()
    flag(two, at=due + 2 * HOUR)
    assert to(go(house, due + 2 * HOUR)) == ["had", "new"]


def test_an_hour_after_the_flag_it_is_no_news_any_more(house):
    wants(house)
    flag(house.article("One"))
    assert go(house, NOW + HOUR) == []
    (wave,) = look(house, NOW + MINUTE)
    assert look(house, NOW + HOUR) == []
    assert db.session.get_one(Wave, wave).state == "missed"


def test_the_next_planner_goes_on_where_one_died(house):
    for number in range(7):
        wants(house, f"r{number}@example.org")
    flag(house.article("One"))
    (wave,) = look(house)
    assert begin(wave)
    assert look(house) == [], "it is being composed"
    # It dies here, after a chunk that is written and before the next.
    assert look(house, NOW + 2 * MINUTE) == [wave]
    assert len(go(house, NOW + 2 * MINUTE)) == 7
    assert house.count(Delivery) == 7


def test_chunks_reach_everybody_once(house, monkeypatch):
    monkeypatch.setattr(alarm, "CHUNK_IN_TURN", 2)
    monkeypatch.setattr(alarm, "CHUNK", 3)
    monkeypatch.setattr(alarm, "FIRST_CHUNK", 1)
    for number in range(8):
        wants(house, f"r{number}@example.org")
    flag(house.article("One"))
    assert len(go(house)) == 8


def test_taking_the_flag_back_stops_what_has_not_left_and_says_who_had_it(house):
    for number in range(5):
        wants(house, f"r{number}@example.org")
    story = house.article("One")
    flag(story)
    assert len(go(house)) == 5
    with database.write_turn():
        two = select(Delivery.id).order_by(Delivery.id).limit(2)
        sent = update(Delivery).where(Delivery.id.in_(two))
        db.session.execute(sent.values(state="sent", done_at=NOW, address_sealed=None))
        article = db.session.get_one(Article, story)
        keys = breaking.stop(article)
        flags.unflag(article)
        db.session.commit()
    (standing,) = [progress.of(key) for key in keys]
    assert (standing.handed_over, standing.state) == (2, "cancelled")
    assert go(house, NOW + MINUTE) == []
    flag(story, at=NOW + 2 * MINUTE)
    assert len(go(house, NOW + 2 * MINUTE)) == 3, "flagged again, it reaches those who did not have it"


def test_a_stop_comes_between_two_chunks(house, monkeypatch):
    monkeypatch.setattr(alarm, "CHUNK_IN_TURN", 2)
    monkeypatch.setattr(alarm, "FIRST_CHUNK", 2)
    for number in range(5):
        wants(house, f"r{number}@example.org")
    story = house.article("One")
    flag(story)
    (wave,) = look(house)
    begin(wave)
    assert not chunk(house, wave)
    read = alarm.read_chunk(wave, NOW, house.services)
    db.session.rollback()
    with database.write_turn():
        breaking.stop(db.session.get_one(Article, story))
        db.session.commit()
    with database.write_turn(), pytest.raises(dispatch.WaveTaken):
        alarm.write_chunk(read, NOW, house.services)
    assert house.count(Delivery) == 2


@pytest.mark.parametrize("how", ["withdrawn", "held", "unflagged"])
def test_a_story_that_is_taken_back_in_whatever_way_is_stopped_by_the_next_look(house, how):
    wants(house)
    story = house.article("One")
    flag(story)
    assert len(go(house)) == 1
    with database.write_turn():
        article = db.session.get_one(Article, story)
        if how == "withdrawn":
            life.withdraw(article, reason="It was not so.")
        elif how == "held":
            life.hold(article, now=NOW)
        else:
            flags.unflag(article)
        db.session.commit()
    assert look(house, NOW + MINUTE) == []
    (key,) = {mail.mailing for mail in house.mails()}
    assert progress.of(key).state == "cancelled"
    assert not breaking.anything_to_do(NOW + MINUTE)


def test_a_flash_is_mailed_before_there_is_a_story_and_the_story_does_not_alert_anew(house):
    wants(house)
    with database.write_turn():
        issued = flash.issue("Ferry  aground", language="en", urgent=False, now=NOW)
        db.session.commit()
    (mail,) = go(house)
    assert mail.parsed["Subject"] == "Ferry aground"
    assert "We know no more yet." in mail.text
    story = house.article("Ferry aground off Cebu, all safe", at=NOW + MINUTE)
    with database.write_turn():
        flash.attach(db.session.get_one(Article, issued.id), db.session.get_one(Article, story))
        db.session.commit()
    assert go(house, NOW + 2 * MINUTE) == []
    flag(story, at=NOW + 3 * MINUTE, urgent=True)
    assert go(house, NOW + 3 * MINUTE) == [], "who had the flash has had the alert"


def test_two_stories_at_once_never_bring_a_reader_more_than_they_want(house, at_once):
    offers(TRADE)
    for number in range(12):
        wants(house, f"r{number}@example.org", breaking=1)
        wants(house, f"r{number}@example.org", breaking=1, digest="asia-trade")
    for number in range(2):
        flag(house.article(f"News {number}"), at=NOW)
    waves = look(house)
    assert len(waves) == 4

    def compose(wave: int):
        def run() -> None:
            begin(wave)
            while not chunk(house, wave):
                pass

        return run

    for result in at_once(*[compose(wave) for wave in waves]):
        assert not isinstance(result, Exception), result
    got = [(mail.to, mail.mailing.split(":")[1]) for mail in house.mails()]
    assert len(got) == len(set(got))
    stories = [(mail.to, mail.parsed["Subject"]) for mail in house.mails()]
    assert len(stories) == len(set(stories))


def test_two_planners_open_one_edition(house, at_once):
    wants(house)
    flag(house.article("One"))
    for result in at_once(*[lambda: look(house)] * 3):
        assert not isinstance(result, Exception), result
    assert house.count(Edition) == 1


def test_breaking_mail_of_a_digest_that_was_withdrawn_is_not_opened(house):
    wants(house)
    with database.write_turn():
        db.session.execute(update(Digest).values(active=False))
        db.session.commit()
    flag(house.article("One"))
    assert go(house) == []


DUE = datetime(2026, 3, 2, 22, 40, tzinfo=NOW.tzinfo)
"""When the wave of Tuesday 07:00 in Hong Kong starts."""


def daily(house: House, at: datetime = DUE) -> dict[str, Mail]:
    """Compose the regular mails; return them by the name of their reader."""
    return {mail.to.partition("@")[0]: mail for mail in house.go(at) if "regular" in mail.mailing}


def test_what_went_out_as_breaking_is_in_the_next_daily_in_full_and_says_so(house):
    wants(house, "alerted@example.org", most=2)
    wants(house, "quiet@example.org", most=2, breaking=0)
    story = house.article("Ferry aground", at=NOW - 5 * HOUR)
    flag(story)
    go(house)
    end_all(State.SENT)
    house.articles(4, at=NOW + HOUR)
    mails = daily(house)
    assert mails["alerted"].headlines == ["Ferry aground", "Story 4"], "it comes in full, though others are newer"
    assert "Ferry aground\nYou had our alert at 17:00\n" in mails["alerted"].text
    assert "You had our alert at 17:00" in mails["alerted"].html
    assert mails["quiet"].headlines == ["Story 4", "Story 3"]
    assert "alert" not in mails["quiet"].text
    assert "alert" not in daily(house, DUE + DAY)["alerted"].text, "once"


@pytest.mark.parametrize("state", [State.EXPIRED, State.FAILED, None])
def test_a_story_whose_alert_did_not_reach_its_reader_comes_as_if_there_had_been_none(house, state):
    wants(house)
    flag(house.article("Ferry aground"))
    go(house)
    if state is not None:
        end_all(state)
    (mail,) = daily(house).values()
    assert mail.headlines == ["Ferry aground"]
    assert "alert" not in mail.text


def test_what_the_night_kept_back_leads_the_next_daily(house):
    at = NIGHT_IN_HONG_KONG
    wants(house, "wants@example.org")
    wants(house, "none@example.org", breaking=0)
    story = house.article("Ferry aground", at=at - 3 * HOUR)
    house.articles(3, at=at - HOUR)
    flag(story, at=at)
    assert go(house, at) == []
    mails = daily(house)
    assert mails["wants"].headlines == ["Ferry aground", "Story 3", "Story 2", "Story 1"]
    assert mails["none"].headlines[-1] == "Ferry aground"
    assert "alert" not in mails["wants"].text


def test_what_the_night_kept_back_before_anything_is_fresh_to_a_reader_does_not_come_whoever_else_is_in_the_wave(house):
    at, due = NIGHT_IN_HONG_KONG, DUE + 6 * DAY
    wants(house, "weekly@example.org", how_often="weekly", weekday=0)
    wants(house, "back@example.org", at=due - DAY)
    flag(house.article("Ferry aground", at=at - 3 * HOUR), at=at)
    assert go(house, at) == []
    house.article("New", at=due - HOUR)
    mails = daily(house, due)
    assert mails["weekly"].headlines == ["Ferry aground", "New"]
    assert mails["back"].headlines == ["New"]


def test_what_could_not_leave_before_the_night_leads_the_next_daily_too(house):
    at = NIGHT_IN_HONG_KONG - HOUR - 20 * MINUTE
    wants(house)
    story = house.article("Ferry aground", at=at - 3 * HOUR)
    house.articles(3, at=at - HOUR)
    flag(story, at=at)
    assert len(go(house, at)) == 1
    end_all(State.EXPIRED)
    assert daily(house)["reader"].headlines[0] == "Ferry aground"


def test_the_story_of_a_flash_says_that_there_was_an_alert(house):
    wants(house)
    with database.write_turn():
        issued = flash.issue("Ferry aground", language="en", urgent=False, now=NOW)
        db.session.commit()
    go(house)
    end_all(State.SENT)
    story = house.article("Ferry aground off Cebu", at=NOW + MINUTE)
    with database.write_turn():
        flash.attach(db.session.get_one(Article, issued.id), db.session.get_one(Article, story))
        db.session.commit()
    mail = daily(house)["reader"]
    assert mail.headlines == ["Ferry aground off Cebu"]
    assert "Ferry aground off Cebu\nYou had our alert at 17:00\n" in mail.text


def test_an_alert_to_an_older_story_brings_that_in_the_next_daily_too(house):
    wants(house, fresh_from=NOW - HOUR)
    flag(house.article("Old", at=NOW - 20 * HOUR))
    go(house)
    end_all(State.SENT)
    assert daily(house)["reader"].headlines == ["Old"]


def told(house: House, at: datetime, mailbox: str = "reader@example.org") -> list[str]:
    """Return what the page of why says of a reader's breaking mails, newest first."""
    db.session.rollback()
    addr_hash = house.services.keyring.hash(addresses.parse(mailbox))
    subscriber = db.session.scalar(select(Subscriber).filter_by(addr_hash=addr_hash))
    assert subscriber is not None
    found = whybreaking.recent(subscriber, now=at, hours=house.services.publication.quiet)
    return [whywords.sentence(slot, "en") for slot in found if slot.breaking]


def test_the_page_of_why_tells_of_the_night_and_of_the_number_of_the_day(house):
    wants(house, breaking=1, countries=["kr"])
    flag(house.article("One", "kr"))
    flag(house.article("Elsewhere", "cu"))
    go(house)
    end_all(State.SENT)
    flag(house.article("Two", "kr"), at=NOW + HOUR)
    go(house, NOW + HOUR)
    flag(house.article("Three", "kr"), at=NIGHT_IN_HONG_KONG)
    go(house, NIGHT_IN_HONG_KONG)
    assert told(house, NIGHT_IN_HONG_KONG) == [
        "Breaking news: “Three”. No mail: it was night where you are. The story leads your next regular mail.",
        "Breaking news: “Two”. No mail: you had your number of breaking mails that day. "
        "It waits for your next regular mail.",
        "Breaking news: “One”. Handed over to example.org.",
    ]


def test_the_page_of_why_tells_of_what_was_stopped_and_of_what_the_night_cut_off(house):
    at = NIGHT_IN_HONG_KONG - HOUR - 20 * MINUTE
    wants(house)
    flag(house.article("Cut off"), at=at)
    go(house, at)
    end_all(State.EXPIRED, at=at + 20 * MINUTE)
    story = house.article("Stopped", at=at)
    flag(story, at=at + MINUTE)
    look(house, at + MINUTE)
    with database.write_turn():
        breaking.stop(db.session.get_one(Article, story))
        db.session.commit()
    night, stopped = told(house, at + HOUR)
    assert "it was night" in night
    assert stopped == "Breaking news: “Stopped”. Not sent: the editors cancelled this edition."


def test_the_page_of_why_says_nothing_of_breaking_mail_to_those_who_want_none(house):
    wants(house, breaking=0)
    flag(house.article("One"))
    go(house)
    assert told(house, NOW + HOUR) == []


def issue(headline: str = "Ferry aground", *, at: datetime = NOW) -> int:
    with database.write_turn():
        issued = flash.issue(headline, language="en", urgent=False, now=at)
        db.session.commit()
        return issued.id


def test_a_flash_without_a_story_is_a_headline_of_the_next_daily_for_those_whom_it_has_not_reached(house):
    for name in ("alerted", "late"):
        wants(house, f"{name}@example.org", most=2)
    wants(house, "quiet@example.org", most=2, breaking=0)
    issue()
    assert to(go(house)) == ["alerted", "late"]
    late = house.services.keyring.hash(addresses.parse("late@example.org"))
    end_all(State.SENT)
    db.session.execute(update(Delivery).where(Delivery.once_key == late).values(state="expired"))
    db.session.commit()
    house.articles(4, at=NOW + HOUR)
    mails = daily(house)
    assert {mail.headlines[0] for mail in mails.values()} == {"Story 4"}, "it is no story"
    assert "Ferry aground" not in mails["alerted"].text
    for name in ("late", "quiet"):
        assert "3. Ferry aground\nFlash: we know no more yet\n" in mails[name].text
        assert "Flash: we know no more yet" in mails[name].html
    house.article("New", at=DUE + HOUR)
    assert all("Ferry" not in mail.text for mail in daily(house, DUE + DAY).values()), "once, and for a day"


def test_a_flash_alone_is_no_mail_and_its_story_leads_when_it_is_there(house):
    wants(house, "alerted@example.org")
    wants(house, "quiet@example.org", breaking=0)
    issued = issue()
    go(house)
    end_all(State.SENT)
    assert daily(house) == {}
    story = house.article("Ferry aground off Cebu", at=DUE + HOUR)
    with database.write_turn():
        flash.attach(db.session.get_one(Article, issued), db.session.get_one(Article, story))
        db.session.commit()
    house.articles(3, at=DUE + 3 * HOUR)
    mails = daily(house, DUE + DAY)
    assert mails["alerted"].headlines[0] == "Ferry aground off Cebu"
    assert "You had our alert at 17:00" in mails["alerted"].text
    assert "Ferry aground off Cebu" in mails["quiet"].headlines and "Flash" not in mails["quiet"].text


def test_a_flash_that_is_withdrawn_is_taken_out_and_one_that_stays_leaves(house):
    sender = Sender(house.services)
    wants(house, breaking=0)
    house.article("Story", at=NOW)
    gone, stays = issue("Gone"), issue("Stays")
    house.go(DUE)
    recalled.change(gone, lambda one: life.withdraw(one, reason="It was not so."))
    recalled.remake(house)
    assert sender.go() == ["reader@example.org"]
    assert "Stays" in sender.made["reader@example.org"] and "Gone" not in sender.made["reader@example.org"]
    recalled.change(gone, lambda one: life.restore(one, now=DUE))
    assert db.session.get_one(Article, gone).state == "flash", "it has no more than its headline"
    assert stays != gone


def test_who_had_a_flash_is_told_what_was_wrong_in_it(house):
    sender = Sender(house.services)
    wants(house)
    issued = issue("Ferry sunk")
    go(house)
    assert sender.go() == ["reader@example.org"]
    with database.write_turn():
        one = db.session.get_one(Article, issued)
        life.correct(one, text="The ferry has run aground. It has not sunk.", now=DUE - HOUR)
        corrections.begin(one, tell="next", now=DUE - HOUR)
        db.session.commit()
    house.article("Story", at=NOW)
    (mail,) = daily(house).values()
    assert "It has not sunk." in mail.text


def test_the_desk_is_reminded_of_a_flash_that_has_no_story_for_half_an_hour(house, monkeypatch):
    issued = issue()
    for minutes, expected in ((29, []), (30, ["flash"])):
        monkeypatch.setattr(clock, "utc_now", lambda minutes=minutes: NOW + minutes * MINUTE)
        tasks.breaking.remind.run()
        assert [key.partition(":")[0] for key in alerts.open_keys(db.session.connection())] == expected
        db.session.rollback()
    story = house.article("Ferry aground off Cebu", at=NOW)
    with database.write_turn():
        flash.attach(db.session.get_one(Article, issued), db.session.get_one(Article, story))
        db.session.commit()
    tasks.breaking.remind.run()
    assert not alerts.open_keys(db.session.connection())


def test_what_a_list_of_mails_shows_of_a_breaking_mail_is_what_it_is_about(house):
    wants(house)
    flag(house.article("Ferry aground", standfirst="All are safe."))
    (mail,) = go(house)
    shown = mail.html[mail.html.index("<body") :]
    words = re.sub(r"<[^>]+>", " ", shown).split()
    assert words[:3] == ["All", "are", "safe."], "before the masthead"
