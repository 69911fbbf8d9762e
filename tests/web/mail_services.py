"""Mails that were handed over, and what the mail services tell of them."""

from dataclasses import dataclass, replace

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from core import services
from core.database import db
from delivery import verp
from delivery.models import Delivery
from delivery.states import State
from returns.models import Arrival
from returns.webhooks import SERVICES
from tests.delivery import mailings
from tests.returns import posts
from tests.returns.posts import Post

SNS = "sns.eu-west-1.amazonaws.com"
CERTIFICATE_PATH = posts.CERTIFICATE_URL.partition(SNS)[2]
NAMES = sorted(SERVICES)


def tell(app: Flask, service: str, post: Post) -> TestResponse:
    """Post to a service's webhook; return the answer."""
    db.session.remove()
    return app.test_client(use_cookies=False).post(f"/webhooks/{service}", data=post.body, headers=dict(post.headers))


@dataclass(frozen=True)
class Mail:
    """A mail that was handed over, and what each service tells of it."""

    id: int
    token: str

    def gone(self, service: str, number: int = 1) -> Post:
        words = "550 5.1.1 no such user"
        return {
            "ses": lambda: self._ses(number, posts.ses_bounce(words=words, sender=f"b+{self.token}@b.example.org")),
            "sendgrid": lambda: posts.sendgrid(
                [posts.sendgrid_event(number=number, token=self.token, type="bounce", reason=words)]
            ),
            "mailgun": lambda: posts.mailgun(
                posts.mailgun_failed("permanent", "bounce", message=words) | self._variables, token=f"once-{number}"
            ),
            "postmark": lambda: posts.postmark(
                posts.postmark_bounce(number=number, details=words, Metadata={"postrider": self.token})
            ),
        }[service]()

    def complained(self, service: str, number: int = 2) -> Post:
        record = {"RecordType": "SpamComplaint", "ID": number, "Metadata": {"postrider": self.token}}
        return {
            "ses": lambda: self._ses(number, posts.ses_complaint(sender=f"b+{self.token}@b.example.org")),
            "sendgrid": lambda: posts.sendgrid([posts.sendgrid_event("spamreport", number=number, token=self.token)]),
            "mailgun": lambda: posts.mailgun(
                posts.mailgun_event("complained", token=self.token), token=f"once-{number}"
            ),
            "postmark": lambda: posts.postmark(record),
        }[service]()

    def delivered(self, service: str, number: int = 3) -> Post:
        record = {"RecordType": "Delivery", "MessageID": f"m{number}", "Metadata": {"postrider": self.token}}
        sender = {"mail": {"source": f"b+{self.token}@b.example.org"}}
        return {
            "ses": lambda: self._ses(number, posts.ses_other("Delivery") | sender),
            "sendgrid": lambda: posts.sendgrid([posts.sendgrid_event("delivered", number=number, token=self.token)]),
            "mailgun": lambda: posts.mailgun(
                posts.mailgun_event("delivered", token=self.token), token=f"once-{number}"
            ),
            "postmark": lambda: posts.postmark(record),
        }[service]()

    @property
    def _variables(self) -> dict[str, object]:
        return {"user-variables": {"postrider": self.token}}

    @staticmethod
    def _ses(number: int, told: dict) -> Post:
        return posts.signed(posts.notification(told, MessageId=f"6f1b8d0e-{number}", SignatureVersion="2"))


def sent(*, count: int = 1) -> list[Mail]:
    """Put mails that were handed over into the ledger."""
    ids = mailings.mails(mailings.mailing(), {State.SENT: count})
    tokens = services.current().links.tokens
    return [Mail(one, verp.token(one, tokens=tokens)) for one in ids]


def row(mail: Mail) -> Delivery:
    db.session.rollback()
    return db.session.get_one(Delivery, mail.id, populate_existing=True)


def kept() -> list[Arrival]:
    db.session.rollback()
    return list(db.session.scalars(select(Arrival).order_by(Arrival.id)))


def altered(post: Post) -> Post:
    """Return a post that says something else under the same signature."""
    return replace(post, body=post.body.replace(b"5.1.1", b"5.1.2"))
