"""The proof of the pages: the W3C's checker, a parser of the standard, a JSON-LD processor and a second feed reader.

The shipped service runs from outside with the demo; every public page in every language is read, and a reader's own
pages and mails. What they should say is asked of the database by plain SQL. `make proof-pages` runs it and writes
docs/proofs/pages.md.
"""

import argparse
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import urllib3

from tests.journeys import houses, readers
from tests.journeys.houses import House
from tests.proofs import page, reading
from tests.proofs.reading import Row

FEED = 30
"""Stories of a feed."""
_HREF = re.compile(r'href="(/[^"#]*)"')
_PERSONAL = ("/t/", "/static/")
_MACHINES = re.compile(r"/(feed\.(atom|json)|sitemap\.xml|news-sitemap\.xml)$")
_STORY = re.compile(r"/([A-Za-z-]+)/([a-z2-7]{10}(?:-[a-z0-9-]+)?)")


@dataclass
class Outcome:
    """What was read, and what was wrong with it."""

    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, what: str, count: int, faults: Sequence[str]) -> None:
        """Note how many of something were read."""
        self.counts[what] = self.counts.get(what, 0) + count
        self.faults += faults


@dataclass(frozen=True, slots=True)
class Answer:
    """A page with its status and headers."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Site:
    """The site as it was found by following its links."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.pages: dict[str, Answer] = {}

    def follow(self, *starts: str) -> None:
        """Read these pages and all public pages that they lead to, whatever stands after their question marks once."""
        left = list(starts)
        while left:
            path = left.pop()
            if path in self.pages or any(part in path for part in _PERSONAL):
                continue
            answer = self.get(path)
            self.pages[path] = answer
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                left += [found.replace("&amp;", "&") for found in _HREF.findall(answer.body.decode())]
            if 300 <= answer.status < 400:
                left.append(answer.headers["Location"].removeprefix(self.house.site))

    def get(self, path: str, **headers: str) -> Answer:
        """Get a page."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.house.http.request("GET", self.house.site + path, headers=told, redirect=False)
        return _answer(answer)

    def html(self) -> dict[str, bytes]:
        """Return the pages for people."""
        return {
            path: answer.body
            for path, answer in self.pages.items()
            if answer.headers.get("Content-Type", "").startswith("text/html") and answer.body and answer.status < 300
        }


def _answer(answer: urllib3.BaseHTTPResponse) -> Answer:
    return Answer(answer.status, dict(answer.headers), answer.data)


def run(folder: Path) -> Outcome:
    """Read everything that a service with the demo shows."""
    outcome = Outcome()
    with houses.local(folder) as house:
        site = Site(house)
        rows = stories(folder)
        languages = sorted({row.language for row in rows})
        _change(house, rows)
        rows = stories(folder)
        starts = [f"/{language}/" for language in languages]
        site.follow("/sitemap.xml", *starts, *_machines(languages), *_topic_feeds(folder, languages))
        site.follow(*(f"/{row.language}/{row.ref}" for row in rows))
        outcome.add("languages", len(languages), [])
        extra = errors(site, languages, rows) | personal(house, languages)
        mails = {
            f"{reading.MAIL}{n}": readers.html_of(one).encode() for n, one in enumerate(house.mails()) if _has_html(one)
        }
        _check_html(folder, outcome, site.html(), extra, mails)
        _check_stories(outcome, site, rows, folder)
        _check_feeds(outcome, site, rows)
        _check_sitemaps(outcome, site, rows)
        _check_validators(outcome, site)
    return outcome


def stories(folder: Path) -> list[Row]:
    """Return the published stories, newest first."""
    statement = """
        SELECT public_id, slug, language, headline, standfirst, body, author, published_at,
               (SELECT group_concat(key) FROM topics JOIN article_topics ON topic_id = topics.id
                WHERE article_id = articles.id)
        FROM articles WHERE state = 'published' ORDER BY published_at DESC, id DESC"""
    with sqlite3.connect(f"file:{folder / 'postrider.db'}?mode=ro", uri=True) as connection:
        found = connection.execute(statement).fetchall()
    return [
        Row(
            ref=f"{row[0]}-{row[1]}" if row[1] else row[0],
            language=row[2],
            headline=row[3],
            standfirst=row[4],
            body=row[5],
            author=row[6],
            published_at=datetime.fromisoformat(row[7]).replace(tzinfo=UTC),
            topics=frozenset((row[8] or "").split(",")) - {""},
        )
        for row in found
    ]


def _change(house: House, rows: Sequence[Row]) -> None:
    """Have one story corrected, one marked as updated and one withdrawn, by the service's commands."""
    english = [row.ref.partition("-")[0] for row in rows if row.language == "en"]
    house.flask("articles", "correct", english[0], "--text", "The vote was on Tuesday & not on <Monday>.")
    house.flask("articles", "update", english[1])
    house.flask("articles", "withdraw", english[-1], "--reason", "It was about another town & its <mayor>.")


def _machines(languages: Sequence[str]) -> list[str]:
    names = ("feed.atom", "feed.json", "sitemap.xml", "news-sitemap.xml")
    return [f"/{language}/{name}" for language in languages for name in names]


def _topic_feeds(folder: Path, languages: Sequence[str]) -> list[str]:
    with sqlite3.connect(f"file:{folder / 'postrider.db'}?mode=ro", uri=True) as connection:
        keys = [row[0] for row in connection.execute("SELECT key FROM topics")]
    return [f"/{one}/topics/{key}/feed.{form}" for one in languages for key in keys for form in ("atom", "json")]


def errors(site: Site, languages: Sequence[str], rows: Sequence[Row]) -> dict[str, bytes]:
    """Return pages that say that something is not as it should be."""
    found = {}
    for language in languages:
        for path in ("nothing-here", "archive/2026-13-01", "topics/nowhere", "archive/2001-01-01"):
            found[f"/{language}/{path}"] = site.get(f"/{language}/{path}").body
    found["a link that is damaged"] = site.get("/preferences/t/damaged").body
    found["a link that is no confirmation"] = site.get("/confirm/t/damaged").body
    gone = [path for path, answer in site.pages.items() if answer.status == 410]
    found |= {path: site.pages[path].body for path in gone}
    with sqlite3.connect(f"file:{site.house.folder / 'postrider.db'}?mode=ro", uri=True) as connection:
        withdrawn = connection.execute("SELECT language, public_id FROM articles WHERE state = 'withdrawn'").fetchall()
    assert withdrawn, "nothing was withdrawn"
    for language, public_id in withdrawn:
        answer = site.get(f"/{language}/{public_id}")
        assert answer.status == 410, answer.status
        found[f"/{language}/{public_id}"] = answer.body
    post = site.house.post("/en/nothing-here", [("x", "y")])
    return found | {"a form to nowhere": post.data}


def personal(house: House, languages: Sequence[str]) -> dict[str, bytes]:
    """Return forms with faults, and all pages of a reader, for each language; this makes mails, too."""
    found = {}
    for language in languages:
        start = f"/{language}/subscribe"
        fields = readers.hidden_fields(house.get(start).data.decode())
        found[f"{start} with faults"] = house.post(start, [*fields.items(), ("email", "no <address>")]).data
        digest = re.search(r'name="digests" value="([^"]+)"', house.get(start).data.decode())
        assert digest is not None
        address = f"reader@{language.lower()}.example"
        time.sleep(2.1)
        readers.subscribe(house, address, digest[1], language=language)
        (asked,) = house.wait_for_mails(1, to=address)
        confirm = readers.link_to(asked, "confirm")
        found[f"confirm {language}"] = house.get(confirm).data
        found[f"confirmed {language}"] = house.post(confirm, []).data
        first = house.wait_for_mails(2, to=address)[1]
        preferences = readers.link_to(first, "preferences")
        asks = [preferences, preferences.replace("/t/", f"/{digest[1]}/t/"), preferences.replace("preferences", "why")]
        asks += [readers.link_to(first, "unsubscribe")]
        found |= {f"{one.split('/')[3]} {n} {language}": house.get(one).data for n, one in enumerate(asks)}
        left = house.post(asks[-1], []).data
        found[f"left {language}"] = left
    return found


def _has_html(mail: object) -> bool:
    return getattr(mail, "get_body")(("html",)) is not None  # noqa: B009 - any mail of the standard library


def _check_html(
    folder: Path, outcome: Outcome, pages: Mapping[str, bytes], extra: Mapping[str, bytes], mails: Mapping[str, bytes]
) -> None:
    texts = {**pages, **extra, **mails}
    outcome.add("public pages for people, by their addresses", len(pages), [])
    outcome.add("pages of errors, forms with faults, and one reader's pages", len(extra), [])
    outcome.add("mails", len(mails), [])
    outcome.add("errors of a strict html5lib", len(reading.misread(texts)), reading.misread(texts))
    place = folder / "html"
    place.mkdir()
    found = reading.invalid(place, texts)
    outcome.add("errors of the Nu Html Checker", len(found), found)


def _check_stories(outcome: Outcome, site: Site, rows: Sequence[Row], folder: Path) -> None:
    """Compare each story's linked data, Open Graph and other languages with the page and with the database."""
    languages_of: dict[str, dict[str, str]] = {}
    for row in rows:
        path = f"/{row.language}/{row.ref}"
        faults = story_faults(site.pages[path].body, row, site.house.site)
        outcome.add("stories whose head, linked data and text were compared", 1, [f"{path}: {one}" for one in faults])
        read = reading.strictly(site.pages[path].body)
        languages_of[site.house.site + path] = {
            one["hreflang"]: one["href"] for one in reading.leads(read, "alternate") if "hreflang" in one
        }
    pairs = 0
    for address, said in languages_of.items():
        for language, other in said.items():
            pairs += 1
            back = languages_of.get(other, {})
            if language != "x-default" and address not in back.values():
                outcome.faults.append(f"{address} names {other}, which does not name it")
    outcome.add("links to other languages, and back", pairs, [])


def story_faults(text: bytes, row: Row, base: str) -> list[str]:
    """Return what the head of a story says otherwise than its page and the database."""
    read = reading.strictly(text)
    found, faults = reading.linked_data(read)
    address, told = f"{base}/{row.language}/{row.ref}", reading.told(read)
    main = next(read.iter(f"{reading.XHTML}main"))
    headline = reading.text_of(next(main.iter(f"{reading.XHTML}h1")))
    times = [one.get("datetime", "") for one in main.iter(f"{reading.XHTML}time")]
    plain = " ".join(row.headline.split())
    wanted = {
        "the headline": (headline, plain),
        "og:title": (told.get("og:title"), row.headline),
        "og:url": (told.get("og:url"), address),
        "og:type": (told.get("og:type"), "article"),
        "canonical": ([one["href"] for one in reading.leads(read, "canonical")], [address]),
        "@type": (found.get("@type"), ["https://schema.org/NewsArticle"]),
        "linked headline": (" ".join(reading.value(found, "headline").split()), headline),
        "linked description": (reading.value(found, "description"), row.standfirst),
        "linked language": (reading.value(found, "inLanguage"), row.language),
        "linked page": (reading.value(found, "mainEntityOfPage"), address),
        "linked date": (
            datetime.fromisoformat(reading.value(found, "datePublished")),
            row.published_at.replace(microsecond=0),
        ),
        "date on the page": (
            datetime.fromisoformat(times[0]).astimezone(UTC),
            row.published_at.replace(second=0, microsecond=0),
        ),
        "standfirst": (reading.text_of(reading.by_class(main, "standfirst")), " ".join(row.standfirst.split())),
    }
    faults += [f"{what} is {one!r} instead of {other!r}" for what, (one, other) in wanted.items() if one != other]
    if not told.get("description") or not told.get("og:description"):
        faults.append("there is no description")
    correction = reading.value(found, "correction")
    if correction and correction not in reading.text_of(main):
        faults.append("the correction is not on the page")
    body = reading.text_of(reading.by_class(main, "body"))
    if row.author and reading.value(found, "author") != row.author:
        faults.append("the author is another one")
    if not reading.holds(body, [_text(piece) for piece in reading.PLACE.split(row.body)]):
        faults.append("the text is not what the database has")
    return faults


def _text(markup: str) -> str:
    read = reading.strictly(f"<!doctype html><title>x</title><div>{markup}</div>".encode())
    return reading.text_of(next(read.iter(f"{reading.XHTML}div")))


def _check_feeds(outcome: Outcome, site: Site, rows: Sequence[Row]) -> None:
    feeds = {path: answer for path, answer in site.pages.items() if re.search(r"/feed\.(atom|json)$", path)}
    for path, answer in feeds.items():
        _, language, *middle, _name = path.split("/")
        on = [row for row in rows if row.language == language]
        wanted = [row for row in on if not middle or middle[1] in row.topics][:FEED]
        found = reading.feed_faults(answer.body, wanted, site.house.site)
        form = "Atom" if path.endswith("atom") else "JSON Feed"
        outcome.add(f"feeds in {form}", 1, [f"{path}: {one}" for one in found])
        outcome.add(f"entries of them in {form}", len(wanted), [])


def _check_sitemaps(outcome: Outcome, site: Site, rows: Sequence[Row]) -> None:
    base = site.house.site
    index = reading.sitemap_places(site.pages["/sitemap.xml"].body)
    for place in index:
        path = place.removeprefix(base)
        listed = reading.sitemap_places(site.get(path).body)
        language = path.split("/")[1]
        wanted = {f"{base}/{row.language}/{row.ref}" for row in rows if row.language == language}
        faults = [] if path.endswith("news-sitemap.xml") or set(listed) >= wanted else [f"{path} lacks stories"]
        faults += [
            f"{path} names {one}"
            for one in listed
            if "/archive" not in one
            and "/topics" not in one
            and one not in wanted
            and one.rstrip("/") != f"{base}/{language}"
        ]
        outcome.add("sitemaps", 1, faults)
        outcome.add("addresses in them", len(listed), [])


def _check_validators(outcome: Outcome, site: Site) -> None:
    """Ask each public page again with its tag and with its date: nothing of it is sent twice."""
    for path, answer in site.pages.items():
        if answer.headers.get("Cache-Control") != "public, max-age=60":
            continue
        now = site.get(path)
        asked = reading.validators(now.headers)
        faults = [] if set(asked) == {"tag", "date"} else [f"{path} has only {sorted(asked)}"]
        for name, headers in asked.items():
            again = site.house.http.request("GET", site.house.site + path, headers=headers, redirect=False)
            if (again.status, again.data) != (304, b"") or "Content-Security-Policy" not in again.headers:
                faults.append(f"{path} asked by its {name} answered {again.status}")
        outcome.add("pages asked again by tag and by date, and answered with 304", 1, faults)


def main() -> int:
    """Run the proof and write its page; return the exit status."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory() as name:
        outcome = run(Path(name))
    sys.stdout.write("".join(f"{fault}\n" for fault in outcome.faults))
    page.write(
        "pages",
        title="Others read what we write: pages, linked data and feeds",
        claim="Every public page in every language of the demo, pages of errors, a reader's own pages and the mails "
        "are read by the Nu Html Checker and by a strict html5lib; linked data by PyLD, with the terms of schema.org "
        "that we use; feeds by fastfeedparser. What they say is compared with the page and, by plain SQL, with the "
        "database. Each page is asked for again with its tag and its date.",
        rows={what: f"{count:,}" for what, count in outcome.counts.items()},
        faults=outcome.faults[:40],
    )
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
