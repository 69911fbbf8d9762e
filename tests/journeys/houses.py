"""The shipped service, run from outside: in one process on SQLite, or as a fleet on PostgreSQL and Redis."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import urllib3

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuv",
    "HASH_KEY": "vutsrqponmlkjihgfedcba9876543210",
    "CONSENT_KEY": "0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p",
}
WORKERS = ("worker-1", "worker-2")
WITHIN_S = 60.0
"""How long a test waits for what must come. A limit against hanging, not a promise."""


@dataclass
class House:
    """A running service: where its pages and its mail are, and how its commands are called."""

    folder: Path
    environment: dict[str, str]
    site: str
    inbox: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=8, retries=False, timeout=30))

    def get(self, path: str, **options) -> urllib3.BaseHTTPResponse:
        """Get a page of the site, by its path or whole address."""
        return self.http.request("GET", path if path.startswith("http") else self.site + path, **options)

    def post(self, path: str, fields: list[tuple[str, str]], **options) -> urllib3.BaseHTTPResponse:
        """Post a form to the site, as a browser would; redirects are not followed."""
        url = path if path.startswith("http") else self.site + path
        return self.http.request("POST", url, fields=fields, encode_multipart=False, redirect=False, **options)

    def mails(self, to: str | None = None) -> list[EmailMessage]:
        """Return what arrived, oldest first, for one address or for all."""
        listed = self.http.request("GET", f"{self.inbox}/api/messages?limit=1000").json()
        keys = [one["key"] for one in reversed(listed) if to is None or to in one["to"]]
        return [self._mail(key) for key in keys]

    def recipients(self) -> list[str]:
        """Return the envelope recipient of every mail that arrived."""
        listed = self.http.request("GET", f"{self.inbox}/api/messages?limit=1000").json()
        return [recipient for one in listed for recipient in one["to"]]

    def _mail(self, key: str) -> EmailMessage:
        raw = self.http.request("GET", f"{self.inbox}/api/messages/{key}").data
        mail = message_from_bytes(raw, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        return mail

    def wait_for_mails(self, count: int, *, to: str) -> list[EmailMessage]:
        """Wait until an address has this many mails, and return them."""
        wait_until(lambda: len(self.mails(to)) >= count, f"{count} mails to {to}", self)
        return self.mails(to)

    def flask(self, *words: str) -> str:
        """Run one of the service's commands; return what it printed."""
        command = [sys.executable, "-m", "flask", "--app", "app", *words]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    def start(self, name: str, *command: str, **extra: str) -> None:
        """Start one process of the service; its output goes to a file of the house."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment | extra,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """Signal one process and wait for its end; return its exit status."""
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(30)

    def wait_until_open(self) -> None:
        """Wait for the first page."""
        wait_until(self._open, "the first page", self)

    def _open(self) -> bool:
        try:
            return self.get("/health/ready").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def logs(self) -> str:
        """Return what the processes said."""
        return "\n".join(f"== {file.name}\n{file.read_text('utf-8')}" for file in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        """End every process that is left."""
        for name in list(self.processes):
            self.stop(name)
        self.http.clear()


def wait_until(reached: Callable[[], bool], what: str, house: House) -> None:
    """Wait for something that must come; when it does not, show what the service said."""
    deadline = time.monotonic() + WITHIN_S
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}\n{house.logs()[-6000:]}"
        time.sleep(0.1)


def environment_of(**own: str) -> dict[str, str]:
    """Return what a process of the service gets of our own environment, and what is named."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONUNBUFFERED": "1"} | own


@contextmanager
def local(folder: Path, **own: str) -> Iterator[House]:
    """The service of `make run`: one process, SQLite, its own inbox. What else is named is set in its environment."""
    ports = {name: str(free_port()) for name in ("PORT", "INBOX_PORT", "INBOX_SMTP_PORT")}
    environment = environment_of(VAR_DIR=str(folder), **(ports | own))
    house = House(folder, environment, f"http://127.0.0.1:{ports['PORT']}", f"http://127.0.0.1:{ports['INBOX_PORT']}")
    with ExitStack() as stack:
        stack.callback(house.close)
        start_local(house)
        yield house


def start_local(house: House) -> None:
    """Start, or start again, the one process of a local house."""
    house.start("postrider", sys.executable, "embedded.py")
    house.wait_until_open()
    made = json.loads((house.folder / "secrets.json").read_text("utf-8"))
    house.environment |= made | {
        "DATABASE_URL": f"sqlite:///{house.folder / 'postrider.db'}",
        "SMTP_URL": f"smtp://127.0.0.1:{house.environment['INBOX_SMTP_PORT']}",
        "POSTRIDER_CONFIG": str(ROOT / "demo" / "postrider.toml"),
        "BASE_URL": house.site,
        "STATE_DIR": str(house.folder),
    }


def _servers(folder: Path, **own: str) -> House:
    """Return a house that stands on servers, with nothing started in it yet."""
    port, inbox_port, smtp_port = free_port(), free_port(), free_port()
    common = {
        "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        "POSTRIDER_CONFIG": str(ROOT / "demo" / "postrider.toml"),
        "BASE_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        "INBOX_SMTP_PORT": str(smtp_port),
        "INBOX_PORT": str(inbox_port),
        "STATE_DIR": str(folder / "state"),
        **KEYS,
    }
    environment = environment_of(**(common | own))
    return House(folder, environment, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{inbox_port}")


@contextmanager
def post_office(folder: Path, *, database_url: str) -> Iterator[House]:
    """A database with the demo in it and a relay; senders are started by the test."""
    house = _servers(folder, DATABASE_URL=database_url)
    with ExitStack() as stack:
        stack.callback(house.close)
        house.flask("db", "upgrade")
        house.flask("demo", "load")
        open_relay(house)
        yield house


@contextmanager
def fleet(folder: Path, *, database_url: str, redis_url: str, **own: str) -> Iterator[House]:
    """The service as the Procfile has it: gunicorn, two workers, beat; the inbox stands for the relay.

    What else is named is set in the environment of all of them.
    """
    house = _servers(folder, DATABASE_URL=database_url, REDIS_URL=redis_url, **own)
    with ExitStack() as stack:
        stack.callback(house.close)
        house.flask("db", "upgrade")
        house.flask("demo", "load")
        house.start("web", sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:site()")
        for name in WORKERS:
            start_worker(house, name)
        start_beat(house)
        house.wait_until_open()
        yield house


def start_worker(house: House, name: str) -> None:
    """Start, or start again, one worker of a fleet."""
    quiet = ("--without-gossip", "--without-mingle", "-n", f"{name}@here")
    house.start(name, sys.executable, "-m", "celery", "-A", "worker", "worker", *quiet)


def start_beat(house: House) -> None:
    """Start, or start again, the beat of a fleet."""
    house.start("beat", sys.executable, "-m", "celery", "-A", "worker", "beat")


def open_relay(house: House) -> None:
    """Start the inbox that stands for a fleet's relay."""
    ports = ("--smtp-port", house.environment["INBOX_SMTP_PORT"], "--web-port", house.environment["INBOX_PORT"])
    house.start("relay", sys.executable, "-m", "inbox", *ports, "--folder", str(house.folder / "inbox"))

    def answers() -> bool:
        try:
            return house.http.request("GET", f"{house.inbox}/api/messages").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    wait_until(answers, "the relay", house)
