"""SMTP: TLS is checked, the login is right or nobody's mail is touched, and no damaged address goes out."""

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from sqlalchemy import select as select_rows

from core.database import db
from core.identity import Relay
from delivery import smtp
from delivery.models import Gate
from delivery.phases import Offers
from delivery.replies import Reply, Verdict
from delivery.smtp import Line, RelayRefusesUs, RelayTrouble
from tests.delivery.certificates import Authority
from tests.delivery.conftest import Ledger
from tests.servers import free_port

# aiosmtpd takes TLS from the start for none at all, and warns of logins over it.
pytestmark = [pytest.mark.smtp, pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")]

HOST = "127.0.0.1"
MAIL = b"Subject: x\r\n\r\nHello.\r\n"


class Post:
    """What a relay has taken: (over TLS, login, recipient, message)."""

    def __init__(self) -> None:
        self.taken: list[tuple[bool, str | None, str, bytes]] = []

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        logged_in: Any = session.auth_data
        login = logged_in.login.decode() if logged_in else None
        message = envelope.original_content or b""
        self.taken.append((session.ssl is not None, login, envelope.rcpt_tos[0], message))
        return "250 taken"


class Server(SMTP):
    """A server that knows when it is spoken to in TLS from the start."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.session is not None and transport.get_extra_info("sslcontext"):
            self.session.ssl = {}


class Implicit(Controller):
    """TLS from the start; its own self-check does not look at certificates."""

    def factory(self) -> SMTP:
        return Server(self.handler, **self.SMTP_kwargs)


def check_login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"news", b"pass word")
    return AuthResult(success=good, handled=False, auth_data=data if good else None)


@contextmanager
def relay_of(post: Post, *, implicit: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    kind = Implicit if implicit else Controller
    if implicit:
        options["auth_require_tls"] = False  # aiosmtpd knows of STARTTLS only
    controller = kind(post, hostname=HOST, port=free_port(), ssl_context=implicit, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    """The CA that the relay's certificate is from."""
    return Authority(tmp_path_factory.mktemp("ca"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Authority:
    """A CA that has nothing to do with the relay."""
    return Authority(tmp_path_factory.mktemp("ca"), "theirs")


@pytest.fixture
def ledger(sqlite_ledger: Ledger) -> Ledger:
    """A ledger on SQLite only: no database makes a difference to what is said to a relay."""
    return sqlite_ledger


@pytest.fixture
def post() -> Post:
    """The relay's memory."""
    return Post()


@contextmanager
def relay_in(security: str, context: ssl.SSLContext, post: Post, **options: Any) -> Iterator[int]:
    """Run a relay with STARTTLS or with TLS from the start."""
    tls: dict[str, Any] = {"implicit": context} if security == "tls" else {"tls_context": context}
    with relay_of(post, **tls, **options) as port:
        yield port


SECURITIES = pytest.mark.parametrize("security", ["starttls", "tls"])


@contextmanager
def line_to(relay: Relay) -> Iterator[Line]:
    """Open a line, and say goodbye on it."""
    line = Line(smtp.open_line(relay))
    try:
        yield line
    finally:
        line.part()


def carry(
    line: Line, sender: str = "b+x@bounces.example.org", to: str = "reader@example.org", mail: bytes = MAIL
) -> Reply:
    """Carry one mail to its end."""
    reply = line.send(sender, to, mail)
    while reply is None:
        readable, writable, _ = select.select([line], [line] if line.wants_write else [], [], 10)
        assert readable or writable, "the relay is silent"
        reply = line.advance()
    return reply


def why_paused() -> str | None:
    """Return why the relay waits for a person; None when it does not."""
    db.session.rollback()
    return db.session.scalar(select_rows(Gate.why).where(Gate.provider == 0, Gate.paused_at.is_not(None)))


def touched_by(ledger: Ledger, relay: Relay) -> tuple[object, ...]:
    """Have a sender try a mail until it gives up on the relay; return what became of the mail."""
    delivery = ledger.queue()
    with ledger.sending(relay):
        ledger.wait_until(lambda: why_paused() is not None)
    row = ledger.row(delivery)
    assert row.address_sealed is not None and row.last_code in (None, 530)
    return (row.state, row.attempts, row.doubts, row.worker_id)


UNTOUCHED = ("planned", 0, 0, None)


@SECURITIES
def test_a_mail_goes_over_tls_to_a_relay_whose_certificate_is_good(security, authority, post):
    with (
        relay_in(security, authority.server(HOST), post) as port,
        line_to(Relay(HOST, port, security, ca_file=str(authority.file))) as line,
    ):
        assert carry(line) == Reply(Verdict.ACCEPTED, 250, "taken", usable=True)
    assert post.taken == [(True, None, "reader@example.org", MAIL)]


@SECURITIES
def test_a_large_mail_goes_over_tls_whole(security, authority, post):
    mail = b"Subject: x\r\n\r\n" + b"a story of many lines\r\n" * 250_000
    with (
        relay_in(security, authority.server(HOST), post, data_size_limit=10_000_000) as port,
        line_to(Relay(HOST, port, security, ca_file=str(authority.file))) as line,
    ):
        assert carry(line, mail=mail).verdict is Verdict.ACCEPTED
        assert carry(line).verdict is Verdict.ACCEPTED
    assert [one[3] for one in post.taken] == [mail, MAIL]


@SECURITIES
@pytest.mark.parametrize("wrong", ["another CA", "no CA of ours", "another host", "out of date"])
def test_no_mail_is_touched_when_the_relays_certificate_is_not_good(security, wrong, authority, stranger, post, ledger):
    host = "relay.example.org" if wrong == "another host" else HOST
    context = authority.server(host, days=-1 if wrong == "out of date" else 10)
    ca_file = {"another CA": str(stranger.file), "no CA of ours": None}.get(wrong, str(authority.file))
    with relay_in(security, context, post) as port:
        relay = Relay(HOST, port, security, ca_file=ca_file)
        with pytest.raises(RelayRefusesUs, match="(?i)certificate"):
            smtp.open_line(relay)
        assert touched_by(ledger, relay) == UNTOUCHED
    assert "certificate" in str(why_paused()).lower() and post.taken == []


def test_a_relay_that_offers_no_starttls_is_not_spoken_to_in_the_clear(authority, post):
    with relay_of(post) as port, pytest.raises(RelayRefusesUs, match="STARTTLS"):
        smtp.open_line(Relay(HOST, port, "starttls", "news", "pass word", ca_file=str(authority.file)))
    assert post.taken == []


def test_a_certificate_file_that_is_not_there_is_trouble_with_the_relay(post, tmp_path):
    with (
        relay_of(post, tls_context=ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)) as port,
        pytest.raises(RelayTrouble, match="FileNotFoundError"),
    ):
        smtp.open_line(Relay(HOST, port, "starttls", ca_file=str(tmp_path / "none.pem")))


@SECURITIES
def test_a_right_login_is_made_after_tls_and_the_mail_goes(security, authority, post, ledger):
    delivery = ledger.queue("someone@example.org")
    options = {"authenticator": check_login, "auth_required": True}
    with relay_in(security, authority.server(HOST), post, **options) as port:
        ledger.send_all(Relay(HOST, port, security, "news", "pass word", str(authority.file)))
    assert ledger.row(delivery).state == "sent" and why_paused() is None
    assert [entry[:3] for entry in post.taken] == [(True, "news", "someone@example.org")]


@SECURITIES
@pytest.mark.parametrize("login", [("news", "wrong"), ("somebody", "pass word"), ("news", "pässwörd"), ("news", "")])
def test_a_wrong_login_touches_no_mail_pauses_the_relay_and_shows_no_password(security, login, authority, post, ledger):
    options = {"authenticator": check_login, "auth_required": True}
    with relay_in(security, authority.server(HOST), post, **options) as port:
        relay = Relay(HOST, port, security, username=login[0], password=login[1], ca_file=str(authority.file))
        with pytest.raises(RelayRefusesUs) as trouble:
            smtp.open_line(relay)
        assert touched_by(ledger, relay) == UNTOUCHED
    told = f"{trouble.value} {why_paused()}"
    assert not login[1] or not any(part in told for part in (login[1], "ä", "\\xe4"))
    assert post.taken == []


def test_a_login_at_a_relay_that_knows_of_none_is_trouble_not_a_mail_without_it(relay):
    with pytest.raises(RelayRefusesUs, match="AUTH"):
        smtp.open_line(Relay(HOST, relay.port, "none", "news", "pass word"))
    assert not [command for command in relay.commands if command.startswith("MAIL")]


def test_without_the_login_that_the_relay_asks_for_no_recipient_pays(authority, post, ledger):
    options = {"authenticator": check_login, "auth_required": True}
    with relay_in("starttls", authority.server(HOST), post, **options) as port:
        relay = Relay(HOST, port, "starttls", ca_file=str(authority.file))
        assert touched_by(ledger, relay) == UNTOUCHED, "it is about us, not about them"
    assert str(why_paused()).startswith("530")


GREETINGS = [
    (["454 4.7.0 Temporary authentication failure"], False),
    (["421 4.3.2 too busy"], False),
    (["535 5.7.8 Authentication failed"], True),
    (["534 5.7.9 Too weak"], True),
    (["530 5.7.0 Must issue a STARTTLS command first"], True),
]


@pytest.mark.parametrize(("answers", "for_a_person"), GREETINGS, ids=[answers[0][:3] for answers, _ in GREETINGS])
def test_only_a_login_that_is_refused_for_good_waits_for_a_person(relay, answers, for_a_person):
    relay.offers = ("AUTH PLAIN",)
    relay.answer = lambda verb, _recipient: answers[0] if verb == "AUTH" else None
    with pytest.raises(RelayTrouble) as trouble:
        smtp.open_line(Relay(HOST, relay.port, "none", "news", "pass word"))
    assert isinstance(trouble.value, RelayRefusesUs) is for_a_person
    assert "pass word" not in str(trouble.value)


@pytest.mark.parametrize("greeting", ["421 4.3.2 too many connections", "554 5.3.2 no service", "what"])
def test_a_greeting_that_is_not_one_is_trouble_that_passes(relay, greeting):
    relay.answer = lambda verb, _recipient: greeting if verb == "" else None
    with pytest.raises(RelayTrouble) as trouble:
        smtp.open_line(Relay(HOST, relay.port, "none"))
    assert not isinstance(trouble.value, RelayRefusesUs)


def hang_up_under_tls(server: socket.socket, *, starttls: bool) -> None:
    """Be a relay that goes away when the client has said hello in TLS."""
    line, _address = server.accept()
    with line:
        if starttls:
            for says in (b"220 relay.test\r\n", b"250-relay.test\r\n250 STARTTLS\r\n", b"220 go\r\n"):
                line.sendall(says)
                line.recv(1000)
        else:
            line.recv(1000)


@SECURITIES
def test_a_relay_that_hangs_up_while_tls_begins_is_trouble_that_passes(security):
    with socket.create_server((HOST, 0)) as server:
        ending = threading.Thread(target=hang_up_under_tls, args=(server,), kwargs={"starttls": security == "starttls"})
        ending.start()
        with pytest.raises(RelayTrouble) as trouble:
            smtp.open_line(Relay(HOST, server.getsockname()[1], security))
        ending.join()
    assert not isinstance(trouble.value, RelayRefusesUs), str(trouble.value)


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [
        ("b@example.org", "reader@example.org> NOTIFY=NEVER"),
        ("b@example.org", "reader@example.org\r\nRCPT TO:<x@example.org"),
        ("b@example.org\nRSET", "reader@example.org"),
        ("b@example.org", "<reader@example.org"),
        ("b@example.org", "reader\0@example.org"),
        ("b@bounces.exämple.org", "reader@example.org"),
        ("b@example.org", "réader@example.org"),
    ],
)
def test_a_damaged_address_is_refused_before_the_relay_hears_of_it(relay, sender, recipient):
    with line_to(Relay(HOST, relay.port, "none")) as line:
        before = len(relay.commands)
        reply = carry(line, sender, recipient)
        assert (reply.verdict, reply.usable) == (Verdict.UNFIT, True)
        assert relay.commands[before:] == []
        assert carry(line, "b@example.org", "ok@example.org").verdict is Verdict.ACCEPTED
    assert [recipient for _sender, recipient, _mail in relay.accepted] == ["ok@example.org"]


def test_one_line_carries_many_mails_and_says_goodbye(relay):
    with line_to(Relay(HOST, relay.port, "none")) as line:
        assert all(carry(line, "b@example.org", f"ok{n}@example.org").usable for n in range(5))
    assert relay.commands[-1].upper() == "QUIT" and len(relay.accepted) == 5


def test_what_a_relay_offers_is_what_is_used(relay):
    relay.offers = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 5000")
    assert smtp_offers(relay) == Offers(pipelining=True, smtputf8=True, size=5000)
    relay.offers = ("SMTPUTF8", "SIZE")
    assert smtp_offers(relay) == Offers(), "SMTPUTF8 needs 8BITMIME, and a size a number"


def smtp_offers(relay) -> Offers:
    with line_to(Relay(HOST, relay.port, "none")) as line:
        return line.offers


def test_nobody_there_is_trouble_with_the_relay():
    with pytest.raises(RelayTrouble, match="refused"):
        smtp.open_line(Relay(HOST, free_port(), "none"))
