"""The SMTP server takes every mail, keeps what it accepted, and goes when told."""

import contextlib
import gc
import os
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from inbox.mailbox import Mailbox
from inbox.ports import PortRefused, PortTaken
from inbox.smtp import MAX_BYTES, SmtpServer
from tests.inbox.mails import BOUNCES, READER, mail

pytestmark = pytest.mark.smtp


@pytest.fixture
def server(mailbox):
    running = SmtpServer(mailbox, port=0)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def client(server):
    with smtplib.SMTP("127.0.0.1", server.port, timeout=10) as connected:
        yield connected


def test_a_mail_is_kept_as_it_was_sent_dots_and_all(client, mailbox):
    source = mail() + b".\r\n..two\r\n.leading\r\n"
    client.sendmail(BOUNCES, [READER, "lee@readers.example"], source)
    found = mailbox.get(mailbox.newest()[0])
    assert found.source == source
    assert found.envelope.sender == BOUNCES
    assert found.envelope.recipients == (READER, "lee@readers.example")


def test_a_mail_is_on_disk_before_the_client_hears_250(server, mailbox, monkeypatch):
    may_finish, begun = threading.Event(), threading.Event()
    store = mailbox.store

    def slow(*args, **kwargs):
        begun.set()
        may_finish.wait(5)
        return store(*args, **kwargs)

    monkeypatch.setattr(mailbox, "store", slow)
    with smtplib.SMTP("127.0.0.1", server.port, timeout=10) as client:
        client.ehlo()
        client.mail(BOUNCES)
        client.rcpt(READER)
        client.putcmd("data")
        assert client.getreply()[0] == 354
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert begun.wait(5)
        assert client.sock is not None
        client.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)
        may_finish.set()
        client.sock.settimeout(5)
        code, text = client.sock.recv(200).split(b" ", 1)
        assert code == b"250"
        assert text.split()[-1].decode() in mailbox.newest()


def test_the_extensions_that_the_sender_uses_are_offered(client):
    client.ehlo()
    assert {"pipelining", "8bitmime", "smtputf8", "size"} <= client.esmtp_features.keys()
    assert client.esmtp_features["size"] == str(MAX_BYTES)


def test_pipelined_commands_in_one_write_are_all_answered(server, mailbox):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        replies = raw.makefile("rb")
        replies.readline()
        raw.sendall(b"EHLO x\r\n")
        while not replies.readline().startswith(b"250 "):
            pass
        both = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
        raw.sendall(both)
        assert [replies.readline()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
        # The end of one mail and the start of the next share a write too.
        raw.sendall(b"Subject: 1\r\n\r\n.\r\n" + both)
        assert [replies.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        raw.sendall(b"Subject: 2\r\n\r\n.\r\nQUIT\r\n")
        assert [replies.readline()[:3] for _ in range(2)] == [b"250", b"221"]
        replies.close()
    assert [mailbox.get(key).source for key in mailbox.newest()] == [
        b"Subject: 2\r\n\r\n",
        b"Subject: 1\r\n\r\n",
    ]


def test_a_mail_without_a_bounce_address_is_taken(client, mailbox):
    client.sendmail("", [READER], mail())
    assert mailbox.get(mailbox.newest()[0]).envelope.sender == ""


def test_an_address_in_arabic_is_taken(client, mailbox):
    client.sendmail(BOUNCES, ["قارئ@readers.example"], mail(), mail_options=["SMTPUTF8"])
    assert mailbox.get(mailbox.newest()[0]).envelope.recipients == ("قارئ@readers.example",)


def test_an_address_that_is_not_utf8_is_kept_as_printable_text(server, mailbox):
    with smtplib.SMTP("127.0.0.1", server.port, timeout=10) as client:
        client.ehlo()
        client.mail(BOUNCES, ["SMTPUTF8"])
        client.command_encoding = "latin-1"
        client.docmd("RCPT", "TO:<k\xfcm@readers.example>")
        client.data(mail())
    assert mailbox.get(mailbox.newest()[0]).envelope.recipients == ("k\ufffdm@readers.example",)


def test_a_mail_over_the_limit_is_refused_and_the_next_one_taken(client, mailbox):
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        client.sendmail(BOUNCES, [READER], b"x: y\r\n\r\n" + b"z" * 70 + (b"z" * 70 + b"\r\n") * (MAX_BYTES // 72))
    assert refused.value.smtp_code == 552
    client.sendmail(BOUNCES, [READER], mail())
    assert len(mailbox.newest()) == 1


def test_a_full_disk_is_a_temporary_refusal(server, mailbox, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mailbox, "store", full)
    with smtplib.SMTP("127.0.0.1", server.port, timeout=10) as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail(BOUNCES, [READER], mail())
        assert refused.value.smtp_code == 452


def test_a_taken_port_is_named_in_one_sentence(server, mailbox):
    with pytest.raises(PortTaken, match=rf"^Port {server.port} is already in use: .*\.$") as taken:
        SmtpServer(mailbox, port=server.port).start()
    assert taken.value.port == server.port


def test_a_port_that_is_none_is_refused_in_one_sentence(mailbox):
    with pytest.raises(PortRefused, match="^Port 70000 cannot be used"):
        SmtpServer(mailbox, port=70000).start()


def test_it_listens_on_loopback_only(server):
    with pytest.raises(OSError, match=r"refused|unreachable|assign"):
        socket.create_connection(("127.0.0.2", server.port), timeout=1)


TALK = {
    "silent": b"",
    "after ehlo": b"EHLO x\r\n",
    "in data": b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nhalf a ma",
}


@pytest.mark.parametrize("state", [*TALK, "talking without listening"])
def test_a_connected_client_does_not_delay_the_stop(mailbox, state):
    server = SmtpServer(mailbox, port=0)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.recv(100)
        if state in TALK:
            client.sendall(TALK[state])
        else:
            talk_until_deaf(client)
        time.sleep(0.1)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        stopping.join(20)
        assert not stopping.is_alive()
    gc.collect()  # A connection that was dropped, not closed, would complain here.
    assert mailbox.newest() == []


def talk_until_deaf(client):
    """Ask for help until neither side takes more: the answers fill all buffers, and the server waits."""
    client.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        while True:
            client.sendall(b"HELP\r\n" * 1000)


def test_a_mail_being_stored_at_the_stop_still_hears_its_250(mailbox, monkeypatch):
    begun = threading.Event()
    store = mailbox.store

    def slow(*args, **kwargs):
        begun.set()
        time.sleep(0.2)
        return store(*args, **kwargs)

    monkeypatch.setattr(mailbox, "store", slow)
    server = SmtpServer(mailbox, port=0)
    server.start()
    heard = []

    def send() -> None:
        client = smtplib.SMTP("127.0.0.1", server.port, timeout=5)
        client.ehlo()
        client.mail(BOUNCES)
        client.rcpt(READER)
        heard.append(client.data(mail())[0])
        client.close()

    sender = threading.Thread(target=send)
    sender.start()
    assert begun.wait(5)
    server.stop()
    sender.join()
    assert heard == [250]
    assert len(mailbox.newest()) == 1


def test_a_mail_offered_during_the_stop_is_sent_away_until_later(mailbox, monkeypatch):
    begun, end = threading.Event(), threading.Event()

    def slow(*_args, **_kwargs):
        begun.set()
        end.wait(5)
        return "key"

    monkeypatch.setattr(mailbox, "store", slow)
    server = SmtpServer(mailbox, port=0)
    server.start()
    first, second = (smtplib.SMTP("127.0.0.1", server.port, timeout=5) for _ in range(2))
    for client in (first, second):
        client.ehlo()
        client.mail(BOUNCES)
        client.rcpt(READER)
        client.putcmd("data")
        assert client.getreply()[0] == 354
    first.send(b"Subject: 1\r\n\r\n.\r\n")
    assert begun.wait(5)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    time.sleep(0.1)
    second.send(b"Subject: 2\r\n\r\n.\r\n")
    assert second.getreply()[0] == 421
    end.set()
    assert first.getreply()[0] == 250
    stopping.join()
    for client in (first, second):
        client.close()


def test_it_starts_again_after_a_stop_on_the_same_port(mailbox):
    server = SmtpServer(mailbox, port=0)
    server.start()
    port = server.port
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        server.stop()
    server.stop()
    server.start()
    assert server.port == port
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.sendmail(BOUNCES, [READER], mail())
    server.stop()
    assert len(mailbox.newest()) == 1


CHILD = """
import sys, threading
from pathlib import Path
from inbox.mailbox import Mailbox
from inbox.smtp import SmtpServer
server = SmtpServer(Mailbox(Path(sys.argv[1])), port=0)
server.start()
sys.stderr.write(f"port {server.port}\\n")
sys.stderr.flush()
threading.Event().wait()
"""


def test_no_accepted_mail_is_lost_to_kill_9(tmp_path):
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    port = int(child.stderr.readline().split()[1])
    accepted: list[str] = []

    def send(name: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            for number in range(10_000):
                client.sendmail(BOUNCES, [READER], f"X: {name}.{number}\r\n\r\n".encode())
                accepted.append(f"X: {name}.{number}\r\n\r\n")

    def send_until_killed(name: int) -> None:
        try:
            send(name)
        except (smtplib.SMTPException, OSError):
            return

    senders = [threading.Thread(target=send_until_killed, args=(name,)) for name in range(4)]
    for sender in senders:
        sender.start()
    time.sleep(0.7)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    for sender in senders:
        sender.join()
    mailbox = Mailbox(tmp_path)
    kept = {mailbox.get(key).source.decode() for key in mailbox.newest()}
    assert len(accepted) > 20
    assert set(accepted) <= kept
    assert len(kept) <= len(accepted) + len(senders)
