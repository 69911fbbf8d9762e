"""SendGrid: the signature is over its time and the octets as they came, and each event of a batch is one of its own."""

import base64
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from core.webhooks import read_webhooks
from returns import sendgrid
from returns.events import Asked, Refused
from tests.returns import posts
from tests.returns.posts import NOW, SETTINGS, Post, sendgrid_event

OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def verify(post: Post, *, now=NOW, keys=SETTINGS.sendgrid_keys) -> None:
    sendgrid.verify(Asked(post.body, {name.lower(): value for name, value in post.headers.items()}, now), keys)


def test_a_signed_post_is_taken():
    verify(posts.sendgrid([sendgrid_event()]))


def test_the_vector_that_sendgrid_published_is_taken_and_with_another_octet_it_is_not():
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvF"
        "YPAZFceEu/1FwCM/QmGUhA=="
    )
    signature = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="
    body = b'{"category":"example_payload","event":"test_event","message_id":"message_id"}'
    headers = {sendgrid.SIGNATURE: signature, sendgrid.TIMESTAMP: "1588788367"}
    then = NOW.replace(year=2020, month=5, day=6, hour=18, minute=6)
    keys = read_webhooks({"SENDGRID_WEBHOOK_KEY": key}).sendgrid_keys
    verify(Post(body, headers), now=then, keys=keys)
    with pytest.raises(Refused, match="not good"):
        verify(Post(body + b"\n", headers), now=then, keys=keys)


@given(st.data())
def test_a_body_that_was_altered_anywhere_is_refused(data):
    post = posts.sendgrid([sendgrid_event()])
    place = data.draw(st.integers(0, len(post.body) - 1))
    altered = bytearray(post.body)
    altered[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Refused, match="not good"):
        verify(Post(bytes(altered), post.headers))


def test_white_space_that_changes_no_value_changes_the_signature():
    post = posts.sendgrid([sendgrid_event()])
    for body in (post.body + b"\n", json.dumps(json.loads(post.body), indent=1).encode()):
        with pytest.raises(Refused, match="not good"):
            verify(Post(body, post.headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Twilio-Email-Event-Webhook-Signature": ""},
        {"X-Twilio-Email-Event-Webhook-Signature": "no base64"},
        {"X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(b"\x30\x06\x02\x01\x00\x02\x01\x00").decode()},
        {"X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(b"x" * 64).decode()},
        {"X-Twilio-Email-Event-Webhook-Signature": "é"},
        {"X-Twilio-Email-Event-Webhook-Timestamp": ""},
        {"X-Twilio-Email-Event-Webhook-Timestamp": "soon"},
        {"X-Twilio-Email-Event-Webhook-Timestamp": "-1"},
        {"X-Twilio-Email-Event-Webhook-Timestamp": "9" * 400},
        {"X-Twilio-Email-Event-Webhook-Timestamp": "１７９５８６７２００"},
        {"X-Twilio-Email-Event-Webhook-Timestamp": str(int(NOW.timestamp()) + 1)},
    ],
    ids=str,
)
def test_an_altered_or_missing_header_is_refused(headers):
    with pytest.raises(Refused):
        verify(posts.sendgrid([sendgrid_event()], **headers))


def test_no_header_at_all_is_refused():
    with pytest.raises(Refused):
        verify(Post(posts.sendgrid([sendgrid_event()]).body, {}))


def test_another_key_is_refused_and_one_of_two_is_enough():
    with pytest.raises(Refused, match="not good"):
        verify(posts.sendgrid([sendgrid_event()], key=OTHER_KEY))
    verify(posts.sendgrid([sendgrid_event()], key=OTHER_KEY), keys=[*SETTINGS.sendgrid_keys, OTHER_KEY.public_key()])


@pytest.mark.parametrize("age", [timedelta(hours=25, seconds=1), timedelta(days=900), -timedelta(minutes=6)])
def test_a_post_that_was_signed_long_ago_or_in_the_future_is_refused(age):
    with pytest.raises(Refused, match="25 hours"):
        verify(posts.sendgrid([sendgrid_event()], at=NOW - age))


@pytest.mark.parametrize("age", [timedelta(hours=24), timedelta(0), -timedelta(minutes=4)])
def test_a_post_that_is_tried_again_for_a_day_is_taken(age):
    verify(posts.sendgrid([sendgrid_event()], at=NOW - age))


def test_each_event_of_a_batch_is_kept_under_its_own_name():
    batch = [sendgrid_event(number=number) for number in (1, 2, 3)]
    events = sendgrid.events(json.dumps(batch).encode())
    assert [event.name for event in events] == [b"event-1", b"event-2", b"event-3"]
    assert [json.loads(event.raw) for event in events] == batch


def test_the_same_event_has_the_same_name_in_whatever_order_its_fields_stand():
    event = sendgrid_event()
    del event["sg_event_id"]
    turned = dict(reversed(event.items()))
    (one,), (other,) = sendgrid.events(json.dumps([event]).encode()), sendgrid.events(json.dumps([turned]).encode())
    assert one == other


@pytest.mark.parametrize("body", [b"{}", b"no JSON", b"[1]", b'[{"event":"open"}, null]', b"\xff", b"[" * 5000, b""])
def test_what_is_no_list_of_objects_stays_one_piece(body):
    (event,) = sendgrid.events(body)
    assert event.raw == body


def test_an_empty_batch_has_no_events():
    assert sendgrid.events(b"[]") == []
