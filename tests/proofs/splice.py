"""The proof of invariant I13: no personal value ever lands in another reader's mail.

Mails are made as the sender makes them: contents from a database, by recipes that one thread loads while another
splices, addresses out of their seals. Each is then held against a second splicer that knows nothing of the product.
`make proof-splice` makes a million and writes docs/proofs/splice.md.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from core import database, mailtext
from core.addresses import Address
from core.database import db
from core.identity import LaneSender, MailIdentity
from core.links import Links
from core.services import Services
from core.tokens import Tokens
from delivery import content, message, outbox
from delivery.models import Lane, LinkSet
from delivery.recipes import Recipes
from tests import installation
from tests.delivery import mails
from tests.proofs import editions, page, second_splicer
from tests.proofs.editions import LINK_SETS, WORDS, Edition, House, Letter

CLAIM = 300
"""So many contents are loaded at once, as for one claim of a sender."""
SHOWN = 5
"""So many faults are told in full."""
OPENED = datetime(2024, 1, 1, tzinfo=UTC)
ROW = mails.intent()


@dataclass
class Counts:
    """What was made and what was wrong with it."""

    mails: int = 0
    octets: int = 0
    again: int = 0
    faulty: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Counts") -> None:
        """Take over what another process counted."""
        self.mails += other.mails
        self.octets += other.octets
        self.again += other.again
        self.faulty += other.faulty
        self.kinds += other.kinds
        self.faults = [*self.faults, *other.faults][:SHOWN]

    def note(self, letter: Letter, raw: bytes, faults: Sequence[str]) -> None:
        """Count one mail."""
        edition = letter.edition
        self.mails += 1
        self.octets += len(raw)
        values = LINK_SETS[edition.link_set]
        self.kinds.update((edition.language, f"{edition.link_set} links", edition.format, f"lane {edition.lane}"))
        self.kinds.update(name for name, holds in _classes(letter).items() if holds and values)
        self.kinds["address beyond ASCII"] += not letter.to.isascii()
        if faults:
            self.faulty += 1
            self.faults = [*self.faults, f"delivery {letter.number}: {'; '.join(faults)}"[:2000]][:SHOWN]


def _classes(letter: Letter) -> dict[str, bool]:
    """Return which kinds of trouble the personal values of a mail bring."""
    value = letter.edition.house.base_url
    return {
        "value of 75 columns": len(value) == 13,
        "value of two lines": 13 < len(value) < 80,
        "value of three lines or more": len(value) > 80,
        "value with = . From": "=" in value and "." in value and "From" in value,
        "value with & < > or quotes": any(char in value for char in "&<>\"'"),
        "value with blanks": " " in value,
        "value beyond ASCII": not value.isascii(),
    }


class Office:
    """The product with an edition of each content in a database of its own."""

    def __init__(self, contents: Sequence[Edition]) -> None:
        self._services = {id(edition.house): services_for(edition.house) for edition in contents}
        self.recipes = Recipes(db.engine)
        with database.write_turn():
            self._ids = {edition.number: self._written(edition) for edition in contents}
            db.session.commit()

    def _written(self, edition: Edition) -> int:
        frame = outbox.Frame(
            lane=Lane[edition.lane.upper()],
            stream=f"digest:{edition.digest}" if edition.digest else "system",
            sender_name=edition.sender_name,
            sender=edition.sender,
            feedback=edition.feedback,
            doubt_policy="resend",
            list_id=edition.list_id,
            reply_to=edition.reply_to,
        )
        mailing = outbox.open_mailing(f"edition:{edition.number}", frame=frame, now=OPENED)
        head, *stories, foot = (_compiled(*part) for part in edition.parts)
        shell = outbox.add_shell(mailing, language="en", format=edition.format, head=head, foot=foot)
        blocks = [outbox.add_block(story) for story in stories]
        return outbox.add_content(mailing, shell_id=shell, subject=edition.subject, block_ids=blocks)

    def load(self, letters: Sequence[Letter]) -> None:
        """Load what the mails of a claim are made of."""
        self.recipes.load_many(self._ids[letter.edition.number] for letter in letters)

    def made(self, letter: Letter) -> tuple[str, bytes]:
        """Return envelope sender and mail, from the row that a sender would have."""
        services = self._services[id(letter.edition.house)]
        address = Address(mailbox=letter.to, folded=letter.to.lower())
        row = replace(
            ROW,
            id=letter.number,
            content_id=self._ids[letter.edition.number],
            reader_key=letter.key if LINK_SETS[letter.edition.link_set] else None,
            link_set=int(LinkSet[letter.edition.link_set.upper()]),
            link_version=letter.version,
            addr_hash=services.keyring.hash(address),
            address_sealed=services.keyring.seal(address, services.keyring.hash(address)),
            dated_at=letter.at,
        )
        to = services.keyring.unseal(row.address_sealed, row.addr_hash)
        recipe = self.recipes.of(row.content_id)
        raw = message.splice(recipe, row, to=to, services=services)
        return message.envelope_sender(recipe, row, services), raw


def _compiled(text: str, markup: str) -> content.Part:
    for name in ("preferences", "why", "unsubscribe", "confirm", "share", "share_opt_out"):
        text, markup = (each.replace(f"⟦{name}⟧", str(mailtext.place(name))) for each in (text, markup))
    return content.Part(content.cut(text), content.cut(markup))


def services_for(house: House) -> Services:
    """Return the product's services for an installation."""
    lanes = {lane: LaneSender(bounce_domain=domain) for lane, domain in house.bounce_domains.items()}
    identity = MailIdentity("news@example.org", house.domain, "unused.example.org", "monsoon", lanes)
    return replace(mails.SERVICES, links=Links(house.base_url, Tokens(house.secret_key)), identity=identity)


@contextmanager
def office(folder: Path, contents: Sequence[Edition]) -> Iterator[Office]:
    """Have the product write the contents into a new database."""
    with installation.rooms_on(installation.settings_for(f"sqlite:///{folder / 'splice.db'}")):
        yield Office(contents)


def share(seed: int, number: int, *, count: int, contents: int) -> Counts:
    """Make and check one share of the mails, in a process of its own."""
    drawn = editions.editions(seed, contents)
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder, office(Path(folder), drawn) as made_by:
        for letter in _claimed(made_by, editions.letters(seed, number, count, drawn)):
            counts.note(letter, *_checked(made_by, letter, counts))
    return counts


def _checked(made_by: Office, letter: Letter, counts: Counts) -> tuple[bytes, list[str]]:
    """Return a mail and what is wrong with it; now and then it is sent again."""
    try:
        sender, raw = made_by.made(letter)
        faults = list(second_splicer.faults(letter, sender, raw))
    except ValueError as error:
        return b"", [f"not made, or not to be read: {error}"]
    if letter.number % 50 == 0:
        counts.again += 1
        faults += [] if made_by.made(letter)[1] == raw else ["not the same octets when it is sent again"]
    return raw, faults


def _claimed(made_by: Office, letters: Iterator[Letter]) -> Iterator[Letter]:
    """Yield the letters of claim after claim, while another thread loads what the next claim needs."""
    with ThreadPoolExecutor(1) as supplier:
        claim, loaded = _next(made_by, letters, supplier)
        while claim:
            loaded.result()
            following = _next(made_by, letters, supplier)
            yield from claim
            claim, loaded = following


def _next(
    made_by: Office, letters: Iterator[Letter], supplier: ThreadPoolExecutor
) -> tuple[list[Letter], Future[None]]:
    claim = list(islice(letters, CLAIM))
    return claim, supplier.submit(made_by.load, claim)


def run(*, count: int, contents: int, seed: int, processes: int = 2) -> Counts:
    """Make and check `count` mails."""
    counts = Counts()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        shares = [
            pool.submit(share, seed, number, count=count // processes + (number < count % processes), contents=contents)
            for number in range(processes)
        ]
        for one in shares:
            counts.add(one.result())
    return counts


def _listed(counts: Counts, names: Iterable[str]) -> str:
    return ", ".join(f"{name} {counts.kinds[name]:,}" for name in names)


def main() -> int:
    """Run the proof in full and write its page; the exit status says whether it holds."""
    parser = argparse.ArgumentParser(description="Hold mails against those of a second splicer.")
    parser.add_argument("--mails", type=int, default=1_000_000)
    parser.add_argument("--contents", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    counts = run(count=options.mails, contents=options.contents, seed=options.seed)
    faults = [f"{counts.faulty} mails were not as they must be", *counts.faults] if counts.faulty else []
    page.write(
        "splice",
        title="Nobody gets what is another's",
        claim=(
            "Each mail is made as the sender makes it, and held against a second splicer that imports nothing of the "
            "product: it composes from the strings that the edition was written in, and mints and opens tokens by "
            "[mail.md](../mail.md). Text, HTML, headers and envelope sender are equal, every token opens its door for "
            "this reader and names nobody else, and no relay has a reason to touch a line."
        ),
        seed=options.seed,
        rows=rows(counts, options.contents),
        faults=faults,
    )
    return 1 if faults else 0


def rows(counts: Counts, contents: int) -> dict[str, object]:
    """Return the lines of the page's table."""
    return {
        "mails made and checked": f"{counts.mails:,}",
        "contents, from as many editions": contents,
        "octets compared": f"{counts.octets:,}",
        "sent again, the same octets": f"{counts.again:,}",
        "languages": _listed(counts, WORDS),
        "link sets": _listed(counts, [f"{name} links" for name in LINK_SETS]),
        "formats": _listed(counts, ["both", "text"]),
        "lanes": _listed(counts, [f"lane {lane.name.lower()}" for lane in Lane]),
        "lengths of the values": _listed(
            counts, ["value of 75 columns", "value of two lines", "value of three lines or more"]
        ),
        "values": _listed(
            counts,
            ["value with = . From", "value with & < > or quotes", "value with blanks", "value beyond ASCII"],
        ),
        "addresses beyond ASCII": f"{counts.kinds['address beyond ASCII']:,}",
        "mails that were not as they must be": counts.faulty,
    }


if __name__ == "__main__":
    sys.exit(main())
