"""Mailgun: its signature covers no more than its own time and token, so a token counts once."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from returns import mailgun
from returns.events import Asked, Refused
from tests.returns import posts
from tests.returns.posts import NOW, SETTINGS, Post, mailgun_event


def verify(post: Post, *, keys=SETTINGS.mailgun_keys) -> None:
    mailgun.verify(Asked(post.body, {}, NOW), keys)


def test_a_signed_post_is_taken():
    verify(posts.mailgun(mailgun_event()))


def test_the_event_of_a_subaccount_is_taken_by_the_signature_of_the_account_above_it():
    post = json.loads(posts.mailgun(mailgun_event()).body)
    post["signature"] |= {"parent-signature": post["signature"]["signature"], "signature": "0" * 64}
    verify(Post(json.dumps(post).encode(), {}))


@pytest.mark.parametrize("name", ["timestamp", "token", "signature"])
def test_an_altered_part_of_the_signature_is_refused(name):
    post = json.loads(posts.mailgun(mailgun_event()).body)
    post["signature"][name] = post["signature"][name][:-1] + ("0" if post["signature"][name][-1] != "0" else "1")
    with pytest.raises(Refused, match="not good"):
        verify(Post(json.dumps(post).encode(), {}))


@pytest.mark.parametrize("name", ["timestamp", "token", "signature"])
@pytest.mark.parametrize("value", [None, "", 7, [], {}, "é", "\ud800", "9" * 500], ids=ascii)
def test_a_part_of_another_kind_is_refused(name, value):
    post = json.loads(posts.mailgun(mailgun_event()).body)
    post["signature"][name] = value
    with pytest.raises(Refused):
        verify(Post(json.dumps(post).encode(), {}))


def test_another_key_is_refused_and_one_of_two_is_enough():
    other = b"another-key-of-another-account"
    with pytest.raises(Refused, match="not good"):
        verify(posts.mailgun(mailgun_event(), key=other))
    verify(posts.mailgun(mailgun_event(), key=other), keys=[*SETTINGS.mailgun_keys, other])


def test_the_time_cannot_be_moved_into_the_token():
    post = json.loads(posts.mailgun(mailgun_event(), token="1once").body)
    post["signature"] |= {"timestamp": post["signature"]["timestamp"] + "1", "token": "once"}
    with pytest.raises(Refused):
        verify(Post(json.dumps(post).encode(), {}))


@pytest.mark.parametrize("age", [timedelta(hours=9, seconds=1), timedelta(days=40), -timedelta(minutes=6)])
def test_a_post_that_was_signed_long_ago_or_in_the_future_is_refused(age):
    with pytest.raises(Refused, match="9 hours"):
        verify(posts.mailgun(mailgun_event(), at=NOW - age))


@pytest.mark.parametrize("age", [timedelta(hours=8), timedelta(0), -timedelta(minutes=4)])
def test_a_post_that_is_tried_again_under_its_first_signature_is_taken(age):
    verify(posts.mailgun(mailgun_event(), at=NOW - age))


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"{}", b"\xff\xfe", b"[" * 5000, b'{"signature": "x"}'])
def test_what_has_no_signature_is_refused(body):
    with pytest.raises(Refused):
        verify(Post(body, {}))


@given(st.text(min_size=1, max_size=60).filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text)))
def test_a_post_is_kept_under_its_token_whatever_event_it_holds(token):
    (one,) = mailgun.events(posts.mailgun(mailgun_event("complained"), token=token).body)
    (other,) = mailgun.events(posts.mailgun(mailgun_event("delivered"), token=token).body)
    assert one.name == other.name == token.encode()
