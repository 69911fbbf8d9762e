"""A mail: its headers by lane, its parts in order, the same bytes each time, and nobody else's links."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from core import addresses, clock, database, errors
from core.database import db
from core.identity import LaneSender
from core.tokens import Purpose, Tokens
from delivery import content, message, outbox, verp
from delivery.content import Part
from delivery.models import Delivery, Lane, LinkSet
from delivery.moves import Intent
from delivery.recipes import Recipes
from tests import installation
from tests.delivery.mails import (
    CONFIRMATION,
    DATED,
    DIGEST,
    LINK_ONLY,
    PARTS,
    READER,
    SERVICES,
    digest,
    header_lines,
    intent,
    read,
    spliced,
    text_of,
)

TEXT_ONLY = digest(format="text")
TOKENS = SERVICES.links.tokens
LINK = re.compile(r"https?://[^\s<>\"]+")


def assert_good_lines(raw: bytes) -> None:
    assert raw.endswith(b"\r\n")
    lines = raw.split(b"\r\n")
    body = lines[lines.index(b"") :]
    assert max(map(len, lines)) <= 998 and max(map(len, body)) <= 76
    for line in lines:
        assert not line.startswith((b".", b"From ")) and not line.endswith((b" ", b"\t"))
        assert b"\r" not in line and b"\n" not in line and b"\0" not in line


@pytest.mark.parametrize("recipe", [DIGEST, CONFIRMATION, TEXT_ONLY], ids=["digest", "confirmation", "text only"])
def test_a_mail_has_whole_lines_that_nobody_needs_to_change(recipe):
    assert_good_lines(spliced(recipe))


def test_a_mail_of_both_forms_has_the_text_first_and_the_html_last():
    mail = read(spliced())
    assert mail.get_content_type() == "multipart/alternative" and not mail.preamble and not mail.epilogue
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    for part in mail.iter_parts():
        assert part.get_content_charset() == "utf-8" and part["Content-Transfer-Encoding"] == "quoted-printable"
    assert text_of(spliced(), "plain").startswith("The Monsoon Courier\r\n\r\nA headline\r\n")
    assert text_of(spliced(), "html").startswith("<html><body>\r\n<h2>A headline</h2>")


def test_a_mail_of_text_only_is_one_part_with_the_same_text():
    mail = read(spliced(TEXT_ONLY))
    assert mail.get_content_type() == "text/plain" and not mail.is_multipart()
    assert text_of(spliced(TEXT_ONLY), "plain") == text_of(spliced(), "plain")
    assert b"text/html" not in spliced(TEXT_ONLY) and b"<h2>" not in spliced(TEXT_ONLY)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_whatever_a_part_says_no_boundary_is_in_it(text):
    part = Part(content.cut(text + "\n--=_postrider\n"), content.cut(text + "\n--=_postrider--\n"))
    raw = spliced(digest(parts=[part]))
    assert [piece.get_content_type() for piece in read(raw).walk()][1:] == ["text/plain", "text/html"]
    assert text_of(raw, "plain").endswith("\r\n--=_postrider\r\n")
    assert_good_lines(raw)


def test_a_digest_says_whose_list_it_is_and_how_to_leave_it_and_not_that_a_machine_wrote_it():
    mail = read(spliced())
    assert mail["List-Id"] == "<asia-daily.monsoon.example.org>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Reply-To"] == "desk@monsoon.example.org"
    assert mail["Feedback-ID"] == "asia-daily:digest:postrider:monsoon"
    assert mail["Auto-Submitted"] is None and mail["Precedence"] is None


def test_a_confirmation_says_that_a_machine_wrote_it_and_offers_no_list_to_leave():
    mail = read(spliced(CONFIRMATION))
    assert mail["Auto-Submitted"] == "auto-generated"
    assert not [name for name in mail if name.startswith("List-")] and mail["Reply-To"] is None


def test_a_system_mail_with_a_readers_links_offers_no_list_to_leave_either():
    recipe = digest(lane=Lane.TRANSACTIONAL, stream="system", list_id=None)
    mail = read(spliced(recipe, link_set=LinkSet.READER))
    assert not [name for name in mail if name.startswith("List-")]
    assert "/unsubscribe/t/" in text_of(spliced(recipe, link_set=LinkSet.READER), "plain"), "it leaves all digests"


def test_the_unsubscribe_header_is_one_line_with_one_https_address_first_that_opens_its_door():
    found = [line for line in header_lines(spliced()) if line.lower().startswith(b"list-unsubscribe:")]
    match = re.fullmatch(rb"List-Unsubscribe: <(https?://[^<>, ]+)>, <mailto:[^<>, ]+>", found[0])
    assert len(found) == 1 and match
    token = match[1].decode().rpartition("/t/")[2]
    assert TOKENS.read(Purpose.UNSUBSCRIBE, token, scope="asia-daily").key == READER
    assert match[1].decode() in text_of(spliced(), "plain"), "the same link as in the text"


def test_the_second_address_to_leave_by_is_a_mail_to_the_bounce_domain_that_names_the_delivery_alone():
    address = read(spliced(id=4711))["List-Unsubscribe"].rpartition("<mailto:")[2].removesuffix(">")
    assert address.endswith("@bounces.monsoon.example.org")
    assert len(address.partition("@")[0]) <= 64
    token = verp.token_of(address, prefix=verp.LEAVE_PREFIX)
    assert token and verp.read(token, tokens=TOKENS, prefix=verp.LEAVE_PREFIX) == 4711
    with pytest.raises(errors.LinkDamaged):
        verp.read(token, tokens=TOKENS)


def test_a_mail_that_answers_by_itself_says_so():
    answer = digest(lane=Lane.TRANSACTIONAL, stream=message.ANSWERS, list_id=None, parts=LINK_ONLY)
    assert read(spliced(answer))["Auto-Submitted"] == "auto-replied"


def test_the_unsubscribe_header_stays_one_line_under_the_longest_host_and_digest():
    links = replace(SERVICES.links, base_url="https://" + ".".join(["a" * 60] * 4) + ".org")
    recipe = digest(stream="digest:" + "d" * 40)
    raw = message.splice(recipe, intent(), to="reader@example.org", services=replace(SERVICES, links=links))
    (line,) = [line for line in header_lines(raw) if line.startswith(b"List-Unsubscribe:")]
    assert line.endswith(b">") and len(line) < 998 and b"=?" not in line


def test_a_mail_is_the_same_octets_each_time_it_is_sent():
    again = [spliced(attempts=attempts, epoch=epoch) for attempts, epoch in ((1, 1), (2, 3), (9, 9))]
    assert again[0] == again[1] == again[2]


def test_each_delivery_has_a_message_id_of_its_own_that_tells_nobodys_address():
    ids = [read(spliced(id=number))["Message-ID"] for number in (1, 2, 3, 2**63 - 1)]
    assert len(set(ids)) == 4
    for one in ids:
        assert re.fullmatch(r"<[a-z2-7]{16}@monsoon\.example\.org>", one)
    assert read(spliced(id=1, to="other@example.org"))["Message-ID"] == ids[0]


def test_a_link_carries_the_day_of_the_first_attempt_so_a_resend_next_day_is_the_same():
    token = LINK.findall(text_of(spliced(), "plain"))[0].rpartition("/t/")[2]
    assert TOKENS.read(Purpose.PREFERENCES, token).day == clock.day_number(DATED)


def test_a_recipient_without_links_gets_none_and_a_mail_that_has_places_for_them_is_not_made():
    plain = replace(CONFIRMATION, parts=[Part(content.cut("Hello\n"), content.cut("<p>Hello</p>\n"))])
    assert LINK.findall(text_of(spliced(plain, link_set=LinkSet.NONE), "plain")) == []
    with pytest.raises(ValueError, match="no such value"):
        spliced(CONFIRMATION, link_set=LinkSet.NONE)
    with pytest.raises(ValueError, match="no such value"):
        spliced(CONFIRMATION, reader_key=None)
    with pytest.raises(ValueError, match="no such value"):
        spliced(digest(parts=LINK_ONLY))


def test_an_envelope_sender_names_one_delivery_and_is_short_enough():
    senders = {verp.envelope_sender(one, tokens=TOKENS, domain="b.example.org") for one in (1, 2, 2**62)}
    assert len(senders) == 3
    for one in senders:
        assert re.fullmatch(r"b\+[a-z2-7]{29}@b\.example\.org", one)


def test_an_envelope_sender_that_was_sent_still_names_its_delivery():
    sent = "b+aaaaaaaaaaaapcues3pgmrgjjjbgi@b.example.org"
    tokens = Tokens(b"one secret of an installation!!!")
    assert verp.envelope_sender(7, tokens=tokens, domain="b.example.org") == sent


@pytest.mark.parametrize("lane", Lane)
def test_bounces_come_back_to_the_domain_of_the_mails_lane(lane):
    own = LaneSender(bounce_domain=f"{lane.name.lower()}.example.org")
    identity = replace(SERVICES.identity, lanes={lane.name.lower(): own})
    services = replace(SERVICES, identity=identity)
    sender = message.envelope_sender(digest(lane=lane), intent(), services)
    assert sender.partition("@")[2] == f"{lane.name.lower()}.example.org"
    assert sender.partition("@")[0] == verp.envelope_sender(1, tokens=TOKENS, domain="").rstrip("@")
    other = Lane.BREAKING if lane == Lane.DIGEST else Lane.DIGEST
    assert message.envelope_sender(digest(lane=other), intent(), services).endswith("@bounces.monsoon.example.org")


def test_a_recipe_is_one_run_of_bytes_between_the_places_of_a_reader():
    fixed = [isinstance(piece, bytes) for piece in DIGEST.mail]
    assert fixed.count(False) == 9, "to, date, id, echo, leave, and two links in text and HTML"
    assert not any(one and next_one for one, next_one in zip(fixed, fixed[1:], strict=False))


def test_a_mail_that_no_relay_would_take_is_refused_before_it_is_made():
    story = content.cut("word " * 700_000)
    with pytest.raises(ValueError, match="10,240,000 octets: shorten"):
        digest(parts=[Part(story, story), Part(story, story), *PARTS])
    assert digest(parts=[Part(story, story), *PARTS]).octets < message.MAX_OCTETS


@pytest.fixture
def crowd(tmp_path):
    """300 readers by their keys, and an empty ledger on SQLite; the application's context is open."""
    with installation.rooms_on(installation.settings_for(f"sqlite:///{tmp_path / 'crowd.db'}")):
        yield {number.to_bytes(16, "big"): f"reader.{number}@example.org" for number in range(1, 301)}


def queue(readers: dict[bytes, str]) -> None:
    now = clock.utc_now() - timedelta(seconds=1)
    frame = outbox.Frame(Lane.DIGEST, "digest:asia-daily", "Courier", "news@example.org", "f", "resend", "<a.b>")
    head, block, foot = PARTS
    with database.write_turn():
        mailing = outbox.open_mailing("edition:1", frame=frame, now=now)
        shell = outbox.add_shell(mailing, language="en", format="both", head=head, foot=foot)
        made = outbox.add_content(mailing, shell_id=shell, subject="News", block_ids=[outbox.add_block(block)])
        planned = [
            outbox.Planned(outbox.Recipient(addresses.parse(mailbox), key, number % 3), key, made)
            for number, (key, mailbox) in enumerate(readers.items())
        ]
        outbox.queue_bulk(
            planned,
            mailing_id=mailing,
            lane=Lane.DIGEST,
            link_set=LinkSet.READER,
            not_after=now + timedelta(hours=1),
            services=SERVICES,
        )
        db.session.commit()


def test_among_300_readers_each_mail_holds_its_own_readers_links_and_address_and_nobody_elses(crowd):
    queue(crowd)
    recipes = Recipes(db.engine)
    rows = db.session.scalars(select(Delivery)).all()
    names = [name for name in Intent.__slots__ if name != "dated_at"]
    intents = [Intent(**{name: getattr(row, name) for name in names}, dated_at=DATED) for row in rows]
    assert len(intents) == 300
    seen: set[str] = set()
    for one in intents:
        to = SERVICES.keyring.unseal(one.address_sealed, one.addr_hash)
        raw = message.splice(recipes.of(one.content_id), one, to=to, services=SERVICES)
        whole = "\n".join([raw.decode("ascii"), text_of(raw, "plain"), text_of(raw, "html")])
        found = dict(set(re.findall(r"/(preferences|unsubscribe/asia-daily)/t/([a-z2-7]{47})", whole)))
        tokens = set(re.findall(r"/t/([a-z2-7]{47})", whole))
        assert len(tokens) == 2 == len(found) and not tokens & seen, "two links, and nobody else has them"
        seen |= tokens
        assert TOKENS.read(Purpose.PREFERENCES, found["preferences"]).key == one.reader_key
        leave = TOKENS.read(Purpose.UNSUBSCRIBE, found["unsubscribe/asia-daily"], scope="asia-daily")
        assert leave.key == one.reader_key and crowd[one.reader_key] == to
        assert set(re.findall(r"reader\.\d+@example\.org", whole)) == {to}
        assert_good_lines(raw)
