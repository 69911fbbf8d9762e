"""What mail services tell, through the whole application: verified, kept once, answered at once, worked off later."""

import io
import json
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from app import create_app
from core.database import Base, db
from delivery import suppression
from delivery.models import Outcome
from returns import arrivals
from returns.models import Arrival
from returns.webhooks import MOST_OCTETS
from tasks import webhooks
from tests import at_once
from tests.installation import settings_for
from tests.returns import posts
from tests.returns.posts import NOW, Post
from tests.web.mail_services import NAMES, altered, kept, row, sent, tell
from tests.web.readers import dump


@pytest.mark.parametrize("service", NAMES)
def test_a_bounce_is_kept_nudged_worked_off_and_counts_once_however_often_it_comes(told_on_both, nudged, service):
    mail, other = sent(count=2)
    answer = tell(told_on_both, service, mail.gone(service))
    assert (answer.status_code, answer.text) == (200, "Kept.\n")
    assert nudged == ["tasks.webhooks.work_off"]
    assert row(mail).returned_as is None, "nothing is decided before the answer"
    webhooks.work_off()
    assert row(mail).returned_as == "hard"
    assert (row(mail).state, row(other).returned_as) == ("sent", None)
    assert suppression.is_suppressed(row(mail).addr_hash, ["bulk"], now=NOW)
    (arrival,) = kept()
    assert (arrival.source, arrival.state, arrival.kind) == (service, "done", "bounce")
    assert (arrival.delivery_id, arrival.raw) == (mail.id, None)
    after = dump()
    for _time in range(2):
        assert tell(told_on_both, service, mail.gone(service)).status_code == 200
        webhooks.work_off()
    assert dump() == after
    assert nudged == ["tasks.webhooks.work_off"], "what was there already needs no nudge"


@pytest.mark.parametrize("service", NAMES)
def test_a_complaint_that_comes_before_the_delivery_it_is_about_stays_one(told_on_both, service):
    (mail,) = sent()
    for post in (mail.complained(service), mail.delivered(service), mail.gone(service)):
        assert tell(told_on_both, service, post).status_code == 200
    webhooks.work_off()
    assert row(mail).returned_as == "complaint"
    assert [one.kind for one in kept()] == ["complaint", "delivered", "bounce"]
    assert [one.state for one in kept()] == ["done"] * 3
    assert "complaint" in list(db.session.scalars(select(Outcome.kind)))


def test_a_batch_counts_each_of_its_events_and_one_that_cannot_be_read_holds_up_none(told_on_both):
    mails = sent(count=3)
    batch = [
        posts.sendgrid_event(number=1, token=mails[0].token, type="bounce", reason="550 5.1.1 gone"),
        {"sg_event_id": "poison", "event": ["no", "name"]},
        posts.sendgrid_event("spamreport", number=2, token=mails[1].token),
        posts.sendgrid_event(number=1, token=mails[2].token, reason="550 5.1.1 gone"),
    ]
    assert tell(told_on_both, "sendgrid", posts.sendgrid(batch)).status_code == 200
    webhooks.work_off()
    assert [row(mail).returned_as for mail in mails] == ["hard", "complaint", None]
    assert sorted(one.state for one in kept()) == ["done", "done", "unread"]
    assert arrivals.unread() == 1
    (poison,) = (one for one in kept() if one.state == "unread")
    assert json.loads(poison.raw or b"") == batch[1]
    assert poison.why == "It has no event."


def test_the_same_posts_at_once_and_several_workers_at_once_count_each_event_once(told_on_both):
    mails = sent(count=30)
    events = [posts.sendgrid_event("spamreport", number=number, token=mail.token) for number, mail in enumerate(mails)]
    both_ways = [posts.sendgrid(events), posts.sendgrid(events[::-1])]
    statuses = at_once.run(
        told_on_both, *[lambda post=post: tell(told_on_both, "sendgrid", post).status_code for post in both_ways * 3]
    )
    assert statuses == [200] * 6
    assert at_once.run(told_on_both, *[webhooks.work_off] * 4) == [None] * 4
    assert [one.state for one in kept()] == ["done"] * 30
    assert [row(mail).returned_as for mail in mails] == ["complaint"] * 30
    assert db.session.scalar(select(func.count()).where(Outcome.kind == "complaint")) == 30


def test_ten_thousand_events_are_kept_by_one_request_and_worked_off(told_on_both):
    (mail,) = sent()
    batch = [{"event": "open", "sg_event_id": str(number)} for number in range(10_000)]
    batch[5_000] |= {"event": "spamreport", "postrider": mail.token}
    assert tell(told_on_both, "sendgrid", posts.sendgrid(batch)).status_code == 200
    assert db.session.scalar(select(func.count()).select_from(Arrival)) == 10_000
    webhooks.work_off()
    assert row(mail).returned_as == "complaint"
    db.session.rollback()
    assert db.session.scalar(select(func.count()).where(Arrival.state == "done")) == 10_000


@pytest.mark.parametrize("service", NAMES)
def test_a_token_that_is_not_ours_changes_nothing_but_is_noted(told, service):
    (mail,) = sent()
    forged = replace(mail, token=mail.token[:-1] + ("a" if mail.token[-1] != "a" else "b"))
    for number, post in enumerate((forged.gone(service), forged.complained(service))):
        assert tell(told, service, post).status_code == 200, number
    webhooks.work_off()
    assert row(mail).returned_as is None
    assert [(one.state, one.delivery_id, one.why) for one in kept()] == [
        ("done", None, "Its token is not one of ours.")
    ] * 2


def test_the_same_mailgun_token_with_another_event_is_not_taken_for_news(told):
    mail, other = sent(count=2)
    tell(told, "mailgun", mail.delivered("mailgun", 7))
    assert tell(told, "mailgun", other.complained("mailgun", 7)).status_code == 200
    webhooks.work_off()
    assert (row(other).returned_as, len(kept())) == (None, 1)


@pytest.mark.parametrize("service", [*NAMES, "evil", "t", "ses%2f.."])
def test_without_its_secret_there_is_no_such_webhook(tmp_path, nudged, service):
    app = create_app(settings_for(f"sqlite:///{tmp_path / 'none.db'}"))
    with app.app_context():
        Base.metadata.create_all(db.engine)
        post = posts.postmark(posts.postmark_bounce())
        assert tell(app, service, post).status_code == 404
        assert kept() == []
        db.engine.dispose()


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_no_other_method_changes_anything(told, service, method):
    (mail,) = sent()
    before = dump()
    post = mail.gone(service)
    answer = told.test_client().open(f"/webhooks/{service}", method=method, data=post.body, headers=dict(post.headers))
    assert answer.status_code in (200, 404, 405)
    assert answer.status_code == 200 or method != "OPTIONS"
    assert dump() == before


@pytest.mark.parametrize("service", NAMES)
def test_a_body_over_the_limit_is_not_read_and_one_of_just_the_limit_is(told, service):
    post = posts.postmark(b"{}")
    for size, status in ((MOST_OCTETS, (200, 403)), (MOST_OCTETS + 1, (413,)), (50_000_000, (413,))):
        answer = tell(told, service, replace(post, body=b" " * size))
        assert answer.status_code in status
    assert len(kept()) == (1 if service == "postmark" else 0)


def test_a_body_that_does_not_say_how_long_it_is_is_not_cut_off(told):
    for size, status in ((MOST_OCTETS, 200), (MOST_OCTETS + 1, 413), (3 * MOST_OCTETS, 413)):
        answer = told.test_client().post(
            "/webhooks/postmark",
            input_stream=io.BytesIO(b" " * size),
            headers=dict(posts.postmark({}).headers),
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert answer.status_code == status
    assert [len(one.raw or b"") for one in kept()] == [MOST_OCTETS]


@pytest.mark.parametrize(("service", "status"), [("ses", 200), ("postmark", 403)])
def test_an_answer_has_the_headers_of_every_other_and_sets_no_cookie(told, service, status):
    (mail,) = sent()
    post = mail.gone(service) if status == 200 else Post(b"", {})
    answer = tell(told, service, post)
    assert answer.status_code == status
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type.startswith("text/plain")
    assert "Set-Cookie" not in answer.headers
    assert "Location" not in answer.headers


def test_no_secret_address_or_token_stands_in_the_log(told, capsys, caplog):
    (mail,) = sent()
    for service in NAMES:
        tell(told, service, mail.gone(service))
        tell(told, service, altered(mail.gone(service)))
    tell(told, "postmark", posts.postmark({}, password="guess-of-a-stranger"))
    webhooks.work_off()
    logged = "".join([*capsys.readouterr(), caplog.text])
    assert "webhook refused" in logged
    for secret in (posts.PASSWORD, posts.MAILGUN_KEY.decode(), "guess-of-a-stranger", mail.token, "reader@example.org"):
        assert secret not in logged


def test_when_the_database_is_away_the_service_is_asked_to_come_again(told, monkeypatch):
    (mail,) = sent()

    def away(*_args, **_named):
        raise OperationalError("INSERT", {}, Exception("gone"))

    monkeypatch.setattr(arrivals, "keep_all", away)
    answer = tell(told, "sendgrid", mail.gone("sendgrid"))
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
