"""`flask digests preview` and `test-send`: an edition as its readers would get it, before it goes out."""

import html
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select

from articles import topics
from commands import asked, turns
from commands.digests_desk import DATE, DIGEST, JSON, digest_named, user
from core import clock, errors
from core.database import db
from core.services import current
from digests import galleys
from digests.galleys import PERSONAS, Galley
from subscribers import past
from subscribers.models import Digest, Subscription
from tasks import nudge

_NAMES = [one.name for one in PERSONAS]
_PERSONA = click.option("--persona", type=click.Choice(_NAMES), help="Who: everything, text (no HTML), or paused.")
_TOPICS = click.option("--topics", metavar="KEYS", help="Somebody with these topics, such as: kr,diplomacy")
_READER = click.option("--reader", metavar="ADDRESS", help="One real reader; that you looked is recorded. - reads it.")
_BY = click.option("--by", metavar="NAME", help="Who looks at the reader's mail; your account's name if left out.")


@click.command("preview")
@DIGEST
@DATE
@_PERSONA
@_TOPICS
@_READER
@_BY
@click.option("--as", "form", type=click.Choice(["text", "html", "mail"]), help="Print just this.")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), help="Write all forms into this folder.")
@JSON
def preview(
    digest: str,
    day: datetime,
    persona: str | None,
    topics: str | None,
    reader: str | None,
    by: str | None,
    form: str | None,
    into: Path | None,
    as_json: bool,
) -> None:
    """Show DIGEST of DATE as it would be now, made by the code that composes. Nothing is sent, nobody is counted.

    Without --persona, --topics or --reader all personas are shown. Note and subject are in it also while they wait for
    their hour or an approval. Personal links open nothing. --into writes a text, HTML and mail (.eml) of each, and a
    page that shows them side by side.

    Example: flask digests preview asia-daily 2026-12-01 --topics kr,diplomacy --as html > kr.html
    """
    with turns.told():
        found = digest_named(digest)
        made = dict(_made(found, day.date(), persona, topics, reader, by))
    if form and len(made) > 1:
        raise click.UsageError("For --as name one: --persona, --topics or --reader.")
    forms = {who: _forms(galley) if galley else None for who, galley in made.items()}
    if into is not None:
        _write(into, forms, f"{found.name}, {day:%Y-%m-%d}")
    if form is not None:
        _print(form, next(iter(forms.values())))
    elif as_json:
        told = [_told(who, galley, forms[who]) for who, galley in made.items()]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for who, galley in made.items():
            click.echo(_said(who, galley, forms[who]))


def _made(
    digest: Digest, slot: date, persona: str | None, keys: str | None, reader: str | None, by: str | None
) -> Iterator[tuple[str, Galley | None]]:
    """Yield each galley that was asked for, by who would get it."""
    now, services = clock.utc_now(), current()
    if reader is not None:
        with turns.writing():
            subscription = _subscription(reader, digest)
            made = galleys.of_reader(subscription, slot, by=by or user(), now=now, services=services)
        yield "reader", made
        return
    wanted = [one for one in PERSONAS if persona in (None, one.name)]
    if keys is not None:
        chosen = _known(keys)
        name = ",".join(chosen)
        wanted = [replace(one, name=name if one.name == "everything" else f"{name} {one.name}") for one in wanted]
        wanted = [replace(one, topics=chosen) for one in (wanted if persona else wanted[:1])]
    for one in wanted:
        yield one.name, galleys.of_persona(digest, slot, one, now=now, services=services)
    db.session.rollback()


def _known(keys: str) -> tuple[str, ...]:
    wanted = tuple(key.strip() for key in keys.split(",") if key.strip())
    known = {topic.key for topic in topics.all_topics()}
    for key in wanted:
        if key not in known:
            raise errors.Invalid("topics", "There is no topic %(key)s; the file of topics has them all.", key=key)
    return wanted


def _subscription(address: str, digest: Digest) -> Subscription:
    reader = past.by_hash(current().keyring.hash(asked.address(address)))
    wanted = select(Subscription).filter_by(digest_id=digest.id, subscriber_id=reader.id if reader else None)
    found = db.session.scalar(wanted)
    if found is None:
        raise errors.Invalid("reader", "Nobody with this address has ever subscribed to %(digest)s.", digest=digest.key)
    return found


def _forms(galley: Galley) -> dict[str, str]:
    """Return a galley as text, HTML and whole mail."""
    raw = galley.raw(current(), now=clock.utc_now())
    parsed = message_from_bytes(raw, policy=policy.default)
    text, markup = parsed.get_body(("plain",)), parsed.get_body(("html",))
    return {
        "text": text.get_content() if text else "",
        "html": markup.get_content() if markup else "",
        "mail": raw.decode("utf-8"),
    }


def _write(into: Path, forms: dict[str, dict[str, str] | None], title: str) -> None:
    """Write each form into a file of its own, and a page that shows all mails side by side."""
    into.mkdir(parents=True, exist_ok=True)
    endings = {"text": "txt", "html": "html", "mail": "eml"}
    for who, one in forms.items():
        for form, ending in endings.items():
            if one and one[form]:
                (into / f"{_file(who)}.{ending}").write_text(one[form], "utf-8", newline="")
    cells = "".join(_cell(who, one) for who, one in forms.items())
    (into / "index.html").write_text(_PAGE.format(title=html.escape(title), cells=cells), "utf-8")


_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ margin: 24px; font-family: sans-serif; }}
main {{ display: flex; flex-wrap: wrap; gap: 24px; }}
iframe {{ width: 640px; height: 80vh; border: 1px solid #888; }}
</style></head>
<body><h1>{title}</h1><main>{cells}</main></body>
</html>
"""


def _cell(who: str, one: dict[str, str] | None) -> str:
    """Return one mail of the page: its HTML as a mail program shows it, without scripts; or its text."""
    name, heading = _file(who), f"<h2>{html.escape(who)}</h2>"
    if one is None:
        return f"<section>{heading}<p>No mail: there is nothing new, or too little yet.</p></section>"
    shown = f"{name}.{'html' if one['html'] else 'txt'}"
    frame = f'<iframe src="{shown}" title="{html.escape(who)}" sandbox></iframe>'
    return f'<section>{heading}<p><a href="{shown}">{shown}</a></p>{frame}</section>'


def _file(who: str) -> str:
    return who.replace(",", "-").replace(" ", "-")


def _print(form: str, one: dict[str, str] | None) -> None:
    if one is None:
        raise click.ClickException("That would be no mail: there is nothing new, or too little yet.")
    click.echo(one[form], nl=False)


def _told(who: str, galley: Galley | None, forms: dict[str, str] | None) -> dict[str, Any]:
    if galley is None or forms is None:
        return {"who": who, "subject": None, "stories": 0, "headlines": 0, "octets": 0}
    return {
        "who": who,
        "subject": galley.subject,
        "stories": galley.stories,
        "headlines": galley.headlines,
        "octets": len(forms["mail"].encode()),
        "html_octets": len(forms["html"].encode()),
    }


def _said(who: str, galley: Galley | None, forms: dict[str, str] | None) -> str:
    told = _told(who, galley, forms)
    if not told["subject"]:
        return f"{who}: no mail; there is nothing new, or too little yet."
    return "{who}: {subject}\n    {stories} stories, {headlines} headlines; {kb} kB of HTML".format(
        kb=-(-told["html_octets"] // 1000), **told
    )


@click.command("test-send")
@DIGEST
@DATE
@click.option("--to", required=True, metavar="ADDRESS", help="Where to. It need not be a reader's.")
@_PERSONA
@_TOPICS
def test_send(digest: str, day: datetime, to: str, persona: str | None, topics: str | None) -> None:
    """Send DIGEST of DATE as it would be now to one ADDRESS of yours: "Test:" stands before its subject.

    It goes the way of the digest, by its sender and relay. Its personal links open nothing, and nobody is counted as
    having had its stories.
    """
    with turns.told():
        found, address = digest_named(digest), asked.address(to)
        (who, galley), *_rest = _made(found, day.date(), persona or "everything", topics, None, None)
    if galley is None:
        raise click.ClickException(f"{who}: that would be no mail; there is nothing new, or too little yet.")
    with turns.writing():
        key = galleys.send_test(galley, address, found, now=clock.utc_now(), services=current())
    nudge.post()
    click.echo(f"Queued as {key}. flask delivery progress shows how far it is.")
