"""A mailbox on an IMAP server: each mail once, by UID; nothing is lost when the line breaks, whenever it does."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.mailboxes import Mailbox, ReturnSettings
from returns import imap, mime
from returns.fetched import BoxError
from returns.imap import ImapBox
from tasks import mailbox
from tests import servers
from tests.delivery.certificates import Authority
from tests.returns.conftest import House, bounce, letter
from tests.returns.imapserver import PASSWORD, USER, ImapServer


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path, "ca")


@pytest.fixture
def server(authority) -> Iterator[ImapServer]:
    with ImapServer(authority.server("127.0.0.1")) as running:
        yield running


@pytest.fixture
def box(server, authority) -> Mailbox:
    return Mailbox(host="127.0.0.1", port=server.port, username=USER, password=PASSWORD, ca_file=str(authority.file))


@pytest.fixture
def remote(house: House, box: Mailbox) -> House:
    """The installation, with its mailbox on the server."""
    house.settings = replace(house.settings, returns=ReturnSettings((box,), house.settings.returns.desk))
    return house


def test_mails_are_read_flagged_as_seen_and_not_read_again(remote, server):
    ids = remote.sent(3)
    for number, one in enumerate(ids):
        server.put(bounce(remote.envelope(one), number=number))
    assert remote.read().kinds == {"bounce": 3}
    assert all(remote.came_back(one) for one in ids)
    assert all(mail.flags == {r"\Seen"} for mail in server.mails)
    asked = len(server.commands)
    assert not remote.read().kinds
    assert not [one for one in server.commands[asked:] if "FETCH" in one]


def test_a_mail_that_somebody_has_opened_is_read_all_the_same(remote, server):
    (one,) = remote.sent()
    server.put(bounce(remote.envelope(one)))
    server.mails[0].flags.add(r"\Seen")
    assert remote.read().kinds == {"bounce": 1}


def test_a_folder_that_was_made_anew_is_read_from_its_beginning_and_each_mail_counts_once(remote, server):
    one, other = remote.sent(2)
    server.put(bounce(remote.envelope(one)))
    remote.read()
    server.validity += 1
    server.put(bounce(remote.envelope(other), number=1))
    assert remote.read().kinds == {"again": 1, "bounce": 1}


@pytest.mark.parametrize("word", ["STORE", "FETCH", "SEARCH", "CREATE", "MOVE"])
def test_a_line_that_breaks_loses_nothing_and_doubles_nothing(remote, server, word):
    (one,) = remote.sent()
    server.put(bounce(remote.envelope(one)))
    server.put(b"no mail at all")
    server.hang_up_on = word
    failed = mailbox.read_all(remote.settings.returns, services=remote.services, tell=lambda *_: None)
    assert list(failed) == [f"imaps://{USER}@127.0.0.1:{server.port}/INBOX"]
    server.hang_up_on = ""
    remote.read()
    assert remote.came_back(one)
    assert sorted(row.state for row in remote.arrivals()) == ["done", "unread"]
    kept = [mail.raw for mail in server.mails] + server.folders.get("Unreadable", [])
    assert b"no mail at all" in kept


def test_what_could_not_be_read_is_moved_aside_after_a_crash_between_the_commit_and_the_moving(remote, server):
    server.put(b"no mail at all")
    server.hang_up_on = "CREATE"
    mailbox.read_all(remote.settings.returns, services=remote.services, tell=lambda *_: None)
    assert [row.state for row in remote.arrivals()] == ["unread"] and len(server.mails) == 1
    server.hang_up_on = ""
    server.put(b"nor this one")
    assert remote.read().kinds == {"unread": 1}
    assert server.folders == {"Unreadable": [b"no mail at all", b"nor this one"]}
    asked = len(server.commands)
    remote.read()
    assert not [one for one in server.commands[asked:] if "MOVE" in one], "nothing is left to be moved"


def test_what_was_left_in_a_folder_that_was_made_anew_is_read_again_and_put_aside(remote, server):
    server.put(b"no mail at all")
    server.hang_up_on = "CREATE"
    mailbox.read_all(remote.settings.returns, services=remote.services, tell=lambda *_: None)
    server.hang_up_on, server.validity = "", 8
    assert remote.read().kinds == {"again": 1}
    assert server.folders == {"Unreadable": [b"no mail at all"]}


@pytest.mark.parametrize("fault", ["refused", "withheld"])
def test_a_mail_that_the_server_does_not_give_is_told_and_keeps_no_other_from_being_read(remote, server, fault):
    ids = remote.sent(5)
    for number, one in enumerate(ids):
        server.put(bounce(remote.envelope(one), number=number))
    setattr(server, fault, {3})
    assert remote.read().kinds == {"bounce": 4, "unread": 1}
    assert [bool(remote.came_back(one)) for one in ids] == [True, True, False, True, True]
    (row,) = [row for row in remote.arrivals() if row.state == "unread"]
    assert "INBOX, UID 3" in row.why and ("it is broken" in row.why) == (fault == "refused")
    assert len(server.mails) == 5, "it stays where it is"
    assert not remote.read().kinds


def test_how_old_a_letter_is_the_server_says(remote, server):
    server.put(letter())
    server.mails[0].came_at = " 2-Jan-2024 03:04:05 +0800"
    assert remote.read().kinds == {"old": 1}
    assert remote.outgoing() == 0


@pytest.mark.parametrize("capabilities", ["MOVE UIDPLUS", "UIDPLUS", ""])
@pytest.mark.parametrize("prefix", ["", "INBOX."])
def test_what_cannot_be_read_is_moved_aside_with_what_the_server_can(remote, server, capabilities, prefix):
    server.capabilities, server.prefix = f"IMAP4rev1 AUTH=PLAIN NAMESPACE {capabilities}", prefix
    server.put(b"no mail at all")
    assert remote.read().kinds == {"unread": 1}
    assert server.folders == {f"{prefix}Unreadable": [b"no mail at all"]}
    assert not server.mails or server.mails[0].flags == {r"\Seen", r"\Deleted"}
    server.put(b"nor this one")
    remote.read()
    assert server.folders[f"{prefix}Unreadable"] == [b"no mail at all", b"nor this one"]


def test_of_a_long_mail_only_the_beginning_crosses_the_line(box, server):
    server.put(b"From: a@b.test\n\n" + b"x" * 3_000_000)
    server.put(b"")
    opened = ImapBox(box)
    (chunk,) = opened.chunks(None)
    opened.close()
    assert [(len(mail.raw), mail.octets) for mail in chunk.mails] == [(mime.MAX_OCTETS, 3_000_016), (0, 0)]


def test_a_long_folder_is_asked_for_in_windows_and_given_in_chunks(box, server, monkeypatch):
    monkeypatch.setattr(imap, "WINDOW", 7)
    monkeypatch.setattr(imap, "GROUP", 2)
    monkeypatch.setattr(imap, "CHUNK", 4)
    for number in range(30):
        server.put(bounce("x", number=number))
    opened = ImapBox(box)
    chunks = list(opened.chunks("7 10"))
    opened.close()
    assert [mail.place for chunk in chunks for mail in chunk.mails] == [str(uid) for uid in range(11, 31)]
    assert max(len(chunk.mails) for chunk in chunks) <= 4
    assert chunks[-1].position == "7 30"


def test_login_is_used_where_plain_is_not_offered(box, server):
    server.capabilities = "IMAP4rev1"
    ImapBox(box).close()
    assert any(one.startswith("LOGIN") for one in server.commands)


@pytest.mark.parametrize("offered", ["AUTH=PLAIN", ""])
def test_a_wrong_password_is_said_and_not_shown(box, server, offered):
    server.capabilities = f"IMAP4rev1 {offered}"
    with pytest.raises(BoxError, match="Look at user, password and folder in MAILBOX_URL") as refused:
        ImapBox(replace(box, password="not this one"))
    assert "not this one" not in str(refused.value)


def test_a_folder_that_is_not_there_is_named(box):
    with pytest.raises(BoxError, match=r"refused SELECT: there is no such folder"):
        ImapBox(replace(box, folder="Elsewhere"))


def test_a_server_whose_certificate_nobody_vouches_for_gets_no_password(box, server, tmp_path):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    with pytest.raises(BoxError, match=r"the certificate is not good.*\?ca=FILE"):
        ImapBox(replace(box, ca_file=str(other.file)))
    assert not server.commands


def test_a_certificate_for_another_host_is_refused(authority):
    with ImapServer(authority.server("imap.elsewhere.test")) as elsewhere:
        box = Mailbox(host="127.0.0.1", port=elsewhere.port, username="u", password="p", ca_file=str(authority.file))
        with pytest.raises(BoxError, match="the certificate is not good"):
            ImapBox(box)


def test_a_server_that_is_away_is_named(box):
    with pytest.raises(BoxError, match=r"cannot be reached: .*refused"):
        ImapBox(replace(box, port=servers.free_port()))


def test_a_server_that_says_nothing_is_not_waited_for(box, monkeypatch):
    monkeypatch.setattr(imap, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(BoxError, match="cannot be reached"):
        ImapBox(replace(box, port=silent.getsockname()[1]))
