"""SMTP: TLS is checked, the login is right or nobody's mail is touched, and no damaged address goes out."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from core.identity import Relay
from delivery import smtp
from delivery.pump import Pump
from delivery.smtp import Connection, RelayTrouble, Verdict
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


@SECURITIES
def test_a_mail_goes_over_tls_to_a_relay_whose_certificate_is_good(security, authority, post):
    with relay_in(security, authority.server(HOST), post) as port:
        line = Connection(Relay(HOST, port, security, ca_file=str(authority.file)))
        reply = line.send("b+x@bounces.example.org", "reader@example.org", MAIL)
        line.close()
    assert (reply.verdict, reply.code, reply.usable) == (Verdict.ACCEPTED, 250, True)
    assert post.taken == [(True, None, "reader@example.org", MAIL)]


@SECURITIES
@pytest.mark.parametrize("wrong", ["another CA", "no CA of ours", "another host", "out of date"])
def test_no_mail_is_touched_when_the_relays_certificate_is_not_good(security, wrong, authority, stranger, post, ledger):
    host = "relay.example.org" if wrong == "another host" else HOST
    context = authority.server(host, days=-1 if wrong == "out of date" else 10)
    ca_file = {"another CA": str(stranger.file), "no CA of ours": None}.get(wrong, str(authority.file))
    delivery = ledger.queue()
    with relay_in(security, context, post) as port:
        relay = Relay(HOST, port, security, ca_file=ca_file)
        with pytest.raises(RelayTrouble, match="(?i)certificate"):
            Connection(relay)
        assert not Pump(ledger.engine, relay=relay, services=ledger.services).send_due(threading.Event())
    row = ledger.row(delivery)
    assert (row.state, row.attempts, row.doubts, row.worker_id) == ("planned", 0, 0, None)
    assert row.address_sealed is not None and post.taken == []


def test_a_relay_that_offers_no_starttls_is_not_spoken_to_in_the_clear(authority, post):
    with relay_of(post) as port, pytest.raises(RelayTrouble, match="STARTTLS"):
        Connection(Relay(HOST, port, "starttls", "news", "pass word", ca_file=str(authority.file)))
    assert post.taken == []


def test_a_certificate_file_that_is_not_there_is_trouble_with_the_relay(post, tmp_path):
    with relay_of(post) as port, pytest.raises(RelayTrouble, match="FileNotFoundError"):
        Connection(Relay(HOST, port, "starttls", ca_file=str(tmp_path / "none.pem")))


@SECURITIES
def test_a_right_login_is_made_after_tls_and_the_mail_goes(security, authority, post, ledger):
    delivery = ledger.queue("someone@example.org")
    options = {"authenticator": check_login, "auth_required": True}
    with relay_in(security, authority.server(HOST), post, **options) as port:
        relay = Relay(HOST, port, security, "news", "pass word", str(authority.file))
        pump = Pump(ledger.engine, relay=relay, services=ledger.services)
        assert pump.send_due(threading.Event())
        pump.hang_up()
    assert ledger.row(delivery).state == "sent"
    assert [entry[:3] for entry in post.taken] == [(True, "news", "someone@example.org")]


@SECURITIES
@pytest.mark.parametrize("login", [("news", "wrong"), ("somebody", "pass word"), ("news", "pässwörd"), ("news", "")])
def test_a_wrong_login_touches_no_mail_and_shows_no_password(security, login, authority, post, ledger):
    delivery = ledger.queue()
    options = {"authenticator": check_login, "auth_required": True}
    with relay_in(security, authority.server(HOST), post, **options) as port:
        relay = Relay(HOST, port, security, username=login[0], password=login[1], ca_file=str(authority.file))
        with pytest.raises(RelayTrouble) as trouble:
            Connection(relay)
        assert not Pump(ledger.engine, relay=relay, services=ledger.services).send_due(threading.Event())
    assert not login[1] or login[1] not in str(trouble.value)
    row = ledger.row(delivery)
    assert (row.state, row.attempts, row.doubts) == ("planned", 0, 0) and post.taken == []


def test_a_login_at_a_relay_that_knows_of_none_is_trouble_not_a_mail_without_it(relay):
    with pytest.raises(RelayTrouble, match="AUTH"):
        Connection(Relay(HOST, relay.port, "none", "news", "pass word"))
    assert not [command for command in relay.commands if command.startswith("MAIL")]


def test_without_the_login_that_the_relay_asks_for_no_recipient_pays(authority, post, ledger):
    delivery = ledger.queue()
    options = {"authenticator": check_login, "auth_required": True}
    with relay_in("starttls", authority.server(HOST), post, **options) as port:
        pump = Pump(
            ledger.engine,
            relay=Relay(HOST, port, "starttls", ca_file=str(authority.file)),
            services=ledger.services,
        )
        pump.send_due(threading.Event())
        pump.hang_up()
    row = ledger.row(delivery)
    assert (row.state, row.attempts, row.last_code) == ("planned", 0, 530), "it is about us, not about them"


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
    line = Connection(Relay(HOST, relay.port, "none"))
    before = len(relay.commands)
    reply = line.send(sender, recipient, MAIL)
    assert (reply.verdict, reply.usable) == (Verdict.REFUSED, True)
    assert relay.commands[before:] == []
    assert line.send("b@example.org", "ok@example.org", MAIL).verdict is Verdict.ACCEPTED
    line.close()
    assert [recipient for _sender, recipient, _mail in relay.accepted] == ["ok@example.org"]


def test_one_line_carries_many_mails_and_says_goodbye(relay):
    line = Connection(Relay(HOST, relay.port, "none"))
    assert all(line.send("b@example.org", f"ok{n}@example.org", MAIL).usable for n in range(5))
    line.close()
    assert relay.commands[-1].upper() == "QUIT" and len(relay.accepted) == 5


def test_nobody_there_is_trouble_with_the_relay():
    with pytest.raises(RelayTrouble, match="refused"):
        Connection(Relay(HOST, free_port(), "none"))


def test_a_reply_keeps_no_address_no_control_characters_and_no_more_than_a_line():
    kept = smtp._short("550 5.1.1 <someone.special@example.org>: unknown\r\n\x1b[31m" + "x" * 400)
    assert kept.startswith("550 5.1.1 <***@example.org>: unknown") and kept.isprintable() and len(kept) == 300


REPLIES = [
    (550, "5.1.1 <***@example.org>: User unknown in virtual mailbox table", Verdict.REFUSED),
    (550, "5.1.1 <***@example.org>: User unknown in relay recipient table", Verdict.REFUSED),
    (550, "5.1.1 no such user here, said relay.example.org", Verdict.REFUSED),
    (550, "unknown user", Verdict.REFUSED),
    (552, "5.2.2 mailbox full", Verdict.REFUSED),
    (554, "5.6.0 cannot parse this", Verdict.REFUSED),
    (554, "5.7.1 <***@example.org>: Relay access denied", Verdict.LATER),
    (550, "5.7.26 this mail is unauthenticated", Verdict.LATER),
    (550, "relay not permitted", Verdict.LATER),
    (550, "Relaying denied. Proper authentication required.", Verdict.LATER),
    (553, "sorry, that domain is not in my list of allowed rcpthosts (#5.7.1)", Verdict.LATER),
    (450, "4.2.1 later", Verdict.LATER),
    (451, "4.7.1 greylisted", Verdict.LATER),
    (452, "4.2.2 over quota", Verdict.LATER),
    (421, "4.3.2 closing", Verdict.RELAY),
    (530, "5.7.0 Authentication required", Verdict.RELAY),
    (535, "5.7.8 Authentication failed", Verdict.RELAY),
    (-1, "", Verdict.RELAY),
    (250, "", Verdict.RELAY),
]


@pytest.mark.parametrize(("code", "text", "verdict"), REPLIES)
def test_a_refusal_is_the_recipients_the_hours_or_ours(code, text, verdict):
    assert smtp._refusal(code, text) is verdict
