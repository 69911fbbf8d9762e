"""The publisher's switch: whether stories go to friends by the reader's own mail program, by ours, or not at all."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select

from core import alerts, byus, characters, errors, logs
from core.database import db
from sharing import ending
from sharing.models import ShareSwitch

log = logs.get(__name__)

NOTICE_VERSION = "2026-11"
NOTICE = """\
When a reader sends a story to a friend in mode "verified", the mail leaves under your name, to somebody who did not
ask you for it. What that means differs from country to country:

- Germany: the Federal Court of Justice holds a publisher liable for mail that its recommend-to-a-friend function
  sends, as for its own unsolicited advertising, whoever pressed the button (12.09.2013, I ZR 208/12). Other
  advertising in the same mail has made it unlawful in an earlier case (29.05.2008, I ZR 189/05).
- United Kingdom: the Information Commissioner advises against asking people for the addresses of their friends.
- United States: a site that only carries what a visitor typed may not count as its sender; any reward for sending
  makes it one (Federal Trade Commission, 2008).

Postrider offers no reward, puts no advertisement into such a mail, sends only for somebody who has proved their own
address, and keeps the friend's address 72 hours at most. See also and Subscribe stand in it only if you set that
(sharing.see_also, sharing.subscribe). Mode "mailto" needs none of this: no address reaches you.

This is no legal advice. Whoever turns the switch to "verified" says that they have looked at the law that holds for
them. Who that was, and when, is kept.
"""
WHO_MOST = 100
ALERT = "sharing:stopped"


class Mode(StrEnum):
    """How the switch can stand."""

    MAILTO = "mailto"
    VERIFIED = "verified"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the switch stands, since when, who turned it and why; `since` is None while nobody ever turned it."""

    mode: Mode
    since: datetime | None
    who: str
    why: str
    accepted: str | None


def standing() -> Standing:
    """Return how the switch stands: at `mailto`, until somebody turns it."""
    row = db.session.scalar(select(ShareSwitch).order_by(ShareSwitch.id.desc()).limit(1))
    if row is None:
        return Standing(Mode.MAILTO, None, "", "", None)
    return Standing(Mode(row.mode), row.at, row.who, row.why, row.accepted)


def mode() -> Mode:
    """Return how the switch stands."""
    return standing().mode


def turns(limit: int) -> list[ShareSwitch]:
    """Return how the switch was turned, the newest first."""
    return list(db.session.scalars(select(ShareSwitch).order_by(ShareSwitch.id.desc()).limit(limit)))


def turn(to: Mode, *, who: str, why: str = "", accepted: str | None = None, now: datetime) -> None:
    """Turn the switch, and keep who did it. Raises Invalid: `verified` needs a name, and its notice to be accepted."""
    who, why = who.strip(), why.strip()
    if not who or len(who) > WHO_MOST or characters.has_controls(who):
        raise errors.Invalid(
            "by", "Say who turns the switch: a name on one line, at most %(most)s characters.", most=100
        )
    if characters.has_controls(why):
        raise errors.Invalid("why", "The reason must be one line.")
    if to is Mode.VERIFIED and accepted != NOTICE_VERSION:
        raise errors.Invalid("accept", "The legal notice must be accepted as it is now.")
    _add(to, who=who, why=why, accepted=accepted if to is Mode.VERIFIED else None, now=now)


def fall_back(why: str, *, now: datetime) -> bool:
    """Turn the switch to `mailto` because of bad signs; return whether it stood at `verified`."""
    if mode() is not Mode.VERIFIED:
        return False
    _add(Mode.MAILTO, who="", why=why, accepted=None, now=now)
    return True


def _add(to: Mode, *, who: str, why: str, accepted: str | None, now: datetime) -> None:
    if to is not Mode.VERIFIED:
        ending.call_back_all("switch", now=now)
    else:
        alerts.close(db.session.connection(), [ALERT], now)
    byus.note(db.session, to is Mode.VERIFIED)
    db.session.add(ShareSwitch(at=now, mode=to.value, who=who, why=why, accepted=accepted))
    db.session.flush()
    log.warning("share switch turned", mode=to.value, by_signs=not who)
