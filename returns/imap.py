"""A mailbox on an IMAP server, over TLS: the one place that speaks IMAP (RFC 9051, as far as RFC 3501 has it too).

What was read is known by UIDVALIDITY and UID, which are kept with what it led to: so a mail that somebody has opened
meanwhile is read all the same, and one that could not be flagged is not read again.
"""

import imaplib
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from core.mailboxes import Mailbox
from returns import mime
from returns.fetched import CHUNK, CHUNK_OCTETS, BoxError, Chunk, Fetched

TIMEOUT_S = 60.0
WINDOW = 20_000
"""UIDs that are asked for in one SEARCH: the answer is one line, which must not grow without bound."""
GROUP = 20
"""Mails in one FETCH."""
ASIDE = "Unreadable"
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]{20,30})"')
_PREFIX = re.compile(rb'\(\("([^"]*)"')
_GIVEN_UP = (imaplib.IMAP4.error, OSError, EOFError)


class ImapBox:
    """A folder of an IMAP server that is being read."""

    def __init__(self, box: Mailbox) -> None:
        self._box = box
        self._connection: imaplib.IMAP4_SSL | None = None
        context = ssl.create_default_context(cafile=box.ca_file)
        try:
            self._connection = imaplib.IMAP4_SSL(box.host, box.port, ssl_context=context, timeout=TIMEOUT_S)
            self._log_in(self._connection)
            capabilities = self._call("CAPABILITY", self._connection.capability)
            self._can = frozenset(b" ".join(capabilities).upper().split())
            self._call("SELECT", self._connection.select, f'"{box.folder}"')
            self._validity = self._said("UIDVALIDITY")
        except _GIVEN_UP as error:
            self.close()
            raise BoxError(self._words(error)) from error
        except BoxError:
            self.close()
            raise

    def _log_in(self, connection: imaplib.IMAP4_SSL) -> None:
        """Log in by PLAIN (RFC 4616), which takes every name and password; by LOGIN where it is not offered."""
        user, password = self._box.username, self._box.password
        if "AUTH=PLAIN" in connection.capabilities:
            connection.authenticate("PLAIN", lambda _challenge: f"\0{user}\0{password}".encode())
        elif user.isascii() and password.isascii():
            quoted = user.replace("\\", "\\\\").replace('"', '\\"')
            self._call("LOGIN", connection.login, f'"{quoted}"', password)
        else:
            raise BoxError(f"{self._box.name}: the server takes only names and passwords in ASCII.")

    def chunks(self, position: str | None) -> Iterator[Chunk]:
        """Give what has come since the position. A folder that was made anew is read from its beginning."""
        validity, _space, last = (position or "").partition(" ")
        start = int(last) + 1 if validity == str(self._validity) and last.isdecimal() else 1
        try:
            following = self._said("UIDNEXT")
            if not following:
                raise BoxError(
                    f"{self._box.name}: the server does not say UIDNEXT, as RFC 9051, section 2.3.1.1, asks."
                )
            while start < following:
                until = min(start + WINDOW, following)
                yield from self._window(start, until)
                start = until
        except _GIVEN_UP as error:
            raise BoxError(self._words(error)) from error

    def put_away(self, done: Sequence[Fetched], unread: Sequence[Fetched]) -> None:
        """Flag what is done as seen, and move what could not be read into a folder of its own."""
        try:
            if done:
                self._uid("STORE", _set(done), "+FLAGS.SILENT", r"(\Seen)")
            if unread:
                self._move_aside(_set(unread))
        except _GIVEN_UP as error:
            raise BoxError(self._words(error)) from error

    def move_left(self, left: str) -> None:
        """Move aside what was committed and not moved, unless the folder was made anew: then it is read again."""
        validity, *uids = left.split()
        if validity == str(self._validity) and uids:
            try:
                self._move_aside(",".join(uids))
            except _GIVEN_UP as error:
                raise BoxError(self._words(error)) from error

    def close(self) -> None:
        """Say good-bye, if anybody listens. What was marked as deleted stays until the server's owner expunges it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.logout()
        except _GIVEN_UP:
            with suppress(OSError):
                connection.shutdown()

    def _window(self, start: int, until: int) -> Iterator[Chunk]:
        """Give the mails with UIDs from `start` to before `until`; the last chunk remembers the whole window."""
        found = self._uid("SEARCH", "UID", f"{start}:{until - 1}")
        uids = sorted(int(word) for line in found if line for word in line.split())
        mails: list[Fetched] = []
        size = 0
        for first in range(0, len(uids), GROUP):
            group = [uid for uid in uids[first : first + GROUP] if start <= uid < until]
            fetched = self._fetch(group) if group else []
            mails += fetched
            size += sum(len(mail.raw) for mail in fetched)
            if group and (len(mails) >= CHUNK or size >= CHUNK_OCTETS):
                yield Chunk(mails, f"{self._validity} {group[-1]}")
                mails, size = [], 0
        yield Chunk(mails, f"{self._validity} {until - 1}")

    def _fetch(self, uids: Sequence[int]) -> list[Fetched]:
        """Return these mails. One that the server does not give keeps no other from being read: it says why."""
        wanted = f"(UID INTERNALDATE RFC822.SIZE BODY.PEEK[]<0.{mime.MAX_OCTETS}>)"
        state, answer = self._open().uid("FETCH", ",".join(map(str, uids)), wanted)
        if state != "OK" and len(uids) > 1:
            return [mail for uid in uids for mail in self._fetch([uid])]
        found = {mail.place: mail for mail in map(_fetched, _items(answer))} if state == "OK" else {}
        told = f"the server refused it: {_told(answer)}" if state != "OK" else "the server gave nothing"
        return [found.get(str(uid)) or self._not_given(uid, told) for uid in uids]

    def _not_given(self, uid: int, told: str) -> Fetched:
        why = f"It could not be fetched from {self._box.folder}, UID {uid}: {told}."
        label = f"{self._box.name} {self._validity} {uid}"
        return Fetched(str(uid), b"", 0, why=why, label=label)

    def _move_aside(self, uids: str) -> None:
        """Move mails by MOVE (RFC 6851), else by a copy and the flag of what is deleted (RFC 4315)."""
        folder = f'"{self._prefix()}{ASIDE}"'
        connection = self._open()
        # It answers NO when the folder is there already.
        connection.create(folder)
        if b"MOVE" in self._can:
            self._uid("MOVE", uids, folder)
            return
        self._uid("COPY", uids, folder)
        self._uid("STORE", uids, "+FLAGS.SILENT", r"(\Seen \Deleted)")
        if b"UIDPLUS" in self._can:
            self._uid("EXPUNGE", uids)

    def _prefix(self) -> str:
        """Return what the names of our own folders begin with (RFC 2342): nothing, or something like `INBOX.`."""
        if b"NAMESPACE" not in self._can:
            return ""
        found = _PREFIX.match(b" ".join(one for one in self._open().namespace()[1] if isinstance(one, bytes)))
        return found[1].decode("ascii", "replace") if found else ""

    def _uid(self, command: str, *words: str) -> list[Any]:
        return self._call(command, self._open().uid, command, *words)

    def _call(self, name: str, ask: Callable[..., tuple[str, list[Any]]], *words: str) -> list[Any]:
        """Return what the server answers. Raises BoxError when it says no."""
        state, answer = ask(*words)
        if state != "OK":
            raise BoxError(f"{self._box.name}: the server refused {name}: {_told(answer)}.")
        return answer

    def _said(self, name: str) -> int:
        """Return a number that the server has told when the folder was selected; 0 if it has not."""
        _name, values = self._open().response(name)
        last = values[-1] if values else None
        return int(last) if isinstance(last, bytes) and last.isdigit() else 0

    def _open(self) -> imaplib.IMAP4_SSL:
        if self._connection is None:
            raise BoxError(f"{self._box.name} is closed.")
        return self._connection

    def _words(self, error: BaseException) -> str:
        """Return why it did not work, and what to do; never the password."""
        first = error.args[0] if error.args else ""
        words = first.decode("utf-8", "replace") if isinstance(first, bytes) else str(error)
        told = words.replace(self._box.password, "***")[:200]
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"{self._box.name}: the certificate is not good: {error.verify_message}. For a CA of your own: ?ca=FILE"
            )
        if isinstance(error, imaplib.IMAP4.error) and not isinstance(error, imaplib.IMAP4.abort):
            return f"{self._box.name}: the server refused it: {told}. Look at user, password and folder in MAILBOX_URL."
        return f"{self._box.name} cannot be reached: {told or type(error).__name__}."


def _items(answer: Sequence[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Give for each mail of an answer what is said of it, and its octets."""
    for number, item in enumerate(answer):
        if isinstance(item, tuple):
            # A server may say the rest after the mail's octets.
            after = answer[number + 1] if number + 1 < len(answer) else b""
            yield item[0] + (after if isinstance(after, bytes) else b""), item[1]
        elif isinstance(item, bytes) and b"BODY[]" in item:
            yield item, b""


def _fetched(item: tuple[bytes, bytes]) -> Fetched:
    said, raw = item[0], item[1][: mime.MAX_OCTETS]
    uid, size = _UID.search(said), _SIZE.search(said)
    place = uid[1].decode("ascii") if uid else ""
    return Fetched(place, raw, int(size[1]) if size else len(raw), _came_at(said))


def _came_at(said: bytes) -> datetime | None:
    """Return the INTERNALDATE (RFC 9051, section 2.3.3), None when it is not there or is no time."""
    found = _DATE.search(said)
    try:
        return datetime.strptime(found[1].decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z") if found else None
    except ValueError:
        return None


def _told(answer: Sequence[Any]) -> str:
    return " ".join(one.decode("utf-8", "replace") for one in answer if isinstance(one, bytes))[:200]


def _set(mails: Sequence[Fetched]) -> str:
    return ",".join(mail.place for mail in mails)
