"""The settings of webhooks: a wrong one ends the start with a sentence that names it and shows no secret."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core.errors import SettingsError
from core.webhooks import WebhookSettings, read_webhooks


def public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(serialization.Encoding.DER, form)).decode()


KEY = ec.generate_private_key(ec.SECP256R1())
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"


def test_without_any_setting_there_is_no_webhook():
    assert read_webhooks({}) == WebhookSettings()
    assert WebhookSettings().set_up == ()


def test_every_secret_is_read():
    settings = read_webhooks(
        {
            "SES_TOPIC_ARN": f" {TOPIC} , arn:aws-cn:sns:cn-north-1:123456789012:other_topic",
            "SENDGRID_WEBHOOK_KEY": public(KEY),
            "MAILGUN_WEBHOOK_KEY": "0123456789abcdef0123456789abcdef",
            "POSTMARK_WEBHOOK_PASSWORD": "the-next-one-0123,the-old-one-01234",
        }
    )
    assert settings.ses_topics == (TOPIC, "arn:aws-cn:sns:cn-north-1:123456789012:other_topic")
    assert [key.public_numbers() for key in settings.sendgrid_keys] == [KEY.public_key().public_numbers()]
    assert settings.mailgun_keys == (b"0123456789abcdef0123456789abcdef",)
    assert settings.postmark_passwords == (b"the-next-one-0123", b"the-old-one-01234")
    assert settings.set_up == ("ses", "sendgrid", "mailgun", "postmark")


WRONG = [
    *(("SES_TOPIC_ARN", text) for text in ("hush", "arn:aws:sqs:eu-west-1:123456789012:a", f"{TOPIC},", f"{TOPIC} a")),
    *(("SES_TOPIC_ARN", text) for text in ("arn:aws:sns:eu-west-1:123456789012:a:b-c-d-e", "arn:aws:sns:*:1:*")),
    *(("SENDGRID_WEBHOOK_KEY", text) for text in ("hush", "AAAA", public(KEY)[:-4], f"{public(KEY)},", "é")),
    ("SENDGRID_WEBHOOK_KEY", public(ec.generate_private_key(ec.SECP384R1()))),
    ("SENDGRID_WEBHOOK_KEY", public(rsa.generate_private_key(public_exponent=65537, key_size=2048))),
    ("SENDGRID_WEBHOOK_KEY", f"-----BEGIN PUBLIC KEY-----\n{public(KEY)}\n-----END PUBLIC KEY-----"),
    *(("MAILGUN_WEBHOOK_KEY", text) for text in ("hush", "hush hush hush hush", "hushhushhushhushé", "hush\n" * 9)),
    *(("POSTMARK_WEBHOOK_PASSWORD", text) for text in ("hush", "hushhushhushhush@", "hushhushhushhush/", "hush " * 9)),
    *(("POSTMARK_WEBHOOK_PASSWORD", text) for text in ("hushhushhushhush:", "hushhushhushhushé", "%68" * 9)),
]


# Keys are made anew each time, so a case is known by its number.
@pytest.mark.parametrize(("name", "value"), WRONG, ids=map(str, range(len(WRONG))))
def test_a_wrong_setting_is_one_sentence_that_names_it(name, value):
    with pytest.raises(SettingsError, match=f"^{name} ") as caught:
        read_webhooks({name: value})
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 250
    assert name == "SES_TOPIC_ARN" or ("hush" not in sentence and public(KEY)[:20] not in sentence)


def test_no_secret_is_shown():
    secrets = {"MAILGUN_WEBHOOK_KEY": "hushhushhushhush", "POSTMARK_WEBHOOK_PASSWORD": "hushhushhushhush"}
    assert repr(read_webhooks(secrets)) == "WebhookSettings(mailgun, postmark)"
