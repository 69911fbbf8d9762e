"""What goes wrong on the way: packing, speed, length, redirects, waits, certificates, and who is not at home."""

import gzip
import time
import zlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from email.utils import format_datetime

from tests.proofs.corpus.model import HOST, Look, Member, Story, path_of
from tests.proofs.corpus.writing import STARTED, item, look, redirect, response, rss, took, turned_away
from tests.proofs.feeds_server import Asked, Page, Reset

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"


def members() -> Iterator[Member]:
    """Return the classes of this module."""
    yield from _packed()
    yield from _endless()
    yield from _wrong_length()
    yield from _redirects()
    yield from _inwards()
    yield from _moved()
    yield from _answers()
    yield from _unchanged()
    yield from _certificates()
    yield from _nobody_there()
    yield from _nonsense()


def slow() -> Iterator[Member]:
    """Return the feeds that take as long as they may: twenty seconds each."""
    kind = "slow feeds"
    late = "took longer than 20 seconds"

    def drip(head: bytes, piece: bytes) -> Page:
        def page(_asked: Asked) -> Iterator[bytes]:
            yield head
            while True:
                time.sleep(0.5)
                yield piece

        return page

    for name, page in {
        "headers in drips": drip(_OK, b"X-Wait: 1\r\n"),
        "a body in drips": drip(_OK + b"\r\n<rss>", b" "),
        "chunks in drips": drip(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        "a promise alone": drip(b"", b""),
    }.items():
        yield Member(kind, name, (turned_away(page, late),), row={"fails": 1})


def _packed() -> Iterator[Member]:
    kind = "packed feeds and bombs"
    packing = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b" " * 4_000_000)
    for name, body, headers, why in (
        ("a bomb by its ratio", bomb, packing, "unfolds to more than 100 times|larger than"),
        (
            "a bomb by its size",
            gzip.compress(b" " * 200_000_000, 1),
            packing,
            "larger than 5000000|more than 100 times",
        ),
        ("a bomb in a bomb", gzip.compress(bomb), {"Content-Encoding": "gzip, gzip"}, "did not ask for"),
        (
            "a bomb in a bomb said once",
            gzip.compress(gzip.compress(b" " * 50_000_000)),
            packing,
            "cannot be read|more than",
        ),
        ("ten thousand members", gzip.compress(b" " * 1_000) * 10_000, packing, "larger than|more than 100 times"),
        ("deflate", zlib.compress(b" " * 4_000_000), {"Content-Encoding": "deflate"}, "did not ask for"),
        ("brotli", b"\x0b\x02\x80" * 40, {"Content-Encoding": "br"}, "did not ask for"),
        ("zstd", b"(\xb5/\xfd" * 40, {"Content-Encoding": "zstd"}, "did not ask for"),
        ("gzip that is none", rss().encode(), packing, "the connection failed"),
        ("gzip that ends early", gzip.compress(rss().encode())[:-12], packing, "cut off"),
        ("gzip that nobody mentions", gzip.compress(rss().encode()), {}, "cannot be read"),
    ):
        yield Member(kind, name, (turned_away(response(body, headers=headers), why),), row={"fails": 1})
    for name, packed, headers in (
        ("gzip", gzip.compress, packing),
        ("x-gzip", gzip.compress, {"Content-Encoding": "x-gzip"}),
        ("identity", lambda feed: feed, {"Content-Encoding": "identity"}),
    ):
        title = f"Packed by {name}"
        yield Member(
            kind, name, (look(response(packed(rss(item(title)).encode()), headers=headers), took(1)),), (Story(title),)
        )


def _endless() -> Iterator[Member]:
    kind = "endless feeds"
    piece = b"<item><title>More and more</title></item>" * 1_500

    def forever(head: bytes, piece: bytes) -> Page:
        def page(_asked: Asked) -> Iterable[bytes]:
            yield head
            while True:
                yield piece

        return page

    chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
    for name, page in {
        "without a length": forever(_OK + b"\r\n<rss>", piece),
        "in chunks": forever(_OK + b"Transfer-Encoding: chunked\r\n\r\n", chunk),
        "of a stated length": forever(_OK + b"Content-Length: 99999999999\r\n\r\n", piece),
    }.items():
        yield Member(kind, name, (turned_away(page, "larger than 5000000 bytes"),))
    packer = zlib.compressobj(wbits=31)
    head = packer.compress(b"<rss>") + packer.flush(zlib.Z_FULL_FLUSH)
    more = packer.compress(b"\0" * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    page = forever(_OK + b"Content-Encoding: gzip\r\n\r\n" + head, more)
    yield Member(kind, "packed", (turned_away(page, "larger than|more than 100 times"),))
    yield Member(kind, "headers", (turned_away(forever(_OK, b"X-More: yes\r\n"), "the connection failed"),))


def _wrong_length() -> Iterator[Member]:
    kind = "lengths that are wrong"
    feed = rss(item("Wrong length")).encode()
    for name, answer in {
        "less than promised": response(feed, length=len(feed) + 100),
        "half a chunk": _OK + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n" + feed,
        "no last chunk": _OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(feed), feed),
        "a length of words": response(feed, length=None, headers={"Content-Length": "many"}),
        "a chunk of words": _OK + b"Transfer-Encoding: chunked\r\n\r\nmany\r\n" + feed,
    }.items():
        says = "connection failed|could not be read" if name != "a length of words" else "."
        good = name == "a length of words"
        stories = (Story("Wrong length"),) if good else ()
        yield Member(kind, name, (look(answer, says, good=good),), stories)

    def broken_off(_asked: Asked) -> Iterable[bytes]:
        yield response(feed, length=len(feed) + 100)
        raise Reset

    yield Member(kind, "broken off", (turned_away(broken_off, "the connection failed"),))
    title = "More than promised"
    first, second = rss(item(title)), rss(item(title), item("Beyond the end"))
    cut = response(second.encode(), length=len(first.encode()))
    yield Member(kind, "more than promised", (look(cut, "."),), (Story(title),))


def _redirects() -> Iterator[Member]:
    kind = "redirects"

    def to(name: str, page: str = "") -> str:
        return path_of(kind, name) + page

    for name, pages in {
        "a loop": {"": redirect(to("a loop"))},
        "a loop of two": {"": redirect(to("a loop of two", "/b")), "/b": redirect(to("a loop of two"))},
        "four in a row": {
            "": redirect(to("four in a row", "/1")),
            **{f"/{n}": redirect(to("four in a row", f"/{n + 1}")) for n in range(1, 4)},
        },
        "longer each time": {"": redirect("?" + "a" * 1_990)},
    }.items():
        yield Member(kind, name, (Look("redirects more than 3 times|malformed", pages, good=False),), row={"fails": 1})
    for name, location in {
        "to nowhere": "",
        "to what is malformed": "http://[",
        "to a name of 300 characters": f"http://{'a' * 300}.example.org/",
    }.items():
        yield Member(kind, name, (turned_away(redirect(location), "."),), row={"fails": 1})
    for name, status in {
        "three in a row": "302 Found",
        "see other": "303 See Other",
        "temporary": "307 Temporary Redirect",
    }.items():
        title = f"Redirected {name}"
        hops = 3 if name == "three in a row" else 1
        pages = {"" if n == 0 else f"/{n}": redirect(to(name, f"/{n + 1}"), status) for n in range(hops)}
        last = {f"/{hops}": response(rss(item(title)))}
        yield Member(kind, name, (Look(took(1), pages | last),), (Story(title),), row={"moved_to": None})


def _inwards() -> Iterator[Member]:
    kind = "redirects to where no feed may be"
    why = "not on the public internet|only ports 80 and 443|only http and https|odd spelling|user name"
    for name, location in {
        "loopback": "http://127.0.0.1/inside",
        "loopback by name": "http://localhost/inside",
        "loopback in ipv6": "http://[::1]/inside",
        "loopback in short": "http://127.1/inside",
        "loopback as a number": "http://2130706433/inside",
        "the metadata of a cloud": "http://169.254.169.254/latest/meta-data/",
        "a private address": "http://10.0.0.5/inside",
        "mapped into ipv6": "http://[::ffff:169.254.169.254]/",
        "another port": f"http://{HOST}:6379/",
        "a file": "file:///etc/passwd",
        "a gopher": "gopher://127.0.0.1:6379/_INFO",
        "another user": f"http://user:pass@{HOST}/",
    }.items():
        status = "301 Moved Permanently" if len(name) % 2 else "302 Found"
        looks = (turned_away(redirect(location, status), why),) * 2
        yield Member(kind, name, looks, row={"fails": 2, "moved_to": None})


def _moved() -> Iterator[Member]:
    kind = "moved for good"

    def home(name: str) -> str:
        return f"http://{HOST}{path_of(kind, name)}"

    for name, statuses, moves in (
        ("twice", ("301 Moved Permanently", "301 Moved Permanently"), True),
        ("twice by 308", ("308 Permanent Redirect", "308 Permanent Redirect"), True),
        ("once", ("301 Moved Permanently",), False),
        ("twice for now", ("302 Found", "302 Found"), False),
        ("for good and for now", ("301 Moved Permanently", "302 Found"), False),
    ):
        title = f"Moved for good, {name}"
        feed = response(rss(item(title)))
        looks = [
            Look(took(1 if n == 0 else 0, known=min(n, 1)), {"": redirect(f"{home(name)}/new", status), "/new": feed})
            for n, status in enumerate(statuses)
        ]
        row = {"url": f"{home(name)}/new" if moves else home(name)}
        yield Member(kind, name, tuple(looks), (Story(title, feed="/new" if moves else ""),), row=row)
    slip = "Moved for good, a slip"
    feed = response(rss(item(slip)))
    looks = [
        Look(took(1), {"": redirect(f"{home('a slip')}/new", "301 Moved Permanently"), "/new": feed}),
        Look(took(0, known=1), {"": feed}),
        Look(took(0, known=1), {"": redirect(f"{home('a slip')}/new", "301 Moved Permanently"), "/new": feed}),
    ]
    yield Member(kind, "a slip", tuple(looks), (Story(slip),), row={"url": home("a slip")})


def _answers() -> Iterator[Member]:
    kind = "answers that ask for patience"
    soon = format_datetime(STARTED + timedelta(hours=2), usegmt=False).replace("+0000", "GMT")
    for name, status, headers, minutes in (
        ("429 for seconds", "429 Too Many Requests", {"Retry-After": "7200"}, 120),
        ("503 until a date", "503 Service Unavailable", {"Retry-After": soon, "Date": _date()}, 120),
        ("503 for ages", "503 Service Unavailable", {"Retry-After": "9" * 30}, 1440),
        ("429 for less than nothing", "429 Too Many Requests", {"Retry-After": "-1"}, 20),
        ("429 until the past", "429 Too Many Requests", {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 20),
        ("503 until words", "503 Service Unavailable", {"Retry-After": "soon"}, 20),
        ("500", "500 Internal Server Error", {}, 20),
        ("404", "404 Not Found", {}, 20),
        ("403 with a feed in it", "403 Forbidden", {}, 20),
        ("206", "206 Partial Content", {}, 20),
        ("204", "204 No Content", {}, 20),
    ):
        answer = response(rss(item("Not to be read")), status, headers=headers)
        says = f"the server answered {status[:3]}"
        yield Member(kind, name, (turned_away(answer, says),), row={"fails": 1, "minutes": minutes, "state": "on"})
    gone = "Here until it is gone"
    looks = (look(rss(item(gone)), took(1)), turned_away(response(status="410 Gone"), "the server answered 410"))
    yield Member(
        kind, "410", looks, (Story(gone),), row={"state": "gone", "next_fetch_at": None}, alert=f"{HOST}/.*/410 is gone"
    )


def _date() -> str:
    return format_datetime(STARTED).replace("+0000", "GMT")


def _unchanged() -> Iterator[Member]:
    kind = "answers that nothing has changed"
    same = "Nothing has changed"

    def validated(feed: bytes, needs: dict[str, str], **headers: str) -> Page:
        def page(asked: Asked) -> tuple[bytes, ...]:
            if needs and all(asked.headers.get(name) == value for name, value in needs.items()):
                return (response(status="304 Not Modified"),)
            return (response(feed, headers={name.replace("_", "-"): value for name, value in headers.items()}),)

        return page

    for name, needs, headers in (
        ("by etag", {"if-none-match": '"v1"'}, {"ETag": '"v1"'}),
        ("by weak etag", {"if-none-match": 'W/"v1"'}, {"ETag": 'W/"v1"'}),
        (
            "by date",
            {"if-modified-since": "Thu, 15 Feb 2024 06:13:00 GMT"},
            {"Last_Modified": "Thu, 15 Feb 2024 06:13:00 GMT"},
        ),
    ):
        title = f"Unchanged {name}"
        page = validated(rss(item(title)).encode(), needs, **headers)
        yield Member(kind, name, (look(page, took(1)), look(page, same)), (Story(title),), row={"fails": 0})
    title = "Unchanged with a body"
    body = response(rss(item("A body that 304 may not have")), "304 Not Modified")
    yield Member(kind, "with a body", (look(rss(item(title)), took(1)), look(body, same)), (Story(title),))
    yield Member(kind, "at the first look", (look(response(status="304 Not Modified"), same),), row={"fails": 0})
    title = "The validator that lies"
    page = validated(rss(item(title)).encode(), {}, ETag='"' + "x" * 5_000 + '"')
    yield Member(
        kind, "with an etag of 5,000 characters", (look(page, took(1)), look(page, took(0, known=1))), (Story(title),)
    )
    title = "Damaged, then mended"
    broken = response("<rss", headers={"ETag": '"broken"'})
    mended = validated(rss(item(title)).encode(), {"if-none-match": '"broken"'}, ETag='"whole"')
    looks = (turned_away(broken, "cannot be read"), look(mended, took(1)))
    yield Member(kind, "after a damaged feed it is asked for in full", looks, (Story(title),))


def _certificates() -> Iterator[Member]:
    kind = "certificates"
    for name, host in {
        "of another name": "wrong.example.org",
        "that nobody vouches for": "unknown.example.org",
        "that has expired": "expired.example.org",
    }.items():
        feed = response(rss(item("Not to be trusted")))
        looks = (turned_away(feed, r"the connection failed \(\w*(SSL|Certificate)\w*\)"),)
        yield Member(kind, name, looks, scheme="https", host=host, row={"fails": 1}, asked=0)
    title = "Fetched in TLS"
    yield Member(kind, "that fits", (look(rss(item(title)), took(1)),), (Story(title),), scheme="https")
    title = "Fetched in TLS after all"
    to = f"https://{HOST}/{kind}/after-a-redirect/tls"
    pages = {"": redirect(to), "/tls": response(rss(item(title)))}
    yield Member(kind, "after a redirect", (Look(took(1), pages),), (Story(title),))
    plain = redirect(f"https://expired.example.org/{kind}/behind-a-redirect/tls")
    pages = {"": plain, "/tls": response(rss(item("Not to be trusted")))}
    yield Member(kind, "behind a redirect", (Look("the connection failed", pages, good=False),))


def _nobody_there() -> Iterator[Member]:
    kind = "nobody there"
    for name, host, why in (
        ("a name that does not exist", "nowhere.example.org", "cannot be resolved"),
        ("a host that refuses", "closed.example.org", "cannot be reached"),
        ("a name that is private", "inside.example.org", "not on the public internet"),
        ("a name half private", "mixed.example.org", "not on the public internet"),
    ):
        yield Member(kind, name, (Look(why, {}, good=False),), host=host, row={"fails": 1}, asked=0)


def _nonsense() -> Iterator[Member]:
    kind = "answers that are no http"
    for name, answer in {
        "a greeting of smtp": b"220 mail.example.org ESMTP\r\n",
        "nothing": b"",
        "bytes": bytes(range(256)) * 8,
        "http 0.9": rss(item("Without headers")).encode(),
        "a header of 70,000 characters": _OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        "two hundred headers": _OK + b"X: y\r\n" * 200 + b"\r\n",
        "a status of letters": b"HTTP/1.1 OK\r\n\r\n",
        "a status of 999": b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
    }.items():
        yield Member(kind, name, (turned_away(answer, "could not be read"),), row={"fails": 1})

    def reset(_asked: Asked) -> Iterable[bytes]:
        raise Reset

    yield Member(kind, "a reset", (turned_away(reset, "could not be read"),))
