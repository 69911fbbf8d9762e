"""What follows from mails that the relay itself refused: the same as from a report, looked at apart from the sender.

The sender's transactions only say how a mail ended. What is to follow is found here, by a small index of what nobody
has looked at yet; so nothing is lost when it is not looked for a while.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, literal_column, select

from core.database import db
from delivery import aftermath, classes, reports
from delivery.aftermath import Returned
from delivery.classes import Class, Then
from delivery.models import Delivery
from delivery.states import UNJUDGED, State

SOURCE = "session"


def judge_failed(limit: int, *, now: datetime) -> int:
    """Look at some mails that ended with a relay's words, and have follow what does; return how many.

    On PostgreSQL they are locked, without what others look at just now.
    """
    columns = (
        "id",
        "state",
        "mailing_id",
        "reader_key",
        "addr_hash",
        "intent_at",
        "provider",
        "last_code",
        "last_text",
    )
    wanted = select(*(getattr(Delivery, name) for name in columns)).where(literal_column(UNJUDGED))
    found = db.session.execute(
        wanted.order_by(Delivery.id).limit(limit).with_for_update(of=Delivery, skip_locked=True)
    ).all()
    returned = []
    for mail in found:
        row = _row(mail)
        theirs = _is_theirs(mail, row)
        aftermath.mark([mail.id], row.means if theirs else _put_off(row, mail.last_code), now=now)
        handed_over_at = mail.intent_at or now
        # Of mails from before there were classes, say: the address may be another one by now.
        if theirs and now - handed_over_at <= reports.VALID:
            about = (mail.id, mail.mailing_id, mail.reader_key, mail.addr_hash)
            returned.append(Returned(*about, handed_over_at, row=row, source=SOURCE))
    aftermath.follow(returned, now=now)
    return len(found)


def _row(mail: Row[*tuple[Any, ...]]) -> classes.Row:
    action = "refused" if mail.last_code >= 500 else "put off"
    text = mail.last_text or ""
    return classes.classify(action=action, code=mail.last_code, status="", text=text, provider=mail.provider)


def _is_theirs(mail: Row[*tuple[Any, ...]], row: classes.Row) -> bool:
    """Return whether it says something of the address, not of us: see _put_off."""
    return mail.state == State.FAILED or (row.means is Class.FULL and mail.last_code < 500)


def _put_off(row: classes.Row, code: int) -> Class:
    """Return what a mail came back as that was put off until its time was over: never anything that is the reader's.

    Had the relay meant the recipient for good, the mail would have failed. So a 5xx was about us, as all are that
    answer MAIL, whatever their words say; and a 4xx may have been the relay's own trouble.
    """
    if row.then not in (Then.COUNT, Then.SUPPRESS):
        return row.means
    return Class.REFUSAL if code >= 500 else Class.TRANSIENT
