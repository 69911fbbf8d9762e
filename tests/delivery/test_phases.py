"""One SMTP transaction without a socket: every reply in every phase, and whatever else a relay may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery import phases, replies
from delivery.phases import Offers, Phase, Transaction
from delivery.replies import Verdict

SENDER, READER = "b+x@bounces.example.org", "reader@example.org"
MAIL = b"Subject: x\r\n\r\nHello.\r\n"
OFFERS = {"pipelining": Offers(pipelining=True), "one by one": Offers()}
GOOD = [b"250 2.1.0 ok", b"250 2.1.5 ok", b"354 go on", b"250 2.0.0 taken"]
STEPS = ["MAIL", "RCPT", "DATA", "the dot"]
BOTH = pytest.mark.parametrize("offers", OFFERS.values(), ids=OFFERS)


class Talk:
    """A transaction with a relay that gives one reply after the other; `said` is what it was sent."""

    def __init__(self, offers: Offers, recipient: str = READER, mail: bytes = MAIL) -> None:
        self.transaction = Transaction(SENDER, recipient, mail, offers)
        self.said = [self.transaction.start()]

    def hear(self, *lines: bytes) -> "Talk":
        for line in lines:
            assert self.transaction.reply is None, f"it was over before {line!r}"
            following = self.transaction.hear(line + b"\r\n")
            if following:
                self.said.append(following)
            if self.transaction.phase is Phase.BODY:
                self.transaction.body_sent()
        return self

    @property
    def reply(self) -> replies.Reply:
        assert self.transaction.reply is not None, "it is not over"
        assert self.transaction.phase is Phase.OVER
        return self.transaction.reply


def lines_until(step: int, line: bytes, offers: Offers) -> list[bytes]:
    """Return what a relay says that gives `line` at a step and is content with all others."""
    if not offers.pipelining:
        return [*GOOD[:step], line]
    group = [line if at == step else b"503 5.5.1 out of order" if at > step else GOOD[at] for at in range(3)]
    return group if step < 3 else [*GOOD[:3], line]


@BOTH
def test_an_accepted_mail_was_said_in_order_and_leaves_the_line_usable(offers):
    talk = Talk(offers).hear(*GOOD)
    assert talk.reply == replies.Reply(Verdict.ACCEPTED, 250, "2.0.0 taken", usable=True)
    commands = [
        b"MAIL FROM:<b+x@bounces.example.org>\r\n",
        b"RCPT TO:<reader@example.org>\r\n",
        b"DATA\r\n",
        MAIL + b".\r\n",
    ]
    assert talk.said == ([b"".join(commands[:3]), commands[3]] if offers.pipelining else commands)


L, R, U, P, T, A, N = (
    Verdict.LATER,
    Verdict.REFUSED,
    Verdict.UNFIT,
    Verdict.POLICY,
    Verdict.THROTTLED,
    Verdict.LOGIN,
    Verdict.NONSENSE,
)
# What a relay says, and what it means to MAIL, RCPT, DATA and the final dot; None is what was hoped for.
MEANINGS = [
    (b"450 4.2.1 later", (T, L, L, L)),
    (b"451 4.7.1 greylisted", (T, L, L, L)),
    (b"452 4.2.2 over quota", (T, L, L, L)),
    (b"454 4.7.0 Throttling failure: Maximum sending rate exceeded.", (T, T, T, T)),
    (b"450 4.3.2 too many messages in one second", (T, T, T, T)),
    (b"550 5.1.1 no such user", (P, R, R, R)),
    (b"552 5.2.2 mailbox full", (P, R, R, R)),
    (b"554 5.6.0 no", (P, U, U, U)),
    (b"550 Sender frequency limited", (P, L, L, L)),
    (b"550 5.7.1 not allowed to send to this group", (P, R, R, R)),
    (b"554 5.7.1 Relay access denied", (P, P, P, P)),
    (b"550 5.7.26 unauthenticated", (P, P, P, P)),
    (b"530 5.7.0 Authentication required", (A, A, A, A)),
    (b"535 5.7.8 Authentication failed", (A, A, A, A)),
    (b"220 hello again", (N, N, N, Verdict.DOUBT)),
    (b"354 go on", (N, N, None, Verdict.DOUBT)),
    (b"251 forwarded", (N, None, N, Verdict.DOUBT)),
]


@BOTH
@pytest.mark.parametrize(
    ("step", "line", "verdict"),
    [
        pytest.param(step, line, verdict, id=f"{STEPS[step]}-{line.decode()[:9]}")
        for line, meanings in MEANINGS
        for step, verdict in enumerate(meanings)
        if verdict is not None
    ],
)
def test_each_reply_in_each_phase_means_one_thing(offers, step, line, verdict):
    talk = Talk(offers).hear(*lines_until(step, line, offers))
    if step < 3:
        assert talk.transaction.phase is Phase.RESET
        assert talk.said[-1] == b"RSET\r\n"
        talk.hear(b"250 ok")
    assert (talk.reply.verdict, talk.reply.code) == (verdict, int(line[:3]))
    assert talk.reply.usable == (verdict is not Verdict.DOUBT)
    assert not any(MAIL in said for said in talk.said) or step == 3


@BOTH
@pytest.mark.parametrize("step", range(4), ids=STEPS)
def test_421_anywhere_ends_the_line_and_is_nobodys_fault(offers, step):
    talk = Talk(offers).hear(*[*GOOD[:step], b"421 4.3.2 closing"])
    assert talk.reply == replies.Reply(Verdict.THROTTLED, 421, "4.3.2 closing", usable=False)


@BOTH
@pytest.mark.parametrize("reset", [b"421 closing", b"x"], ids=["421", "nonsense"])
def test_a_line_that_ends_while_it_is_made_ready_keeps_what_the_mail_came_to(offers, reset):
    talk = Talk(offers).hear(*lines_until(1, b"550 5.1.1 unknown", offers), reset)
    assert talk.reply == replies.Reply(Verdict.REFUSED, 550, "5.1.1 unknown", usable=False)


@BOTH
@pytest.mark.parametrize("step", range(4), ids=STEPS)
@pytest.mark.parametrize(
    "nonsense",
    [b"", b"25", b"hello", b"999 what", b"1xx", b"2500 ok", b"250ok", b"250-never\r\n550 ended", b"250-and so on"],
)
def test_what_is_no_reply_ends_the_line_and_is_a_doubt_only_after_the_dot(offers, step, nonsense):
    talk = Talk(offers).hear(*GOOD[:step], nonsense)
    assert (talk.reply.verdict, talk.reply.usable) == (Verdict.DOUBT if step == 3 else Verdict.NONSENSE, False)
    assert talk.reply.code is None


@BOTH
@pytest.mark.parametrize("step", range(4), ids=STEPS)
def test_a_reply_of_many_lines_is_one_reply(offers, step):
    spoken = [b"%s-first\r\n%s-second\r\n%s last" % (line[:3], line[:3], line[:3]) for line in GOOD]
    talk = Talk(offers).hear(*[spoken[at] if at == step else GOOD[at] for at in range(4)])
    assert talk.reply.verdict is Verdict.ACCEPTED
    assert talk.reply.text == ("first second last" if step == 3 else "2.0.0 taken")


@BOTH
@pytest.mark.parametrize("step", range(4), ids=STEPS)
def test_a_line_that_is_lost_is_a_doubt_only_after_the_dot(offers, step):
    talk = Talk(offers).hear(*GOOD[:step])
    talk.transaction.lost("The relay closed the line.")
    verdict = Verdict.DOUBT if step == 3 else Verdict.RELAY
    assert talk.reply == replies.Reply(verdict, None, "The relay closed the line.", usable=False)


@BOTH
def test_a_line_that_is_lost_inside_the_message_is_no_doubt(offers):
    transaction = Transaction(SENDER, READER, MAIL, offers)
    transaction.start()
    for line in GOOD[:3]:
        transaction.hear(line + b"\r\n")
    assert transaction.phase is Phase.BODY
    transaction.lost("gone")
    assert transaction.reply == replies.Reply(Verdict.RELAY, None, "gone", usable=False)


@BOTH
@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (b"552 5.3.4 too much", Verdict.UNFIT),
        (b"451 4.3.0 full", Verdict.LATER),
        (b"421 closing", Verdict.THROTTLED),
        (b"250 2.0.0 taken", Verdict.NONSENSE),
        (b"what", Verdict.NONSENSE),
    ],
)
def test_what_is_said_under_the_message_is_no_acceptance_and_no_doubt(offers, line, verdict):
    transaction = Transaction(SENDER, READER, MAIL, offers)
    transaction.start()
    for said in GOOD[:3]:
        transaction.hear(said + b"\r\n")
    assert transaction.hear(line + b"\r\n") == b""
    assert transaction.reply is not None
    assert (transaction.reply.verdict, transaction.reply.usable) == (verdict, False)


def test_a_relay_that_wants_a_message_for_a_refused_recipient_gets_a_lone_dot():
    talk = Talk(OFFERS["pipelining"]).hear(GOOD[0], b"550 5.1.1 unknown", b"354 go on")
    assert talk.said[-1] == b".\r\n"
    talk.hear(b"554 5.5.1 no valid recipients")
    assert talk.reply == replies.Reply(Verdict.REFUSED, 550, "5.1.1 unknown", usable=True)


def test_in_a_group_the_first_refusal_is_the_reason():
    talk = Talk(OFFERS["pipelining"]).hear(b"451 4.3.1 no room", b"503 5.5.1 MAIL first", b"503 5.5.1 RCPT first")
    talk.hear(b"250 ok")
    assert (talk.reply.verdict, talk.reply.code) == (Verdict.THROTTLED, 451)


@BOTH
def test_an_address_beyond_ascii_goes_where_smtputf8_is_offered(offers):
    able = Offers(pipelining=offers.pipelining, smtputf8=True)
    talk = Talk(able, "réader@example.org").hear(*GOOD)
    said = b"".join(talk.said)
    assert b"MAIL FROM:<b+x@bounces.example.org> BODY=8BITMIME SMTPUTF8\r\n" in said
    assert "RCPT TO:<réader@example.org>\r\n".encode() in said
    assert talk.reply.verdict is Verdict.ACCEPTED


@BOTH
def test_an_ascii_address_is_never_sent_with_smtputf8(offers):
    said = Talk(Offers(pipelining=offers.pipelining, smtputf8=True)).hear(*GOOD).said
    assert b"SMTPUTF8" not in b"".join(said)


@pytest.mark.parametrize(
    ("sender", "recipient", "offers", "why"),
    [
        (SENDER, "réader@example.org", Offers(), "SMTPUTF8"),
        (SENDER, READER, Offers(size=len(MAIL) - 1), "octets"),
        (SENDER, "reader@example.org>", Offers(), "damaged"),
        (SENDER, "reader@example.org\r\nDATA", Offers(), "damaged"),
        (SENDER, "read er@example.org", Offers(), "damaged"),
        (SENDER, "reader\0@example.org", Offers(), "damaged"),
        (SENDER, "reader\x85@example.org", Offers(smtputf8=True), "damaged"),
        (SENDER, "reader\ud800@example.org", Offers(smtputf8=True), "damaged"),
        (SENDER, "", Offers(), "damaged"),
        ("b@bounces.exämple.org", READER, Offers(smtputf8=True), "damaged"),
        ("b\n@example.org", READER, Offers(), "damaged"),
    ],
)
def test_a_mail_that_the_relay_cannot_carry_is_over_before_it_began(sender, recipient, offers, why):
    transaction = Transaction(sender, recipient, MAIL, offers)
    assert transaction.start() == b""
    assert transaction.phase is Phase.OVER and transaction.reply is not None
    assert (transaction.reply.verdict, transaction.reply.usable) == (Verdict.UNFIT, True)
    assert why in transaction.reply.text and "reader" not in transaction.reply.text


@pytest.mark.parametrize("size", [0, len(MAIL), len(MAIL) + 1])
def test_a_mail_of_the_size_that_a_relay_takes_goes(size):
    assert Talk(Offers(size=size)).hear(*GOOD).reply.verdict is Verdict.ACCEPTED


def test_each_phase_has_its_limit_and_the_final_dot_the_longest():
    assert set(phases.LIMITS) == set(Phase)
    assert phases.LIMITS[Phase.FINAL_DOT] == 600 == max(phases.LIMITS.values())


WORDS = [
    *GOOD,
    *(line for line, _ in MEANINGS),
    b"421 closing",
    b"250-more",
    b"",
    b"\xff\xfe",
    b"250",
    b"-",
    b"x" * 400,
]
SAYINGS = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=12)), max_size=8)


@given(says=SAYINGS, offers=st.builds(Offers, st.booleans(), st.booleans(), st.sampled_from([0, 5, 1000])))
def test_whatever_a_relay_says_a_transaction_ends_in_one_reply(says, offers):
    transaction = Transaction(SENDER, READER, MAIL, offers)
    transaction.start()
    dot_is_out, last = False, b""
    for line in says:
        if transaction.reply is not None:
            break
        last = line
        transaction.hear(line + b"\r\n")
        if transaction.phase is Phase.BODY:
            transaction.body_sent()
            dot_is_out = True
    else:
        transaction.lost("gone")
    reply = transaction.reply
    assert reply is not None and transaction.phase is Phase.OVER
    if reply.verdict is Verdict.DOUBT:
        assert dot_is_out and not reply.usable
    if reply.verdict is Verdict.ACCEPTED:
        assert dot_is_out and last.startswith(b"250")
    if reply.code is None:
        assert not reply.usable or reply.verdict is Verdict.UNFIT
    transaction.lost("gone once more")
    assert transaction.reply is not None and transaction.reply.verdict is reply.verdict
