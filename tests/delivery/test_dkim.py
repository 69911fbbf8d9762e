"""Signatures hold for two verifiers that share no code with the signer, and fail when they must."""

import hashlib
import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.dkimkeys import DomainKeys, SigningKeys
from core.identity import LaneSender
from core.mailtext import place
from core.services import Services
from delivery import content, dkim, message
from delivery.content import Part
from delivery.models import Lane
from tests import second_verifier, signing
from tests.delivery.mails import CONFIRMATION, DATED, DIGEST, SERVICES, digest, read, spliced
from tests.proofs import editions, splice
from tests.second_verifier import relaxed_body
from tests.signing import BOTH, RSA_ONLY

KEYS = signing.keys(*BOTH)
EXPECTED = [("rsa-1", "good"), ("ed-1", "good")]


def signed(raw: bytes, *selectors: str) -> bytes:
    return dkim.sign(raw, keys=signing.keys(*(selectors or BOTH)), at=DATED)


def verdicts(raw: bytes) -> list[str]:
    """What both verifiers say of each signature; they must agree."""
    ours = second_verifier.verified(raw, signing.looked_up(KEYS))
    assert [verdict == "good" for _selector, verdict in ours] == signing.by_dkimpy(raw, KEYS)
    return [verdict for _selector, verdict in ours]


def part(text: str) -> list[Part]:
    links = f"\n{place('preferences')}\n{place('unsubscribe')}\n"
    return [Part(content.cut(text + links), content.cut(f'<p dir="auto">{text}</p>{links}'))]


LANGUAGES = {
    "en": ("Seoul and Havana exchange notes", "Philippine islanders move the ferry."),
    "ar": ("الخرائط تتغير من جديد هذا الأسبوع", "سكان الجزر ينقلون العبّارة لتوافق جرس المدرسة. " * 20),
    "zh-Hant": ("島民為配合上課鐘聲調整渡輪時間", "季風帶來的消息,送到你的門前。" * 40),
}


def of_every_kind() -> dict[str, bytes]:
    """Mails that differ in kind, not signed yet."""
    made = {code: spliced(digest(subject=subject, parts=part(text))) for code, (subject, text) in LANGUAGES.items()}
    return made | {
        "text only": spliced(digest(format="text")),
        "text that ends in empty lines": spliced(digest(format="text", parts=[*part("a"), Part((b"\r\n\r\n",), ())])),
        "no text at all": spliced(digest(format="text", parts=[Part((), ())])),
        "transactional": spliced(CONFIRMATION),
        "without Reply-To": spliced(digest(reply_to=None)),
        "SMTPUTF8": spliced(to="δοκιμή.用户@xn--e1aybc.example.org"),
        "headers folded often": spliced(digest(subject="é" * 700, sender_name="ü" * 120)),
        "headers as long as a line": spliced(digest(feedback="a" * 980)),
        "blanks in headers": spliced(digest(subject="a  b   c    ", sender_name="The  Courier ")),
    }


@pytest.mark.parametrize("kind", of_every_kind())
def test_a_mail_of_every_kind_is_signed_well(kind):
    raw = of_every_kind()[kind]
    made = signed(raw)
    assert second_verifier.verified(made, signing.looked_up(KEYS)) == EXPECTED
    assert signing.by_dkimpy(made, KEYS) == [True, True]
    assert made.endswith(raw), "the mail itself is what it was"


def test_without_an_ed25519_key_there_is_one_signature():
    assert second_verifier.verified(signed(spliced(), *RSA_ONLY), signing.looked_up(KEYS)) == [("rsa-1", "good")]


def test_the_same_mail_signed_again_is_the_same_bytes():
    assert signed(spliced()) == signed(spliced())
    assert b" t=1707977587;" in signed(spliced()), "the time is that of the first attempt, in every copy"


@pytest.mark.parametrize(
    "more",
    [
        *(b"From: other@example.org", b"To: other@example.org", b"Cc: other@example.org", b"Subject: Other"),
        *(b"Date: Thu, 15 Feb 2024 06:13:08 +0000", b"Message-ID: <other@example.org>", b"Reply-To: o@example.org"),
        *(b"Content-Type: text/html", b"List-Unsubscribe: <https://other.example.org>"),
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ],
)
@pytest.mark.parametrize("kind", ["en", "transactional"])
def test_a_second_header_of_a_kind_that_counts_breaks_every_signature(more, kind):
    head, blank, body = signed(of_every_kind()[kind]).partition(b"\r\n\r\n")
    assert verdicts(more + b"\r\n" + head + blank + body) == ["signature"] * 2
    assert verdicts(head + b"\r\n" + more + blank + body) == ["signature"] * 2


@pytest.mark.parametrize("more", [b"Received: from a by b", b"X-Spam-Score: 0", b"Return-Path: <b+x@example.org>"])
def test_what_relays_add_breaks_nothing(more):
    head, blank, body = signed(spliced()).partition(b"\r\n\r\n")
    assert verdicts(more + b"\r\n" + head + b"\r\n" + more + blank + body) == ["good"] * 2


@pytest.mark.parametrize("name", [line.partition(b":")[0] for line in spliced().split(b"\r\n\r\n")[0].split(b"\r\n")])
def test_a_header_of_ours_that_is_changed_or_taken_out_breaks_every_signature(name):
    raw = signed(spliced())
    line = next(one for one in spliced().split(b"\r\n") if one.startswith(name + b":"))
    assert verdicts(raw.replace(b"\r\n" + line + b"\r\n", b"\r\n" + line + b"x\r\n")) == ["signature"] * 2
    if name != b"From":
        assert verdicts(raw.replace(b"\r\n" + line + b"\r\n", b"\r\n", 1)) == ["signature"] * 2


def test_a_body_that_is_changed_or_goes_on_breaks_every_signature():
    raw = signed(spliced())
    assert verdicts(raw.replace(b"A headline", b"A Headline")) == ["body hash"] * 2
    assert verdicts(raw + b"More.\r\n") == ["body hash"] * 2
    assert verdicts(raw + b"\r\n\r\n") == ["good"] * 2, "empty lines at the end do not count"


def test_headers_that_a_relay_folds_anew_or_writes_in_other_case_still_hold():
    raw = signed(spliced())
    folded = raw.replace(b"Subject: Seoul and", b"SUBJECT:   Seoul\r\n\tand").replace(b"v=1; a=", b"v=1;\r\n\t  a=")
    assert folded != raw and verdicts(folded) == ["good"] * 2


def test_both_headers_of_unsubscribing_are_covered_and_nothing_says_how_long_the_body_is():
    for field, value in second_verifier.fields(signed(spliced()))[:2]:
        assert field == b"DKIM-Signature"
        tags = dict(re.findall(rb"(\w+)=([^;]*)", re.sub(rb"\s+", b"", value)))
        names = tags[b"h"].split(b":")
        assert names.count(b"list-unsubscribe") == names.count(b"list-unsubscribe-post") == 2
        assert names.count(b"from") == 2 and names.count(b"cc") == 1
        assert {b"list-id", b"feedback-id", b"mime-version"} <= set(names)
        assert not {b"received", b"return-path", b"dkim-signature", b"bcc"} & set(names)
        assert b"l" not in tags and b"x" not in tags


@pytest.mark.parametrize("kind", of_every_kind())
def test_the_lines_of_a_signature_are_short_and_ascii(kind):
    raw = of_every_kind()[kind]
    made = signed(raw)[: -len(raw)]
    assert made.isascii() and made.endswith(b"\r\n")
    assert max(map(len, made.split(b"\r\n"))) <= 78


def test_a_mail_program_reads_a_signed_mail_as_it_reads_the_other():
    before, after = read(spliced()), read(signed(spliced()))
    assert [pair for pair in after.items() if pair[0] != "DKIM-Signature"] == before.items()


def test_headers_in_another_order_are_signed_just_as_well():
    head, blank, body = spliced().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for seed in range(20):
        random.Random(seed).shuffle(lines)
        assert verdicts(signed(b"\r\n".join(lines) + blank + body)) == ["good"] * 2


@pytest.mark.parametrize("name", [b"From", b"Subject", b"List-Unsubscribe", b"list-unsubscribe-post"])
def test_a_mail_with_two_of_a_header_is_not_signed(name):
    with pytest.raises(ValueError, match="twice"):
        signed(name + b": x\r\n" + spliced())


def with_keys(*domains: DomainKeys) -> Services:
    return replace(SERVICES, dkim=SigningKeys({one.domain: one for one in domains}))


def test_the_domain_that_signs_is_that_of_from_or_one_above_it():
    above = signing.keys("rsa-1", domain="example.org")
    assert message.keys_for(DIGEST, with_keys(above)) is above
    assert message.keys_for(DIGEST, with_keys(above, KEYS)) is KEYS
    assert message.keys_for(digest(sender="news@other.test"), with_keys(above, KEYS)) is None
    assert message.keys_for(digest(sender="news@notmonsoon.example.test"), with_keys(KEYS)) is None
    assert message.keys_for(DIGEST, SERVICES) is None


def test_a_mail_that_leaves_unsigned_though_there_are_keys_is_logged_once_for_its_domain():
    message._unsigned.cache_clear()
    with capture_logs() as logged:
        for _mail in range(3):
            assert message.keys_for(digest(sender="news@former.test"), with_keys(KEYS)) is None
        message.keys_for(DIGEST, SERVICES)
    assert logged == [{"event": "mail not signed", "domain": "former.test", "log_level": "warning"}]


def test_a_lane_whose_relay_signs_is_not_signed_here():
    identity = replace(SERVICES.identity, lanes={"digest": LaneSender(signed_by_relay=True)})
    services = replace(with_keys(KEYS), identity=identity)
    assert message.keys_for(DIGEST, services) is None
    assert message.keys_for(digest(lane=Lane.SHARE), services) is KEYS


TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(" \t.\n\r=Fromé漢")), max_size=400)


@given(TEXTS, TEXTS)
@example("  two  blanks  ", "\t\t")
@example("a \n b \r\n\r\n\r\n", "")
@example(" ", " ")
@example("A" * 74 + "  B", "." * 80)
def test_the_body_of_whatever_is_compiled_is_its_own_canonical_form(text, markup):
    raw = spliced(digest(parts=[Part(content.cut(text + "\n"), content.cut(markup + "\n"))]))
    body = raw.partition(b"\r\n\r\n")[2]
    assert relaxed_body(body) == body


@given(TEXTS)
@example("\n\n")
@example("")
def test_the_body_of_a_mail_of_text_is_its_own_canonical_form_but_for_empty_lines_at_its_end(text):
    raw = spliced(digest(format="text", parts=[Part(content.cut(text + "\n"), ())]))
    body = raw.partition(b"\r\n\r\n")[2]
    stripped = body.rstrip(b"\r\n")
    assert relaxed_body(body) == (stripped + b"\r\n" if stripped else b"")
    assert dkim.body_hash(body) == hashlib.sha256(relaxed_body(body)).digest()


@given(st.integers(0, 10**6), st.integers(0, 10**9))
def test_the_time_is_written_in_whole_seconds(seconds, micro):
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=micro % 10**6)
    raw = dkim.sign(spliced(), keys=signing.keys("ed-1"), at=at)
    assert b" t=%d;" % (1_704_067_200 + seconds) in raw
    assert second_verifier.verified(raw, signing.looked_up(KEYS)) == [("ed-1", "good")]


def test_hundreds_of_mails_of_drawn_editions_are_signed_well(tmp_path):
    seed = random.SystemRandom().randrange(10**6)
    drawn = editions.editions(seed, 60)
    with splice.office(tmp_path, drawn) as office:
        letters = list(islice(editions.letters(seed, 0, 1_000, drawn), 1_000))
        office.load(letters)
        made = 0
        for letter in letters:
            try:
                raw = office.made(letter)[1]
            except ValueError:
                continue
            body = raw.partition(b"\r\n\r\n")[2]
            assert relaxed_body(body).rstrip(b"\r\n") == body.rstrip(b"\r\n"), f"seed {seed}"
            keys = BOTH if letter.number % 10 == 0 else ("ed-1",)
            found = second_verifier.verified(signed(raw, *keys), signing.looked_up(KEYS))
            assert found == [(one, "good") for one in keys], f"seed {seed}, letter {letter.number}"
            made += 1
    assert made > 900
