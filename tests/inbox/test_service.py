"""The inbox as a whole: started, used over real sockets, stopped, started again."""

import json
import signal
import smtplib
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from inbox import __main__ as command
from inbox.ports import PortTaken
from inbox.service import Inbox
from tests.inbox.mails import BOUNCES, READER, mail

pytestmark = pytest.mark.smtp
ROOT = Path(__file__).resolve().parents[2]


def send(port, source=None):
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.sendmail(BOUNCES, [READER], source or mail())


def get(port, path="/"):
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_what_is_sent_by_smtp_is_seen_by_http(inbox):
    send(inbox.smtp_port, mail("Over the wire"))
    status, text = get(inbox.web_port)
    assert status == 200
    assert "Over the wire" in text
    (entry,) = json.loads(get(inbox.web_port, "/api/messages")[1])
    assert entry["to"] == [READER]
    assert inbox.url == f"http://127.0.0.1:{inbox.web_port}/"


def test_a_restart_keeps_the_mails(tmp_path):
    with Inbox(tmp_path, 0, 0) as first:
        send(first.smtp_port, mail("Kept"))
    with Inbox(tmp_path, 0, 0) as second:
        assert "Kept" in get(second.web_port)[1]


def test_a_start_sweeps_what_a_crash_left_half_written(tmp_path):
    half = tmp_path / "incoming" / "20261123T144007123456-abcdef.eml"
    half.parent.mkdir()
    half.write_bytes(b"half")
    with Inbox(tmp_path, 0, 0):
        assert not half.exists()


@pytest.mark.parametrize("taken", ["smtp", "web"])
def test_one_taken_port_leaves_the_other_free(tmp_path, taken):
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as spare:
        port, free = other.getsockname()[1], spare.getsockname()[1]
        spare.close()
        ports = (port, free) if taken == "smtp" else (free, port)
        inbox = Inbox(tmp_path, *ports)
        with pytest.raises(PortTaken) as error:
            inbox.start()
        assert error.value.port == port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", free), timeout=1)
        inbox.stop()


def test_idle_clients_on_both_ports_do_not_delay_the_stop(tmp_path):
    inbox = Inbox(tmp_path, 0, 0)
    inbox.start()
    mail_client = socket.create_connection(("127.0.0.1", inbox.smtp_port), timeout=5)
    web_client = socket.create_connection(("127.0.0.1", inbox.web_port), timeout=5)
    web_client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")  # and never the empty line
    time.sleep(0.1)
    begun = time.monotonic()
    inbox.stop()
    inbox.stop()
    assert time.monotonic() - begun < 1
    for client in (mail_client, web_client):
        client.close()


def test_a_foreign_host_name_is_refused_over_the_wire(inbox):
    for request in (
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n",
    ):
        with socket.create_connection(("127.0.0.1", inbox.web_port), timeout=5) as client:
            client.sendall(request + b"Connection: close\r\n\r\n")
            assert client.recv(20).startswith(b"HTTP/1.1 400 ")


def alone(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "inbox", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_alone_it_says_where_it_is_and_ends_with_0_when_told(tmp_path, number):
    running = alone("--smtp-port", "0", "--web-port", "0", "--folder", str(tmp_path / "var" / "inbox"))
    assert running.stdout is not None
    words = running.stdout.readline().split()
    port = int(words[4].rstrip("/").rpartition(":")[2])
    idle = socket.create_connection(("127.0.0.1", int(words[-1].rpartition(":")[2])), timeout=5)
    assert get(port)[0] == 200
    begun = time.monotonic()
    running.send_signal(number)
    output, errors = running.communicate(timeout=10)
    assert time.monotonic() - begun < 2
    assert (running.returncode, output, errors) == (0, "", "")
    idle.close()


@pytest.mark.parametrize("option", ["--smtp-port", "--web-port"])
def test_alone_on_a_taken_port_it_says_so_in_one_sentence_and_ends_with_1(tmp_path, option):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ports = {"--smtp-port": "0", "--web-port": "0", option: str(port)}
        running = alone("--folder", str(tmp_path), *(word for pair in ports.items() for word in pair))
        output, errors = running.communicate(timeout=10)
    assert running.returncode == 1
    assert output == ""
    assert errors == f"Port {port} is already in use: stop the program that listens on it, or choose another port.\n"


def test_the_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(option in text for option in ("--smtp-port", "--web-port", "--folder", "--site-url", "/api/messages"))
