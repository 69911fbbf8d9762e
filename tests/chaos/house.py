"""What a run is made on: the relay, the database, Redis, and the shipped senders, each a process of its own."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.journal import Journal, Tail

ROOT = Path(__file__).resolve().parents[2]
LEASE_S, GRACE_S, LOOK_S = 3.0, 2.0, 0.5
CONFIG = """
[publication]
name = "The Monsoon Courier"
motto = "News from Asia, carried to your door."
languages = ["en", "ar"]
zone = "Asia/Hong_Kong"
base_url = "http://127.0.0.1:8000"
postal_address = "1 Quay Street, Hong Kong"
contact = "desk@monsoon.example.org"

[mail]
sender = "news@monsoon.example.org"
domain = "monsoon.example.org"
bounce_domain = "bounces.monsoon.example.org"
feedback_sender = "monsoon"

[relays.main]
connections = {connections}
urgent_connections = {urgent}
mails_per_connection = {mails}

[delivery]
lease_seconds = {lease}
doubt_grace_seconds = {grace}
look_seconds = {look}

# Who is refused here is refused by a script: it must not stop what is looked at.
[limits]
bounces_warn_percent = 100
bounces_stop_percent = 100
"""
KEYS = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuv",
    "HASH_KEY": "vutsrqponmlkjihgfedcba9876543210",
    "CONSENT_KEY": "0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p",
}
_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Lines:
    """How many connections each sender has, and after how many mails each is renewed."""

    connections: int
    urgent: int
    mails: int

    @property
    def all(self) -> int:
        """How many mails of one sender can be under way at most."""
        return self.connections + self.urgent


@dataclass
class Sender:
    """One shipped process that sends."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    wake_at: float = 0.0
    """When a stopped one goes on (time.monotonic)."""
    asked_to_end: float = 0.0
    back_at: float = 0.0
    """When one that has ended is started again."""
    carries: bool = True
    """Whether it sends mail; a beat only says that it is time."""
    faults: list[str] = field(default_factory=list)
    """What its next starts are given as POSTRIDER_FAULT, one after the other."""

    @property
    def pid(self) -> int:
        """The process's number, 0 when there is none."""
        return self.process.pid if self.process else 0

    def signal(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)


@dataclass
class House:
    """The files, the environment and the processes of one run."""

    folder: Path
    database_url: str
    lines: Lines
    redis_url: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    senders: list[Sender] = field(default_factory=list)
    sink: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        """Write the configuration, and open the journals."""
        (self.folder / "postrider.toml").write_text(
            CONFIG.format(
                connections=self.lines.connections,
                urgent=self.lines.urgent,
                mails=self.lines.mails,
                lease=LEASE_S,
                grace=GRACE_S,
                look=LOOK_S,
            )
        )
        self.journal = Journal(self.folder / "harness.jsonl")
        self.relay = Tail(self.folder / "relay.jsonl")

    def note(self, kind: str, **words: object) -> None:
        """Write down what the harness does or sees, now or at the moment `t`."""
        self.journal.write([{"k": kind, "t": time.time(), **words}])

    def open_relay(self, *options: str) -> None:
        """Start the relay, and tell the service where it is."""
        command = [sys.executable, "-m", "tests.chaos.sink", "--journal", str(self.folder / "relay.jsonl"), *options]
        log = (self.folder / "relay.log").open("wb")
        self.sink = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        log.close()
        assert self.sink.stdout
        port = int(self.sink.stdout.readline() or b"0")
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self.environment = kept | {
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": self.database_url,
            "SMTP_URL": f"smtp://127.0.0.1:{port}",
            "POSTRIDER_CONFIG": str(self.folder / "postrider.toml"),
            "STATE_DIR": str(self.folder / "state"),
            **KEYS,
        }
        if self.redis_url:
            self.environment["REDIS_URL"] = self.redis_url

    def tell_relay(self, order: str) -> None:
        """Give the relay an order."""
        assert self.sink and self.sink.stdin
        self.sink.stdin.write(f"{order}\n".encode())
        self.sink.stdin.flush()

    def run(self, *words: str, text: str) -> None:
        """Run a program of Python in the service's environment, to its end, with this text to read."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-3000:]}")

    def start(self, sender: Sender) -> None:
        """Start a sender, with its next fault if it has one."""
        extra = {"POSTRIDER_FAULT": sender.faults.pop(0)} if sender.faults else {}
        with (self.folder / f"{sender.name}.log").open("ab") as log:
            sender.process = subprocess.Popen(
                sender.command,
                cwd=ROOT,
                env=self.environment | sender.environment | extra,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        fault = extra.get("POSTRIDER_FAULT", "")
        self.note("started", name=sender.name, pid=sender.pid, fault=fault)
        _point, _colon, action = fault.partition(":sleep=")
        if action and float(action.partition(":")[0]) > LEASE_S:
            # When it sleeps, nobody sees; that its leases may end meanwhile is known before.
            self.note("slept", names=[sender.name], connections=self.lines.all, by_itself=True)

    def end_senders(self, within_s: float) -> None:
        """Wake all senders and ask them to end; kill the one that does not."""
        for sender in self.senders:
            sender.signal(signal.SIGCONT)
            sender.signal(signal.SIGTERM)
        began = time.monotonic()
        for sender in self.senders:
            if sender.process is None:
                continue
            with contextlib.suppress(subprocess.TimeoutExpired):
                sender.process.wait(max(0.1, began + within_s - time.monotonic()))
            status = sender.process.poll()
            if sender.carries and sender.asked_to_end == 0.0:
                self.note("ended", name=sender.name, status=status, seconds=time.monotonic() - began)
            self.kill(sender)

    def kill(self, sender: Sender) -> None:
        """End a sender for good."""
        sender.signal(signal.SIGKILL)
        if sender.process:
            sender.process.wait(10)
            sender.process = None

    def close(self) -> None:
        """End everything that was started here."""
        for sender in self.senders:
            self.kill(sender)
        if self.sink and self.sink.stdin and self.sink.stdout:
            self.sink.stdin.close()
            self.sink.stdout.close()
            try:
                self.sink.wait(10)
            except subprocess.TimeoutExpired:
                self.sink.kill()
                self.sink.wait(10)
        self.journal.close()


def _die_with_parent() -> None:
    """Where there is such a thing (Linux), a sender does not outlive a harness that was killed."""
    with contextlib.suppress(OSError, AttributeError):
        _libc.prctl(1, signal.SIGKILL)
