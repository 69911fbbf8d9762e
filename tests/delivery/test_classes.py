"""The table of classes: each row is what its example means, nothing hostile upsets it, and the docs show all of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings import ROOT
from delivery import classes, providers
from delivery.classes import ANSWERS, COUNTING, ROWS, Class, Row, Then, classify

GMAIL, OUTLOOK, QQ = (providers.number(one) for one in ("gmail.com", "outlook.com", "qq.com"))


def said(text: str = "", *, code: int | None = None, **more: Any) -> Row:
    return classify(**{"action": "failed", "code": code, "status": "", "text": text, "provider": 0, **more})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_is_what_its_own_example_means(row):
    assert said(**row.example).name == row.name


MEANINGS = [
    ("550 5.1.1 <***@example.org>: User unknown in virtual mailbox table", {}, Class.HARD),
    ("smtp; 550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 gsmtp", {}, Class.HARD),
    ("host mx.example.org[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command)", {}, Class.HARD),
    ("550 unknown user", {}, Class.HARD),
    ("550 5.7.1 <***@example.org>: no such user here", {}, Class.SOFT),
    ("550 5.7.1 This account has been suspended for sending spam", {}, Class.REFUSAL),
    ("550 5.7.1 unknown user reputation", {}, Class.REFUSAL),
    ("550 5.7.1 Sender address does not exist", {}, Class.REFUSAL),
    ("550 Sender address does not exist", {}, Class.REFUSAL),
    ("554 5.7.1 <mail.postrider.test>: Helo command rejected: Host not found", {}, Class.REFUSAL),
    ("554 <mail.postrider.test>: Helo command rejected: Host not found", {}, Class.REFUSAL),
    ("554 5.7.1 <[192.0.2.1]>: Client host rejected: host not found", {}, Class.REFUSAL),
    ("550 5.7.1 no such domain", {}, Class.REFUSAL),
    ("5.1.1 Message rejected as spam by content filtering", {}, Class.REFUSAL),
    ("550 5.1.1 DKIM/SPF fail - rejected by policy", {}, Class.REFUSAL),
    ("5.1.1 blocked using zen.spamhaus.org", {}, Class.REFUSAL),
    ("550 5.1.1 Service unavailable; client host [192.0.2.1] blocked using bl.example.org", {}, Class.REFUSAL),
    ("5.1.1 Sender address rejected: Domain not found", {}, Class.SENDER),
    ("552 Rejected: this looks like spam", {}, Class.REFUSAL),
    ("550 Your account has been suspended", {}, Class.REFUSAL),
    ("550 The account is suspended", {}, Class.UNDETERMINED),
    ("550 5.5.1 The account is disabled", {}, Class.OURS),
    ("550 5.2.0 The account is disabled", {}, Class.HARD),
    ("550 5.1.1 The account is suspended", {}, Class.HARD),
    ("host spam-filter.example.org[192.0.2.1] said: 550 5.1.1 no such user", {}, Class.HARD),
    ("host policy.example.org[192.0.2.1] said: 550 5.1.1 no such user (in reply to HELO command)", {}, Class.HARD),
    ("550 5.1.1 no such user, see https://example.org/spam", {}, Class.HARD),
    ("550 5.7.1 You are not authorized to send to this group, by policy", {}, Class.SOFT),
    ("550 5.1.2 <gone.example>: Host not found", {}, Class.DOMAIN),
    ("550 #5.1.0 Address rejected, mailbox not found", {}, Class.HARD),
    ("550 5.2.1 mailbox disabled", {}, Class.HARD),
    ("The mailbox is unavailable", {"code": 550}, Class.UNDETERMINED),
    ("550 Requested action not taken: mailbox unavailable", {}, Class.UNDETERMINED),
    ("550 Mailbox unavailable or access denied", {"provider": QQ}, Class.THROTTLE),
    ("550 Sender frequency limited", {"provider": QQ}, Class.THROTTLE),
    ("550 Sender frequency limited", {"provider": 300}, Class.THROTTLE),
    ("550 5.7.1 blocked by policy", {}, Class.REFUSAL),
    ("554 Your mail looks like spam", {}, Class.REFUSAL),
    ("550 5.7.1 Service unavailable, client host blocked using S3150", {"provider": OUTLOOK}, Class.REFUSAL),
    ("550 5.7.15 Access denied", {"provider": OUTLOOK}, Class.REFUSAL),
    *((f"550 5.7.{number} gsmtp", {"provider": GMAIL}, Class.REFUSAL) for number in range(26, 33)),
    ("550 5.7.27 null MX", {"provider": GMAIL}, Class.REFUSAL),
    ("550 5.7.27 Sender address has null MX", {"provider": 300}, Class.SENDER),
    *((f"550 5.7.{number} banned", {"provider": OUTLOOK}, Class.REFUSAL) for number in (606, 610, 649)),
    ("421 4.7.0 [TSS04] temporarily deferred", {"action": "put off"}, Class.THROTTLE),
    ("451 4.7.650 rate limited", {"action": "put off"}, Class.THROTTLE),
    ("451 4.7.650 rate limited", {}, Class.THROTTLE),
    ("450 4.7.1 Greylisting in action", {"action": "put off"}, Class.THROTTLE),
    ("451 4.7.1 not now", {"action": "put off"}, Class.THROTTLE),
    ("452 4.2.2 over quota", {"action": "put off"}, Class.FULL),
    ("452 4.2.2 over quota", {}, Class.FULL),
    ("552 mailbox full", {}, Class.FULL),
    ("552 5.3.4 message too big", {}, Class.OURS),
    ("552 Message size exceeds limit", {}, Class.OURS),
    ("554 5.6.0 cannot parse this", {}, Class.OURS),
    ("connect to mx.example.org: Connection timed out", {"status": "4.4.1"}, Class.SOFT),
    ("451 4.4.1 no route", {"action": "put off"}, Class.TRANSIENT),
    ("delivery temporarily suspended", {"status": "4.4.7", "action": "delayed"}, Class.TRANSIENT),
    ("Host or domain name not found", {"status": "5.4.4"}, Class.DOMAIN),
    ("Host or domain name not found, try again", {"status": "4.4.3"}, Class.SOFT),
    ("550 5.7.1 Relaying denied", {}, Class.DOMAIN),
    ("550 5.7.1 Relaying denied", {"action": "refused"}, Class.CONFIG),
    ("553 5.1.8 bad sender", {}, Class.SENDER),
    ("550 5.7.1 You are not authorized to send to this group", {}, Class.SOFT),
    ("530 5.7.0 Authentication required", {"action": "refused"}, Class.CONFIG),
    ("", {}, Class.UNDETERMINED),
    ("550 5.1.1 user unknown", {"action": "delayed"}, Class.TRANSIENT),
    ("550 5.1.1 user unknown", {"action": "delivered"}, Class.NONE),
    ("550 5.1.1 user unknown", {"action": "something new"}, Class.NONE),
]


@pytest.mark.parametrize(("text", "more", "means"), MEANINGS)
def test_what_they_say_means_the_same_in_a_report_and_in_the_session(text, more, means):
    assert said(text, **more).means is means


def test_a_code_of_the_text_counts_where_the_given_one_is_missing_or_empty():
    assert said("550 5.1.1 unknown", status="5.0.0").means is Class.HARD
    assert said("550 5.1.1 unknown", status="nonsense").means is Class.HARD
    assert said("said: 552 no", status="5.0.0").means is Class.FULL
    assert said("the host 10.5.1.1 is away").means is Class.UNDETERMINED, "part of a number is no code"


@pytest.mark.parametrize("digit", [4, 5])
def test_the_first_digit_alone_decides_nothing(digit):
    assert len({said(row.example["text"], code=digit * 100 + 50).means for row in ROWS if "text" in row.example}) > 3


def test_only_the_address_or_its_reader_is_ever_suppressed_for():
    assert {row.means for row in ROWS if row.then is Then.SUPPRESS} == {Class.HARD, Class.COMPLAINT}
    counted = {row.means for row in ROWS if row.then is Then.COUNT}
    assert counted == {Class.SOFT, Class.FULL, Class.DOMAIN, Class.UNDETERMINED}
    assert set(COUNTING) == counted - {Class.UNDETERMINED}
    assert not any(row.our_fault for row in ROWS if row.means not in classes.OUR_FAULT)


def test_a_suppression_with_an_end_outlasts_what_it_was_counted_from():
    assert all(rule.ends_after is None or rule.ends_after >= rule.within for rule in COUNTING.values())


def test_every_class_has_a_row():
    assert {row.means for row in ROWS} == set(Class)


WORDS = st.sampled_from([word for row in ROWS for word in str(row.example.get("text", "")).split()])
TEXTS = st.one_of(st.text(), st.lists(WORDS, max_size=60).map(" ".join))


@given(
    action=st.one_of(st.sampled_from(ANSWERS), st.text()),
    code=st.one_of(st.none(), st.integers()),
    status=st.one_of(st.text(), st.from_regex(r"[245]\.\d{1,3}\.\d{1,3}", fullmatch=True)),
    text=TEXTS,
    provider=st.integers(),
)
def test_whatever_is_said_it_means_something(action, code, status, text, provider):
    assert classify(action=action, code=code, status=status, text=text, provider=provider) in ROWS


@given(seed=TEXTS.filter(bool))
def test_of_a_hundred_thousand_characters_no_more_is_looked_at_than_of_two_thousand(seed):
    hostile = (seed * (100_000 // len(seed) + 1))[:100_000]
    assert said(hostile) is said(hostile[: classes.LONGEST])


def test_the_table_of_the_docs_is_the_table():
    page = (ROOT / "docs" / "returns.md").read_text("utf-8")
    for row in ROWS:
        assert table_line(row) in page, f"docs/returns.md lacks the row: {table_line(row)}"
    assert page.count("\n| ") >= len(ROWS)


def table_line(row: Row) -> str:
    """Return a row as docs/returns.md shows it."""
    example = {"code": "", "status": "", **row.example}
    words = " ".join(str(example[name]) for name in ("code", "status", "text") if example[name]).replace("|", "\\|")
    only = f" ({providers.LARGE[row.provider][0]})" if row.provider else ""
    return f"| {row.name}{only} | {', '.join(row.actions)} | {row.means.value} | {row.then.value} | {words} |"
