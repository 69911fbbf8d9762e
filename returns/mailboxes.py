"""Opens the mailboxes of the settings: a folder of this machine, or one on an IMAP server."""

from core.mailboxes import Mailbox
from returns.fetched import Box
from returns.imap import ImapBox
from returns.maildir import MaildirBox


def open_box(mailbox: Mailbox) -> Box:
    """Return a box that can be read. Raises BoxError, which says what is wrong and what to do."""
    return ImapBox(mailbox) if mailbox.path is None else MaildirBox(mailbox.path)
