"""`make run`: the site, the worker, the beat, the sender and the local inbox in one process, and no server needed.

`python embedded.py flask …` runs a command of the service on the same local installation.
"""

import os
import signal


def _stop_before_start(*_signal: object) -> None:
    """End at once: nothing has begun yet that would have to come to its end."""
    os.write(1, b"\n  Stopped.\n")
    os._exit(0)


# Before all else: loading what follows takes a moment, in which Ctrl-C must not end in a traceback.
for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, _stop_before_start)

import contextlib
import fcntl
import json
import logging
import secrets
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import flask_migrate
from celery import Celery
from celery.beat import Scheduler, Service
from celery.worker import state as worker_state
from flask import Flask
from flask.cli import main as flask_main
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from app import create_app
from commands import demo
from core import garbage, logs, services, startup
from core.database import db
from core.errors import SettingsError, UnfitStart
from core.settings import ROOT, Settings
from delivery import batches
from inbox import ports
from inbox.service import Inbox
from subscribers import offer
from tasks import alerts, delivery

log = logs.get("embedded")

DEMO_CONFIG = ROOT / "demo" / "postrider.toml"
OWN_CONFIG = ROOT / "postrider.toml"
SENDER_PATIENCE_S = 2.0
LAST_WORDS_S = 3.0
WORKER_PATIENCE_S = 2.0
SECRETS = ("SECRET_KEY", "HASH_KEY", "CONSENT_KEY")


def main() -> int:
    """Run the service until Ctrl-C; return the exit status."""
    # What is kept here is addresses and secrets: nobody else on this machine reads them.
    os.umask(0o077)
    var = Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve()
    try:
        _fill_environment(var)
        if sys.argv[1:2] == ["flask"]:
            sys.argv[:] = ["flask", "--app", "app", *sys.argv[2:]]
            flask_main()
            return 0
        with _only_one(var):
            _Local(var).run()
    except (SettingsError, UnfitStart) as error:
        sys.stderr.write(f"Postrider does not start: {error}\n")
        return 1
    return 0


def _fill_environment(var: Path) -> None:
    """Set what is not set: the local database, the local inbox as the relay, secrets made once, the demo's texts."""
    try:
        var.mkdir(parents=True, exist_ok=True)
        made = _secrets(var / "secrets.json")
    except OSError as error:
        raise UnfitStart(
            f"The folder {var} cannot be written ({error.strerror}). Make it writable, or name another with VAR_DIR."
        ) from error
    defaults = {
        **made,
        "DATABASE_URL": f"sqlite:///{var / 'postrider.db'}",
        "STATE_DIR": str(var),
        "SMTP_URL": f"smtp://127.0.0.1:{_port('INBOX_SMTP_PORT', 1025)}",
        "POSTRIDER_CONFIG": str(OWN_CONFIG if OWN_CONFIG.exists() else DEMO_CONFIG),
        "BASE_URL": f"http://127.0.0.1:{_port('PORT', 8000)}",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def _port(name: str, default: int) -> int:
    value = os.environ.get(name) or str(default)
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise SettingsError(f"{name} is {value!r}, which is no port. Ports go from 1 to 65535.")
    return int(value)


def _log_level() -> str:
    level = os.environ.get("LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise SettingsError(f"LOG_LEVEL is {level!r}; it must be DEBUG, INFO, WARNING or ERROR.")
    return level


def _secrets(file: Path) -> dict[str, str]:
    """Return the secrets of this local installation, made at its first start and kept for it alone."""
    kept: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        kept = json.loads(file.read_text("utf-8"))
    # One that was started by an older version lacks what is new since.
    made = {name: kept.get(name) or secrets.token_urlsafe(32) for name in SECRETS}
    if made == kept:
        return kept
    draft = file.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        json.dump(made, opened)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
    return made


@contextlib.contextmanager
def _only_one(var: Path) -> Iterator[None]:
    """Hold the installation's lock: two processes on one SQLite ledger would each call the other's mails lost."""
    with (var / "running.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UnfitStart(
                "It is running already in this folder. Stop that one with Ctrl-C first, or start this one with "
                "another VAR_DIR, PORT, INBOX_PORT and INBOX_SMTP_PORT."
            ) from error
        yield


class _QuietRequests(WSGIRequestHandler):
    """Serve without an access log, whose lines would hold tokens."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing; errors are still logged."""


class _Local:
    """The parts of the local service, started in order and stopped in the opposite one."""

    def __init__(self, var: Path) -> None:
        logs.configure(as_json=False, level=_log_level())
        self._web_port = _port("PORT", 8000)
        self._app = create_app()
        self._settings: Settings = self._app.extensions["postrider settings"]
        self._inbox = Inbox(
            var / "inbox",
            _port("INBOX_SMTP_PORT", 1025),
            _port("INBOX_PORT", 8025),
            self._settings.publication.base_url,
        )

    def run(self) -> None:
        """Prepare the database, start everything, serve until a signal, stop everything."""
        with ports.listen(self._web_port) as listener:
            server = make_server(
                ports.LOOPBACK,
                self._web_port,
                self._app,
                threaded=True,
                request_handler=_QuietRequests,
                fd=listener.fileno(),
            )
        with self._inbox:
            _prepare(self._app)
            garbage.look_seldom()
            _stop_on_signals(server)
            celery: Celery = self._app.extensions["celery"]
            sender = delivery.start_sender(self._app, patience_s=SENDER_PATIENCE_S)
            watch = alerts.start_watch(self._app)
            worker = celery.WorkController(
                pool="threads",
                concurrency=4,
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            )
            beat = Service(celery, max_interval=1, scheduler_cls=Scheduler)
            threads = [
                threading.Thread(target=worker.start, daemon=True),
                threading.Thread(target=beat.start, daemon=True),
            ]
            for thread in threads:
                thread.start()
            _say(sys.stdout, self._settings, self._inbox)
            server.serve_forever(poll_interval=0.1)
            watch.stop()
            _stop(sender, beat, threads)
            sys.stdout.write("\n  Stopped.\n")


def _prepare(app: Flask) -> None:
    """Migrate, refuse what is unfit, free what a killed process left, and load the demo on the first start."""
    with app.app_context():
        flask_migrate.upgrade()
        startup.refuse_unfit(db.engine, services.current().keyring)
        startup.keep_outside(db.engine, Path(os.environ["STATE_DIR"]))
        swept = batches.sweep(db.engine, app.extensions["postrider settings"].post.timing, alone=True)
        if swept:
            log.warning("an earlier run was cut off", freed=swept.freed, doubted=swept.doubted)
        if os.environ["POSTRIDER_CONFIG"] == str(DEMO_CONFIG) and not offer.active():
            log.info("demo loaded", stories=demo.load_publication().new)


def _stop_on_signals(server: BaseWSGIServer) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end the serving; handlers are set although a script may ignore SIGINT."""

    def stop(*_signal: object) -> None:
        # shutdown() waits for the loop that this very thread runs, so another thread calls it.
        threading.Thread(target=server.shutdown, daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def _say(out: TextIO, settings: Settings, inbox: Inbox) -> None:
    name = settings.publication.name(settings.publication.default_language)
    out.write(
        f"\n  {name} is at {settings.publication.base_url}/\n"
        f"  The inbox of all its mail is at {inbox.url}\n"
        "  Ctrl-C stops both.\n\n"
    )
    out.flush()


def _stop(sender: delivery.Sender, beat: Service, threads: list[threading.Thread]) -> None:
    """End in order. A task that takes too long is left: its row is found at the next start."""
    beat.stop(wait=False)
    worker_state.should_stop = 0  # type: ignore[assignment] # an exit status, which its stub does not know
    if not sender.stop(SENDER_PATIENCE_S + LAST_WORDS_S):
        log.warning("the mail in hand did not come to its end; it will be listed as in doubt")
    for thread in threads:
        thread.join(WORKER_PATIENCE_S)


if __name__ == "__main__":
    status = main()
    logs.flush()
    # Threads of a library may still wait in a poll; everything of ours has ended and is on disk.
    os._exit(status)
