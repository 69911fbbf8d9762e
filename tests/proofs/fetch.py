"""The proof of the one way out: no address that is not public is ever connected to, however it is spelled or reached.

The shipped commands run in a network namespace where public and private addresses are here. Canaries listen at the
private ones and count connections; a name server lies. `make proof-fetch` writes docs/proofs/fetch.md.
"""

import argparse
import contextlib
import html
import io
import json
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from tests import nameserver
from tests.journeys import houses
from tests.proofs import feeds_commands, feeds_server, feeds_tls, fetch_doors, fetch_list, fetch_net, page
from tests.proofs.corpus import writing
from tests.proofs.feeds_commands import Commands, Said
from tests.proofs.feeds_server import Server
from tests.proofs.fetch_list import OPEN

AT_ONCE = 3
_A_STORY = 25
"""Pictures that a story brings; one has 30 at most."""
PORTS = (22, 25, 80, 443, 6379, 8080, 11_211)
REFUSED = re.compile(
    "not on the public internet|only ports 80 and 443|only http and https|odd spelling of an IP|user name in it"
    "|no usable host|address is malformed|malformed address"
)
_UNKNOWN = "the host's name cannot be resolved"
"""What an address comes to that a page's own address completes, or whose odd signs are left out as browsers do."""
STATUSES = ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect")


@dataclass
class Canaries:
    """Listeners where nobody may come; each connection is a hit, whether or not anything is said."""

    hits: list[tuple[str, int]] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)


@contextmanager
def canaries(places: Sequence[tuple[str, int]]) -> Iterator[Canaries]:
    """Listen until the block ends; before that, see each canary sing once."""
    found, over = Canaries(), threading.Event()
    with ExitStack() as stack:
        for place in places:
            family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
            sock = stack.enter_context(socket.create_server(place, family=family))
            sock.settimeout(0.1)
            found.places.append(sock.getsockname()[:2])
            thread = threading.Thread(target=_listen, args=(found, sock, over))
            thread.start()
            stack.callback(thread.join)
        stack.callback(over.set)
        for place in found.places:
            socket.create_connection(place, 5).close()
        while len(found.hits) < len(found.places):
            time.sleep(0.05)
        assert sorted(found.hits) == sorted(found.places), "each canary counts"
        found.hits.clear()
        yield found


def _listen(found: Canaries, sock: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            line, _sender = sock.accept()
            found.hits.append(sock.getsockname()[:2])
            line.close()


@dataclass
class Counts:
    """What a run came to."""

    tried: Counter[str] = field(default_factory=Counter)
    by: Counter[str] = field(default_factory=Counter)
    canaries: int = 0
    hits: int = 0
    asked: int = 0
    public: int = 0
    faults: list[str] = field(default_factory=list)


def run(folder: Path) -> Counts:
    """Try every address through the commands."""
    counts = Counts()
    private = ("127.0.0.1", fetch_net.SECOND_LOOPBACK, "127.255.255.254", *fetch_net.PRIVATE, "::1", "fd00::5")
    places = [(address, port) for address in private for port in PORTS]
    open_hosts = (fetch_net.PUBLIC4, fetch_net.OTHER4, fetch_net.PUBLIC6, fetch_net.OTHER6)
    places += [(address, port) for address in open_hosts for port in PORTS if port not in (80, 443)]
    tls, trusted = feeds_tls.context(folder, OPEN)
    environment = houses.environment_of(
        SSL_CERT_FILE=str(trusted),
        DATABASE_URL=f"sqlite:///{folder / 'fetch.db'}",
        POSTRIDER_CONFIG=str(_config(folder)),
        STATE_DIR=str(folder),
        SMTP_URL="smtp://127.0.0.1:9",
        **houses.KEYS,
    )
    zone = {**fetch_list.names(), **fetch_list.rebinding()}
    with ExitStack() as stack:
        places_of = {port: [(address, port) for address in open_hosts] for port in (80, 443)}
        web, _places = stack.enter_context(feeds_server.serving(places_of[80], places_of[443], tls))
        names = stack.enter_context(nameserver.serving(zone, port=53))
        singing = stack.enter_context(canaries(places))
        loaded = [feeds_commands.loaded(environment) for _number in range(AT_ONCE)]
        for commands in loaded:
            stack.callback(commands.close)
        said = loaded[0].run("db", "upgrade")
        assert said.status == 0, said.text
        _refused(counts, loaded, web)
        _rebound(counts, loaded[0], web)
        _pictures(counts, loaded[0], web)
        _others(counts, loaded, web)
        time.sleep(1)
        counts.canaries, counts.hits, counts.asked = len(singing.places), len(singing.hits), len(names.asked)
        counts.public = len(web.asked)
        counts.faults += [f"a canary was hit: {host} port {port}" for host, port in singing.hits[:20]]
    return counts


def _config(folder: Path) -> Path:
    """Return the demo's settings for a site that hubs can reach."""
    told = (houses.ROOT / "demo" / "postrider.toml").read_text("utf-8")
    path = folder / "postrider.toml"
    path.write_text(re.sub("(?m)^base_url = .*", 'base_url = "https://news.example.org"', told), "utf-8")
    return path


def _others(counts: Counts, loaded: Sequence[Commands], web: Server) -> None:
    """Try the doors that a feed leads through: pages of stories, and hubs."""
    redirects = [(kind, url) for kind, told, url in _tries(web) if told != url]
    with ThreadPoolExecutor(2) as at_once:
        texts = at_once.submit(fetch_doors.texts, loaded[0], web, redirects)
        hubs = at_once.submit(fetch_doors.hubs, loaded[1], web, list(fetch_list.locations()))
        for kind, door, found in (
            ("pages of stories", "the fetching of a story's page", texts.result()),
            ("hubs", "the asking of a hub", hubs.result()),
        ):
            counts.by[door] += found.tried
            counts.faults += found.faults
            counts.tried[kind] += found.tried


def _tries(web: Server) -> Iterator[tuple[str, str, str]]:
    """Yield class, what is told of it, and the address to be read; make the pages that redirect."""
    for kind, url in fetch_list.addresses():
        yield kind, url, url
    for number, (kind, url) in enumerate(fetch_list.locations()):
        web.pages[f"/to/{number}"] = _page(writing.redirect(url, STATUSES[number % len(STATUSES)]))
        web.pages[f"/by/{number}"] = _page(writing.redirect(f"/to/{number}"))
        host = "open6.example.org" if number % 7 == 0 else OPEN
        yield kind, url, f"http://{host}/{'by' if number % 3 == 0 else 'to'}/{number}"


def _page(answer: bytes) -> feeds_server.Page:
    return lambda _asked: (answer,)


def _refused(counts: Counts, loaded: Sequence[Commands], web: Server) -> None:
    tries = list(_tries(web))

    def one(number: int) -> None:
        for kind, told, url in tries[number :: len(loaded)]:
            said, door = _read(loaded[number], url)
            counts.tried[kind] += 1
            counts.by[door] += 1
            text = " ".join(said.text.split())
            told_why = REFUSED.search(text) or (kind == fetch_list.BACK and "the server answered 404" in text)
            if said.status != 1 or "Traceback" in text or not told_why:
                counts.faults.append(f"{kind}: {told!r} by {door}: status {said.status}, {text[-160:]!r}")

    with ThreadPoolExecutor(len(loaded)) as at_once:
        list(at_once.map(one, range(len(loaded))))
    for number, target in enumerate(("http://127.0.0.1/canary", f"http://{fetch_net.METADATA}/", "http://[::1]/")):
        body = (
            f'<html><head><meta http-equiv="refresh" content="0; url={target}"></head><body><p>Wait</p></body></html>'
        )
        web.pages[f"/meta/{number}"] = _page(
            writing.response(body, kind="text/html", headers={"Refresh": f"0; {target}"})
        )
        said, _door = _read(loaded[0], f"http://{OPEN}/meta/{number}")
        counts.tried["meta refresh"] += 1
        counts.faults += [] if said.status == 1 else [f"meta refresh to {target}: status {said.status}"]


def _read(commands: Commands, url: str) -> tuple[Said, str]:
    """Have a feed added and fetched; return how that ended, and which of the two ended it."""
    said = commands.run("feeds", "add", "--language", "en", "--", url)
    if said.status:
        return said, "`flask feeds add`"
    return commands.run("feeds", "fetch", "--", url), "`flask feeds fetch`"


def _rebound(counts: Counts, commands: Commands, web: Server) -> None:
    """Read feeds by names that become private after their first answer: the first is read, the next is refused."""
    for name in fetch_list.rebinding():
        web.pages[f"/{name}"] = _page(writing.response(writing.rss(writing.item(name))))
        said, _door = _read(commands, f"http://{name}/{name}")
        again = commands.run("feeds", "fetch", f"http://{name}/{name}")
        counts.tried["names that are rebound"] += 1
        if said.status or again.status != 1 or "not on the public internet" not in again.text:
            counts.faults.append(f"rebinding {name}: {said.text.strip()[-120:]!r}, then {again.text.strip()[-120:]!r}")
    rebound = {name: there for name, there in fetch_list.rebinding().items() if "-" not in name}
    for name in rebound:  # Its first answer was given before, so a redirect leads to a private one now.
        web.pages[f"/late/{name}"] = _page(writing.redirect(f"http://{name}/canary"))
        said, _door = _read(commands, f"http://{OPEN}/late/{name}")
        counts.tried["redirects to names that are rebound"] += 1
        if said.status != 1 or "not on the public internet" not in said.text:
            counts.faults.append(f"a redirect to {name}: {said.text.strip()[-120:]!r}")


def _pictures(counts: Counts, commands: Commands, web: Server) -> None:
    """Have stories bring every address as a picture, beside one that is public: that one is shown, and no other."""
    tries = list(_tries(web))
    for number in range(0, len(tries), _A_STORY):
        urls = [url for _kind, _told, url in tries[number : number + _A_STORY]]
        feed, fine = f"http://{OPEN}/pictured/{number}", f"http://{OPEN}/fine/{number}.png"
        web.pages[f"/fine/{number}.png"] = _page(writing.response(_png(), kind="image/png"))
        images = "".join(f'<p>Told.</p><img src="{html.escape(url)}">' for url in (*urls, fine))
        web.pages[f"/pictured/{number}"] = _page(
            writing.response(writing.rss(writing.item(f"Story {number} of pictures", more=writing.full(images))))
        )
        said, _door = _read(commands, feed)
        story = json.loads(commands.run("articles", "list", "--last", "1", "--json").out)[0]["id"]
        commands.run("articles", "fetch-pictures", story)
        listed = json.loads(commands.run("articles", "pictures", story, "--json").out)
        why = {one["url"]: " ".join(one["why"].split()) for one in listed if one["state"] != "ready"}
        counts.tried["pictures of stories"] += len(urls)
        counts.by["the reading of a story's pictures"] += len(urls) - len(why)
        counts.by["the fetching of a picture"] += len(why)
        shown = [one["url"] for one in listed if one["state"] == "ready"]
        if said.status or shown != [fine]:
            counts.faults.append(f"story {number}: {said.text.strip()[-120:]!r}, of its pictures are shown {shown}")
        back = {url for kind, _told, url in tries if kind == fetch_list.BACK}
        counts.faults += [
            f"a picture at {url!r}: {text!r}"
            for url, text in why.items()
            if not (REFUSED.search(text) or _UNKNOWN in text or (url in back and "answers 404" in text))
        ]


def _png() -> bytes:
    image = io.BytesIO()
    Image.new("RGB", (320, 240), "teal").save(image, "PNG")
    return image.getvalue()


def main() -> int:
    """Run the proof and write its page; return the exit status."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    outside = fetch_net.inside("tests.proofs.fetch", sys.argv[1:])
    if outside is not None:
        return outside
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = run(Path(folder))
    rows: dict[str, object] = {
        "addresses and redirects tried": sum(counts.tried.values()),
        **{f"turned away by {door}": count for door, count in sorted(counts.by.items())},
        "canaries, each seen to count before": counts.canaries,
        "connections that they saw": counts.hits,
        "requests that the public hosts saw": counts.public,
        "questions that the name server saw": counts.asked,
        "all of it took": f"{time.monotonic() - began:.0f} s",
        **{f"*{kind}*": count for kind, count in sorted(counts.tried.items())},
    }
    page.write(
        "fetch",
        title="Nobody is led inside",
        claim="Addresses that lead to loopback, private networks, the metadata of a cloud and other places that are "
        "not public: in every spelling, by names that a lying name server answers for, rebound after the first answer, "
        "and behind redirects of every kind; as addresses of feeds, of pictures that a story brings, of pages that "
        "its text is fetched from, and of hubs. The shipped commands run in a network of their own in which all these "
        "places exist, and the public ones, too; what listens at the private ones counts connections, not requests. "
        "The list is in [tests/proofs/fetch_list.py](../../tests/proofs/fetch_list.py).",
        rows=rows,
        faults=counts.faults,
    )
    return 1 if counts.faults else 0


if __name__ == "__main__":
    sys.exit(main())
