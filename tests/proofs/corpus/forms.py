"""The forms that feeds come in, and how links and markup are meant in them."""

import json
from collections.abc import Iterator

from tests.proofs.corpus.model import Member, Story
from tests.proofs.corpus.writing import AT, DECLARED, SITE, atom, entry, full, item, look, response, rss, took

_ISO = AT.isoformat()


def members() -> Iterator[Member]:
    """Return the classes of this module."""
    yield from _forms()
    yield from _links()
    yield from _markup()


def _channel(version: str, doctype: str = "", items: str = "") -> str:
    return (
        f'{DECLARED}{doctype}<rss version="{version}"><channel><title>News</title>'
        f"<link>{SITE}/</link>{items}</channel></rss>"
    )


def _forms() -> Iterator[Member]:
    kind = "forms of feeds"
    bare = "<item><title>Form {0}</title><link>" + SITE + "/en/form-{0}</link><description>Short.</description></item>"
    netscape = (
        '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" '
        '"http://my.netscape.com/publish/formats/rss-0.91.dtd">'
    )
    rdf = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="{space}" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>News</title></channel>'
        f'<item rdf:about="{SITE}/en/rdf"><title>{{title}}</title><link>{SITE}/en/rdf</link>'
        f"<dc:date>{_ISO}</dc:date></item></rdf:RDF>"
    )
    xml = {
        "rss 0.91": ("Form 0.91", _channel("0.91", items=bare.format("0.91"))),
        "rss 0.91 of netscape": ("Form 0.91n", _channel("0.91", netscape, bare.format("0.91n"))),
        "rss 0.92": ("Form 0.92", _channel("0.92", items=bare.format("0.92"))),
        "rss 0.94": ("Form 0.94", _channel("0.94", items=bare.format("0.94"))),
        "rss 0.90": (
            "Form 0.90",
            DECLARED + rdf.format(space="http://my.netscape.com/rdf/simple/0.9/", title="Form 0.90"),
        ),
        "rss 1.0": ("Form 1.0", DECLARED + rdf.format(space="http://purl.org/rss/1.0/", title="Form 1.0")),
        "rss without a version": (
            "Form none",
            _channel("2.0", items=bare.format("none")).replace(' version="2.0"', ""),
        ),
        "atom 0.3": (
            "Form atom 0.3",
            f'{DECLARED}<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>News</title><entry>'
            f"<title>Form atom 0.3</title><id>tag:a03</id><issued>{_ISO}</issued>"
            f'<link rel="alternate" type="text/html" href="{SITE}/en/a03"/></entry></feed>',
        ),
        "atom 1.0": ("Form atom 1.0", atom(entry("Form atom 1.0"))),
        "atom with a prefix": (
            "Form atom a:",
            f'{DECLARED}<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:title>News</a:title><a:entry>'
            f"<a:title>Form atom a:</a:title><a:id>tag:ap</a:id><a:updated>{_ISO}</a:updated></a:entry></a:feed>",
        ),
    }
    for name, (title, feed) in xml.items():
        yield Member(kind, name, (look(feed, took(1)), look(feed, took(0, known=1))), (Story(title),))
    one = {
        "id": "1",
        "title": "Form json",
        "url": f"{SITE}/en/json",
        "content_html": "<p>A text.</p>",
        "date_published": _ISO,
    }
    for name, version, more in (
        ("json feed 1.1", "https://jsonfeed.org/version/1.1", {"authors": [{"name": "Ada"}]}),
        ("json feed 1", "https://jsonfeed.org/version/1", {"author": {"name": "Ada"}}),
        ("json feed with numbers for ids", "https://jsonfeed.org/version/1.1", {"id": 7}),
    ):
        items = [{**one, **more, "title": f"Form {name}", "url": f"{SITE}/en/{name.replace(' ', '-')}"}]
        text = json.dumps({"version": version, "title": "News", "items": items})
        answer = response(text, kind="application/feed+json")
        yield Member(kind, name, (look(answer, took(1)),), (Story(f"Form {name}", at=AT, has=("A text.",)),))


def _links() -> Iterator[Member]:
    kind = "relative links"
    body = '<p>See <a href="{}">the other page</a> of it.</p>'
    for name, written, becomes in (
        ("from the root", "/b", f'href="{SITE}/b"'),
        ("beside the story", "b", f'href="{SITE}/en/b"'),
        ("without a scheme", "//other.example.org/b", 'href="https://other.example.org/b"'),
        ("up and out", "../../../b", f'href="{SITE}/b"'),
        ("a script", "javascript:alert(1)", None),
        ("data", "data:text/html,x", None),
        ("a script with a tab in it", "java\tscript:alert(1)", None),
    ):
        own = f"Links {name}"
        feed = rss(item(own, more=full(body.format(written))))
        story = Story(own, has=("the other page", *([becomes] if becomes else [])), lacks=() if becomes else ("href",))
        yield Member(kind, name, (look(feed, took(1)),), (story,))
    for name, attributes, link, becomes in (
        ("xml base of the feed", f'xml:base="{SITE}/base/"', "story", f'href="{SITE}/base/b"'),
        ("xml base that is hostile", 'xml:base="javascript:"', f"{SITE}/en/hostile", f'href="{SITE}/en/b"'),
        ("xml base that is relative", 'xml:base="/deep/"', "story", "/deep/b"),
    ):
        own = f"Links by {name}"
        feed = atom(entry(own, link=link, body=body.format("b")), attributes=attributes)
        yield Member(kind, name, (look(feed, took(1)),), (Story(own, has=(becomes,)),))


def _markup() -> Iterator[Member]:
    kind = "markup in short fields"
    for name, xml, headline in (
        ("html in rss", "&lt;b&gt;Bold&lt;/b&gt; &amp;amp; bright (rss)", "Bold & bright (rss)"),
        ("cdata", "<![CDATA[Bold <i>and</i> bright (cdata)]]>", "Bold and bright (cdata)"),
        ("escaped twice", "Tom &amp;amp; Jerry (twice)", "Tom & Jerry (twice)"),
        ("tags that are text", "&lt;script&gt;x&lt;/script&gt; (script)", "<script>x</script> (script)"),
        ("an entity of html", "Caf&amp;eacute; (entity)", "Café (entity)"),
    ):
        feed = rss(item("TITLE", guid=f"m:{name}")).replace("<title>TITLE</title>", f"<title>{xml}</title>")
        yield Member(kind, name, (look(feed, took(1)),), (Story(headline, lacks=("alert",)),))
    for name, xml, headline in (
        ("html in atom", '<title type="html">&lt;b&gt;Bold&lt;/b&gt; (atom html)</title>', "Bold (atom html)"),
        ("text in atom", "<title>Use &lt;br&gt; in HTML (atom text)</title>", "Use <br> in HTML (atom text)"),
        (
            "xhtml in atom",
            '<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">A <em>b</em> (xhtml)</div></title>',
            "A b (xhtml)",
        ),
    ):
        feed = atom(entry("TITLE", guid=f"m:{name}").replace("<title>TITLE</title>", xml))
        yield Member(kind, name, (look(feed, took(1)),), (Story(headline),))
    own = "An author with an address"
    yield Member(
        kind,
        "an author with an address",
        (look(rss(item(own, more="<author>ada@example.org (Ada)</author>")), took(1)),),
        (Story(own),),
    )
