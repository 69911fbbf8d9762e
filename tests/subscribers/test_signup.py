"""From a form to a subscriber: every way a request can go."""

from datetime import timedelta

import pytest
from sqlalchemy import event, select

from core import addresses, errors, tokens
from core.database import db
from delivery import content, suppression
from delivery.models import Suppression
from subscribers import answers, flood, offer, signup, unsubscribe
from subscribers import mails as letters
from subscribers.models import ConsentEntry, SignupRequest, Subscriber, Subscription
from tests.subscribers import people
from tests.subscribers.people import NOW, answered, confirm_token, joined, note, note_fresh_link, only, queued

DAY = timedelta(days=1)
MINUTES = timedelta(minutes=2)


def suppress(services, email: str = "reader@example.org", *, scope: str, reason: str = "complaint") -> None:
    addr_hash = services.keyring.hash(addresses.parse(email))
    suppression.suppress(addr_hash, scope=scope, reason=reason, source="test", now=NOW)


def mails(services) -> list[str]:
    return [mail.mailing for mail in queued(services)]


# --- noting -----------------------------------------------------------------------------------------------------


def test_a_form_leaves_one_row_with_what_it_said(app, services):
    note(services, "Reader@Example.org", topics=["kr"], zone="Europe/Rome")
    request = db.session.scalars(select(SignupRequest)).one()
    assert (request.kind, request.state, request.address) == ("signup", "new", "Reader@example.org")
    assert (request.digests, request.topics, request.zone) == (["asia-daily"], ["kr"], "Europe/Rome")
    assert (request.form, request.wording, request.origin_truncated) == ("/en/subscribe", "v1", "192.0.2.0/24")
    assert (request.at, request.answered_at, request.subscriber_id) == (NOW, None, None)


def test_a_form_sent_twice_is_one_request(app, services):
    request = note(services)
    for _again in range(2):
        signup.note_request(
            addresses.parse("reader@example.org"),
            public_id=request.public_id,
            digests=["asia-daily"],
            topics=[],
            language="en",
            zone=None,
            form="/en/subscribe",
            wording="v1",
            origin=None,
            now=NOW,
            keyring=services.keyring,
        )
    assert people.count(SignupRequest) == 1


def statements_of_noting(services, email: str) -> list[str]:
    seen: list[str] = []

    def listen(_connection, _cursor, statement, *_rest):
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    public_id = tokens.decode(tokens.encode(email.encode().ljust(16, b"_")[:16]))
    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        signup.note_request(
            addresses.parse(email),
            public_id=public_id,
            digests=["asia-daily"],
            topics=[],
            language="en",
            zone=None,
            form="/en/subscribe",
            wording="v1",
            origin="192.0.2.77",
            now=NOW,
            keyring=services.keyring,
        )
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    return seen


def test_noting_is_the_same_single_insert_for_any_address(app, services):
    """Unknown, pending, active, left and suppressed: nothing is read, so nothing can be told apart."""
    note(services, "pending@example.org")
    joined(services, "active@example.org")
    unsubscribe.leave(joined(services, "left@example.org").subscriber, None, now=NOW)
    suppress(services, "suppressed@example.org", scope="all")
    db.session.commit()
    kinds = ("unknown", "pending", "active", "left", "suppressed")
    statements = [statements_of_noting(services, f"{kind}@example.org") for kind in kinds]
    assert all(len(one) == 1 and one[0].startswith("INSERT INTO signup_requests") for one in statements)
    assert len({one[0] for one in statements}) == 1
    columns = ("kind", "state", "digests", "topics", "language", "zone", "form", "wording", "origin_truncated", "at")
    rows = db.session.scalars(select(SignupRequest).order_by(SignupRequest.id.desc()).limit(len(kinds))).all()
    assert {row.address for row in rows} == {f"{kind}@example.org" for kind in kinds}
    assert len({tuple(str(getattr(row, name)) for name in columns) for row in rows}) == 1


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("digests", {"digests": []}),
        ("digests", {"digests": [str(n) for n in range(51)]}),
        ("topics", {"topics": [str(n) for n in range(51)]}),
        ("zone", {"zone": "Mars/Olympus"}),
    ],
)
def test_a_form_that_cannot_be_taken_names_the_field_and_leaves_nothing(app, services, field, wrong):
    with pytest.raises(errors.Invalid) as caught:
        note(services, **wrong)
    assert caught.value.field == field
    assert people.count(SignupRequest) == 0


def test_a_form_with_a_damaged_id_is_refused(app, services):
    with pytest.raises(errors.Invalid):
        signup.note_fresh_link(
            addresses.parse("reader@example.org"),
            public_id=b"short",
            language="en",
            form="",
            origin=None,
            now=NOW,
            keyring=services.keyring,
        )


# --- answering --------------------------------------------------------------------------------------------------


def test_requests_wait_in_the_order_in_which_they_came(app, services):
    ids = [note(services, f"r{number}@example.org").id for number in range(3)]
    assert answers.waiting(2, now=NOW) == ids[:2]
    people.answer(ids[0], services=services, now=NOW)
    assert answers.waiting(10, now=NOW) == ids[1:]


def test_a_new_address_is_asked_to_confirm(app, services):
    request = answered(services)
    (mail,) = queued(services)
    assert (mail.mailing, mail.to, mail.reader_key) == ("system:confirm:en", "reader@example.org", request.public_id)
    assert mail.not_after == NOW + DAY
    assert (request.state, request.address, request.answered_at) == ("answered", "reader@example.org", NOW)


def test_an_address_that_left_is_asked_to_confirm(app, services):
    unsubscribe.leave(joined(services).subscriber, None, now=NOW)
    answered(services)
    assert mails(services) == ["system:confirm:en"] * 2


def test_a_reader_who_asks_for_one_more_is_asked_to_confirm(app, services):
    joined(services)
    answered(services, digests=["asia-daily", "asia-arabic"])
    assert mails(services) == ["system:confirm:en"] * 2


def test_a_reader_who_has_it_all_is_told_so_with_a_link_to_their_choices(app, services):
    subscriber = joined(services, digests=["asia-daily", "asia-arabic"]).subscriber
    request = answered(services, digests=["asia-arabic"])
    mail = queued(services)[-1]
    assert (mail.mailing, mail.to, mail.reader_key) == (
        "system:already:en",
        "reader@example.org",
        subscriber.public_id,
    )
    assert mail.places == {"preferences"}
    assert (request.state, request.address) == ("answered", None)


@pytest.mark.parametrize("kind", ["signup", "fresh_link"])
@pytest.mark.parametrize("known", ["unknown", "active"])
def test_an_address_that_must_not_be_mailed_gets_nothing(app, services, kind, known):
    if known == "active":
        joined(services)
    suppress(services, scope="all")
    before = len(mails(services))
    request = note(services) if kind == "signup" else note_fresh_link(services)
    people.answer(request.id, services=services, now=NOW)
    assert len(mails(services)) == before
    assert (request.state, request.address) == ("dropped", None)


@pytest.mark.parametrize("scope", ["bulk", "share", "digest:asia-daily"])
def test_a_narrower_suppression_does_not_keep_the_confirmation_back(app, services, scope):
    suppress(services, scope=scope)
    answered(services)
    assert mails(services) == ["system:confirm:en"]


def test_a_reader_whose_mail_came_back_is_asked_to_confirm_again_and_then_gets_mail(app, services):
    reader = joined(services).subscriber
    suppress(services, scope="bulk", reason="hard")
    later = NOW + timedelta(days=2)
    again = answered(services, at=later)
    assert mails(services) == ["system:confirm:en"] * 2
    confirmed = signup.confirm(again, now=later)
    assert confirmed.subscriber == reader and only(confirmed).state == "on"
    assert not suppression.is_suppressed(reader.addr_hash, ["bulk"], now=later)


def test_a_request_for_what_is_not_on_offer_any_more_is_dropped(app, services):
    request = note(services)
    offer.apply([{**people.ASIA, "active": False}])
    people.answer(request.id, services=services, now=NOW)
    assert (request.state, request.address, mails(services)) == ("dropped", None, [])


def decided(services, request, *, now=NOW):
    decision = answers.decide(request.id, services=services, now=now)
    assert decision is not None
    return decision, letters.make(decision.letter, services) if decision.letter else None


def test_deciding_only_reads(app, services):
    request = note(services)
    db.session.commit()
    seen: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _u, statement, *_rest: seen.append(statement))
    decided(services, request)
    assert not db.session.dirty
    assert not db.session.new
    assert {statement.split()[0] for statement in seen} <= {"BEGIN", "SELECT"}


@pytest.mark.parametrize("happens", ["suppressed", "joined", "withdrawn"])
def test_a_decision_that_does_not_hold_any_more_is_not_written(app, services, happens):
    request = note(services)
    decision, made = decided(services, request)
    if happens == "suppressed":
        suppress(services, scope="all")
    elif happens == "joined":
        signup.confirm(answered(services), now=NOW)
        flood.forgive(request.mailbox, services.keyring)
    else:
        offer.apply([{**people.ASIA, "active": False}])
    before = mails(services)
    assert not answers.write(decision, made, services=services, now=NOW)
    assert (request.state, mails(services)) == ("new", before)
    assert answers.write(*decided(services, request), services=services, now=NOW)
    assert request.state == ("answered" if happens == "joined" else "dropped")


def test_the_mail_is_compiled_before_it_is_written(app, services):
    decision, made = decided(services, note(services))
    content.compile_mail.cache_clear()
    decision, made = decided(services, note(services, "second@example.org"))
    before = content.compile_mail.cache_info().misses
    assert answers.write(decision, made, services=services, now=NOW)
    assert content.compile_mail.cache_info().misses == before == 1


def test_a_request_that_fails_waits_twice_as_long_each_time_and_lets_others_go_first(app, services):
    request, other = note(services), note(services, "other@example.org")
    now, waits = NOW, []
    for _failure in range(12):
        answers.put_off(request.id, now=now)
        waits.append((request.next_try_at - now) / timedelta(minutes=1))
        assert answers.waiting(10, now=now) == [other.id]
        now = request.next_try_at
    assert waits == [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]
    assert answers.waiting(10, now=now) == [other.id, request.id]


def test_a_request_that_was_answered_meanwhile_is_not_put_off(app, services):
    request = answered(services)
    answers.put_off(request.id, now=NOW + DAY)
    answers.put_off(999, now=NOW)
    assert (request.state, request.next_try_at) == ("answered", NOW)


def test_answering_twice_sends_one_mail(app, services):
    request = answered(services)
    people.answer(request.id, services=services, now=NOW + DAY)
    assert len(mails(services)) == 1
    assert request.answered_at == NOW


def test_a_request_that_does_not_exist_is_answered_with_nothing(app, services):
    people.answer(999, services=services, now=NOW)
    assert mails(services) == []


# --- a fresh link -----------------------------------------------------------------------------------------------


def fresh_link(services, *, at=NOW) -> SignupRequest:
    request = note_fresh_link(services, at=at)
    people.answer(request.id, services=services, now=at)
    return request


def test_a_reader_gets_a_fresh_link_to_their_choices(app, services):
    subscriber = joined(services).subscriber
    request = fresh_link(services)
    mail = queued(services)[-1]
    assert (mail.mailing, mail.reader_key) == ("system:fresh-link:en", subscriber.public_id)
    assert mail.places == {"preferences"}
    assert (request.state, request.address) == ("answered", None)


def test_whoever_has_not_confirmed_yet_gets_the_newest_confirmation_again(app, services):
    answered(services, digests=["asia-arabic"])
    newest = answered(services, at=NOW + DAY)
    request = fresh_link(services, at=NOW + 2 * DAY)
    mail = queued(services)[-1]
    assert (mail.mailing, mail.subject, mail.reader_key) == (
        "system:confirm:en",
        "Please confirm: Asia Daily",
        newest.public_id,
    )
    assert len(queued(services)) == 3
    assert (request.state, request.address, newest.address) == ("answered", None, "reader@example.org")


def test_each_fresh_link_is_a_mail_of_its_own(app, services):
    joined(services)
    fresh_link(services)
    fresh_link(services, at=NOW + MINUTES)
    assert mails(services) == ["system:confirm:en", "system:fresh-link:en", "system:fresh-link:en"]


@pytest.mark.parametrize(("age", "sent"), [(7 * DAY - timedelta(seconds=1), 1), (7 * DAY, 0)])
def test_a_request_is_sent_again_for_seven_days(app, services, age, sent):
    answered(services)
    request = fresh_link(services, at=NOW + age)
    assert len(mails(services)) == 1 + sent
    assert request.state == ("answered" if sent else "dropped")


def test_an_unknown_address_gets_no_fresh_link(app, services):
    request = fresh_link(services)
    assert (request.state, request.address, mails(services)) == ("dropped", None, [])


def test_an_address_that_left_gets_no_fresh_link(app, services):
    unsubscribe.leave(joined(services).subscriber, None, now=NOW)
    assert fresh_link(services).state == "dropped"


def test_a_request_that_needed_no_confirmation_is_not_sent_as_one_later(app, services):
    subscriber = joined(services).subscriber
    answered(services)  # answered with: you have it already
    unsubscribe.leave(subscriber, None, now=NOW)
    assert fresh_link(services).state == "dropped"


# --- opening ----------------------------------------------------------------------------------------------------


def test_a_confirm_link_opens_its_request_and_changes_nothing(app, services):
    request = answered(services)
    db.session.commit()
    for _scanner in range(100):
        assert signup.open_request(confirm_token(request), NOW) is request
    assert not db.session.dirty
    assert (request.state, people.count(Subscriber)) == ("answered", 0)


@pytest.mark.parametrize(("age", "opens"), [(7 * DAY - timedelta(seconds=1), True), (7 * DAY, False)])
def test_a_confirm_link_opens_for_seven_days(app, services, age, opens):
    request = answered(services)
    if opens:
        assert signup.open_request(confirm_token(request), NOW + age) is request
    else:
        with pytest.raises(errors.LinkExpired):
            signup.open_request(confirm_token(request), NOW + age)


def test_a_confirm_link_to_nothing_is_too_old(app, services):
    for key in (bytes(16), note_fresh_link(services).public_id):
        with pytest.raises(errors.LinkExpired):
            signup.open_request(tokens.Token(key, 0, 0), NOW)


def test_a_dropped_request_does_not_open(app, services):
    request = note(services)
    suppress(services, scope="all")
    people.answer(request.id, services=services, now=NOW)
    with pytest.raises(errors.LinkExpired):
        signup.open_request(confirm_token(request), NOW)


# --- confirming -------------------------------------------------------------------------------------------------


def test_confirming_makes_a_subscriber_with_what_was_asked_for(app, services):
    confirmed = joined(services, digests=["asia-arabic", "asia-daily"], language="ar")
    subscriber = confirmed.subscriber
    assert (subscriber.state, subscriber.address, subscriber.language) == ("active", "reader@example.org", "ar")
    assert len(subscriber.public_id) == 16
    assert [one.digest.key for one in confirmed.subscriptions] == ["asia-arabic", "asia-daily"]
    assert all((one.state, one.created_at, one.version) == ("on", NOW, 1) for one in confirmed.subscriptions)
    assert not confirmed.again


def test_confirming_takes_the_request_out_of_the_way(app, services):
    request = answered(services)
    confirmed = signup.confirm(request, now=NOW)
    assert (request.state, request.address, request.subscriber_id) == (
        "confirmed",
        None,
        confirmed.subscriber.id,
    )


def test_only_the_first_digest_chosen_sends_a_first_edition(app, services):
    confirmed = joined(services, digests=["asia-arabic", "asia-daily"])
    arabic, daily = confirmed.subscriptions
    assert confirmed.first is arabic
    assert (arabic.first_due_at, daily.first_due_at) == (NOW, None)


def test_a_digest_comes_at_its_own_hour_in_its_own_zone_unless_the_reader_said_where(app, services):
    abroad = only(joined(services, "abroad@example.org", zone="Europe/Rome"))
    home = only(joined(services, "home@example.org"))
    assert (abroad.rhythm.rhythm, abroad.rhythm.minute, abroad.rhythm.zone) == ("daily", 420, "Europe/Rome")
    assert (home.rhythm.zone, home.subscriber.zone) == ("Asia/Hong_Kong", "Asia/Hong_Kong")
    assert abroad.subscriber.zone == "Europe/Rome"


def test_the_stories_of_one_period_are_new_to_a_new_reader(app, services):
    offer.apply([{**people.ASIA, "default_rhythm": "weekly"}])
    weekly, daily = joined(services, digests=["asia-daily", "asia-arabic"]).subscriptions
    assert (weekly.fresh_from, daily.fresh_from) == (NOW - 7 * DAY, NOW - DAY)


def test_proposed_topics_become_the_readers_taste(app, services):
    taste = only(joined(services, topics=["kr", "economy", "cu", "gone-since"])).taste
    assert (taste.topics, taste.countries, taste.format, taste.most) == (["economy"], ["cu", "kr"], "both", 10)


def test_without_topics_everything_comes(app, services):
    taste = only(joined(services)).taste
    assert (taste.topics, taste.countries) == ([], [])


def test_confirming_again_changes_nothing(app, services):
    request = answered(services)
    first = signup.confirm(request, now=NOW)
    db.session.commit()
    before = (first.subscriptions[0].version, people.count(ConsentEntry))
    again = signup.confirm(request, now=NOW + DAY)
    assert list(first.new) == list(first.subscriptions)
    assert again == signup.Confirmed(first.subscriber, list(first.subscriptions), None, again=True)
    assert (again.subscriptions[0].version, people.count(ConsentEntry)) == before
    assert again.subscriptions[0].first_due_at == NOW


def test_confirming_after_leaving_changes_nothing(app, services):
    request = answered(services)
    confirmed = signup.confirm(request, now=NOW)
    unsubscribe.leave(confirmed.subscriber, None, now=NOW)
    again = signup.confirm(request, now=NOW)
    assert again.again
    assert (only(again).state, again.subscriber.state) == ("off", "left")
    assert suppression.is_suppressed(again.subscriber.addr_hash, ["digest:asia-daily"], now=NOW)


@pytest.mark.parametrize("state", ["expired", "dropped", "forgotten"])
def test_a_request_that_is_closed_cannot_be_confirmed(app, services, state):
    request = answered(services)
    if state == "dropped":
        request.state, request.address = "dropped", None
        db.session.flush()
    if state == "forgotten":
        signup.forget_unconfirmed(NOW + 7 * DAY)
    with pytest.raises(errors.LinkExpired):
        signup.confirm(request, now=NOW + 7 * DAY if state != "dropped" else NOW)
    assert people.count(Subscriber) == 0


def test_nothing_on_offer_any_more_is_said_and_leaves_the_request_as_it_was(app, services):
    request = answered(services)
    offer.apply([{**people.ASIA, "active": False}])
    with pytest.raises(errors.NotFound):
        signup.confirm(request, now=NOW)
    assert (request.state, people.count(Subscriber)) == ("answered", 0)


def test_what_is_still_on_offer_is_confirmed(app, services):
    request = answered(services, digests=["asia-daily", "asia-arabic"])
    offer.apply([{**people.ASIA, "active": False}])
    assert only(signup.confirm(request, now=NOW)).digest.key == "asia-arabic"


def test_coming_back_turns_the_subscription_on_and_lifts_only_the_readers_own_leaving(app, services):
    subscriber = joined(services).subscriber
    unsubscribe.leave(subscriber, None, now=NOW)
    suppress(services, scope="digest:asia-daily", reason="complaint")
    back = joined(services, zone="Europe/Rome", language="ar", at=NOW + DAY)
    assert back.subscriber is subscriber
    assert (subscriber.state, subscriber.language, subscriber.zone) == ("active", "ar", "Europe/Rome")
    assert (only(back).state, only(back).first_due_at, back.first) == ("on", NOW + DAY, only(back))
    assert only(back).fresh_from == NOW
    reasons = db.session.execute(select(Suppression.reason)).scalars().all()
    assert list(reasons) == ["complaint"]


def test_one_more_digest_leaves_the_others_as_the_reader_set_them(app, services):
    daily = only(joined(services, topics=["kr"]))
    version = daily.version
    more = joined(services, digests=["asia-daily", "asia-arabic"], topics=["economy"], at=NOW + DAY)
    assert [one.digest.key for one in more.subscriptions] == ["asia-daily", "asia-arabic"]
    assert (daily.taste.countries, daily.version, daily.first_due_at) == (["kr"], version, NOW)
    assert more.first is more.subscriptions[1]
    assert list(more.new) == [more.subscriptions[1]]
    assert more.subscriptions[1].taste.topics == ["economy"]


def test_a_second_request_for_the_same_is_confirmed_without_a_second_first_edition(app, services):
    one, two = answered(services), answered(services, at=NOW + DAY)
    first = signup.confirm(one, now=NOW)
    second = signup.confirm(two, now=NOW + DAY)
    assert second.subscriber is first.subscriber
    assert (second.first, second.again) == (None, False)
    assert (people.count(Subscriber), people.count(Subscription), people.count(ConsentEntry)) == (1, 1, 1)


def test_an_address_written_otherwise_is_the_same_subscriber(app, services):
    one = joined(services, "Reader@Example.org").subscriber
    two = joined(services, "reader@example.ORG", digests=["asia-arabic"]).subscriber
    assert one is two
    assert one.address == "Reader@example.org"


# --- forgetting -------------------------------------------------------------------------------------------------


def test_an_address_nobody_confirmed_is_forgotten_after_seven_days(app, services):
    old = answered(services)
    unanswered = note(services, "second@example.org")
    young = answered(services, "young@example.org", at=NOW + DAY)
    assert signup.forget_unconfirmed(NOW + 7 * DAY) == 2
    assert [(one.state, one.address) for one in (old, unanswered)] == [("dropped", None)] * 2
    assert (young.state, young.address) == ("answered", "young@example.org")
    assert signup.forget_unconfirmed(NOW + 7 * DAY) == 0


def test_a_confirmed_request_stays_confirmed_when_others_are_forgotten(app, services):
    request = answered(services)
    signup.confirm(request, now=NOW)
    assert signup.forget_unconfirmed(NOW + 30 * DAY) == 0
    assert request.state == "confirmed"
