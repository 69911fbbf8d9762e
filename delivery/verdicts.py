"""What a reply means for the ledger: which state the mail goes into, and whose attempt it was."""

from core import logs
from delivery import replies, retries
from delivery.moves import Intent, Result
from delivery.replies import Reply, Verdict
from delivery.states import State

log = logs.get(__name__)


def result_of(intent: Intent, reply: Reply) -> Result:
    """Return what became of an intent."""
    match reply.verdict:
        case Verdict.ACCEPTED:
            return Result(intent.id, intent.epoch, State.SENT, reply.code, reply.text)
        case Verdict.REFUSED | Verdict.UNFIT:
            return Result(intent.id, intent.epoch, State.FAILED, reply.code, reply.text)
        case Verdict.DOUBT:
            return Result(intent.id, intent.epoch, State.IN_DOUBT, reply.code, reply.text)
        case Verdict.LATER | Verdict.NONSENSE:
            return _later(intent, reply, retries.recipient_delay(intent.attempts))
        case Verdict.POLICY:
            return _later(intent, reply, retries.policy_delay(intent.attempts))
        case Verdict.THROTTLED | Verdict.LOGIN:
            return _later(intent, reply, retries.throttled_delay(), refund=True)
        case Verdict.RELAY:
            # No attempt of the recipient's, so how often it was tried is told by the epoch.
            return _later(intent, reply, retries.relay_delay(intent.epoch), refund=True)


def _later(intent: Intent, reply: Reply, delay: float, *, refund: bool = False) -> Result:
    return Result(intent.id, intent.epoch, State.PLANNED, reply.code, reply.text, delay=delay, refund=refund)


def not_made(intent: Intent, why: str) -> Result:
    """Return the end of a mail that cannot be made, with the reason."""
    log.error("mail cannot be made", delivery=intent.id, why=why)
    return Result(intent.id, intent.epoch, State.FAILED, text=replies.short(f"Not made: {why}"))


def put_back(intent: Intent, why: str, delay: float = 0.0) -> Result:
    """Return that nothing was tried: the mail goes back as it was."""
    return Result(intent.id, intent.epoch, State.PLANNED, None, replies.short(why), delay=delay, refund=True)
