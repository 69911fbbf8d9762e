"""The proof of the cleaning: more than two hundred scripts through every field, and none runs in a real Chromium.

The shipped service runs from outside. What it shows is opened page by page, its mails too, and every story's text once
more where no policy holds anything back. `make proof-scripts` runs it in full and writes docs/proofs/scripts.md. Then a
copy of the product that cleans no body goes the same way: there most of the vectors must be seen.
"""

import argparse
import json
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from playwright.sync_api import Browser

from tests.chaos import guards
from tests.journeys import houses, readers
from tests.journeys.houses import House
from tests.proofs import handing, page, vectors, watching
from tests.proofs.vectors import Vector
from tests.proofs.watching import Canary, Watcher

FORMS = ("atom", "rss", "json", "xhtml")
"""How a story comes in: three formats, and Atom with XHTML in it where a vector is well-formed."""
GROUP = 90
"""Stories of a digest: it has a topic of its own, and at most a hundred go into one mail."""
READER = "reader@example.org"
_RELATIVE = "    relative = _relative(base)\n"
_WITH_PICTURES = "    return nh3.clean(\n        markup,\n        tags=_TAGS | _RENAMED.keys() | {"
BARE = (
    guards.Edit(
        "articles/cleaning.py",
        _RELATIVE + "    markup = _nh3(markup, _TAGS",
        _RELATIVE + "    if markup:\n        return markup\n    markup = _nh3(markup, _TAGS",
    ),
    guards.Edit("articles/cleaning.py", _WITH_PICTURES, "    if markup:\n        return markup\n" + _WITH_PICTURES),
)
"""A product whose stories' text is not cleaned at all."""
TYPED = (
    "/en/?before={}",
    "/en/topics/cu?before={}",
    "/en/topics/{}",
    "/en/{}",
    "/en/{}/print",
    "/en/archive/{}",
    "/en/subscribe?topics={}",
    "/en/subscribe/frame?topics={}",
    "/en/search?q={}",
    "/{}/",
    "/preferences/t/{}",
    "/en/feed.atom?{}",
)
"""Where a reader, or who makes a link for one, can put words. What there is no page for must be harmless, too."""
_EPOCH = datetime(2023, 2, 15, 0, 0, tzinfo=UTC)
_MEDIA = 'xmlns:media="http://search.yahoo.com/mrss/"'
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass
class Outcome:
    """What a run came to."""

    brought: int = 0
    stored: int = 0
    visits: dict[str, int] = field(default_factory=dict)
    mails: int = 0
    findings: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """A story as the database has it."""

    public_id: str
    ref: str
    body: str
    vector: Vector


def at_of(number: int) -> datetime:
    """Return when a story was published: no two at the same minute, so that each is known by it."""
    return _EPOCH + timedelta(minutes=number)


# --- feeds --------------------------------------------------------------------------------------------------------


def feed_of(form: str, numbered: Sequence[tuple[int, Vector]]) -> bytes:
    """Return a feed whose stories have their vectors in every field."""
    if form == "json":
        items = [_json_item(number, vector) for number, vector in numbered]
        document = {"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": items}
        return json.dumps(document).encode()
    if form == "rss":
        space = 'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        space += f" {_MEDIA}"
        items_text = "".join(_rss_item(number, vector) for number, vector in numbered)
        text = f'<rss version="2.0" {space}><channel><title>News</title>{items_text}</channel></rss>'
    else:
        entries = "".join(_entry(number, vector, xhtml=form == "xhtml") for number, vector in numbered)
        text = f'<feed xmlns="http://www.w3.org/2005/Atom" {_MEDIA}><title>News</title><id>tag:x</id>{entries}</feed>'
    return text.encode("utf-8", "replace")


def content_of(number: int, vector: Vector) -> str:
    """Return a story's HTML: the vector behind a dateline and a paragraph, and in the words of a picture."""
    start = f"<p>Seoul (Agency {number}) – Words of the story of number {number}.</p>{vector.text}"
    return f"{start}<p>Words {number} after it.</p>{_figure(number, vector)}"


def _figure(number: int, vector: Vector) -> str:
    image = f'<img src="https://news.example.org/{number}.png" alt={quoteattr(_NOT_XML.sub("", vector.text))}/>'
    return f"<figure>{image}<figcaption>{_xml(vector.text)}</figcaption></figure>"


def _media(number: int, vector: Vector) -> str:
    credit = f"<media:credit>{_xml(vector.text)}</media:credit>"
    return f'<media:content url="https://news.example.org/lead-{number}.png" medium="image">{credit}</media:content>'


def _xml(text: str) -> str:
    return escape(_NOT_XML.sub("", text))


def _links(number: int, vector: Vector) -> tuple[str, str]:
    return f"https://news.example.org/{number}?{quote(vector.text)}", f"{number} {vector.text}"


def _entry(number: int, vector: Vector, *, xhtml: bool) -> str:
    url, guid = _links(number, vector)
    term = quoteattr(_NOT_XML.sub("", vector.text))
    if xhtml:
        spaces = "xmlns='http://www.w3.org/1999/xhtml' xmlns:xlink='http://www.w3.org/1999/xlink'"
        inner = f"<div {spaces}><p>Words {number}.</p>{vector.text}{_figure(number, vector)}</div>"
        content = f'<content type="xhtml">{inner}</content>'
    else:
        content = f'<content type="html">{_xml(content_of(number, vector))}</content>'
    return (
        f'<entry><title type="html">{number} {_xml(vector.text)}</title><id>{_xml(guid)}</id>'
        f"<link href={quoteattr(url)}/><published>{at_of(number).isoformat()}</published>"
        f'<summary type="html">About {number}. {_xml(vector.text)}</summary>{content}'
        f"<author><name>{_xml(vector.text)}</name></author>"
        f"<category term={term}/><category term={quoteattr(_topic(number))}/>{_media(number, vector)}</entry>"
    )


def _rss_item(number: int, vector: Vector) -> str:
    url, guid = _links(number, vector)
    cdata = _NOT_XML.sub("", content_of(number, vector)).replace("]]>", "]]]]><![CDATA[>")
    return (
        f"<item><title>{number} {_xml(vector.text)}</title><link>{_xml(url)}</link>"
        f'<guid isPermaLink="false">{_xml(guid)}</guid>'
        f"<pubDate>{at_of(number):%a, %d %b %Y %H:%M:%S} +0000</pubDate>"
        f"<description>About {number}. {_xml(vector.text)}</description>"
        f"<content:encoded><![CDATA[{cdata}]]></content:encoded><dc:creator>{_xml(vector.text)}</dc:creator>"
        f"<category>{_xml(vector.text)}</category><category>{_topic(number)}</category>"
        f"{_media(number, vector)}</item>"
    )


def _json_item(number: int, vector: Vector) -> dict[str, object]:
    url, guid = _links(number, vector)
    return {
        "id": guid,
        "url": url,
        "title": f"{number} {vector.text}",
        "summary": f"About {number}. {vector.text}",
        "content_html": content_of(number, vector),
        "date_published": at_of(number).isoformat(),
        "authors": [{"name": vector.text, "url": vector.text, "avatar": vector.text}],
        "tags": [vector.text, _topic(number)],
        "image": vector.text,
        "language": "en",
    }


def _topic(number: int) -> str:
    return f"group-{number // GROUP}"


def is_xhtml(vector: Vector) -> bool:
    """Say whether a vector can stand in an XML document as it is."""
    try:
        ElementTree.fromstring(f"<x xmlns:xlink='http://www.w3.org/1999/xlink'>{vector.text}</x>")  # noqa: S314 - ours
    except (ElementTree.ParseError, ValueError):
        return False
    return "<" in vector.text


# --- the run ------------------------------------------------------------------------------------------------------


def numbered(found: Sequence[Vector]) -> dict[str, list[tuple[int, Vector]]]:
    """Return which vector each story brings, by the form in which it comes; stories are numbered through."""
    numbers = iter(range(10**6))
    return {
        form: [(next(numbers), vector) for vector in found if form != "xhtml" or is_xhtml(vector)] for form in FORMS
    }


def run(folder: Path, browser: Browser, canary: Canary, *, mails: bool = True, typed: bool = True) -> Outcome:
    """Bring all vectors into a service, and look at everything that it shows."""
    found = list(vectors.every(canary.at))
    by_form = numbered(found)
    by_number = dict(pair for pairs in by_form.values() for pair in pairs)
    outcome = Outcome(brought=len(by_number))
    watcher = Watcher(browser, canary)
    with houses.local(folder) as house:
        groups = max(by_number) // GROUP + 1
        if mails:
            _offer(house, groups)
            _join(house, groups)
        _bring(house, by_form)
        stories = _stories(folder, by_number)
        outcome.stored = len(stories)
        handing.hand(house, {"correct": {one.public_id: f"It was {one.vector.text}" for one in stories}})
        with _counted(outcome, watcher, "pages of stories, printed ones and those to send"):
            for one in stories:
                for more in ("", "/print", "/send"):
                    watcher.visit(f"{house.site}/en/{one.ref}{more}", one.vector.name)
        with _counted(outcome, watcher, "lists, feeds and sitemaps"):
            for address in _lists(house, groups):
                watcher.visit(address, f"the list {address.removeprefix(house.site)}")
        with _counted(outcome, watcher, "stories' texts without any policy, read anew three times"):
            look_bare(watcher, canary, stories)
        if mails:
            outcome.mails = _look_at_mails(house, watcher, canary, outcome, groups)
        if typed:
            _look_at_typed(house, watcher, outcome, found)
        handing.hand(house, {"withdraw": {one.public_id: f"Because {one.vector.text}" for one in stories}})
        with _counted(outcome, watcher, "pages of stories that were withdrawn"):
            for one in stories:
                watcher.visit(f"{house.site}/en/{one.ref}", one.vector.name)
    watcher.close()
    outcome.findings = watcher.findings
    return outcome


def look_bare(watcher: Watcher, canary: Canary, stories: Sequence[Kept]) -> None:
    """Open each story's text where nothing but its cleaning keeps it from running."""
    for one in stories:
        start = '<!doctype html><meta charset="utf-8"><title>bare</title>'
        address = canary.show(f"bare/{one.public_id}", f'{start}<div class="body">{one.body}</div>')
        watcher.visit(address, one.vector.name, again=True)


@contextmanager
def _counted(outcome: Outcome, watcher: Watcher, what: str) -> Iterator[None]:
    before = watcher.visits
    yield
    outcome.visits[what] = watcher.visits - before
    sys.stdout.write(f"{what}: {outcome.visits[what]}\n")
    sys.stdout.flush()


def _offer(house: House, groups: int) -> None:
    topics = "".join(
        f'[[topic]]\nkey = "group-{n}"\nkind = "theme"\n[topic.names]\nen = "Group {n}"\n' for n in range(groups)
    )
    digests = "".join(
        f'[[digest]]\nkey = "group-{n}"\nname = "Group {n}"\nlanguage = "en"\nrhythms = ["daily"]\n'
        f'default_time = "07:00"\ndefault_zone = "Asia/Hong_Kong"\nmost = 100\ntopics = ["group-{n}"]\n'
        for n in range(groups)
    )
    for kind, text in (("topics", topics), ("digests", digests)):
        file = house.folder / f"{kind}.toml"
        file.write_text(text, "utf-8")
        house.flask(kind, "apply", str(file))


def _join(house: House, groups: int) -> None:
    readers.subscribe(house, READER, *(f"group-{n}" for n in range(groups)))
    (asked,) = house.wait_for_mails(1, to=READER)
    assert house.post(readers.link_to(asked, "confirm"), []).status == 200


def _bring(house: House, by_form: Mapping[str, list[tuple[int, Vector]]]) -> None:
    files = {}
    for form, pairs in by_form.items():
        for first in range(0, len(pairs), 150):
            file = house.folder / f"{form}-{first}.feed"
            file.write_bytes(feed_of(form, pairs[first : first + 150]))
            files[f"https://news.example.org/{file.name}"] = str(file)
    handing.hand(house, {"feeds": files})


def _stories(folder: Path, by_number: Mapping[int, Vector]) -> list[Kept]:
    """Return the stories as they are in the database, by plain SQL."""
    by_time = {at_of(number): vector for number, vector in by_number.items()}
    statement = "SELECT public_id, slug, body, published_at FROM articles ORDER BY id"
    with sqlite3.connect(f"file:{folder / 'postrider.db'}?mode=ro", uri=True) as connection:
        rows = connection.execute(statement).fetchall()
    found = []
    for public_id, slug, body, published_at in rows:
        at = datetime.fromisoformat(published_at).replace(tzinfo=UTC)
        if at in by_time:
            found.append(Kept(public_id, f"{public_id}-{slug}" if slug else public_id, body, by_time[at]))
    return found


def _lists(house: House, groups: int) -> list[str]:
    """Return every page that lists stories: each front page and each topic's to the last, days, feeds, sitemaps."""
    found = []
    for start in ("/en/", *(f"/en/topics/group-{n}" for n in range(groups))):
        path: str | None = start
        while path:
            found.append(house.site + path)
            older = re.search(r'class="button" href="(\?before=[^"]+)"', house.get(path).data.decode())
            path = start + older[1] if older else None
    found += [f"{house.site}/en/archive/2023-02-{day}" for day in (15, 16)]
    names = ("topics", "feed.atom", "feed.json", "sitemap.xml", "news-sitemap.xml", "subscribe", "embed")
    return [*found, *(f"{house.site}/en/{name}" for name in names)]


def _look_at_mails(house: House, watcher: Watcher, canary: Canary, outcome: Outcome, groups: int) -> int:
    house.flask("demo", "tomorrow")
    mails = house.wait_for_mails(1 + groups, to=READER)[1:]
    listed = house.http.request("GET", f"{house.inbox}/api/messages?limit=1000").json()
    preferences = readers.link_to(mails[0], "preferences")
    with _counted(outcome, watcher, "mails: in the inbox, without any policy, and the preferences with their preview"):
        for one in listed:
            watcher.visit(f"{house.inbox}/m/{one['key']}", "the inbox", mail=True)
            watcher.visit(f"{house.inbox}/m/{one['key']}/html", "a mail in the inbox", mail=True)
        for number, mail in enumerate(mails):
            address = canary.show(f"mail/{number}", readers.html_of(mail))
            watcher.visit(address, f"mail {number}", mail=True)
        watcher.visit(preferences, "the preferences")
        for number in range(groups):
            watcher.visit(preferences.replace("/t/", f"/group-{number}/t/"), "the preview of the preferences")
    return len(mails)


def _look_at_typed(house: House, watcher: Watcher, outcome: Outcome, found: Sequence[Vector]) -> None:
    with _counted(outcome, watcher, "addresses with a vector in the path or the query"):
        for vector in found:
            for template in TYPED:
                watcher.visit(house.site + template.format(quote(vector.text, safe="")), vector.name)
    with _counted(outcome, watcher, "forms sent with a vector in every field"):
        fields = ("email", "zone", "topics", "digests", "rhythm", "form_id", "stamp", "altcha")
        for vector in found:
            watcher.visit(f"{house.site}/en/subscribe", vector.name, typed=dict.fromkeys(fields, vector.text))
        for vector in found[::4]:
            watcher.visit(f"{house.site}/en/fresh-link", vector.name, typed=dict.fromkeys(fields, vector.text))


def bare_run(folder: Path, browser: Browser, canary: Canary) -> tuple[int, Sequence[str]]:
    """Run a copy of the product that cleans no body; return how many vectors were seen, and which were not."""
    with guards.copy(folder, BARE) as tree:
        whole, houses.ROOT = houses.ROOT, tree
        try:
            seen = run(folder / "bare", browser, canary, mails=False, typed=False).findings
        finally:
            houses.ROOT = whole
    names = [vector.name for vector in vectors.every(canary.at)]
    return sum(name in seen for name in names), [name for name in names if name not in seen]


def main() -> int:
    """Run the proof and write its page; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--without-control", action="store_true", help="do not run the copy that cleans nothing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, watching.canary() as canary, watching.chromium() as browser:
        folder = Path(name)
        for house in ("whole", "bare"):
            (folder / house).mkdir()
        outcome = run(folder / "whole", browser, canary)
        sys.stdout.write(f"{len(outcome.findings)} faults. Now the copy that cleans nothing.\n")
        seen, unseen = (0, []) if given.without_control else bare_run(folder, browser, canary)
    count = len(list(vectors.every("")))
    faults = [f"{about}: {'; '.join(found)}" for about, found in outcome.findings.items()]
    if not given.without_control and seen < count / 2:
        faults.append(f"without cleaning only {seen} of {count} vectors were seen, so the proof sees too little")
    if outcome.stored < outcome.brought * 0.95:
        faults.append(f"only {outcome.stored} of {outcome.brought} stories came in")
    page.write(
        "scripts",
        title="No script of a feed, an editor or a reader runs",
        claim=f"{count} vectors of {len(vectors.CLASSES)} classes go through every field of a story, as RSS, Atom, "
        "XHTML in Atom and JSON Feed, through corrections and reasons, and through all that a reader can type. A real "
        "Chromium opens every page and mail that shows them; stories' texts and mails also without any policy, as mail "
        "programs show them. A dialog, a call of the canary, a new property of the window, a report of the policy, a "
        "page that leads away, or markup that could do it is a fault.",
        rows={
            **{f"vectors of the class *{kind}*": len(texts) for kind, texts in vectors.CLASSES.items()},
            "stories brought, and stored": f"{outcome.brought:,}, {outcome.stored:,}",
            **{what: f"{number:,}" for what, number in outcome.visits.items()},
            "digests in which they were mailed": outcome.mails,
            "faults": len(outcome.findings),
            "seen of the same vectors in a copy that cleans no body": f"{seen} of {count}",
            "not seen there either, since a browser takes them for text": "; ".join(unseen) or "none",
        },
        faults=faults,
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
