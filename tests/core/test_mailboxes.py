"""Which mailboxes are read, and who gets what people write: read from the environment, or refused with a sentence."""

from pathlib import Path

import pytest

from core.errors import SettingsError
from core.mailboxes import Mailbox, ReturnSettings, read_returns

CONTACT = "desk@example.org"


def read(url: str = "", **more: str) -> ReturnSettings:
    contact, senders = more.pop("contact", CONTACT), {"news@example.org"}
    return read_returns({"MAILBOX_URL": url, **more}, contact=contact, senders=senders)


def test_without_a_mailbox_nothing_is_read():
    assert read().mailboxes == ()


def test_a_maildir_is_named_by_its_whole_path():
    assert read("maildir:///var/mail/my%20bounces").mailboxes == (Mailbox(path=Path("/var/mail/my bounces")),)


def test_an_imap_box_has_user_password_host_and_folder(tmp_path):
    ca = tmp_path / "ca.pem"
    ca.touch()
    (box,) = read(f"imaps://b%40example.org:p%2Fw@imap.example.org:1993/Bounces/New?ca={ca}").mailboxes
    assert box == Mailbox(None, "imap.example.org", 1993, "b@example.org", "p/w", "Bounces/New", str(ca))


def test_port_and_folder_have_their_usual_values():
    (box,) = read("imaps://u:p@imap.example.org").mailboxes
    assert (box.port, box.folder, box.ca_file) == (993, "INBOX", None)


def test_there_may_be_several_boxes():
    names = [box.name for box in read("maildir:///a imaps://u:p@imap.example.org").mailboxes]
    assert names == ["maildir:///a", "imaps://u@imap.example.org:993/INBOX"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("imap://u:secret@imap.example.org", "must read like"),
        ("pop3s://u:secret@pop.example.org", "must read like"),
        ("imaps://imap.example.org/INBOX", "no user and password"),
        ("imaps://u@imap.example.org", "no user and password"),
        ("imaps://u:secret@imap.example.org/INBOX?tls=no", "no option 'tls'"),
        ("imaps://u:secret@imap.example.org/INBOX?ca=/nowhere.pem", "no file /nowhere.pem"),
        ("imaps://u:secret@imap.example.org/a%22b", "plain ASCII"),
        ("imaps://u:secret@imap.example.org/%C3%A9", "plain ASCII"),
        ("imaps://u:secret%0D%0A@imap.example.org", "control character"),
        ("maildir://mail", "whole path"),
        ("maildir:///", "whole path"),
        ("/var/mail", "must read like"),
        ("maildir:///a maildir:///a", "twice"),
    ],
)
def test_what_cannot_be_a_mailbox_is_refused_without_the_password(url, words):
    with pytest.raises(SettingsError, match=words) as refused:
        read(url)
    assert "MAILBOX_URL" in str(refused.value) and "secret" not in str(refused.value)


def test_no_password_is_shown():
    assert "secret" not in repr(read("imaps://u:secret@imap.example.org"))


def test_the_desk_is_who_is_named_else_the_contact():
    assert read(MAILBOX_DESK="people@example.org").desk == "people@example.org"
    assert read().desk == CONTACT
    assert read(contact="https://example.org/contact").desk is None
    assert read(contact="news@example.org").desk is None, "that is where mail is sent from"


def test_a_desk_that_mail_is_sent_from_is_refused_for_it_would_write_to_itself():
    with pytest.raises(SettingsError, match="would come back for ever"):
        read(MAILBOX_DESK="News@example.org")
    with pytest.raises(SettingsError, match="one plain address"):
        read(MAILBOX_DESK="People <p@example.org>")
