"""SNS: only what it signed for our topic within the hour is taken, and nothing is fetched for anything else."""

import base64
import json
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from returns import sns
from returns.events import Refused
from tests.returns import posts
from tests.returns.posts import CERTIFICATE_URL, NOW, confirmation, notification, ses_bounce, signed, sns_key

OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Keys:
    """What would be fetched: the addresses that were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, url: str) -> rsa.RSAPublicKey:
        self.asked.append(url)
        return sns_key().public_key()


@pytest.fixture
def keys() -> Keys:
    return Keys()


def verify(keys, body: bytes, *, now: datetime = NOW):
    return sns.verify(body, topics=[posts.TOPIC], now=now, key_of=keys)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "message",
    [
        notification(ses_bounce()),
        notification(ses_bounce(), Subject="Amazon SES Email Event Notification"),
        notification('Grüße\n\tund "Zeilen" \\ 한국'),
        confirmation(),
        confirmation("UnsubscribeConfirmation"),
    ],
    ids=["notification", "with a subject", "any text", "subscription", "end of a subscription"],
)
def test_what_sns_signed_is_taken(keys, version, message):
    message = message | {"SignatureVersion": version}
    found = verify(keys, signed(message).body)
    assert {name: found[name] for name in message} == message
    assert keys.asked == [CERTIFICATE_URL]


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"])
def test_a_notification_that_was_altered_in_any_signed_part_is_refused(keys, name):
    body = json.loads(signed(notification(ses_bounce(), Subject="News")).body)
    other = {"Timestamp": "2026-11-28T11:59:31.000Z", "TopicArn": posts.TOPIC + "x", "Type": "SubscriptionConfirmation"}
    with pytest.raises(Refused):
        verify(keys, json.dumps(body | {name: other.get(name, body[name] + " ")}).encode())


@pytest.mark.parametrize("name", ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token"])
def test_a_confirmation_that_was_altered_in_any_signed_part_is_refused(keys, name):
    body = json.loads(signed(confirmation()).body)
    other = {"Timestamp": "2026-11-28T11:59:31.000Z"}
    with pytest.raises(Refused, match="not good"):
        verify(keys, json.dumps(body | {name: other.get(name, body[name] + "x")}).encode())


def test_a_subject_that_was_put_in_or_taken_out_is_seen(keys):
    with_one = json.loads(signed(notification(ses_bounce(), Subject="News")).body)
    without = json.loads(signed(notification(ses_bounce())).body)
    for body in (without | {"Subject": "News"}, {name: with_one[name] for name in with_one if name != "Subject"}):
        with pytest.raises(Refused, match="not good"):
            verify(keys, json.dumps(body).encode())


@given(st.integers(0, 255), st.integers(0, 7))
def test_a_signature_with_any_bit_turned_is_refused(place, bit):
    body = json.loads(signed(notification(ses_bounce())).body)
    signature = bytearray(base64.b64decode(body["Signature"]))
    signature[place] ^= 1 << bit
    with pytest.raises(Refused, match="not good"):
        verify(Keys(), json.dumps(body | {"Signature": base64.b64encode(signature).decode()}).encode())


def test_a_signature_of_another_key_is_refused(keys):
    with pytest.raises(Refused, match="not good"):
        verify(keys, signed(notification(ses_bounce()), OTHER_KEY).body)


@pytest.mark.parametrize(("signed_as", "said"), [("1", "2"), ("2", "1")])
def test_the_version_says_which_hash_was_signed(keys, signed_as, said):
    body = json.loads(signed(notification(ses_bounce(), SignatureVersion=signed_as)).body)
    with pytest.raises(Refused, match="not good"):
        verify(keys, json.dumps(body | {"SignatureVersion": said}).encode())


FORGED_HOSTS = [
    *("https://sns.us-east-1.amazonaws.com.evil.test/a.pem", "https://evil.test/sns.us-east-1.amazonaws.com/a.pem"),
    *("https://sns.us-east-1.amazonaws.com@evil.test/a.pem", "https://me:pw@sns.us-east-1.amazonaws.com/a.pem"),
    *("https://sns.us-east-1.amazonaws.com:8443/a.pem", "https://sns.us-east-1.amazonaws.com:443/a.pem"),
    *("http://sns.us-east-1.amazonaws.com/a.pem", "HTTPS://sns.us-east-1.amazonaws.com/a.pem", "//sns.x.test/a.pem"),
    *("https://snsXus-east-1.amazonaws.com/a.pem", "https://sns.us-east-1.amazonawsXcom/a.pem"),
    *("https://sns.a.b.amazonaws.com/a.pem", "https://sns.amazonaws.com/a.pem", "https://sns..amazonaws.com/a.pem"),
    *("https://s3.us-east-1.amazonaws.com/bucket/a.pem", "https://sns.us-east-1.amazonaws.com.cn.evil.test/a.pem"),
    *("https://sns.us-east-1.amazonaws.com/../a.pem", "https://sns.us-east-1.amazonaws.com/a/b.pem"),
    *("https://sns.us-east-1.amazonaws.com/a.pem?x=.pem", "https://sns.us-east-1.amazonaws.com/?a.pem"),
    *("https://sns.us-east-1.amazonaws.com/a.pem#.pem", "https://sns.us-east-1.amazonaws.com/a.pem\n"),
    *("https://sns.us-east-1.amazonaws.com\\@evil.test/a.pem", "https://sns.ué.amazonaws.com/a.pem", "file:///a.pem"),
    *("https://sns.us-east-1.amazonaws.com%2eevil.test/a.pem", "https://127.0.0.1/a.pem", "", "a.pem", None, 7, ["x"]),
]


@pytest.mark.parametrize("url", FORGED_HOSTS)
def test_no_certificate_is_asked_for_at_a_host_that_is_not_of_sns(keys, url):
    with pytest.raises(Refused, match="certificate is not at a host of SNS"):
        verify(keys, signed(notification(ses_bounce(), SigningCertURL=url)).body)
    assert keys.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-0a.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0a.pem",
    ],
)
def test_certificates_of_every_region_are_asked_for(keys, url):
    verify(keys, signed(notification(ses_bounce(), SigningCertURL=url)).body)
    assert keys.asked == [url]


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(0), -timedelta(minutes=5)])
def test_a_message_of_the_last_hour_is_taken(keys, age):
    verify(keys, signed(notification(ses_bounce(), Timestamp=written(NOW - age))).body)


@pytest.mark.parametrize("age", [timedelta(hours=1, seconds=1), timedelta(days=400), -timedelta(minutes=6)])
def test_an_old_message_and_one_of_the_future_are_refused_before_anything_is_fetched(keys, age):
    with pytest.raises(Refused, match="last hour"):
        verify(keys, signed(notification(ses_bounce(), Timestamp=written(NOW - age))).body)
    assert keys.asked == []


@pytest.mark.parametrize("topic", [posts.TOPIC + "2", posts.TOPIC.upper(), "", "arn:aws:sns:eu-west-1:1:postrider"])
def test_a_message_of_another_topic_is_refused_before_anything_is_fetched(keys, topic):
    with pytest.raises(Refused, match="topic"):
        verify(keys, signed(notification(ses_bounce(), TopicArn=topic)).body)
    assert keys.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"Type": "Greeting"},
        {"Type": ["Notification"]},
        {"SignatureVersion": "3"},
        {"SignatureVersion": None},
        {"MessageId": ""},
        {"MessageId": "x" * 201},
        {"Message": None},
        {"Message": 7},
        {"Timestamp": None},
        {"Timestamp": "yesterday"},
        {"Timestamp": "2026-11-28T11:59:30"},
        {"Signature": "no base64"},
        {"Signature": None},
        {"Subject": 7},
        {"Message": "\ud800"},
    ],
    ids=str,
)
def test_what_is_not_of_the_form_is_refused_before_anything_is_fetched(keys, changes):
    body = json.loads(signed(notification(ses_bounce())).body) | changes
    with pytest.raises(Refused):
        verify(keys, json.dumps(body).encode())
    assert keys.asked == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"7", b"null", b"\xff\xfe", b"{" * 50_000, b"[" * 50_000, b'{"a":' * 5000 + b"1" + b"}" * 5000],
)
def test_what_is_no_object_is_refused(keys, body):
    with pytest.raises(Refused):
        verify(keys, body)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://sns.eu-west-1.amazonaws.com.evil.test/?Action=ConfirmSubscription",
            "http://sns.x.amazonaws.com/?a=b",
        ),
        *("https://sns.eu-west-1.amazonaws.com/other?Action=ConfirmSubscription", "https://evil.test/", "", None),
        *("https://sns.eu-west-1.amazonaws.com/?a=b#c", "https://x@sns.eu-west-1.amazonaws.com/?a=b"),
    ],
)
def test_a_subscription_is_confirmed_at_a_host_of_sns_only(url):
    with pytest.raises(Refused, match="not at a host of SNS"):
        sns.confirm_url(confirmation() | {"SubscribeURL": url})
    assert sns.confirm_url(confirmation()) == posts.CONFIRM_URL
