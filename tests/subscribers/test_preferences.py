"""What a reader has chosen, and changing it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from core import clock, errors, tokens
from core.database import db
from subscribers import offer, overall, past, preferences, unsubscribe
from subscribers.changes import Change, PreferenceChange
from subscribers.models import ConsentEntry, Subscriber, Subscription, Taste
from subscribers.preferences import Chosen
from tests.subscribers import people
from tests.subscribers.people import NOW, joined, only

DAY = timedelta(days=1)
LANGUAGES = ["en", "ar"]
FORM = Chosen(
    topics=("economy",),
    countries=("kr", "cu"),
    rhythm="weekly",
    weekday=6,
    minute=18 * 60 + 15,
    zone="Europe/Rome",
    breaking=0,
    most=5,
    format="text",
)


@pytest.fixture
def subscription(app, services) -> Subscription:
    found = only(joined(services))
    db.session.commit()
    return found


def save(subscription: Subscription, *, version: int | None = None, **changed) -> list[Change]:
    seen = subscription.version if version is None else version
    return preferences.save(subscription, replace(FORM, **changed), version=seen, now=NOW)


def pause(subscriber: Subscriber, until: date | None, at: datetime = NOW) -> list[Change]:
    return overall.pause(subscriber, until, spoken=LANGUAGES, now=at)


def link(subscription: Subscription, *, version: int = 1, age: int = 0) -> tokens.Token:
    return tokens.Token(subscription.subscriber.public_id, version, clock.day_number(NOW) - age)


def test_a_link_opens_its_readers_choices_for_ninety_days(subscription):
    for age in (0, 90):
        assert preferences.by_token(link(subscription, age=age), NOW) is subscription.subscriber
    with pytest.raises(errors.LinkExpired):
        preferences.by_token(link(subscription, age=91), NOW)


def test_links_die_when_the_readers_links_are_renewed(subscription):
    subscription.subscriber.link_version = 2
    with pytest.raises(errors.LinkExpired):
        preferences.by_token(link(subscription), NOW)


def test_the_version_of_links_may_pass_what_a_token_can_carry(subscription):
    subscription.subscriber.link_version = 257
    assert preferences.by_token(link(subscription, version=1), NOW) is subscription.subscriber


def test_a_link_to_nobody_is_damaged(app):
    with pytest.raises(errors.LinkDamaged):
        preferences.by_token(tokens.Token(bytes(16), 1, clock.day_number(NOW)), NOW)


def test_the_choices_are_shown_as_they_are(subscription):
    save(subscription)
    (choice,) = preferences.view(subscription.subscriber, NOW)
    assert (choice.digest.key, choice.on, choice.version) == ("asia-daily", True, 2)
    assert choice.chosen == replace(FORM, countries=("cu", "kr"))
    assert [topic.key for topic in choice.topics] == ["economy"]
    assert {topic.key for topic in choice.countries} == {"kr", "cu"}
    assert choice.paused_until is None


def test_a_daily_digest_has_no_weekday(subscription):
    assert preferences.view(subscription.subscriber, NOW)[0].chosen.weekday is None


def test_looking_changes_nothing(subscription):
    for _time in range(100):
        preferences.view(subscription.subscriber, NOW)
    assert not db.session.dirty
    assert not db.session.new


def test_a_digest_that_was_left_is_shown_as_off(app, services):
    subscriber = joined(services, digests=["asia-daily", "asia-arabic"]).subscriber
    unsubscribe.leave(subscriber, people.asia(), now=NOW)
    assert [(one.digest.key, one.on) for one in preferences.view(subscriber, NOW)] == [
        ("asia-daily", False),
        ("asia-arabic", True),
    ]


def test_saving_moves_the_reader_to_another_taste_and_rhythm(subscription):
    before = (subscription.taste_id, subscription.rhythm_id)
    save(subscription)
    assert subscription.taste_id != before[0]
    assert subscription.rhythm_id != before[1]
    assert (subscription.taste.topics, subscription.taste.countries) == (["economy"], ["cu", "kr"])
    assert subscription.rhythm.slot == date(2026, 3, 8)
    assert subscription.rhythm.next_due_at > NOW


def test_readers_who_want_the_same_share_a_taste(subscription, services):
    other = only(joined(services, "other@example.org"))
    save(subscription, topics=("economy", "diplomacy"))
    save(other, topics=("diplomacy", "economy"), countries=("cu", "kr", "cu"))
    assert other.taste_id == subscription.taste_id
    assert people.count(Taste) == 2


def test_saving_a_page_that_is_not_fresh_any_more_is_a_conflict(subscription):
    seen = subscription.version
    save(subscription)
    with pytest.raises(errors.Conflict):
        save(subscription, version=seen, topics=[])
    assert subscription.taste.topics == ["economy"]


def test_saving_what_was_left_elsewhere_is_a_conflict(subscription):
    seen = subscription.version
    unsubscribe.leave(subscription.subscriber, None, now=NOW)
    for version in (seen, subscription.version):
        with pytest.raises(errors.Conflict):
            save(subscription, version=version)


def test_saving_twice_is_saving_once(subscription):
    save(subscription)
    version, proofs = subscription.version, people.count(ConsentEntry)
    save(subscription)
    assert (subscription.version, people.count(ConsentEntry)) == (version, proofs)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("topics", {"topics": ["weather"]}),
        ("topics", {"topics": ["kr"]}),
        ("topics", {"topics": [str(number) for number in range(51)]}),
        ("countries", {"countries": ["economy"]}),
        ("countries", {"countries": ["atlantis"]}),
        ("rhythm", {"rhythm": "hourly"}),
        ("weekday", {"weekday": 7}),
        ("minute", {"minute": 1440}),
        ("zone", {"zone": "Mars/Olympus"}),
        ("format", {"format": "pdf"}),
        ("breaking", {"breaking": 1}),
        ("breaking", {"breaking": 2}),
        ("most", {"most": 7}),
        ("most", {"most": 20}),
    ],
)
def test_a_choice_that_is_not_on_offer_names_its_field_and_changes_nothing(subscription, field, wrong):
    before = (subscription.taste_id, subscription.rhythm_id, subscription.version)
    with pytest.raises(errors.Invalid) as caught:
        save(subscription, **wrong)
    assert caught.value.field == field
    assert (subscription.taste_id, subscription.rhythm_id, subscription.version) == before


def test_a_rhythm_that_the_digest_does_not_have_is_refused(app, services):
    arabic = only(joined(services, digests=["asia-arabic"]))
    with pytest.raises(errors.Invalid) as caught:
        save(arabic)
    assert caught.value.field == "rhythm"


def test_a_rhythm_withdrawn_since_can_be_kept(subscription):
    offer.apply([{**people.ASIA, "rhythms": ["weekly"]}])
    save(subscription, rhythm="daily")
    assert subscription.rhythm.rhythm == "daily"


def test_each_change_leaves_a_proof_of_what_was_chosen(subscription):
    save(subscription)
    entry = db.session.scalars(select(ConsentEntry).filter_by(kind="change")).one()
    assert entry.wording == (
        "topics=economy countries=cu,kr rhythm=weekly minute=1095 zone=Europe/Rome breaking=0 most=5 format=text "
        "weekdays=64"
    )


def test_a_pause_is_shown_until_it_is_over(subscription):
    pause(subscription.subscriber, date(2026, 3, 9))
    shown = [preferences.view(subscription.subscriber, NOW + days * DAY)[0].paused_until for days in (0, 6, 7)]
    assert shown == [date(2026, 3, 9), date(2026, 3, 9), None]


def test_saving_tells_where_the_reader_is(subscription):
    assert subscription.subscriber.zone == "Asia/Hong_Kong"
    save(subscription)
    assert subscription.subscriber.zone == "Europe/Rome"


def test_a_pause_of_one_digest_ends_in_its_own_zone_and_that_of_the_reader_in_theirs(subscription):
    pause(subscription.subscriber, date(2026, 3, 9))
    subscription.subscriber.zone = "Europe/Rome"
    at = datetime(2026, 3, 8, 17, tzinfo=UTC)  # 9 March in Hong Kong, 8 March in Rome
    assert preferences.view(subscription.subscriber, at)[0].paused_until is None
    assert preferences.paused_until(subscription.subscriber, at) == date(2026, 3, 9)


def test_a_pause_can_be_ended(subscription):
    pause(subscription.subscriber, date(2026, 3, 9))
    pause(subscription.subscriber, None)
    assert subscription.subscriber.paused_until is None


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_a_pause_ends_within_the_next_year(subscription, days):
    with pytest.raises(errors.Invalid) as caught:
        pause(subscription.subscriber, NOW.date() + days * DAY)
    assert caught.value.field == "until"


def test_a_pause_counts_from_the_readers_own_date(subscription):
    late = NOW.replace(hour=17)  # 01:00 on 3 March in Hong Kong
    with pytest.raises(errors.Invalid):
        pause(subscription.subscriber, date(2026, 3, 3), late)


def test_each_change_is_written_down_with_what_it_was_and_is(subscription):
    changed = save(subscription, topics=(), countries=(), most=10, format="both")
    assert changed == [
        Change("rhythm", "daily", "weekly:6"),
        Change("minute", "420", "1095"),
        Change("zone", "Asia/Hong_Kong", "Europe/Rome"),
    ]
    rows = db.session.scalars(select(PreferenceChange).order_by(PreferenceChange.id)).all()
    assert [Change(row.field, row.old, row.new) for row in rows] == changed
    assert {(row.subscriber_id, row.digest_id, row.at, row.source) for row in rows} == {
        (subscription.subscriber_id, subscription.digest_id, NOW, "preferences")
    }
    assert save(subscription, topics=(), countries=(), most=10, format="both") == []
    assert people.count(PreferenceChange) == 3


def test_breaking_mail_can_be_chosen_where_the_digest_offers_it(subscription):
    offer.apply([{**people.ASIA, "offers_breaking": True}])
    for breaking in preferences.BREAKING:
        save(subscription, breaking=breaking)
        assert subscription.breaking == breaking


def test_breaking_mail_withdrawn_since_can_be_kept_and_given_up(subscription):
    offer.apply([{**people.ASIA, "offers_breaking": True}])
    save(subscription, breaking=3)
    offer.apply([people.ASIA])
    save(subscription, breaking=3, most=10)
    save(subscription, breaking=0)
    with pytest.raises(errors.Invalid):
        save(subscription, breaking=3)


def test_a_mail_can_be_as_long_as_the_digest_allows(subscription):
    offer.apply([{**people.ASIA, "most": 12}])
    assert preferences.lengths(subscription.digest, 10) == [5, 10, 12]
    for most in (5, 10, 12):
        save(subscription, most=most)
        assert subscription.taste.most == most


def test_fewer_is_more_seldom_first_and_then_shorter_until_there_is_nothing_fewer(subscription):
    steps = []
    while (step := preferences.fewer(preferences.of(subscription, NOW))) is not None:
        preferences.save(subscription, step, version=subscription.version, now=NOW)
        steps.append((step.rhythm, step.weekday, step.most))
    assert steps == [("weekly", 5, 10), ("weekly", 5, 5)]


def test_fewer_of_a_digest_without_a_weekly_mail_is_on_weekdays(subscription):
    offer.apply([{**people.ASIA, "rhythms": ["daily", "weekdays"]}])
    step = preferences.fewer(preferences.of(subscription, NOW))
    assert step is not None
    assert step.rhythm == "weekdays"


def test_the_last_change_can_be_taken_back_once(subscription):
    before = preferences.of(subscription, NOW).chosen
    save(subscription)
    changed = preferences.take_back(subscription, version=2, now=NOW + DAY)
    assert preferences.of(subscription, NOW).chosen == before
    assert Change("rhythm", "weekly:6", "daily") in changed
    with pytest.raises(errors.Conflict):
        preferences.take_back(subscription, version=2, now=NOW + DAY)
    assert preferences.of(subscription, NOW).chosen == before


@given(
    st.builds(
        Chosen,
        topics=st.sampled_from([(), ("economy",), ("diplomacy", "economy")]),
        countries=st.sampled_from([(), ("cu",), ("cu", "kr")]),
        rhythm=st.sampled_from(["daily", "weekdays"]),
        weekday=st.none(),
        minute=st.integers(0, 95).map(lambda quarter: quarter * 15),
        zone=st.sampled_from(["Asia/Kathmandu", "America/Argentina/Ushuaia", "UTC"]),
        breaking=st.sampled_from(preferences.BREAKING),
        most=st.integers(1, 100),
        format=st.sampled_from(["both", "text"]),
    )
    | st.builds(replace, st.just(FORM), weekday=st.integers(0, 6))
)
def test_what_was_written_down_of_choices_brings_them_back(chosen):
    other = replace(FORM, topics=(), countries=(), rhythm="daily", weekday=None, zone="Asia/Tokyo")
    assert preferences.with_fields(other, chosen.fields()) == replace(chosen, countries=tuple(sorted(chosen.countries)))


def test_what_was_chosen_before_can_be_read_back_from_the_proof_of_it(subscription):
    save(subscription)
    save(subscription, rhythm="daily", weekday=None)
    db.session.flush()
    *_first, before, now = past.spans(subscription, past.of(subscription.subscriber))
    assert before.choice is not None and now.choice is not None
    assert (before.choice.rhythm, before.choice.weekdays, before.choice.minute) == ("weekly", 64, 18 * 60 + 15)
    assert before.choice.zone == "Europe/Rome" and before.topics == ("cu", "kr", "economy")
    assert now.choice.rhythm == "daily"
