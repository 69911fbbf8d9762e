"""WebSub against a hub of its own: it asks back, tells what is new, denies, forges; on both databases."""

import functools
import hashlib
import hmac
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlencode

import pytest
from flask import Flask
from sqlalchemy import select

from articles import feeds, push, shelf, websub
from articles.models import Feed
from articles.pushmodels import HubSubscription
from core import clock, fetch, services
from core.database import db
from tasks import feeds as reading
from tasks import websub as task
from tests.articles import atom
from tests.core.web import Asked, Web, serving
from tests.delivery.certificates import Authority
from tests.web.conftest import SITE

HUB, TOPIC = "https://hub.example.org/", "https://hub.example.org/feed.atom"


class Hub:
    """A hub as the specification has it, in its own words: it asks back before it promises, and signs what it tells."""

    def __init__(self, site: Flask) -> None:
        self.site = site
        self.subscribers: dict[str, dict[str, str]] = {}
        self.answers = "subscribe"
        self.lease = "86400"
        self.asked: list[dict[str, str]] = []

    def __call__(self, asked: Asked) -> None:
        """Take a subscription, and ask the subscriber at once, before it has an answer."""
        body = asked.rfile.read(int(asked.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        self.asked.append(form)
        if self.answers == "busy":
            asked.answer(503)
            return
        verdict = threading.Thread(target=self._verify, args=[form])
        verdict.start()
        verdict.join()
        asked.answer(202)

    def _verify(self, form: dict[str, str]) -> None:
        path = form["hub.callback"].removeprefix(SITE)
        question = {"hub.mode": form["hub.mode"], "hub.topic": form["hub.topic"], "hub.challenge": "c-7f"}
        if self.answers == "denied":
            question = {"hub.mode": "denied", "hub.topic": form["hub.topic"], "hub.reason": "no"}
        elif form["hub.mode"] == "subscribe":
            question["hub.lease_seconds"] = self.lease
        reply = self.site.test_client().get(f"{path}?{urlencode(question)}")
        if self.answers == "denied" or reply.status_code != 200 or reply.data != b"c-7f":
            return
        if form["hub.mode"] == "subscribe":
            self.subscribers[path] = form
        else:
            self.subscribers.pop(path, None)

    def tell(self, body: bytes, *, method: str = "sha256", secret: str = "", link: str = TOPIC) -> list[int]:
        """Send its subscribers what is new; return how each answered."""
        found = []
        for path, form in self.subscribers.items():
            code = hmac.new((secret or form["hub.secret"]).encode(), body, getattr(hashlib, method)).hexdigest()
            headers = {"X-Hub-Signature": f"{method}={code}", "Link": f'<{HUB}>; rel="hub", <{link}>; rel="self"'}
            found.append(self.site.test_client().post(path, data=body, headers=headers).status_code)
        return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("hub"), "ca")


@pytest.fixture
def web(authority, monkeypatch) -> Iterator[Web]:
    """The hub's own host, in TLS, which serves the feed, too."""
    with serving(authority.server("hub.example.org")) as web:
        web.trusted = ssl.create_default_context(cafile=authority.file)
        for name in ("get", "post_form"):
            monkeypatch.setattr(fetch, name, functools.partial(getattr(fetch, name), _network=web.network()))
        yield web


@pytest.fixture
def hub(site, web) -> Hub:
    made = Hub(site)
    web.pages["/"] = made
    return made


def serve(web: Web, *entries: str, hub: str = HUB, **headers: str) -> None:
    found = f'<link rel="hub" href="{hub}"/><link rel="self" href="{TOPIC}"/>' if hub else ""
    body = atom.feed(found, *entries)
    web.pages["/feed.atom"] = lambda asked: asked.answer(200, body, **headers)


def read() -> Feed:
    """Have the feed read now."""
    db.session.rollback()
    feed = feeds.ensure(TOPIC, language="en", now=clock.utc_now())
    db.session.commit()
    reading.fetch_one(feed.id)
    return feed


@pytest.fixture
def feed(hub, web) -> Feed:
    """A feed whose hub has promised to tell us."""
    serve(web, atom.entry("one"))
    found = read()
    task.keep()
    return found


def known() -> HubSubscription:
    db.session.rollback()
    return db.session.scalars(select(HubSubscription)).one()


def until(subscription: HubSubscription) -> timedelta:
    """Return when its hub is asked next."""
    assert subscription.next_try_at is not None
    return subscription.next_try_at - clock.utc_now()


def headlines() -> set[str]:
    db.session.rollback()
    return {story.headline for story in shelf.latest("en", limit=100)}


def wait_of(feed: Feed) -> timedelta:
    db.session.rollback()
    at = feeds.by_id(feed.id).next_fetch_at
    assert at is not None
    return at - clock.utc_now()


def test_a_hub_that_a_feed_names_is_asked_and_asks_back_and_tells(hub, feed):
    (asked,) = hub.asked
    assert (asked["hub.mode"], asked["hub.topic"], asked["hub.lease_seconds"]) == ("subscribe", TOPIC, "864000")
    assert asked["hub.callback"].startswith(f"{SITE}/hooks/hubs/")
    assert known().state == "active"
    assert hub.tell(atom.feed(atom.entry("two", title="Told by a hub"))) == [202]
    assert headlines() == {"A headline", "Told by a hub"}
    assert known().told_at is not None


@pytest.mark.parametrize("name", ["hub", "HUB nofollow"])
def test_a_hub_in_the_link_header_counts_before_one_in_the_feed(hub, web, name):
    serve(web, atom.entry("one"), hub="https://other.example.org/", Link=f'<{HUB}>; rel="{name}", <{TOPIC}>; rel=self')
    read()
    assert (known().hub, known().topic) == (HUB, TOPIC)


@pytest.mark.parametrize("address", ["http://hub.example.org/", "https://127.1/", "https://hub.example.org:8443/"])
def test_a_hub_without_tls_or_inside_is_not_asked(hub, web, address):
    serve(web, atom.entry("one"), hub=address)
    read()
    task.keep()
    assert (hub.asked, db.session.scalars(select(HubSubscription)).all()) == ([], [])


def test_a_feed_whose_hub_tells_us_is_read_once_an_hour_until_the_hub_forgets(hub, web, feed):
    assert wait_of(feed) < timedelta(minutes=11), "nobody had promised anything when it was read"
    read()
    assert wait_of(feed) > timedelta(minutes=55)
    for number in range(websub.MOST_MISSED + 1):
        serve(web, atom.entry(f"untold {number}", title=f"Untold {number}", content=f"<p>{number}</p>"))
        read()
    assert wait_of(feed) < timedelta(minutes=11)
    hub.tell(atom.feed(atom.entry("told", title="Told", content="<p>Told</p>")))
    read()
    assert wait_of(feed) > timedelta(minutes=55)


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
def test_each_signature_of_the_specification_is_understood(hub, feed, method):
    hub.tell(atom.feed(atom.entry("two", title=method)), method=method)
    assert method in headlines()


def test_what_is_forged_or_weak_or_of_another_topic_stores_nothing_and_is_answered_alike(hub, feed, site):
    body = atom.feed(atom.entry("two", title="Forged"))
    assert hub.tell(body, secret="guessed") == hub.tell(body, method="md5") == [202]
    assert hub.tell(body, link="https://hub.example.org/other.atom") == [202]
    (path,) = hub.subscribers
    assert site.test_client().post(path, data=body).status_code == 202
    assert headlines() == {"A headline"}


def test_a_copy_of_what_a_hub_told_before_does_not_bring_an_old_text_back(hub, feed):
    first = atom.feed(atom.entry("two", title="At first"))
    for body in (first, atom.feed(atom.entry("two", title="In the end")), first):
        assert hub.tell(body) == [202]
    assert "In the end" in headlines()


def test_what_a_hub_tells_and_we_cannot_read_has_the_feed_read_soon(hub, feed):
    read()
    hub.tell(b"<feed")
    assert wait_of(feed) <= timedelta(0)


def test_only_what_we_have_asked_for_is_confirmed(hub, feed, site):
    (path,) = hub.subscribers
    before = known().lease_until
    client = site.test_client()

    def ask(path: str = path, **changes: str) -> int:
        question = {"mode": "subscribe", "topic": TOPIC, "challenge": "x", "lease_seconds": "9"} | changes
        return client.get(f"{path}?{urlencode({f'hub.{name}': text for name, text in question.items()})}").status_code

    assert ask(topic="https://hub.example.org/other") == ask(mode="unsubscribe") == ask(mode="drop") == 404
    assert ask(challenge="") == ask(path="/hooks/hubs/guessed") == client.head(path).status_code == 404
    known().asked_at = clock.utc_now() - timedelta(hours=2)
    db.session.commit()
    assert ask() == 404, "that was long ago"
    assert known().lease_until == before


def test_a_promise_is_renewed_when_half_of_it_is_over(hub, feed):
    subscription = known()
    assert timedelta(hours=11) < until(subscription) < timedelta(hours=13)
    subscription.next_try_at = clock.utc_now()
    db.session.commit()
    task.keep()
    assert [asked["hub.callback"] for asked in hub.asked] == [hub.asked[0]["hub.callback"]] * 2


@pytest.mark.parametrize(("lease", "hours"), [("1", 0.1), ("999999999999", 0.1), ("", 0.1), ("99999999", 721)])
def test_a_promise_of_no_time_or_of_ages_is_not_believed(hub, web, lease, hours):
    hub.lease = lease
    serve(web, atom.entry("one"))
    read()
    task.keep()
    until = known().lease_until
    assert until is not None
    assert until - clock.utc_now() < timedelta(hours=hours)


def test_a_hub_that_denies_is_left_alone_for_a_week_and_the_feed_is_read_as_before(hub, web):
    hub.answers = "denied"
    serve(web, atom.entry("one"))
    feed = read()
    task.keep()
    assert (known().state, until(known()) > timedelta(days=6)) == ("denied", True)
    assert not websub.is_told(feeds.by_id(feed.id), clock.utc_now())


def test_a_hub_that_is_away_is_asked_again_after_ever_longer_waits(hub, web):
    hub.answers = "busy"
    serve(web, atom.entry("one"))
    read()
    waits = []
    for _time in range(7):
        task.keep()
        waits.append(round(until(known()) / timedelta(hours=1)))
        known().next_try_at = clock.utc_now()
        db.session.commit()
    assert waits == [1, 2, 4, 8, 16, 24, 24]


@pytest.mark.parametrize("end", ["pause", "remove", "gone", "other hub"])
def test_a_hub_is_told_when_we_want_no_more_and_gets_gone_meanwhile(hub, web, feed, site, end):
    if end == "other hub":
        serve(web, atom.entry("one"), hub="https://hub.example.org/second")
        read()
    elif end == "gone":
        feeds.note_result(feed.id, fetch.Fetched(410, TOPIC), clock.utc_now())
    else:
        getattr(feeds, end)(feeds.by_id(feed.id))
    db.session.commit()
    assert hub.tell(atom.feed(atom.entry("two", title="Too late"))) == [410]
    task.keep()
    assert (hub.asked[1]["hub.mode"], hub.subscribers) == ("unsubscribe", {})
    task.keep()
    db.session.rollback()
    states = [one.state for one in db.session.scalars(select(HubSubscription))]
    assert states == (["asked"] if end == "other hub" else []), "it is forgotten"
    assert "Too late" not in headlines()


def test_a_feed_that_is_read_again_finds_its_hub_again(hub, web, feed):
    feeds.pause(feeds.by_id(feed.id))
    db.session.commit()
    feeds.resume(feeds.by_id(feed.id), now=clock.utc_now())
    db.session.commit()
    read()
    task.keep()
    assert known().state == "active"


def test_no_hub_is_asked_to_call_a_site_that_only_this_machine_can_reach(hub, web, site):
    links = replace(services.current().links, base_url="http://127.0.0.1:8000")
    site.extensions["postrider"] = replace(services.current(), links=links)
    serve(web, atom.entry("one"))
    read()
    assert db.session.scalars(select(HubSubscription)).all() == []


def test_a_feed_that_is_told_by_a_hub_may_not_be_pushed_by_its_secret(hub, feed, site):
    """A hub's secret and a publisher's key are two things."""
    push.renew_key(feeds.by_id(feed.id), services.current().keyring, now=clock.utc_now())
    db.session.commit()
    secret = hub.asked[0]["hub.secret"]
    signed = push.sign(b"{}", secret, at=int(clock.utc_now().timestamp()))
    answer = site.test_client().post(
        f"/hooks/feeds/{feeds.by_id(feed.id).public_id}", data=b"{}", headers={push.HEADER: signed}
    )
    assert answer.status_code == 403
