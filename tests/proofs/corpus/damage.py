"""Feeds that are not well-formed, that are no feeds, and XML that is meant to do harm."""

from collections.abc import Iterator

from tests.proofs.corpus.model import Member, Story
from tests.proofs.corpus.writing import DECLARED, atom, entry, item, look, response, rss, took, turned_away

NO_TYPE = "it declares a document type"
_HTML = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><p>Please sign in.</p></body></html>"


def members() -> Iterator[Member]:
    """Return the classes of this module."""
    yield from _broken()
    yield from _hostile()
    yield from _no_feeds()


def _pair(name: str) -> tuple[str, str]:
    return f"Whole before {name}", f"After {name}"


def _broken() -> Iterator[Member]:
    kind = "not well-formed"
    for name, inner in {
        "entities of html": "Caf&eacute;&nbsp;bells &copy; &hellip;",
        "a bare ampersand": "Salt & pepper &amp; more",
        "an ampersand in an address": "See https://x.example.org/?a=1&b=2",
    }.items():
        first, second = _pair(name)
        feed = rss(item(first), item(second, text="TEXT")).replace("TEXT", inner)
        yield Member(kind, name, (look(feed, took(2)),), (Story(first), Story(second)))
    for name, cut in {
        "half a document": ("<channel>", "After"),
        "a tag that is not closed": ("</link>", ""),
        "closed in the wrong order": ("</description></item>", "</item></description>"),
        "an attribute without quotes": ("<guid>", "<guid isPermaLink=false>"),
        "the same attribute twice": ("<guid>", '<guid a="1" a="2">'),
        "a space of names that nobody declared": ("<guid>", "<media:thing/><guid>"),
        "an entity that nobody knows": ("A short text.", "A &nobody; text."),
        "a less-than sign": ("A short text.", "1 < 2"),
    }.items():
        first, second = _pair(name)
        feed = rss(item(first), item(second))
        head, _item, tail = feed.partition(f"<item><title>{second}")
        broken = _item + tail.replace(*cut) if cut[1] != "After" else _item[:18]
        yield Member(kind, name, (look(head + broken, took(1)),), (Story(first),))
    for name, feed in {
        "broken before the first item": "<rss version='2.0'><channel><title>News</channel></rss>",
        "two roots": "<rss/><rss/>",
        "only the declaration": DECLARED,
    }.items():
        yield Member(kind, name, (turned_away(feed, "not well-formed|neither"),))
    after = rss(item("Rubbish follows"))
    yield Member(
        kind,
        "rubbish after the end",
        (look(after + "<!-- served in 3 ms --><p>x", took(1)),),
        (Story("Rubbish follows"),),
    )
    yield Member(
        kind,
        "blanks before the declaration",
        (look("\n  " + rss(item("Blanks come first")), took(1)),),
        (Story("Blanks come first"),),
    )


def _hostile() -> Iterator[Member]:
    feed = rss(item("A trap"), declared="")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    types = {
        "billion laughs": f'<!DOCTYPE rss [<!ENTITY l0 "lol">{laughs}]>',
        "quadratic blow-up": f'<!DOCTYPE rss [<!ENTITY a "{"a" * 50_000}">]>',
        "a file as an entity": '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "an address as an entity": '<!DOCTYPE rss [<!ENTITY x SYSTEM "http://feeds.example.org/caught">]>',
        "a document type elsewhere": '<!DOCTYPE rss SYSTEM "http://feeds.example.org/caught">',
        "parameter entities": '<!DOCTYPE rss [<!ENTITY % p SYSTEM "http://feeds.example.org/caught"> %p;]>',
        "an entity of itself": '<!DOCTYPE rss [<!ENTITY a "&b;"><!ENTITY b "&a;">]>',
        "attributes by default": '<!DOCTYPE rss [<!ATTLIST rss version CDATA "2.0">]>',
        "after a comment": "<!-- harmless --><?harmless?><!DOCTYPE rss>",
    }
    for name, doctype in types.items():
        reference = {"billion laughs": "&l9;", "quadratic blow-up": "&a;" * 50_000}.get(name, "&x;")
        body = DECLARED + doctype + feed.replace("A short text.", reference if "ENTITY" in doctype else "Text")
        yield Member("malicious xml", name, (turned_away(body, NO_TYPE),), unasked=("/caught",))
    wide = f"{DECLARED.replace('utf-8', 'utf-16')}{types['billion laughs']}{feed}".encode("utf-16")
    yield Member("malicious xml", "billion laughs in utf-16", (turned_away(response(wide), NO_TYPE),))
    title = "Included from elsewhere"
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="http://feeds.example.org/caught"/>'
    yield Member(
        "malicious xml",
        "xinclude",
        (look(rss(item(title, more=include)), took(1)),),
        (Story(title),),
        unasked=("/caught",),
    )
    sheet = '<?xml-stylesheet type="text/xsl" href="http://feeds.example.org/caught"?>'
    title = "Styled by a stylesheet"
    yield Member(
        "malicious xml",
        "a stylesheet",
        (look(rss(item(title), declared=DECLARED + sheet), took(1)),),
        (Story(title),),
        unasked=("/caught",),
    )
    deep = rss(item("A trap", more="<a>" * 5_000 + "</a>" * 5_000))
    yield Member("malicious xml", "nested five thousand times", (turned_away(deep, "too deep"),))
    many = rss(item("A trap", more="<a/>" * 100_001))
    yield Member("malicious xml", "a hundred thousand elements", (turned_away(many, "too many elements"),))
    names = rss(item("Many attributes", more="<a " + " ".join(f'a{n}="x"' for n in range(20_000)) + "/>"))
    yield Member("malicious xml", "twenty thousand attributes", (look(names, took(1)),), (Story("Many attributes"),))


def _no_feeds() -> Iterator[Member]:
    kind = "no feed at all"
    answers = {
        "a page to sign in": (response(_HTML, kind="text/html"), "."),
        "a page of xhtml": (
            response('<html xmlns="http://www.w3.org/1999/xhtml"><body><p>Hello</p></body></html>', kind="text/html"),
            "a web page",
        ),
        "json of something": (response('{"error": "no such feed"}', kind="application/json"), "."),
        "plain text": (response("Not here any more.", kind="text/plain"), "."),
        "nothing": (response(b""), "."),
        "a picture": (response(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, kind="image/png"), "."),
        "a sitemap": (
            response('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url/></urlset>'),
            "neither",
        ),
        "opml": (response('<opml version="2.0"><body><outline text="a"/></body></opml>'), "neither"),
        "an answer of soap": (response('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"/>'), "neither"),
    }
    for name, (answer, why) in answers.items():
        yield Member(kind, name, (turned_away(answer, f"cannot be read.*{why}"),), row={"fails": 1, "state": "on"})
    once = atom(entry("Good before the page to sign in"))
    yield Member(
        kind,
        "a good feed that becomes a page",
        (look(once, took(1)), turned_away(response(_HTML, kind="text/html"), "."), look(once, took(0, known=1))),
        (Story("Good before the page to sign in"),),
        row={"fails": 0},
    )
