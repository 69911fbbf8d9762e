"""How fast reports are read that came back: from a mailbox, classified, applied and committed, mail by mail once."""

import json
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import edition
from bench.ground import BenchError, Ground
from bench.installation import Installation, installation
from bench.progress import Progress
from bench.sizes import Sizes
from bench.speed import Keep
from core import services
from delivery import verp

SORTS: Sequence[tuple[int, str, str, str]] = (
    (60, "failed", "5.1.1", "smtp; 550 5.1.1 <ada@readers.test>: Recipient address rejected: User unknown"),
    (15, "failed", "5.2.2", "smtp; 552 5.2.2 The mailbox is over its quota"),
    (10, "failed", "4.4.7", "smtp; 450 4.2.0 try again later"),
    (5, "failed", "5.7.1", "smtp; 554 5.7.1 Service unavailable; client host blocked by a list"),
    (5, "delayed", "4.4.1", "X-Postfix; connect to mx.readers.test: Connection timed out"),
    (5, "complaint", "", ""),
)
"""Of a hundred reports so many are of each sort. A complaint is an ARF report, all others are notifications."""
RETURNED = "Return-Path: <{to}>\nFrom: news@monsoon.example.org\nTo: ada@readers.test\nSubject: Asia Daily\n"
FRAME = """Return-Path: <>
Delivered-To: {to}
Received: by mx.readers.test (Postfix) id {number}; Tue, 24 Nov 2026 07:00:02 +0000 (UTC)
Date: Tue, 24 Nov 2026 07:00:02 +0000
From: MAILER-DAEMON@mx.readers.test (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Message-ID: <{number}@mx.readers.test>
MIME-Version: 1.0
Content-Type: multipart/report; boundary="{number}/mx"

--{number}/mx
Content-Type: text/plain; charset=us-ascii

This is the mail system. Your message could not be delivered to one or more recipients.

--{number}/mx
Content-Type: {kind}

{fields}
--{number}/mx
Content-Type: {returned_as}

{returned}
{body}
--{number}/mx--
"""
BODY = "A story of Asia, in some words that fill a line of a mail as they do.\n" * 120
"""As long as the text of a digest: Postfix returns the whole mail."""


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Have as many mails come back as `sizes.reports`, each once, and read them with the shipped command."""
    with installation(ground, smtp_port=9, connections=1) as house:
        box = house.folder / "box"
        for folder in ("tmp", "new", "cur"):
            (box / folder).mkdir(parents=True)
        _hand_over(house, sizes.reports)
        started = _read(house, box)[0]
        octets = _fill(house, box, sizes.reports)
        house.settle()
        took, told = _read(house, box)
        _check(house, told, sizes.reports)
    seconds = took - started
    print(f"  {sizes.reports:,} reports in {seconds:.1f} s, {sizes.reports / seconds:,.0f}/s", flush=True)
    keep(
        {
            "reports": sizes.reports,
            "seconds": seconds,
            "rate": sizes.reports / seconds,
            "octets": octets / sizes.reports,
            "kinds": told["kinds"],
            "classes": told["classes"],
        }
    )


def _hand_over(house: Installation, count: int) -> None:
    """Have a list in the ledger that was handed over an hour ago."""
    with house.rooms():
        opened = edition.open_edition("returning", services.current())
        progress, written = Progress("planning", count), 0
        for planned, _took in edition.plan(opened, range(count), edition.one_content(opened)):
            written += planned
            progress.at(written)
        progress.done(f"{written:,}")
    house.ask(
        "UPDATE deliveries SET state = 'sent', epoch = 1, attempts = 1, address_sealed = NULL, "
        "dated_at = now() - interval '1 hour', intent_at = now() - interval '1 hour', "
        "done_at = now() - interval '1 hour' RETURNING 1"
    )


def _fill(house: Installation, box: Path, count: int) -> int:
    """Put a report of each mail into the box, in random order; return how many octets they have."""
    with house.rooms():
        tokens = services.current().links.tokens
        domain = services.current().identity.bounce_domain
    ids = [int(str(row[0])) for row in house.ask("SELECT id FROM deliveries ORDER BY id")]
    random.Random(1).shuffle(ids)
    octets = 0
    for number, (delivery, sort) in enumerate(zip(ids, _sorts(count), strict=True)):
        raw = _report(number, verp.envelope_sender(delivery, tokens=tokens, domain=domain), *sort).encode()
        (box / "new" / f"{number:07d}.report.host").write_bytes(raw)
        octets += len(raw)
    return octets


def _sorts(count: int) -> Iterator[tuple[str, str, str]]:
    chance = random.Random(2)
    weights = [one[0] for one in SORTS]
    for sort in chance.choices(SORTS, weights, k=count):
        yield sort[1:]


def _report(number: int, to: str, action: str, status: str, diagnosis: str) -> str:
    if action == "complaint":
        fields = f"Feedback-Type: abuse\nVersion: 1\nUser-Agent: Bench/1\nOriginal-Mail-From: <{to}>\n"
        kind = "message/feedback-report"
    else:
        fields = (
            f"Reporting-MTA: dns; mx.readers.test\nX-Postfix-Sender: rfc822; {to}\n\n"
            "Final-Recipient: rfc822; ada@readers.test\nOriginal-Recipient: rfc822;ada@readers.test\n"
            f"Action: {action}\nStatus: {status}\nRemote-MTA: dns; mx.readers.test\nDiagnostic-Code: {diagnosis}\n"
        )
        kind = "message/delivery-status"
    return FRAME.format(
        to=to,
        number=number,
        kind=kind,
        fields=fields,
        returned_as="message/rfc822",
        returned=RETURNED.format(to=to),
        body=BODY,
    )


def _read(house: Installation, box: Path) -> tuple[float, Mapping[str, Mapping[str, int]]]:
    """Read the box with the shipped command; return how long that took, and what it says. An empty one takes what it
    takes to start.
    """
    environment = {**house.environment, "MAILBOX_URL": f"maildir://{box}", "STATE_DIR": str(house.folder)}
    reading = Installation(house.folder, environment, house.database_url)
    os.sync()
    begun = time.monotonic()
    told: Mapping[str, Mapping[str, int]] = json.loads(reading.flask("mailbox", "read", "--json"))
    return time.monotonic() - begun, told


def _check(house: Installation, told: Mapping[str, Mapping[str, int]], count: int) -> None:
    """Raise BenchError unless every report was read and had its effect."""
    if sum(told["kinds"].values()) != count or told["kinds"].get("unread"):
        raise BenchError(f"Of {count} reports it read {told['kinds']}.")
    marked = int(str(house.ask("SELECT count(*) FROM deliveries WHERE returned_at IS NOT NULL")[0][0]))
    expected = count - told["kinds"].get("delayed", 0)
    if marked != expected:
        raise BenchError(f"{marked} mails came back, and {expected} should have.")
