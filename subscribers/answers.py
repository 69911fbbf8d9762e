"""What a request of a form gets: decided by reading, made into a mail outside of any transaction, written in one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, true

from core import budgets, logs
from core.budgets import Charge
from core.database import db
from core.services import Services
from core.signups import SignupSettings
from delivery import suppression
from subscribers import flood, joining, mails, offer
from subscribers.models import SignupRequest, Subscriber

log = logs.get(__name__)

GIVEN = SignupSettings()
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one request gets: a letter, or nothing. Two decisions that say the same are equal.

    `corrects` is the request whose mail the same person has already, when this one only says what they meant.
    """

    request_id: int
    kind: str
    letter: mails.Letter | None
    corrects: int | None = None


def waiting(limit: int, *, now: datetime, signups: bool = True) -> list[int]:
    """Return the ids of requests that nobody has answered yet, oldest first; one that failed waits for its turn.

    Without `signups` only readers' wishes for a fresh link: the breaker of the form keeps the others waiting.
    """
    wanted = select(SignupRequest.id).where(SignupRequest.state == "new", SignupRequest.next_try_at <= now)
    if not signups:
        wanted = wanted.where(SignupRequest.kind == "fresh_link")
    return list(db.session.scalars(wanted.order_by(SignupRequest.next_try_at, SignupRequest.id).limit(limit)))


def decide(request_id: int, *, services: Services, now: datetime) -> Decision | None:
    """Return what a request gets, having only read; None when there is nothing to decide any more."""
    request = db.session.get(SignupRequest, request_id)
    if request is None or request.state != "new":
        return None
    letter = _letter(request, services, now)
    if letter is not None and not budgets.has_room(db.session(), _cost(request, letter, services), now=now):
        return Decision(request.id, request.kind, None, corrects=_corrected(request, now))
    return Decision(request.id, request.kind, letter)


def write(
    decision: Decision,
    made: mails.Made | None,
    *,
    services: Services,
    now: datetime,
    limits: SignupSettings = GIVEN,
) -> bool:
    """Queue the mail of a decision, or none, and move the request on; one that was answered before is left alone.

    Return False, with nothing written, when the decision does not hold any more: then it is to be made anew.
    """
    request = _held(decision.request_id)
    if request is None or request.state != "new":
        return True
    if decide(request.id, services=services, now=now) != decision:
        return False
    letter = decision.letter
    if made is not None:
        domain = _cost_of_domain(request, made.letter, services, limits)
        over = budgets.spend(db.session(), [*_cost(request, made.letter, services), *domain], now=now)
        if over in domain:
            request.next_try_at = now + flood.DOMAIN_WAIT
            log.warning("mail domain over its budget", request=request.id)
            return True
        if over is not None:
            return False
        mails.queue(made, services=services, now=now)
    if decision.corrects is not None:
        _correct(decision.corrects, request)
    request.state = "answered" if letter else "dropped"
    request.answered_at = now
    if letter is None or letter.name != "confirm" or request.kind == "fresh_link":
        request.address = None  # there is nothing to confirm: the ledger has what the post office needs
    db.session.flush()
    log.info("signup request answered", request=request.id, kind=request.kind, mail=letter and letter.name)
    return True


def put_off(request_id: int, *, now: datetime) -> None:
    """Try a request that failed again later: after as long as it has been waiting, a minute to six hours.

    The wait doubles with each failure that way; after 7 days the request is forgotten like any other.
    """
    request = _held(request_id)
    if request is not None and request.state == "new":
        request.next_try_at = later(request.at, now)
        db.session.flush()


def later(at: datetime, now: datetime) -> datetime:
    """Return when what was asked `at` and failed `now` is tried again."""
    return now + min(max(now - at, _SHORTEST_WAIT), _LONGEST_WAIT)


def _held(request_id: int) -> SignupRequest | None:
    """Return a request when nobody else is answering the same address, as the last of them left it.

    Else two workers could each count the answers before the other's. An address's first request is its turn.
    """
    ours = select(SignupRequest.addr_hash).where(SignupRequest.id == request_id).scalar_subquery()
    first = select(SignupRequest.id).where(SignupRequest.addr_hash == ours)
    db.session.execute(first.order_by(SignupRequest.at, SignupRequest.id).limit(1).with_for_update())
    return db.session.get(SignupRequest, request_id, with_for_update=True, populate_existing=True)


def _letter(request: SignupRequest, services: Services, now: datetime) -> mails.Letter | None:
    if suppression.is_suppressed(request.addr_hash, ["all"], now=now):
        return None
    if request.kind == "fresh_link":
        return _fresh_link(request, services, now)
    return _signup(request, services, now)


def _cost(request: SignupRequest, letter: mails.Letter, services: Services) -> list[Charge]:
    """Return what a letter costs the inbox it goes to. A confirmation that is sent again is one more."""
    charges = []
    if request.kind == "fresh_link":
        charges += flood.fresh_link(request.mailbox, services.keyring)
    if request.kind == "signup" or letter.name == "confirm":
        charges += flood.confirmation(request.mailbox, services.keyring)
    return charges


def _cost_of_domain(
    request: SignupRequest, letter: mails.Letter, services: Services, limits: SignupSettings
) -> list[Charge]:
    if letter.name != "confirm" or not limits.per_domain_hour:
        return []
    return [flood.domain(request.mailbox, services.keyring, per_hour=limits.per_domain_hour)]


def _corrected(request: SignupRequest, now: datetime) -> int | None:
    """Return the request that this one corrects: it came from the same page, for the same address, and has its mail.

    Anybody else who asks for this address again changes nothing of what its owner finds behind the button.
    """
    first = _newest_unconfirmed(request.addr_hash, now, state="answered")
    same_page = first is not None and request.form_hash is not None and first.form_hash == request.form_hash
    return first.id if first is not None and same_page and request.kind == "signup" else None


def _correct(first_id: int, request: SignupRequest) -> None:
    """Have the mail that is there confirm what the person asked for last; what they confirmed meanwhile stays."""
    first = db.session.get_one(SignupRequest, first_id, with_for_update=True, populate_existing=True)
    if first.state == "answered":
        for name in ("digests", "topics", "zone", "rhythm", "language", "wording", "browser_hash"):
            setattr(first, name, getattr(request, name))


def _signup(request: SignupRequest, services: Services, now: datetime) -> mails.Letter | None:
    digests = offer.still_offered(request.digests)
    if not digests:
        return None
    subscriber = _active(request.addr_hash)
    # Whose mail came back gets none, whatever is on: confirming anew is their way back.
    came_back = suppression.is_suppressed(request.addr_hash, [suppression.BULK], now=now)
    if subscriber is not None and not came_back:
        known = joining.subscriptions_of(subscriber)
        if all(digest.id in known and known[digest.id].state == "on" for digest in digests):
            return mails.already(subscriber, digests, once_key=request.public_id)
    return mails.confirm(request, digests, once_key=request.public_id, services=services)


def _fresh_link(request: SignupRequest, services: Services, now: datetime) -> mails.Letter | None:
    subscriber = _active(request.addr_hash)
    if subscriber is not None:
        return mails.fresh_link(subscriber, once_key=request.public_id)
    pending = _newest_unconfirmed(request.addr_hash, now)
    digests = offer.still_offered(pending.digests) if pending else []
    if pending is None or not digests:
        return None
    # The key is the asking request's own, so that the same confirmation can be sent again, once per asking.
    return mails.confirm(pending, digests, once_key=request.public_id, services=services)


def _active(addr_hash: bytes) -> Subscriber | None:
    return db.session.scalar(select(Subscriber).filter_by(addr_hash=addr_hash, state="active"))


def _newest_unconfirmed(addr_hash: bytes, now: datetime, *, state: str | None = None) -> SignupRequest | None:
    wanted = select(SignupRequest).where(
        SignupRequest.state == state if state else true(),
        SignupRequest.addr_hash == addr_hash,
        SignupRequest.kind == "signup",
        SignupRequest.address.is_not(None),
        SignupRequest.at > now - mails.CONFIRM_WITHIN,
    )
    return db.session.scalar(wanted.order_by(SignupRequest.at.desc(), SignupRequest.id.desc()).limit(1))
