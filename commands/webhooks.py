"""`flask webhooks`: where mail services tell us what became of a mail, and the one that asks first."""

import click
from flask import current_app

from commands import groups
from core import database, fetch
from core.database import db
from core.fetch import FetchLimits, FetchRequest
from core.identity import MAIL_SERVICES
from core.services import current
from core.settings import Settings
from core.webhooks import POSTMARK_USER
from returns import arrivals, documents, ses, sns
from returns.events import Refused
from returns.models import Arrival

webhook_commands = groups.group("webhooks", help="Where mail services tell what became of a mail.")

_LIMITS = FetchLimits(max_bytes=100_000, max_redirects=0)


@webhook_commands.command("list")
def list_webhooks() -> None:
    """List the mail services: the address to give each, whether its secret is set, and what waits for an answer.

    The exit status is 1 when something waits.
    """
    settings: Settings = current_app.extensions["postrider settings"]
    for name in MAIL_SERVICES:
        if name in settings.webhooks.set_up:
            click.echo(f"{name}: {_address(name)}")
        else:
            click.echo(f"{name}: not set up")
    waiting = arrivals.asking(ses.SOURCE, ses.CONFIRMATION)
    for arrival in waiting:
        click.echo(f"{arrival.arrived_at:%Y-%m-%d %H:%M} UTC, {_topic(arrival)}: {arrival.why}")
    if waiting:
        raise SystemExit(1)


def _address(name: str) -> str:
    url = current().links.to("webhook", service=name)
    return url.replace("://", f"://{POSTMARK_USER}:PASSWORD@") if name == "postmark" else url


def _topic(arrival: Arrival) -> str:
    return documents.text(documents.read_object(arrival.raw or b""), "TopicArn")


@webhook_commands.command("confirm")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def confirm(yes: bool) -> None:
    """Confirm to Amazon SNS that a topic may tell us what happened: it asks once, when you set it up.

    It shows the topic and asks first. The request was signed by SNS, for a topic that SES_TOPIC_ARN names.
    The exit status is 1 when nothing waits, or when SNS did not take the answer.
    """
    waiting = arrivals.asking(ses.SOURCE, ses.CONFIRMATION)
    if not waiting:
        raise click.ClickException("Nothing waits. SNS asks when the subscription is made; see flask webhooks list.")
    newest = waiting[-1]
    topic, ids = _topic(newest), [one.id for one in waiting if _topic(one) == _topic(newest)]
    asked = documents.read_object(newest.raw or b"")
    db.session.rollback()
    if not yes and not click.confirm(f"{topic} asks whether to tell us. Confirm it?"):
        raise SystemExit(1)
    try:
        answer = fetch.get(FetchRequest(sns.confirm_url(asked), accept="*/*"), _LIMITS)
    except (fetch.FetchError, Refused) as error:
        raise click.ClickException(f"SNS did not take it: {error}.") from error
    if answer.status != 200:
        raise click.ClickException(
            f"SNS did not take it: it answered {answer.status}. What it asks is good for some days: have it ask again."
        )
    with database.write_turn():
        for one in ids:
            arrivals.settle(db.session.get_one(Arrival, one), kind=ses.CONFIRMATION)
        db.session.commit()
    click.echo(f"{topic} will tell us.")
