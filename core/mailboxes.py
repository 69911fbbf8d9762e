"""The settings of the mailboxes in which bounces and replies are found: folders of this machine, or IMAP over TLS."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote

from core import relays
from core.errors import SettingsError

IMAPS_PORT = 993
_FORMS = "maildir:///var/mail/bounces or imaps://user:password@imap.example.org/INBOX"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One box: a Maildir when there is a `path`, else a folder on an IMAP server. `ca_file` is for a private CA."""

    path: Path | None = None
    host: str = ""
    port: int = IMAPS_PORT
    username: str = ""
    password: str = ""
    folder: str = "INBOX"
    ca_file: str | None = None

    @property
    def name(self) -> str:
        """Return what the box is called, without the password: `imaps://user@host:993/INBOX`."""
        if self.path is not None:
            return f"maildir://{self.path}"
        return f"imaps://{self.username}@{self.host}:{self.port}/{self.folder}"

    def __repr__(self) -> str:
        """Show everything but the password."""
        return f"Mailbox({self.name})"


@dataclass(frozen=True, slots=True)
class ReturnSettings:
    """Where what comes back is read, and who gets what people write; None is nobody."""

    mailboxes: tuple[Mailbox, ...] = ()
    desk: str | None = None


def read_returns(env: Mapping[str, str], *, contact: str, senders: Collection[str]) -> ReturnSettings:
    """Read MAILBOX_URL, several separated by blanks, and MAILBOX_DESK.

    Raises SettingsError, whose text names the setting and shows no password.
    """
    boxes = tuple(_mailbox(url) for url in env.get("MAILBOX_URL", "").split())
    if len({box.name for box in boxes}) < len(boxes):
        raise SettingsError("MAILBOX_URL names a box twice.")
    return ReturnSettings(boxes, _desk(env.get("MAILBOX_DESK", "").strip(), contact, {one.lower() for one in senders}))


def _desk(typed: str, contact: str, senders: Collection[str]) -> str | None:
    """Return who gets what people write: who is named, else the contact, if that is an address of people."""
    if not typed:
        is_address = "@" in contact and "/" not in contact and contact.lower() not in senders
        return relays.plain_address("publication.contact", contact) if is_address else None
    desk = relays.plain_address("MAILBOX_DESK", typed)
    if desk.lower() in senders:
        raise SettingsError(
            f"MAILBOX_DESK is {desk!r}, which mail is sent from: what people write would come back for ever. Name the "
            "address of people who read it."
        )
    return desk


def _mailbox(url: str) -> Mailbox:
    if not url.startswith("maildir://"):
        return _imap(url)
    path = Path(unquote(url.removeprefix("maildir://")))
    if not path.is_absolute() or path == Path("/"):
        raise SettingsError("MAILBOX_URL: a Maildir is named by its whole path, like maildir:///var/mail/bounces.")
    return Mailbox(path=path)


def _imap(url: str) -> Mailbox:
    parts = relays.split_url(url)
    if parts is None or parts.scheme != "imaps":
        # The URL itself is not shown: it may hold a password.
        raise SettingsError(f"MAILBOX_URL must read like {_FORMS}.")
    if not parts.username or not parts.password:
        raise SettingsError("MAILBOX_URL names no user and password: imaps://user:password@imap.example.org/INBOX.")
    if not unquote(parts.username + parts.password).isprintable():
        raise SettingsError("MAILBOX_URL: user or password has a control character in it.")
    options = parse_qs(parts.query, keep_blank_values=True)
    if strange := sorted(options.keys() - {"ca"}):
        raise SettingsError(f"MAILBOX_URL: there is no option {strange[0]!r}; the one there is, is ca.")
    ca_file = options.get("ca", [""])[0] or None
    if ca_file and not Path(ca_file).is_file():
        raise SettingsError(f"MAILBOX_URL: there is no file {ca_file} with a CA certificate.")
    return Mailbox(
        host=str(parts.hostname),
        port=parts.port or IMAPS_PORT,
        username=unquote(parts.username),
        password=unquote(parts.password),
        folder=_folder(unquote(parts.path.strip("/")) or "INBOX"),
        ca_file=ca_file,
    )


def _folder(name: str) -> str:
    if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
        raise SettingsError("MAILBOX_URL: the name of the folder must be plain ASCII.")
    return name
