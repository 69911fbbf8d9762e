"""Own the folder of received mails: one file each, on disk before anyone hears that it was accepted."""

import json
import os
import re
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core import errors

# A header of our own in front of the mail's: one file, one atomic rename, and mail programs still open it.
_PRELUDE = b"X-Inbox-Envelope: "
_SUFFIX = ".eml"
_STAMP = "%Y%m%dT%H%M%S%f"
_KEY = re.compile(r"\d{8}T\d{12}-[0-9a-f]{6}", re.ASCII)
_HEADER_BYTES = 64 * 1024
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


class MailNotFound(errors.NotFound):
    """No mail has this key: it was cleared away, or the key was never ours."""

    message = errors._("This mail is not in the inbox. It may have been cleared away.")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What was said outside the mail: bounce address ("" for none) and recipients; and when it came (UTC)."""

    sender: str
    recipients: tuple[str, ...]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """A received mail: its key, its envelope, and its source exactly as it came over SMTP."""

    key: str
    envelope: Envelope
    source: bytes


class Mailbox:
    """A folder of received mails. Any number of threads may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._lock = threading.Lock()
        self._last = _LONG_AGO

    def store(self, envelope_from: str, recipients: Sequence[str], data: bytes, *, now: datetime) -> str:
        """Write a mail so that neither kill -9 nor a power cut can take it away, and return its key.

        File and folder are fsync'ed before this returns. Raises OSError when the disk refuses.
        """
        envelope = {"from": envelope_from, "to": list(recipients), "received_at": now.isoformat()}
        self._make_folders()
        key = self._next_key(now)
        part, place = self._incoming / (key + _SUFFIX), self._path(key)
        try:
            _write_durably(part, _PRELUDE + json.dumps(envelope).encode("ascii") + b"\r\n" + data)
            part.rename(place)
            _sync_folder(self._folder)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return key

    def newest(self, limit: int | None = None, offset: int = 0) -> list[str]:
        """Return at most `limit` keys, newest first, leaving out the `offset` newest; without a limit all.

        Reads names only, no mail: some 20 ms for 20,000 mails.
        """
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        stems = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
        keys = sorted(filter(_KEY.fullmatch, stems), reverse=True)
        return keys[offset:] if limit is None else keys[offset : offset + limit]

    def get(self, key: str) -> Mail:
        """Return the whole mail. Raises MailNotFound."""
        return self._read(key, size=-1)

    def head(self, key: str) -> Mail:
        """Return the mail with the first 64 KiB of its source, enough for its header. Raises MailNotFound."""
        return self._read(key, size=_HEADER_BYTES)

    def clear(self, *, through: str | None = None) -> int:
        """Remove all mails, or those that are not newer than the key `through`; return how many went."""
        doomed = [key for key in self.newest() if through is None or key <= through]
        for key in doomed:
            self._path(key).unlink(missing_ok=True)
        return len(doomed)

    def sweep(self) -> None:
        """Remove what a crash left half written. None of it was accepted, so its senders still have it."""
        for part in self._incoming.glob("*" + _SUFFIX):
            part.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        # The key comes from a URL: what is not the shape of a key never becomes part of a path.
        if not _KEY.fullmatch(key):
            raise MailNotFound
        return self._folder / (key + _SUFFIX)

    def _read(self, key: str, *, size: int) -> Mail:
        try:
            with self._path(key).open("rb") as file:
                first = file.readline()
                envelope = _envelope(first)
                if envelope is None:
                    file.seek(0)
                source = file.read(size)
        except FileNotFoundError:
            raise MailNotFound from None
        return Mail(key, envelope or Envelope("", (), _arrival(key)), source)

    def _next_key(self, now: datetime) -> str:
        """Return a key that sorts after all before it, even when the clock stands still or was set back."""
        with self._lock:
            if self._last is _LONG_AGO:
                self._last = max(map(_arrival, self.newest(1)), default=_LONG_AGO)
            self._last = max(now.astimezone(UTC), self._last + _TICK)
            # The random end keeps two processes that share a folder from taking the same name.
            return self._last.strftime(_STAMP) + "-" + secrets.token_hex(3)

    def _make_folders(self) -> None:
        # Asked at every mail: a developer may well delete the folder while the service runs.
        if self._incoming.is_dir():
            return
        # Mails hold links that act for their reader, so the folder is its owner's alone.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._incoming.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(self._folder.parent)
        _sync_folder(self._folder)


def _arrival(key: str) -> datetime:
    return datetime.strptime(key.partition("-")[0], _STAMP).replace(tzinfo=UTC)


def _envelope(line: bytes) -> Envelope | None:
    """Return the envelope in a file's first line, or None when there is none to read."""
    if not line.startswith(_PRELUDE):
        return None
    try:
        said = json.loads(line.removeprefix(_PRELUDE))
        return Envelope(said["from"], tuple(said["to"]), datetime.fromisoformat(said["received_at"]))
    except (ValueError, KeyError, TypeError):
        return None


def _write_durably(path: Path, content: bytes) -> None:
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut: the name is the folder's content, not the file's."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
