"""Logs: whatever is written, by us or by a library, no address and no token stands in it."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from core import addresses, logs

ADDRESS = "someone.special+news@example.org"
TOKEN = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydcmr"
LINK = f"https://news.example.org/unsubscribe/asia-daily/t/{TOKEN}"
SECRETS = (ADDRESS.partition("@")[0], TOKEN)


@contextmanager
def configured(monkeypatch, *, as_json: bool) -> Iterator[Callable[[], str]]:
    """Configure the logs, and hand out what they have written; put everything back afterwards."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(as_json=as_json)
    yield stream.getvalue
    root.handlers[:], root.level = handlers, level
    structlog.configure(**before)


@pytest.fixture(params=[True, False], ids=["json", "console"])
def written(request, monkeypatch) -> Iterator[Callable[[], str]]:
    """What the logs have written, as machines and as people read it."""
    with configured(monkeypatch, as_json=request.param) as text:
        yield text


@pytest.fixture
def written_json(monkeypatch) -> Iterator[Callable[[], str]]:
    """What the logs have written, as machines read it."""
    with configured(monkeypatch, as_json=True) as text:
        yield text


def assert_nothing_leaked(text: str) -> None:
    assert text, "something was written"
    for secret in SECRETS:
        assert secret not in text
    assert "example.org" in text, "the domain helps, and stays"


@dataclass
class Holder:
    """Something whose repr shows an address."""

    who: str = ADDRESS


FIELDS = {
    "text": ADDRESS,
    "link": f"{LINK} example.org",
    "list": [ADDRESS, LINK],
    "tuple": (ADDRESS, 1),
    "set": {ADDRESS},
    "table": {"to": [{"mailbox": ADDRESS}]},
    "key": {ADDRESS: 1},
    "error": ValueError(f"no such user {ADDRESS}"),
    "object": Holder(),
    "address": addresses.parse(ADDRESS),
    "bytes": ADDRESS.encode(),
    "reply": f"550 5.1.1 <{ADDRESS}>: Recipient address rejected",
    "quoted": f"to='{ADDRESS}'",
    "mailto": f"mailto:{ADDRESS}?subject=x",
    "many lines": f"first\n{ADDRESS}\nlast",
}


@pytest.mark.parametrize("value", FIELDS.values(), ids=FIELDS)
def test_no_field_shows_an_address_or_a_token(written, value):
    logs.get("test.fields").info("mail queued", value=value)
    assert_nothing_leaked(written())


def test_no_event_shows_one_either(written):
    logs.get("test.events").warning(f"not for {ADDRESS} at {LINK}")
    assert_nothing_leaked(written())


def test_a_field_bound_once_is_masked_each_time(written):
    log = logs.get("test.bound").bind(reader=ADDRESS)
    log.info("one"), log.error("two")
    assert_nothing_leaked(written())


def test_the_text_of_an_exception_and_of_its_causes_is_masked(written):
    try:
        try:
            raise ValueError(f"no user {ADDRESS}")
        except ValueError as error:
            raise KeyError(LINK) from error
    except KeyError:
        logs.get("test.trouble").exception("not sent", to=ADDRESS)
    assert "Traceback" in written() and "direct cause" in written()
    assert_nothing_leaked(written())


def test_a_library_that_logs_by_the_standard_library_is_masked_too(written):
    library = logging.getLogger("third.party")
    library.warning("RCPT TO:<%s> for %s", ADDRESS, LINK)
    library.warning("refused: %r", {ADDRESS: (550, b"no")})
    try:
        raise OSError(f"{ADDRESS} is unknown")
    except OSError:
        library.exception("gave up on %s", ADDRESS)
    assert written().count("***@example.org") >= 4
    assert_nothing_leaked(written())


def test_a_line_is_one_json_object_with_time_level_logger_and_fields(written_json):
    logs.get("delivery.pump").info("edition closed", edition=812, readers=3, done=True, missing=None, ratio=0.5)
    line = json.loads(written_json())
    assert {"event": "edition closed", "level": "info", "logger": "delivery.pump"}.items() <= line.items()
    assert {"edition": 812, "readers": 3, "done": True, "missing": None, "ratio": 0.5}.items() <= line.items()
    assert line["timestamp"].endswith("Z")


def test_each_event_is_one_line_in_json_whatever_stands_in_it(written_json):
    logs.get("test.lines").info("one\ntwo", value="three\r\nfour\u2028five")
    logging.getLogger("third.party").error("six\nseven")
    assert [bool(json.loads(line)) for line in written_json().splitlines()] == [True, True]


def test_what_is_not_worth_a_line_is_not_written(written):
    logs.get("test.levels").debug("a detail")
    logging.getLogger("werkzeug").info("GET /")
    assert written() == ""


local_parts = st.from_regex(r"[a-z0-9!#$%&+/?^_`{|}~-]{1,20}", fullmatch=True)


@given(local_parts, st.text(alphabet=" <>:=\"'\n(,", min_size=1, max_size=3), st.booleans())
def test_an_address_is_masked_wherever_it_stands(local, around, first):
    text = f"{'' if first else around}{local}@example.org{around}"
    assert f"{local}@" not in logs.mask(text) and "@example.org" in logs.mask(text)


def test_an_address_with_an_international_domain_is_masked():
    assert logs.mask("an someone@exämple.org und მე@მაგალითი.ge") == "an ***@exämple.org und ***@მაგალითი.ge"


@pytest.mark.parametrize("after", ["", " HTTP/1.1", "?x=1", "/", "#top", '"', "'"])
def test_a_token_is_masked_and_nothing_after_it(after):
    assert logs.mask(f"GET /confirm/t/{TOKEN}{after}") == f"GET /confirm/t/***{after}"


def test_what_is_no_secret_stays_as_it_is():
    text = "3 mails @ 07:00, /en/topics/trade, https://news.example.org/en/abc-story/send, a=b c:d"
    assert logs.mask(text) == text
