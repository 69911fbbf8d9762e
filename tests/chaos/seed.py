"""Write a run's mails into the ledger through the product's own outbox, and say what each recipient must get.

`python -m tests.chaos.seed plan.json < wish.json`, in the environment of the service. The one part of the chaos
proof that knows the product; the checker reads only what this prints.
"""

import hashlib
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from app import create_app
from core import addresses, clock, database, mailtext
from core.database import db
from core.services import Services, current
from delivery import content, outbox, suppression
from delivery.models import Lane, LinkSet

DAYS = range(-3, 4)
"""The days, counted from today, whose links a mail may carry: a clock that jumps changes the day."""
PLACES = {LinkSet.NONE: (), LinkSet.READER: ("preferences", "unsubscribe"), LinkSet.REQUEST: ("confirm",)}


def main() -> None:
    """Read the wish, write the rows, write the plan."""
    wish = json.load(sys.stdin)
    with create_app().app_context(), database.write_turn():
        services = current()
        plan = [one for mailing in wish["mailings"] for one in _mailing(mailing, services)]
        db.session.commit()
    Path(sys.argv[1]).write_text(json.dumps({"seed": wish["seed"], "recipients": plan}))


def _mailing(wished: dict[str, Any], services: Services) -> list[dict[str, Any]]:
    now = clock.utc_now()
    lane, links = Lane(wished["lane"]), LinkSet(wished["link_set"])
    frame = outbox.Frame(
        lane=lane,
        stream=wished["stream"],
        sender_name="The Monsoon Courier",
        sender=services.identity.sender,
        feedback="chaos:chaos:postrider:monsoon",
        doubt_policy=wished["policy"],
        list_id="<chaos.monsoon.example.org>" if lane is Lane.DIGEST else None,
    )
    mailing_id = outbox.open_mailing(wished["key"], frame=frame, now=now)
    places = "".join(f"{name} {mailtext.place(name)}\n" for name in PLACES[links])
    head, foot = _part("The Monsoon Courier\n"), _part(f"\n{places}\n")
    shell_id = outbox.add_shell(mailing_id, language="en", format="both", head=head, foot=foot)
    planned = []
    for number, recipe in enumerate(wished["contents"]):
        blocks = [outbox.add_block(_part(f"[[{mark}]]\n" + _filler(recipe["filler"]))) for mark in recipe["marks"]]
        content_id = outbox.add_content(
            mailing_id, shell_id=shell_id, subject=f"{wished['key']} {number}", block_ids=blocks
        )
        for one in recipe["recipients"]:
            planned.append(_recipient(one, wished, recipe, content_id, mailing_id, services))
    return planned


def _part(text: str) -> content.Part:
    return content.Part(content.cut(text), content.cut("<p>" + text.replace("\n", "<br>\n") + "</p>\n"))


def _filler(lines: int) -> str:
    return "".join(f"Line {line} of a story that is not short, and goes on for a while.\n" for line in range(lines))


def _recipient(
    one: dict[str, Any],
    wished: dict[str, Any],
    recipe: dict[str, Any],
    content_id: int,
    mailing_id: int,
    services: Services,
) -> dict[str, Any]:
    now = clock.utc_now()
    address = addresses.parse(one["to"])
    once_key = hashlib.sha256(f"{wished['key']} {one['to']}".encode()).digest()[:16]
    links = LinkSet(wished["link_set"])
    reader_key = hashlib.sha256(b"reader" + once_key).digest()[:16] if links else None
    addr_hash = services.keyring.hash(address)
    not_after = now + timedelta(seconds=one["seconds"])
    if one["suppressed"] == "before":
        suppression.suppress(addr_hash, scope=one["scope"], reason="left", source="chaos", now=now)
    outbox.queue_bulk(
        [outbox.Planned(outbox.Recipient(address, reader_key), once_key, content_id)],
        mailing_id=mailing_id,
        lane=Lane(wished["lane"]),
        link_set=links,
        not_after=not_after,
        services=services,
    )
    return {
        **one,
        "mailing": wished["key"],
        "policy": wished["policy"],
        "once_key": once_key.hex(),
        "reader_key": reader_key.hex() if reader_key else "",
        "addr_hash": addr_hash.hex(),
        "not_after": not_after.timestamp(),
        "marks": recipe["marks"],
        "tokens": tokens(reader_key, wished["stream"], links, services) if reader_key else {},
    }


def tokens(key: bytes, stream: str, links: LinkSet, services: Services) -> dict[str, list[str]]:
    """Return what each personal link of this reader may be, by its place: one for each day."""
    today = clock.day_number(clock.utc_now())
    found: dict[str, list[str]] = {name: [] for name in PLACES[links]}
    for day in (today + offset for offset in DAYS):
        if links is LinkSet.REQUEST:
            found["confirm"].append(services.links.confirm(key, day=day))
            continue
        both = services.links.reader(key, digest=stream.partition(":")[2], version=1, day=day)
        found["preferences"].append(both.preferences)
        found["unsubscribe"].append(both.unsubscribe)
    return {name: [url.rpartition("/")[2] for url in urls] for name, urls in found.items()}


if __name__ == "__main__":
    main()
