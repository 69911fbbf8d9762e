"""What a service wrote is read within bounds, and nothing in it is trusted to be of a kind."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from returns import documents, webhooks
from returns.documents import Unreadable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_every_document_of_a_few_levels_is_read_as_it_is(document):
    assert documents.read(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"",
            b"{",
            b"[1,]",
            b"{'a': 1}",
            b"NaN",
            b"Infinity",
            b'{"a": -Infinity}',
            b"\xff",
            b"\xef\xbb\xbf{}",
            b"1 2",
        ),
        *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500 + b"]" * 500, b"9" * 5000, '{"a": 1}'.encode("utf-16")),
    ],
    ids=lambda raw: f"{len(raw)} {raw[:12]!r}",
)
def test_what_is_no_document_is_unreadable(raw):
    with pytest.raises(Unreadable):
        documents.read(raw)


def test_twenty_levels_are_read_and_one_more_is_not():
    documents.read("[" * 20 + "]" * 20)
    documents.read('{"a":' * 19 + "{}" + "}" * 19)
    for text in ("[" * 21 + "]" * 21, '{"a":' * 21 + "1" + "}" * 21):
        with pytest.raises(Unreadable, match="20 levels"):
            documents.read(text)


@given(JSON, st.lists(st.text(max_size=3) | st.integers(0, 3), max_size=4))
def test_any_path_into_any_document_finds_something_or_nothing(document, path):
    documents.at(document, *path)
    assert isinstance(documents.text(document, *path), str)
    documents.moment(documents.at(document, *path))


@pytest.mark.parametrize(
    ("value", "text"),
    [("é", "é"), (7, "7"), (True, ""), (None, ""), (1.5, ""), (["a"], ""), ({"a": 1}, ""), ("a\ud800b", "a?b")],
)
def test_text_is_text_or_a_whole_number(value, text):
    assert documents.text({"a": [value]}, "a", 0) == text


AT = datetime(2026, 11, 28, 11, 59, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-11-28T11:59:29Z", AT),
        ("2026-11-28T11:59:29.000Z", AT),
        ("2026-11-28T11:59:29.9070259Z", AT.replace(microsecond=907025)),
        ("2026-11-28T06:59:29-05:00", AT),
        (int(AT.timestamp()), AT),
        (AT.timestamp() + 0.25, AT.replace(microsecond=250_000)),
        (str(int(AT.timestamp())), AT),
        ("2026-11-28T11:59:29", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("", None),
        ("soon", None),
        (True, None),
        (None, None),
        (-1, None),
        (10**400, None),
        (1e308, None),
        (float("nan"), None),
        (float("inf"), None),
        ([], None),
    ],
    ids=repr,
)
def test_a_time_is_read_in_either_form_and_anything_else_is_none(value, at):
    assert documents.moment(value) == at


@given(st.sampled_from(sorted(webhooks.SERVICES)), JSON)
def test_reading_raises_nothing_but_unreadable_whatever_json_comes(service, document):
    _read(service, json.dumps(document).encode())


@given(st.sampled_from(sorted(webhooks.SERVICES)), st.binary(max_size=200))
def test_reading_raises_nothing_but_unreadable_whatever_octets_come(service, raw):
    _read(service, raw)


@given(st.sampled_from(sorted(webhooks.SERVICES)), st.data())
def test_reading_raises_nothing_but_unreadable_whatever_stands_in_the_fields_that_are_read(service, data):
    shape = {
        "ses": ("Type", "Message"),
        "sendgrid": ("event", "type", "reason", "status", "timestamp", "postrider", "bounce_classification"),
        "mailgun": ("event-data",),
        "postmark": ("RecordType", "Type", "Details", "Metadata", "BouncedAt", "SuppressSending", "Origin"),
    }[service]
    words = st.sampled_from(["Notification", "bounce", "Bounce", "dropped", "SubscriptionChange", "failed"])
    document = {name: data.draw(words | JSON) for name in shape}
    if service == "ses":
        names = ("eventType", "notificationType", "mail", "bounce", "complaint", "delivery", "subscription")
        about = st.sampled_from(["Bounce", "Complaint", "Delivery", "DeliveryDelay", "Subscription"])
        told = {name: data.draw(about | JSON) for name in names}
        document |= {"Type": "Notification", "Message": json.dumps(told)}
    if service == "mailgun":
        names = ("event", "severity", "reason", "delivery-status", "user-variables", "timestamp", "envelope")
        document["event-data"] = {name: data.draw(words | JSON) for name in names}
    _read(service, json.dumps(document).encode())


def _read(service: str, raw: bytes) -> None:
    try:
        reading = webhooks.SERVICES[service].read(raw)
    except Unreadable as error:
        assert "\n" not in str(error)
        return
    assert len(reading.kind) <= 20
    if reading.signal is None:
        assert reading.why
    else:
        assert len(reading.signal.token) <= 64
        assert len(reading.signal.text) <= 300
        assert reading.signal.text.isprintable()


@pytest.mark.parametrize("service", ["sendgrid", "postmark"])
@given(JSON)
def test_taking_apart_never_raises_whatever_json_was_signed(service, document):
    for event in webhooks.SERVICES[service].events(json.dumps(document).encode()):
        assert event.name
