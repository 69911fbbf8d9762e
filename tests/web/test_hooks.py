"""Publishers push: signed, within five minutes, once; stored in the request, on both databases."""

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from articles import feeds, push, shelf
from articles.models import Article, Feed
from articles.pushmodels import FeedPush
from core import clock, services, windows
from core.database import db
from tests.articles import atom

URL = "https://news.example.org/en.atom"
ITEM = {"id": "flash-1", "title": "An earthquake has struck Tokyo", "tags": ["urgent"]}


@pytest.fixture
def feed(site) -> Feed:
    made = feeds.ensure(URL, language="en", now=clock.utc_now(), fetched=False)
    push.renew_key(made, services.current().keyring, now=clock.utc_now())
    db.session.commit()
    return made


def key_of(feed: Feed) -> str:
    return push.key_of(feed, feed.push_version, services.current().keyring)


def send(site, feed: Feed, body: bytes | dict, *, key: str = "", at: datetime | None = None, **headers: str):
    """Push as a publisher's system does."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = push.sign(body, key or key_of(feed), at=int((at or clock.utc_now()).timestamp()))
    return post(site, feed.public_id, body, **{push.HEADER: signed, **headers})


def post(site, public_id: str, body: bytes, **headers: str):
    return site.test_client().post(f"/hooks/feeds/{public_id}", data=body, headers=headers)


def stories() -> list[Article]:
    db.session.rollback()
    return shelf.latest("en", limit=100)


def test_what_is_pushed_is_stored_when_it_is_answered_and_whoever_waits_is_nudged(site, feed, nudged):
    answer = send(site, feed, ITEM)
    (story,) = stories()
    assert (answer.status_code, answer.json["new"], answer.json["repeated"]) == (200, 1, False)
    (told,) = answer.json["stories"]
    assert told == {"id": "flash-1", "url": told["url"], "state": "published", "breaking": False}
    assert told["url"].endswith(f"/en/{story.ref}")
    assert "tasks.digests.open_due" in nudged
    assert site.test_client().get(told["url"].removeprefix("http://127.0.0.1:8000")).status_code == 200
    assert feeds.by_id(feed.id).last_push_at is not None


@pytest.mark.parametrize("body", [atom.feed(atom.entry()), atom.rss("<item><title>A headline</title></item>")])
def test_any_format_of_a_feed_may_be_pushed(site, feed, body):
    assert send(site, feed, body).json["new"] == 1
    assert [story.headline for story in stories()] == ["A headline"]


def test_the_good_items_are_kept_and_the_others_are_told_with_the_reason(site, feed):
    document = {"version": "https://jsonfeed.org/version/1.1", "items": [ITEM, {"id": "2"}, {"id": "3", "title": []}]}
    answer = send(site, feed, document).json
    assert (answer["new"], answer["refused"]) == (1, 2)
    assert answer["refusals"] == [{"id": "2", "why": "no title"}, {"id": "3", "why": "its title is no text"}]


def test_urgent_flags_breaking_news_only_where_the_feed_may(site, feed):
    send(site, feed, ITEM)
    assert [story.breaking_at for story in stories()] == [None]
    feeds.by_id(feed.id).may_break = True
    db.session.commit()
    assert send(site, feed, ITEM | {"summary": "More."}).json["stories"][0]["breaking"] is True
    flagged = stories()[0].breaking_at
    assert flagged is not None
    send(site, feed, ITEM | {"summary": "Still more."})
    assert stories()[0].breaking_at == flagged, "said once"
    old = ITEM | {"id": "old", "date_published": "2020-01-01T00:00:00Z", "title": "Quite another thing"}
    assert send(site, feed, old).json["stories"][0]["breaking"] is False


def test_a_copy_of_a_push_changes_nothing_even_when_a_later_one_came_between(site, feed):
    at = clock.utc_now()
    first = send(site, feed, ITEM, at=at)
    send(site, feed, ITEM | {"title": "An earthquake has struck Tokyo and Yokohama"})
    again = send(site, feed, ITEM, at=at)
    assert (first.json["repeated"], again.status_code, again.json["repeated"]) == (False, 200, True)
    (story,) = stories()
    assert (story.headline, story.revision) == ("An earthquake has struck Tokyo and Yokohama", 2)


def test_a_push_that_could_not_be_taken_may_come_again(site, feed):
    feed.state = "paused"
    db.session.commit()
    at = clock.utc_now()
    assert send(site, feed, ITEM, at=at).status_code == 403
    feeds.resume(feeds.by_id(feed.id), now=at)
    db.session.commit()
    assert send(site, feed, ITEM, at=at).json["new"] == 1
    assert feeds.by_id(feed.id).next_fetch_at is None, "a feed that is only pushed is not fetched once it is resumed"


def test_pushes_are_forgotten_once_nobody_can_copy_them(site, feed):
    send(site, feed, ITEM)
    db.session.execute(update(FeedPush).values(forget_at=clock.utc_now() - timedelta(seconds=1)))
    db.session.commit()
    send(site, feed, ITEM | {"id": "2"})
    assert db.session.scalar(select(func.count()).select_from(FeedPush)) == 1


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_push_of_another_time_is_refused_and_told_our_time(site, feed, minutes):
    answer = send(site, feed, ITEM, at=clock.utc_now() + timedelta(minutes=minutes))
    assert answer.status_code == 403
    assert "Set the clock right" in answer.json["error"]


@pytest.mark.parametrize("minutes", [-4, 4])
def test_clocks_may_differ_by_less_than_five_minutes(site, feed, minutes):
    assert send(site, feed, ITEM, at=clock.utc_now() + timedelta(minutes=minutes)).status_code == 200


def test_whoever_has_not_the_key_stores_nothing(site, feed):
    good = push.sign(b"{}", key_of(feed), at=int(clock.utc_now().timestamp()))
    for header in (good, good.replace("v1=", "v1=0")[:-1], good.split(",", maxsplit=1)[0] + ",v1=" + "0" * 64):
        assert post(site, feed.public_id, json.dumps(ITEM).encode(), **{push.HEADER: header}).status_code == 403
    assert send(site, feed, ITEM, key="prk_guessed").status_code == 403
    assert stories() == []


@pytest.mark.parametrize("header", [None, "", "v1=0", "t=1,v1=xyz", "t=now,v1=" + "a" * 64, "t=1,t=2,v1=" + "a" * 64])
def test_what_is_not_signed_is_told_how_to(site, feed, header):
    answer = post(site, feed.public_id, b"{}", **({push.HEADER: header} if header is not None else {}))
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, push.HEADER)
    assert push.HEADER in answer.json["error"]


def test_a_new_key_ends_the_old_one_at_once_or_after_an_overlap(site, feed):
    keyring, now = services.current().keyring, clock.utc_now()
    first = key_of(feed)
    second = push.renew_key(feed, keyring, now=now, overlap=timedelta(hours=1))
    db.session.commit()
    assert send(site, feed, ITEM, key=first).status_code == send(site, feed, ITEM, key=second).status_code == 200
    assert push.keys_of(feed, keyring, now=now + timedelta(hours=1)) == (second,)
    third = push.renew_key(feeds.by_id(feed.id), keyring, now=now)
    db.session.commit()
    assert [send(site, feed, ITEM, key=key).status_code for key in (first, second, third)] == [403, 403, 200]
    assert len({first, second, third}) == 3


def test_where_nothing_is_pushed_to_it_looks_the_same_whether_there_is_a_feed_or_not(site, feed):
    keyless = feeds.ensure("https://news.example.org/2.atom", language="en", now=clock.utc_now())
    db.session.commit()
    answers = [post(site, public_id, b"{}") for public_id in (keyless.public_id, "nosuchfeed", str(feed.id))]
    assert {(answer.status_code, answer.data) for answer in answers} == {(404, answers[0].data)}


def test_what_cannot_be_read_is_told_and_stores_nothing(site, feed):
    answer = send(site, feed, b"<html><body>Welcome")
    assert (answer.status_code, stories()) == (422, [])
    assert "it is a web page" in answer.json["error"]


def test_more_than_five_megabytes_are_not_even_read(site, feed):
    assert send(site, feed, b"a" * 5_000_001).status_code == 413
    assert send(site, feed, json.dumps(ITEM).encode() + b" " * 4_900_000).status_code == 200


def test_a_publisher_s_system_that_runs_wild_is_held_back(site, feed, monkeypatch):
    monkeypatch.setattr("web.hooks.PUSHES", 2)
    site.extensions["postrider windows"] = windows.Windows(None)
    answers = [send(site, feed, ITEM | {"id": str(n)}) for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "60"


def test_a_flood_is_held_for_an_editor_and_the_first_push_s_archive_is_no_news(site, feed):
    def items(name: str, count: int, **more: str) -> dict:
        texts = [{"id": f"{name}{n}", "title": f"{name} {n} " + "x" * n, **more} for n in range(count)]
        return {"version": "https://jsonfeed.org/version/1.1", "items": texts}

    send(site, feed, items("old", 3, date_published="2020-01-01T00:00:00Z"))
    assert {story.first_seen_at.year for story in stories()} == {2020}
    answer = send(site, feed, items("new", 51)).json
    assert {story["state"] for story in answer["stories"]} == {"held"}


def test_an_embargo_holds_it_until_then(site, feed):
    until = clock.utc_now().replace(microsecond=0) + timedelta(hours=2)
    answer = send(site, feed, ITEM | {"_postrider": {"embargo_until": until.isoformat()}}).json
    assert answer["stories"][0]["state"] == "held"
    assert db.session.scalar(select(Article.embargo_until)) == until


def test_languages_with_one_story_id_are_one_story_and_another_language_is_refused(site, feed):
    arabic = feeds.ensure("https://news.example.org/ar.atom", language="ar", now=clock.utc_now(), fetched=False)
    push.renew_key(arabic, services.current().keyring, now=clock.utc_now())
    db.session.commit()
    send(site, feed, ITEM | {"language": "en-GB", "_postrider": {"story": "quake"}})
    send(site, arabic, {"id": "ar-1", "title": "زلزال", "language": "ar", "_postrider": {"story": "quake"}})
    assert len(set(db.session.scalars(select(Article.story_id)))) == 1
    assert send(site, feed, ITEM | {"id": "2", "language": "ar"}).json["refused"] == 1


@given(st.binary(max_size=200), st.integers(0, 2**33))
def test_a_signature_is_good_for_its_own_body_and_time_alone(body, at):
    now = datetime.fromtimestamp(at, tz=clock.utc_now().tzinfo)
    signature = push.read(push.sign(body, "key", at=at), now=now)
    assert push.verify(signature, body, ("other", "key")) == push.verify(signature, body, ("key",))
    for wrong in (push.Signature(at + 1, signature.codes), push.Signature(at, ("0" * 64,))):
        with pytest.raises(push.Forged):
            push.verify(wrong, body, ("key",))
    with pytest.raises(push.Forged):
        push.verify(signature, body + b"\n", ("key",))
