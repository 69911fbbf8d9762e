"""The DNS as we ask it: what is there, what is not, what is broken, and that nothing takes longer than it may."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from core import names
from core.names import Answer, Exchanges, Names, Outcome
from tests.nameserver import Zone, serving

NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
ZONE: Zone = {
    "example.test": {
        "TXT": ["one", ["two ", "strings"], b"\x1b[31mred\xff"],
        "A": ["192.0.2.1"],
        "AAAA": ["2001:db8::1"],
    },
    "mail.example.test": {"MX": [(20, "b.example.test"), (10, "A.Example.test")], "A": ["192.0.2.7"]},
    "none.example.test": {"MX": [(0, "")]},
    "alias.example.test": {"CNAME": ["mail.example.test"]},
    "long.example.test": {"TXT": ["x" * 3000]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mail.example.test"]},
    **{f"chain{number}.test": {"CNAME": [f"chain{number + 1}.test"]} for number in range(25)},
    "chain25.test": {"A": ["192.0.2.1"]},
}
ODD = {
    "fails.test": "servfail",
    "refuses.test": "refuse",
    "silent.test": "silent",
    "otherid.test": "other id",
    "othername.test": "other name",
    "garbage.test": "garbage",
    "cut.test": "cut",
    "loop.test": "loop",
}


@pytest.fixture(scope="module")
def server():
    with serving(ZONE, ODD) as running:
        yield running


@pytest.fixture
def ask(server, monkeypatch):
    monkeypatch.setattr(names, "TRY_S", 0.1)
    monkeypatch.setattr(names, "QUESTION_S", 0.3)
    return Names(("127.0.0.1", server.port))


def test_the_strings_of_a_text_are_joined_and_nothing_in_it_can_move_a_terminal(ask):
    assert set(ask.texts("example.test").records) == {"one", "two strings", "\\x1b[31mred\\xff"}


def test_both_kinds_of_addresses_are_found(ask):
    assert ask.addresses("Example.test.") == Answer(Outcome.FOUND, ("192.0.2.1", "2001:db8::1"))


def test_exchanges_come_in_order_and_a_null_mx_is_one_without_a_name(ask):
    assert ask.exchanges("mail.example.test").hosts == ((10, "a.example.test"), (20, "b.example.test"))
    assert ask.exchanges("none.example.test") == Exchanges(Outcome.FOUND, ((0, ""),))


def test_an_alias_is_followed_and_can_be_told(ask):
    assert ask.exchanges("alias.example.test").hosts[0] == (10, "a.example.test")
    assert ask.alias("alias.example.test").records == ("mail.example.test",)


def test_an_address_has_a_name(ask):
    assert ask.pointers("192.0.2.1").records == ("mail.example.test",)
    assert names.reverse("2001:db8::1").endswith(".8.b.d.0.1.0.0.2.ip6.arpa")


def test_a_name_without_such_a_record_is_not_a_name_that_is_not_there(ask):
    assert ask.texts("mail.example.test") == Answer(Outcome.NOTHING)
    assert ask.texts("gone.example.test") == Answer(Outcome.NO_NAME)
    assert ask.addresses("gone.example.test") == Answer(Outcome.NO_NAME)


def test_what_does_not_fit_into_a_datagram_comes_over_tcp(ask, server):
    assert ask.texts("long.example.test").records == ("x" * 3000,)
    assert ("tcp", "long.example.test", "TXT") in server.asked


@pytest.mark.parametrize("name", ["fails.test", "refuses.test", "loop.test", "chain0.test"])
def test_an_answer_that_is_none_is_told_from_nothing(ask, name):
    assert ask.texts(name).outcome is Outcome.BROKEN


@pytest.mark.parametrize("name", ["silent.test", "otherid.test", "othername.test", "garbage.test"])
def test_an_answer_to_another_question_is_waited_out(ask, name):
    assert ask.texts(name).outcome is Outcome.SILENT


def test_an_answer_that_is_cut_over_tcp_too_is_broken(ask):
    assert ask.texts("cut.test").outcome is Outcome.BROKEN


@pytest.mark.parametrize("name", ["a" * 64 + ".test", "two..dots.test", "x." * 130 + "test", "\\777.test"])
def test_a_name_that_cannot_be_is_not_asked_and_raises_nothing(ask, server, name):
    asked = len(server.asked)
    assert ask.texts(name).outcome is Outcome.BROKEN
    assert len(server.asked) == asked


def test_the_same_question_is_asked_once(ask, server):
    asked = len(server.asked)
    assert ask.texts("example.test") == ask.texts("EXAMPLE.test.")
    assert len(server.asked) == asked + 1


def test_after_so_many_questions_nothing_more_is_asked(ask, server, monkeypatch):
    monkeypatch.setattr(names, "QUESTIONS", 3)
    asked = len(server.asked)
    found = [ask.texts(f"gone{number}.test").outcome for number in range(5)]
    assert found == [Outcome.NO_NAME] * 3 + [Outcome.SILENT] * 2
    assert len(server.asked) == asked + 3


def test_where_nobody_answers_three_questions_are_enough_to_know_it(ask, server):
    asked = len(server.asked)
    server.odd |= {f"silent{number}.test": "silent" for number in range(5)}
    found = [ask.texts(f"silent{number}.test").outcome for number in range(5)]
    assert found == [Outcome.SILENT] * 5
    assert {name for _transport, name, _kind in server.asked[asked:]} == {f"silent{number}.test" for number in range(3)}


def test_when_its_time_is_used_up_nothing_more_is_asked(server):
    late = Names(("127.0.0.1", server.port), seconds=0)
    assert late.texts("example.test").outcome is Outcome.SILENT
    assert not late.answered


@pytest.mark.parametrize("step", [timedelta(0), timedelta(days=-1)], ids=["stands", "is set back"])
def test_a_clock_that_does_not_go_on_makes_no_question_longer(ask, step):
    with time_machine.travel(NOW, tick=False) as clock:
        clock.shift(step)
        assert ask.texts("silent.test").outcome is Outcome.SILENT


def test_where_nobody_listens_nobody_is_asked_twice(ask, monkeypatch):
    tried = []

    def refuse(server, *_question):
        tried.append(server)
        raise ConnectionRefusedError

    monkeypatch.setattr(names, "_exchange", refuse)
    assert ask.texts("example.test").outcome is Outcome.SILENT
    assert len(tried) == 1


def test_the_next_server_is_asked_when_one_fails_or_is_silent(ask, server):
    with serving({}, {"example.test": "servfail", "mail.example.test": "silent"}) as other:
        ask._servers = [("127.0.0.1", other.port), ("127.0.0.1", server.port)]
        assert ask.texts("example.test").outcome is Outcome.FOUND
        assert ask.exchanges("mail.example.test").outcome is Outcome.FOUND


def test_who_got_no_answer_at_all_knows_it(ask):
    ask.texts("silent.test")
    assert not ask.answered
    ask.texts("fails.test")
    assert ask.answered


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("127.0.0.1:5354", ("127.0.0.1", 5354)),
        ("[::1]:5354", ("::1", 5354)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
    ],
)
def test_a_server_is_an_address_and_maybe_a_port(text, server):
    assert names.server_at(text) == server


@pytest.mark.parametrize(
    "text", ["", "dns.example.org", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999", "1:x", "[::1", "::1]:5"]
)
def test_anything_else_is_no_server(text):
    with pytest.raises(ValueError):
        names.server_at(text)
