"""The other doors to the web that a feed can lead through: the pages of its stories, and the hubs that it names.

A feed says that its stories' texts are on pages at the addresses of the list, or that hubs are there; the shipped
commands and the task that asks hubs do the rest.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from tests.proofs import fetch_list
from tests.proofs.corpus import writing
from tests.proofs.feeds_commands import Commands
from tests.proofs.feeds_server import Server
from tests.proofs.fetch_list import OPEN

WRONG = re.compile(
    "not on the public internet|only ports 80 and 443|only http and https|odd spelling of an IP|user name in it"
    "|no usable host|address is malformed|malformed address|names no page for it"
)
_KEPT_IN = re.compile("redirects out of TLS|it answered 404")
"""A redirect that says no host, read by the rules, leads back to its own: that one has no such page."""
_TEXTS = re.compile(r"^Stories that have the feed's teaser: (\d+), since (.*)\.$", re.MULTILINE)
_PAGES = (
    '<meta http-equiv="refresh" content="0; url=http://127.0.0.1/">',
    '<link rel="stylesheet" href="http://10.0.0.5/x.css"><img src="http://169.254.169.254/latest/">',
    '<!DOCTYPE html SYSTEM "http://127.0.0.1/canary.dtd"><iframe src="http://[::1]/"></iframe>',
    '<base href="http://192.168.0.10/"><script src="x.js"></script><object data="http://fd00::5/"></object>',
)
"""What pages have in them that a browser would fetch."""
A_FEED = 100
"""Stories of a feed whose pages are at so many addresses."""
AT_ONCE = 20
"""Feeds that are read, and hubs that are asked, by one run of the task."""


@dataclass
class Outcome:
    """How many addresses were tried, and what was not as it must be."""

    tried: int = 0
    faults: list[str] = field(default_factory=list)


def texts(commands: Commands, web: Server, redirects: Sequence[tuple[str, str]]) -> Outcome:
    """Have the texts of stories fetched from pages at all addresses, and behind `redirects` (class and address)."""
    outcome = Outcome()
    tries = [*fetch_list.addresses(), *redirects]
    for at in range(0, len(tries), A_FEED):
        some = tries[at : at + A_FEED]
        items = [_item(at, place, url) for place, (_kind, url) in enumerate(some)]
        said = _read(commands, web, f"/texts/{at}", items)
        back = sum(kind == fetch_list.BACK for kind, _url in some)
        counted = said.count("names no page for it")
        for count, why in _TEXTS.findall(said):
            right = WRONG.search(why) or ("the server answered 404" in why and int(count) <= back)
            counted += int(count) if right else 0
        outcome.tried += len(some)
        if counted != len(some) or f"{len(some)} new" not in said or "Traceback" in said:
            outcome.faults.append(f"pages from {at} on: {counted} of {len(some)} turned away, {said[-300:]!r}")
    _inside(commands, web, outcome)
    return outcome


def _inside(commands: Commands, web: Server, outcome: Outcome) -> None:
    """Have pages read that would have a browser fetch something of a private place."""
    told = f"<p>{writing.prose('inside', 200)}</p>"
    for number, more in enumerate(_PAGES):
        page = writing.response(f"{more}<html><body><article>{told}</article></body></html>", kind="text/html")
        web.pages[f"/inside/{number}"] = lambda _asked, page=page: (page,)  # type: ignore[misc]
    items = [_item(999, number, f"http://{OPEN}/inside/{number}") for number in range(len(_PAGES))]
    said = _read(commands, web, "/texts/inside", items)
    outcome.tried += len(items)
    if f"{len(_PAGES)} new" not in said or "Traceback" in said:
        outcome.faults.append(f"pages that would have a browser fetch: {said[-200:]!r}")


def _item(number: int, place: int, url: str) -> dict[str, str]:
    text = writing.prose(f"{number} {place}", 12)
    # The guid is on the same site, so that the page passes for its publisher's own.
    return {
        "id": f"{url}#{number}-{place}",
        "url": url,
        "title": f"Story {number} {text}",
        "summary": text,
        "date_published": writing.AT.isoformat(),
    }


def _read(commands: Commands, web: Server, path: str, items: Sequence[dict[str, str]]) -> str:
    feed = json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": list(items)})
    answer = writing.response(feed, kind="application/feed+json")
    web.pages[path] = lambda _asked: (answer,)
    url = f"http://{OPEN}{path}"
    added = commands.run("feeds", "add", "--language", "en", "--full-text", "--", url)
    return added.text + commands.run("feeds", "fetch", "--", url).text


def hubs(commands: Commands, web: Server, locations: Sequence[tuple[str, str]]) -> Outcome:
    """Have hubs asked at an address of every class, and at a public one that redirects to it and keeps the method."""
    wanted = [(kind, url) for kind, url in fetch_list.addresses() if url.startswith("https://") or kind == "names"]
    offered = [url.replace("http://", "https://") for url in _some(wanted)]
    for number, url in enumerate(_some(locations)):
        status = ("307 Temporary Redirect", "308 Permanent Redirect")[number % 2]
        answer = writing.redirect(url.replace("http://", "https://"), status)
        web.pages[f"/hub/{number}"] = lambda _asked, answer=answer: (answer,)  # type: ignore[misc]
        offered.append(f"https://{OPEN}/hub/{number}")
    for number, hub in enumerate(offered):
        _offer(commands, web, number, hub)
    looks = range(len(offered) // AT_ONCE + 1)
    read = "".join(commands.run("task", "tasks.feeds.fetch_due").text for _look in looks)
    asked = "".join(commands.run("task", "tasks.websub.keep").text for _look in looks)
    lines = [line for line in asked.splitlines() if "hub not asked" in line]
    outcome = Outcome(len(offered))
    outcome.faults = [f"a hub: {line[-200:]!r}" for line in lines if not (WRONG.search(line) or _KEPT_IN.search(line))]
    if "Traceback" in read + asked or len(lines) < len(fetch_list.LYING[:1]) + len(list(_some(locations))):
        outcome.faults.append(f"{len(lines)} of {len(offered)} hubs: {read[-200:]!r}, {asked[-200:]!r}")
    return outcome


def _some(tries: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield an address of each class: hubs need a feed each, and the list is gone through whole elsewhere."""
    for _kind, found in groupby(tries, key=lambda one: one[0]):
        yield next(found)[1]


def _offer(commands: Commands, web: Server, number: int, hub: str) -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "News",
        "items": [],
        "hubs": [{"type": "WebSub", "url": hub}],
    }
    answer = writing.response(json.dumps(feed), kind="application/feed+json")
    web.pages[f"/hubs/{number}"] = lambda _asked: (answer,)
    commands.run("feeds", "add", "--language", "en", "--", f"http://{OPEN}/hubs/{number}")
