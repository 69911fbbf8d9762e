"""The proof that what comes back is read: real bounces by a real Postfix, over IMAPS from a real Dovecot.

The shipped sender hands mails over; Postfix bounces them in every way; the shipped `flask mailbox read` reads them.
Then 100,000 hostile notifications. `make proof-mailbox` writes docs/proofs/mailbox.md, and keeps the reports that
Postfix made in tests/returns/reports/, where `make test` reads them again from a Maildir.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from core import settings as core_settings
from core.addresses import Address
from core.database import db
from core.services import Services, from_settings
from delivery import verp
from delivery.models import Delivery, DeliveryEvent, Suppression
from delivery.states import State
from returns.models import Arrival
from tests import installation
from tests.delivery import mailings
from tests.delivery.conftest import Ledger
from tests.proofs import mailservers, page
from tests.returns import hostile
from tests.servers import ServerMissingError

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "returns" / "reports"
FLASK = (sys.executable, "-m", "flask", "--app", "app")
KEYS = {
    "SECRET_KEY": "0123456789abcdef0123456789abcdef",
    "HASH_KEY": "fedcba9876543210fedcba9876543210",
    "CONSENT_KEY": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
}
"""Those of the tests' installation: the tokens of the reports that are kept must be ours there, too."""
CONFIG = """
[publication]
languages = ["en"]
zone = "Asia/Hong_Kong"
base_url = "http://127.0.0.1:8000"
postal_address = "1 Quay Street, Hong Kong"
contact = "desk@monsoon.example.org"
[publication.name]
en = "The Monsoon Courier"
[publication.motto]
en = "News from Asia, carried to your door."
[mail]
sender = "news@monsoon.example.org"
domain = "monsoon.example.org"
bounce_domain = "bounces.monsoon.example.org"
feedback_sender = "monsoon"
"""
RECIPIENTS: Mapping[str, tuple[str, str, int, tuple[str, ...]]] = {
    "unknown": ("ada@unknown.readers.test", "5.1.1", 0, ("hard",)),
    "full": ("ada@full.readers.test", "5.2.2", 0, ("full",)),
    "expired": ("ada@expired.readers.test", "4.4.1", 0, ("soft", "transient", "undetermined")),
    "refused": ("ada@refused.readers.test", "5.1.1", 550, ("hard",)),
    "policy": ("ada@policy.readers.test", "5.7.1", 554, ("refusal",)),
    "no-smtputf8": ("δοκιμή@ascii.readers.test", "5.6.7", 0, ("ours",)),
    "unknown-beyond-ascii": ("かおる@unknown.readers.test", "5.1.1", 0, ("hard",)),
    "taken": ("ada@taken.readers.test", "", 0, ()),
}
"""By name: to whom, the code of the report, SMTP's code where a next hop gave one, and the classes it may have."""
WITHIN_S = 90.0
FLAT_MB = 48
"""So much more memory may 19 times as many mails take: their names, and what Python and SQLite keep for themselves."""


@dataclass
class Found:
    """What was counted, and what was wrong."""

    rows: dict[str, object] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def check(self, holds: bool, fault: str) -> None:
        """Note a fault unless it holds."""
        if not holds:
            self.faults.append(fault)


@dataclass(frozen=True, slots=True)
class House:
    """An installation on SQLite, whose commands are run from outside."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, **extra: str) -> tuple[int, str, int]:
        """Run a command; return its status, what it printed, and the most memory that it had, in MB."""
        with (self.folder / "printed").open("wb+") as printed:
            process = subprocess.Popen(
                [*FLASK, *words], cwd=ROOT, env={**self.environment, **extra}, stdout=printed, stderr=subprocess.STDOUT
            )
            peak = 0
            while process.poll() is None:
                peak = max(peak, _peak_mb(process.pid))
                time.sleep(0.05)
            printed.seek(0)
            return process.returncode, printed.read().decode("utf-8", "replace"), peak

    def known(self) -> core_settings.Settings:
        """Return its settings."""
        return core_settings.load(self.environment)

    @contextmanager
    def pump(self) -> Iterator[None]:
        """Have the shipped sender run."""
        log = (self.folder / "pump.log").open("ab")
        process = subprocess.Popen([*FLASK, "delivery", "pump"], cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
            log.close()


def _peak_mb(pid: int) -> int:
    """Return the most memory that a process has had since its program began. What the kernel says of one that has
    ended counts in what its parent had, which forked it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) // 1024 if found else 0


@contextmanager
def house(smtp_port: int) -> Iterator[House]:
    """Make an installation in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="postrider-") as name:
        folder = Path(name)
        (folder / "postrider.toml").write_text(CONFIG, "utf-8")
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment = kept | KEYS
        environment |= {
            "POSTRIDER_CONFIG": str(folder / "postrider.toml"),
            "DATABASE_URL": f"sqlite:///{folder / 'postrider.db'}",
            "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
            "STATE_DIR": str(folder),
            "PYTHONUNBUFFERED": "1",
        }
        made = House(folder, environment)
        status, printed, _memory = made.run("db", "upgrade")
        if status:
            raise ServerMissingError(f"flask db upgrade failed: {printed[-600:]}")
        yield made


@contextmanager
def rooms(made: House) -> Iterator[Services]:
    """Have the rooms of an installation in this process."""
    known = made.known()
    with installation.rooms_on(known):
        yield from_settings(known)


def wait_until(reached: object, words: str) -> None:
    """Wait for something. Raises ServerMissingError when it does not come."""
    deadline = time.monotonic() + WITHIN_S
    while not reached():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise ServerMissingError(f"Waited {WITHIN_S:.0f} s for {words}.")
        time.sleep(0.2)


def real(found: Found) -> None:
    """Hand mails over, have them bounce, and read the bounces."""
    with mailservers.running() as mail, house(mail.smtp_port) as made:
        made.environment["MAILBOX_URL"] = mail.mailbox_url
        with rooms(made) as services:
            ledger = Ledger(db.engine, services, None)  # type: ignore[arg-type]
            addresses = [Address(one[0], one[0].lower()) for one in RECIPIENTS.values()]
            ids = dict(zip(RECIPIENTS, ledger.queue_bulk(*addresses), strict=True))
            with made.pump():
                wait_until(lambda: set(ledger.states(*ids.values())) == {"sent"}, "Postfix to take every mail")
                # Each bounces once, and the one that expires is also reported as late before.
                wait_until(lambda: _lying(mail.maildir) >= len(RECIPIENTS), "the bounces")
            status, printed, _memory = made.run("mailbox", "read", "--json")
            told = json.loads(printed) if status == 0 else {}
            found.check(status == 0, f"flask mailbox read ended with {status}: {printed[-300:]}")
            _compare(found, ids, told)
            again, printed, _memory = made.run("mailbox", "read", "--json")
            found.check(again == 0 and not json.loads(printed)["kinds"], "a second look found something")
            found.rows |= {"servers": mail.versions, "mails handed over by the shipped sender": len(ids)}
            found.rows |= {"reports of Postfix, read over IMAPS": sum(told.get("kinds", {}).values())}
            found.rows |= {"as": ", ".join(f"{kind} {count}" for kind, count in told.get("kinds", {}).items())}
            found.rows |= {"classes": ", ".join(f"{kind} {n}" for kind, n in told.get("classes", {}).items())}
            if not found.faults:
                _keep(mail.maildir, services, ids)


def _lying(maildir: Path) -> int:
    return sum(len(list((maildir / name).glob("*"))) for name in ("new", "cur") if (maildir / name).is_dir())


def _compare(found: Found, ids: Mapping[str, int], told: Mapping[str, Mapping[str, int]]) -> None:
    db.session.rollback()
    bouncing = [name for name, one in RECIPIENTS.items() if one[1]]
    kinds = told.get("kinds", {})
    found.check(kinds == {"bounce": len(bouncing), "delayed": 1}, f"the kinds are {kinds}")
    for name, (_to, code, smtp, classes) in RECIPIENTS.items():
        row = db.session.get_one(Delivery, ids[name], populate_existing=True)
        events = select(DeliveryEvent.code, DeliveryEvent.text).where(DeliveryEvent.delivery_id == row.id)
        texts = [(event_code, text or "") for event_code, text in db.session.execute(events)]
        found.check(row.state == "sent", f"{name} is {row.state}, and was handed over")
        right = row.returned_as in classes if classes else row.returned_as is None
        found.check(right, f"{name} came back as {row.returned_as}")
        found.check(not code or any(code in text for _code, text in texts), f"{name} has {texts}, not {code}")
        found.check(not smtp or any(one == smtp for one, _text in texts), f"{name} has not the code {smtp}")


def _keep(maildir: Path, services: Services, ids: Mapping[str, int]) -> None:
    """Keep the reports as they came, each named for the mail that it is about."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for old in KEPT.glob("*.eml"):
        old.unlink()
    by_token = {verp.token(number, tokens=services.links.tokens): name for name, number in ids.items()}
    count = Counter[str]()
    for file in sorted((maildir / "cur").iterdir()):
        raw = file.read_bytes()
        name = next(name for token, name in by_token.items() if token.encode() in raw)
        count[name] += 1
        (KEPT / f"{name}-{count[name]}.eml").write_bytes(raw)
    table = {name: ids[name] for name in RECIPIENTS}
    (KEPT / "mails.json").write_text(json.dumps(table, indent=2) + "\n", "utf-8")


def stranger(found: Found, count: int, chosen: int) -> None:
    """Read hostile notifications with the shipped command, first some, then many: memory is the same for both."""
    with house(9) as made, tempfile.TemporaryDirectory(prefix="postrider-") as name:
        box = Path(name)
        for folder in ("tmp", "new", "cur"):
            (box / folder).mkdir()
        with rooms(made) as services:
            named, others = _mails()
            to = [verp.envelope_sender(one, tokens=services.links.tokens, domain=mailservers.BOUNCES) for one in named]
            first = max(1, count // 20)
            peaks, kinds = [], Counter[str]()
            for number, share in enumerate((first, count - first)):
                _make(box, to, share, chosen + number)
                status, printed, memory = made.run("mailbox", "read", "--json", MAILBOX_URL=f"maildir://{box}")
                found.check(status == 0, f"flask mailbox read ended with {status}: {printed[-300:]}")
                kinds.update(json.loads(printed)["kinds"] if status == 0 else {})
                peaks.append(memory)
            queued, touched = _untouched(found, others)
            left = len(list((box / "new").iterdir()))
        found.check(kinds.total() == count, f"{kinds.total()} of {count} were read")
        found.check(left == 0, f"{left} were left in the box")
        found.check(peaks[1] - peaks[0] <= FLAT_MB, f"{peaks[0]} MB for {first}, {peaks[1]} MB for {count - first}")
    found.rows |= {
        "hostile notifications, by Hypothesis": f"{count:,}",
        "read as": ", ".join(f"{kind} {number:,}" for kind, number in kinds.most_common()),
        "mails that they caused": queued,
        "mails of others that they touched": touched,
        "memory of the command": f"{peaks[0]} MB for {first:,}, {peaks[1]} MB for {count - first:,}",
    }


def _mails() -> tuple[list[int], list[int]]:
    """Return mails that are named in the notifications, and mails of others."""
    mailing = mailings.mailing()
    both = mailings.mails(mailing, {State.SENT: 200})
    return both[:100], both[100:]


def _make(box: Path, to: list[str], count: int, chosen: int) -> None:
    """Have Hypothesis make so many, each a file of the box."""
    made = 0

    @seed(chosen)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, len(to) - 1).flatmap(lambda number: _NOTIFICATIONS[to[number]]))
    def draw(raw: bytes) -> None:
        nonlocal made
        made += 1
        # A number makes each another mail, so that none of them is taken for a copy.
        (box / "new" / f"{chosen}.{made:06d}.host").write_bytes(b"X-Number: %d.%d\n" % (chosen, made) + raw)

    _NOTIFICATIONS.update({one: hostile.notifications(one) for one in to if one not in _NOTIFICATIONS})
    draw()
    for more in range(made, count):
        raw = hostile.drawn(chosen + more, 1, to)[0]
        (box / "new" / f"{chosen}.{more + 1:06d}.host").write_bytes(b"X-Number: %d.%d\n" % (chosen, more + 1) + raw)


_NOTIFICATIONS: dict[str, st.SearchStrategy[bytes]] = {}


def _untouched(found: Found, others: list[int]) -> tuple[int, int]:
    """Return how many mails were queued, and how many mails of others were touched; there must be none."""
    db.session.rollback()
    queued = db.session.scalar(select(func.count()).where(Delivery.state != State.SENT)) or 0
    found.check(queued == 0, f"{queued} mails were queued")
    wanted = select(func.count()).where(Delivery.id.in_(others), Delivery.returned_at.is_not(None))
    touched = db.session.scalar(wanted) or 0
    found.check(touched == 0, f"{touched} mails of others were touched")
    hashes = select(Delivery.addr_hash).where(Delivery.id.in_(others))
    found.check(
        not db.session.scalar(select(func.count()).where(Suppression.addr_hash.in_(hashes))),
        "addresses of others were suppressed",
    )
    lost = select(func.count()).where(Arrival.state == "new")
    found.check(not db.session.scalar(lost), "arrivals were left open")
    return queued, touched


def main() -> int:
    """Run the proof in full and write its page; the exit status says whether it holds."""
    parser = argparse.ArgumentParser(description="Have mails bounce for real, and read what comes back.")
    parser.add_argument("--hostile", type=int, default=100_000, help="how many hostile notifications")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    found = Found()
    try:
        real(found)
        stranger(found, options.hostile, options.seed)
    except ServerMissingError as error:
        print(error, file=sys.stderr)  # noqa: T201 - what a person at a terminal reads
        return 1
    page.write(
        "mailbox",
        title="What comes back is read",
        claim=(
            "A Postfix of its own takes mails from the shipped sender and bounces them for real: an unknown user, a "
            "full mailbox, a next hop that refuses the user or turns us away, an address beyond ASCII that nobody can "
            "carry, one that expires in the queue. `flask mailbox read` reads the reports over IMAPS from a Dovecot, "
            "and each acts on its own mail, with the code that Postfix gave. Then notifications that Hypothesis made "
            "up, with good tokens in them: none crashes it, none causes a mail, none touches a mail that it does not "
            "name."
        ),
        seed=options.seed,
        rows=found.rows,
        faults=found.faults,
    )
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
