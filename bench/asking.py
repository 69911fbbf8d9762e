"""Confirmations asked for while a list goes out: from the request to the moment the mail was on the wire."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

from sqlalchemy import select

from bench.ground import BenchError, wait_until
from bench.installation import Installation
from bench.sending import Prepared
from bench.sink import DEFAULT_MARK
from core import clock, database, services
from core.addresses import Address
from core.database import db
from core.services import Services
from subscribers import mails, signup
from subscribers.models import Digest, SignupRequest
from tasks import nudge

EVERY_S = 0.2
LATE_S = 60.0
"""After the end of the list, so long is waited for confirmations that have not come."""
DOMAINS = 100
"""Readers' mail domains: each gets so few that no budget of the form keeps a confirmation waiting."""
ZONE = "Asia/Hong_Kong"
DIGESTS = f"""
[[digest]]
key = "asia-daily"
name = "Asia Daily"
language = "en"
rhythms = ["daily"]
default_time = "07:00"
default_zone = "{ZONE}"
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One confirmation: asked for by the form's row, or put straight into the ledger, at a monotonic time."""

    address: str
    by_form: bool
    at: float


def offer(house: Installation) -> None:
    """Have a digest on offer that a reader can ask for."""
    file = house.folder / "digests.toml"
    file.write_text(DIGESTS, "utf-8")
    house.flask("digests", "apply", str(file))


@contextmanager
def asking(ready: Prepared, window: tuple[int, int]) -> Iterator[list[Asked]]:
    """Ask for confirmations while the sink's count is in the window; give the list of what was asked for."""
    asked: list[Asked] = []
    over = threading.Event()
    failed: list[Exception] = []

    def ask() -> None:
        try:
            with ready.house.rooms():
                _ask(ready, window, asked, over)
        except Exception as error:  # noqa: BLE001 - it is raised again where the measurement can be given up
            failed.append(error)

    thread = threading.Thread(target=ask, name="asking", daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        thread.join()
    if failed:
        raise BenchError(f"Asking for confirmations failed: {failed[0]!r}") from failed[0]


def _ask(ready: Prepared, window: tuple[int, int], asked: list[Asked], over: threading.Event) -> None:
    sent = services.current()
    while not over.wait(EVERY_S):
        if window[0] <= ready.sink.counted().taken < window[1]:
            number = len(asked)
            mailbox = f"{DEFAULT_MARK}{number:06d}@d{number % DOMAINS}.example.org"
            address = Address(mailbox, mailbox)
            at = time.monotonic()
            by_form = number % 2 == 0
            if by_form:
                _by_form(address, sent)
            else:
                _by_ledger(address, sent)
            asked.append(Asked(mailbox, by_form, at))


def _by_form(address: Address, sent: Services) -> None:
    """Do what the form does: note the request, commit, nudge. A task decides, renders and queues the mail."""
    with database.write_turn():
        signup.note_request(
            address,
            public_id=os.urandom(16),
            digests=["asia-daily"],
            topics=[],
            language="en",
            zone=ZONE,
            form="subscribe",
            wording="",
            origin=None,
            now=clock.utc_now(),
            keyring=sent.keyring,
        )
        db.session.commit()
    nudge.signup()


def _by_ledger(address: Address, sent: Services) -> None:
    """Do what the task does: render the mail, queue it, commit, nudge the sender."""
    now = clock.utc_now()
    request = SignupRequest(
        kind="signup",
        public_id=os.urandom(16),
        address=address.mailbox,
        addr_hash=sent.keyring.hash(address),
        language="en",
        origin_truncated=None,
        at=now,
    )
    digests = db.session.scalars(select(Digest)).all()
    made = mails.make(mails.confirm(request, digests, once_key=request.public_id, services=sent), sent)
    with database.write_turn():
        mails.queue(made, services=sent, now=now)
        db.session.commit()
    nudge.post()


def waits(ready: Prepared, asked: list[Asked]) -> dict[str, object]:
    """Return how long the confirmations took, in seconds, from asking to the sink's acceptance, each way."""
    wait_until(
        lambda: len(ready.sink.arrivals()) >= len(asked),
        within_s=LATE_S,
        otherwise=f"Of {len(asked)} confirmations only {len(ready.sink.arrivals())} have come.",
    )
    arrivals = ready.sink.arrivals()
    found: dict[str, object] = {}
    for name, by_form in (("form", True), ("ledger", False)):
        took = sorted(arrivals[one.address] - one.at for one in asked if one.by_form is by_form)
        if len(took) > 1:
            ninety_ninth = quantiles(took, n=100, method="inclusive")[98]
            found[name] = {"count": len(took), "median": median(took), "p99": ninety_ninth, "worst": took[-1]}
    return found
