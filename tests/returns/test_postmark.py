"""Postmark: a password in the address is all that it has, and each record has a number."""

import base64
import json

import pytest

from core.webhooks import POSTMARK_USER
from returns import postmark
from returns.events import Asked, Refused
from tests.returns import posts
from tests.returns.posts import NOW, PASSWORD, SETTINGS, postmark_bounce


def verify(headers, *, passwords=SETTINGS.postmark_passwords) -> None:
    lower = {name.lower(): value for name, value in headers.items()}
    postmark.verify(Asked(b"{}", lower, NOW), POSTMARK_USER, passwords)


def basic(text: bytes, scheme: str = "Basic") -> dict[str, str]:
    return {"Authorization": f"{scheme} {base64.b64encode(text).decode()}"}


def test_the_password_is_taken():
    verify(posts.postmark({}).headers)
    verify(basic(f"postrider:{PASSWORD}".encode(), "bAsIc"))


def test_one_of_two_passwords_is_enough():
    verify(posts.postmark({}).headers, passwords=[b"the-next-password-of-32-characters", PASSWORD.encode()])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !"},
        {"Authorization": f"Basic postrider:{PASSWORD}"},
        {"Authorization": f"Bearer {PASSWORD}"},
        basic(f"postrider:{PASSWORD}".encode(), "Bearer"),
        basic(f"postrider:{PASSWORD}x".encode()),
        basic(f"postrider:{PASSWORD[:-1]}".encode()),
        basic(f"postrider:{PASSWORD.upper()}".encode()),
        basic(f"Postrider:{PASSWORD}".encode()),
        basic(f":{PASSWORD}".encode()),
        basic(PASSWORD.encode()),
        basic(b"postrider:"),
        basic(b"postrider:\xff\xfe"),
        basic(b""),
    ],
    ids=str,
)
def test_anything_else_is_refused(headers):
    with pytest.raises(Refused, match="POSTMARK_WEBHOOK_PASSWORD"):
        verify(headers)


def names(*records) -> list[bytes]:
    return [event.name for record in records for event in postmark.events(json.dumps(record).encode())]


def test_a_record_that_comes_again_has_the_same_name_and_another_one_has_not():
    bounce = postmark_bounce(number=42)
    complaint = {"RecordType": "SpamComplaint", "ID": 42}
    delivery = {"RecordType": "Delivery", "MessageID": "m1"}
    changes = [{"RecordType": "SubscriptionChange", "MessageID": "m1", "ChangedAt": at} for at in ("1", "2")]
    different = [bounce, postmark_bounce(number=43), complaint, delivery, *changes]
    assert len(set(names(*different))) == len(different)
    assert names(bounce | {"Details": "Told again."}) == names(bounce)


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"{}", b'{"RecordType": "Bounce"}', b"\xff", b"[" * 5000, b""])
def test_what_has_no_number_is_known_by_its_octets(body):
    (event,) = postmark.events(body)
    assert event.raw == body
    assert len(event.name) == 32
