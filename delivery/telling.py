"""Tell operators over every channel there is: a webhook, a command, and mail over a second relay, past the ledger.

The channels work at the same time and know nothing of each other: one that fails or hangs keeps no other from telling.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from core import fetch
from core.alerting import AlertSettings
from core.alerts import Notice, at
from core.identity import Relay
from core.services import Services
from delivery import content, message, smtp
from delivery.replies import Reply, Verdict
from delivery.smtp import Line

WITHIN_S = 30.0
"""How long a channel may take for all it has to tell; then it has failed, this time."""
COMMAND_S = 20.0
WEBHOOK_LIMITS = fetch.FetchLimits(connect_s=5, total_s=10)
_NOT_FOR_COMMANDS = ("SECRET_KEY", "HASH_KEY", "CONSENT_KEY")
_TOO_LONG = f"it took longer than {WITHIN_S:g} seconds"


@dataclass(frozen=True, slots=True)
class Message:
    """What operators read: three lines. `state` is `standing`, `over` or `test`; `told_at` is now."""

    key: str
    state: str
    text: str
    since: datetime
    told_at: datetime


class NotTold(Exception):
    """A channel failed. Its text says why, and shows no secret."""


Channel = Callable[[Message], None]
"""What tells one message, or raises."""


def message_of(notice: Notice, now: datetime) -> Message:
    """Return what is said of an alert: its own three lines, or that it is over."""
    if notice.over_at is None:
        return Message(notice.key, "standing", notice.text, notice.since, now)
    what = notice.text.partition("\n")[0]
    lines = (
        f"Over since {at(notice.over_at)}: {what}",
        f"It stood since {at(notice.since)}.",
        "Nothing is left to do.",
    )
    return Message(notice.key, "over", "\n".join(lines), notice.since, now)


def channels(settings: AlertSettings, services: Services) -> Mapping[str, Channel]:
    """Return the channels that are set up, by name."""
    found: dict[str, Channel] = {}
    if settings.webhook:
        found["webhook"] = partial(_post, settings.webhook)
    if settings.command:
        found["command"] = partial(_run, settings.command)
    if settings.relay:
        found["mail"] = partial(_mail, settings.relay, settings.to, services)
    return found


def tell(messages: Mapping[str, Sequence[Message]], by: Mapping[str, Channel]) -> dict[tuple[str, str], str | None]:
    """Tell each channel its messages. Returns by channel and key why it failed, None where it was told."""
    outcome: dict[tuple[str, str], str | None] = {}
    threads = []
    for name, several in messages.items():
        outcome |= {(name, one.key): _TOO_LONG for one in several}
        work = (name, by[name], several, outcome)
        threads.append(threading.Thread(target=_tell_all, args=work, name=f"alerts by {name}", daemon=True))
    until = time.monotonic() + WITHIN_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return outcome.copy()


def _tell_all(
    name: str, channel: Channel, messages: Sequence[Message], outcome: dict[tuple[str, str], str | None]
) -> None:
    for one in messages:
        try:
            channel(one)
        except (NotTold, fetch.FetchError) as error:
            outcome[name, one.key] = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next message and the other channels go on
            outcome[name, one.key] = type(error).__name__
        else:
            outcome[name, one.key] = None


def _post(url: str, told: Message) -> None:
    document = {
        "key": told.key,
        "state": told.state,
        "text": told.text,
        "since": told.since.isoformat(timespec="seconds"),
    }
    fetch.post_json(url, document, WEBHOOK_LIMITS)


def _run(words: Sequence[str], told: Message) -> None:
    """Run the operators' program, without a shell. It gets the text on standard input, and none of our two secrets."""
    own = {"POSTRIDER_ALERT_KEY": told.key, "POSTRIDER_ALERT_STATE": told.state}
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_COMMANDS} | own
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, start_new_session=True
        )
    except OSError as error:
        raise NotTold(f"{words[0]} cannot be run: {error.strerror}") from error
    try:
        process.communicate(f"{told.text}\n".encode(), timeout=COMMAND_S)
    except subprocess.TimeoutExpired as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise NotTold(f"the command took longer than {COMMAND_S:g} seconds") from error
    if process.returncode:
        raise NotTold(f"the command ended with status {process.returncode}")


def _mail(relay: Relay, to: Sequence[str], services: Services, told: Message) -> None:
    """Mail each of the operators, over one line to the second relay."""
    until = time.monotonic() + WITHIN_S
    try:
        line = Line(smtp.open_line(relay))
    except smtp.RelayTrouble as error:
        raise NotTold(f"the relay cannot be used: {error}") from error
    refused: list[str] = []
    try:
        for address in to:
            reply = _hand_over(line, services.identity.sender, address, bytes_of(told, address, services), until)
            if reply.verdict is not Verdict.ACCEPTED:
                refused.append(f"{reply.code or ''} {reply.text}".strip())
            if not reply.usable:
                break
    finally:
        line.part()
    if refused:
        raise NotTold(f"the relay did not take it: {refused[0]}")


def _hand_over(line: Line, sender: str, address: str, mail: bytes, until: float) -> Reply:
    """Run one transaction, and wait for its reply for as long as there is time."""
    reply = line.send(sender, address, mail)
    with selectors.DefaultSelector() as selector:
        selector.register(line.sock, selectors.EVENT_READ)
        while reply is None:
            if time.monotonic() >= until:
                reply = line.abandon(_TOO_LONG)
                continue
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.wants_write else 0)
            selector.modify(line.sock, wanted)
            selector.select(max(0.0, until - time.monotonic()))
            reply = line.advance()
    return reply


def bytes_of(told: Message, address: str, services: Services) -> bytes:
    """Return the mail to one operator: plain text, and a subject that says what happened."""
    identity, publication = services.identity, services.publication
    headers = (
        message.mailbox_header("From", publication.name(publication.default_language), identity.sender),
        message.address_header("To", address),
        message.text_header("Subject", f"Postrider: {told.text.partition(chr(10))[0]}"),
        message.header("Date", message.date_text(told.told_at)),
        message.header("Message-ID", f"<{uuid.uuid4().hex}@{identity.domain}>"),
        message.header("Auto-Submitted", "auto-generated"),
        message.header("MIME-Version", "1.0"),
        message.header("Content-Type", 'text/plain; charset="utf-8"'),
        message.header("Content-Transfer-Encoding", "quoted-printable"),
    )
    return b"".join(headers) + b"\r\n" + content.encode(f"{told.text}\n")
