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
_TEXTS = re.compile(r"^(\d+) have the feed's teaser: (.*)\.$", re.MULTILINE)
_PAGES = (
    '<meta http-equiv="refresh" content="0; url=http://127.0.0.1/">',
    '<link rel="stylesheet" href="http://10.0.0.5/x.css"><img src="http://169.254.169.254/latest/">',
    '<!DOCTYPE html SYSTEM "http://127.0.0.1/canary.dtd"><iframe src="http://[::1]/"></iframe>',
    '<base href="http://192.168.0.10/"><script src="x.js"></script><object data="http://fd00::5/"></object>',
)
"""What pages have in them that a browser would fetch."""
EACH = 2
"""Addresses of each class that hubs are at: a feed is needed for each."""


@dataclass
class Outcome:
    """How many addresses were tried by class, and what was not as it must be."""

    tried: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def texts(commands: Commands, web: Server, redirects: Sequence[tuple[str, str]]) -> Outcome:
    """Have the texts of stories fetched from pages at all addresses, and behind `redirects` (class and address)."""
    outcome = Outcome()
    tries = [*fetch_list.addresses(), *redirects]
    for number, (kind, found) in enumerate(groupby(tries, key=lambda one: one[0])):
        urls = [url for _kind, url in found]
        outcome.tried[kind] = outcome.tried.get(kind, 0) + len(urls)
        said = _read(commands, web, f"/texts/{number}", [_item(number, place, url) for place, url in enumerate(urls)])
        counted = said.count("names no page for it")
        for count, why in _TEXTS.findall(said):
            back = kind == fetch_list.BACK and "the server answered 404" in why
            counted += int(count) if WRONG.search(why) or back else 0
        if counted != len(urls) or f"{len(urls)} new" not in said or "Traceback" in said:
            outcome.faults.append(f"texts of {kind}: {counted} of {len(urls)} turned away, {said[-200:]!r}")
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
    outcome.tried["pages that would have a browser fetch"] = len(items)
    if f"{len(_PAGES)} new" not in said or "Traceback" in said:
        outcome.faults.append(f"pages that would have a browser fetch: {said[-200:]!r}")


def _item(number: int, place: int, url: str) -> dict[str, str]:
    text = writing.prose(f"{number} {place}", 12)
    # The guid is on the same site, so that the page passes for its publisher's own.
    return {"id": f"{url}#{number}-{place}", "url": url, "title": f"Story {number} {text}", "summary": text}


def _read(commands: Commands, web: Server, path: str, items: Sequence[dict[str, str]]) -> str:
    feed = json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": list(items)})
    answer = writing.response(feed, kind="application/feed+json")
    web.pages[path] = lambda _asked: (answer,)
    url = f"http://{OPEN}{path}"
    added = commands.run("feeds", "add", "--language", "en", "--full-text", "--", url)
    return added.text + commands.run("feeds", "fetch", "--", url).text


def hubs(commands: Commands, web: Server, locations: Sequence[tuple[str, str]]) -> Outcome:
    """Have hubs asked at addresses of every class, and at a public one that redirects to them and keeps the method."""
    outcome = Outcome()
    wanted = [(kind, url) for kind, url in fetch_list.addresses() if url.startswith("https://") or kind == "names"]
    for number, (kind, url) in enumerate(_some(wanted)):
        hub = url.replace("http://", "https://")
        _offer(commands, web, number, hub)
        outcome.tried[kind] = outcome.tried.get(kind, 0) + 1
    for number, (kind, url) in enumerate(_some(locations)):
        status = ("307 Temporary Redirect", "308 Permanent Redirect")[number % 2]
        answer = writing.redirect(url.replace("http://", "https://"), status)
        web.pages[f"/hub/{number}"] = lambda _asked, answer=answer: (answer,)  # type: ignore[misc]
        _offer(commands, web, 1000 + number, f"https://{OPEN}/hub/{number}")
        outcome.tried[kind] = outcome.tried.get(kind, 0) + 1
    for _look in range(sum(outcome.tried.values()) // 20 + 1):
        said = commands.run("task", "tasks.websub.keep").text
        lines = [line for line in said.splitlines() if "hub not asked" in line]
        outcome.faults += [
            f"a hub: {line[-200:]!r}" for line in lines if not (WRONG.search(line) or "out of TLS" in line)
        ]
        outcome.faults += ["a hub was asked"] * ("Traceback" in said)
    return outcome


def _some(tries: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for _kind, found in groupby(tries, key=lambda one: one[0]):
        yield from list(found)[:EACH]


def _offer(commands: Commands, web: Server, number: int, hub: str) -> None:
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": [], "hubs": [{"url": hub}]}
    answer = writing.response(json.dumps(feed), kind="application/feed+json")
    web.pages[f"/hubs/{number}"] = lambda _asked: (answer,)
    for words in (("add", "--language", "en"), ("fetch",)):
        commands.run("feeds", *words, "--", f"http://{OPEN}/hubs/{number}")
