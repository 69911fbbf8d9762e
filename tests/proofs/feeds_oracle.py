"""What must have come of a member of the corpus, held against the rows of the database: it knows nothing else of it."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from tests.proofs.corpus.model import SEEN, Look, Member, Story, fixed
from tests.proofs.corpus.writing import STARTED
from tests.proofs.feeds_commands import Said
from tests.proofs.feeds_server import Server

LEEWAY = timedelta(seconds=2)
_STORIES = (
    "SELECT a.headline, a.standfirst, a.body, a.state, a.revision, a.published_at, a.first_seen_at"
    " FROM articles a JOIN feeds f ON f.id = a.feed_id WHERE f.url = {}"
)
_FEED = "SELECT url, state, fails, moved_to, next_fetch_at, last_success_at FROM feeds WHERE url LIKE {}"
Rows = Callable[[str, Sequence[object]], list[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The database, read by plain SQL."""

    url: str

    def rows(self, statement: str, *values: object) -> list[Mapping[str, Any]]:
        """Return rows by column; `{}` in the statement stands for a value."""
        if self.url.startswith("sqlite:///"):
            with sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=30) as connection:
                connection.row_factory = sqlite3.Row
                found = connection.execute(statement.replace("{}", "?"), values).fetchall()
            connection.close()
            return [{name: one[name] for name in one.keys()} for one in found]  # noqa: SIM118 - a Row is no mapping
        with psycopg.connect(self.url, row_factory=psycopg.rows.dict_row) as postgres:
            return list(postgres.execute(statement.replace("{}", "%s").encode(), values))


def moment(value: object) -> datetime:
    """Return a time of a row: SQLite has texts, in UTC."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


Run = Callable[..., Said]
"""Runs one of the service's commands."""


def held_against(member: Member, run: Run, web: Server, ledger: Ledger) -> list[str]:
    """Look at a member's feeds as it says, and return what is not as it must be."""
    faults = []
    for feed in dict.fromkeys(look.feed for look in member.looks):
        said = run("feeds", "add", member.url + feed, "--language", "en")
        faults += [f"not added: {said.text.strip()}"] if said.status else []
    begun = datetime.now(UTC)
    for number, look in enumerate(member.looks, 1):
        web.pages |= {member.path + path: fixed(page) for path, page in look.pages.items()}
        said = run("feeds", "fetch", member.url + look.feed)
        faults += [f"look {number}: {fault}" for fault in _said(member, look, said)]
    faults += _stories(member, ledger, begun)
    faults += _row(member, ledger)
    asked = [one.path for one in web.asked]
    faults += [f"{path} was asked for" for path in member.unasked if path in asked]
    if member.asked is not None and asked.count(member.path) != member.asked:
        faults.append(f"asked for {asked.count(member.path)} times")
    return faults


def _said(member: Member, look: Look, said: Said) -> Iterator[str]:
    """Hold what a look said against what it must say: the outcome, and one line of log with the feed's name."""
    text = " ".join(said.text.split())
    if (said.status == 0) != look.good or not re.search(look.says, text):
        yield f"it said {text[-300:]!r} with status {said.status}, and not {look.says!r}"
    if "Traceback" in text:
        yield "a traceback"
    if not look.good:
        lines = [line for line in said.text.splitlines() if re.match(r"\S+ \[(warning|error)", line)]
        if len(lines) != 1:
            yield f"{len(lines)} log lines and not one"
        elif member.path + look.feed not in lines[0]:
            yield f"no name of the feed in its log line: {lines[0]}"


def _stories(member: Member, ledger: Ledger, begun: datetime) -> Iterator[str]:
    final = str(member.row.get("url", member.url))
    feeds = {look.feed for look in member.looks} | {story.feed for story in member.stories}
    urls = {feed: member.url + feed for feed in feeds} | {"": final}
    for feed, url in urls.items():
        found = ledger.rows(_STORIES, url)
        wanted = {story.headline: story for story in member.stories if story.feed == feed or url == final}
        wanted = {headline: story for headline, story in wanted.items() if _is_of(story, feed, final, member)}
        there = sorted(row["headline"] for row in found)
        if there != sorted(wanted):
            missing, odd = sorted(set(wanted) - set(there)), sorted(set(there) - set(wanted))
            yield f"{len(there)} stories; missing {missing[:3]}, odd {odd[:3]}"
        for row in found:
            if row["headline"] in wanted:
                yield from _story(wanted[row["headline"]], row, begun)


def _is_of(story: Story, feed: str, final: str, member: Member) -> bool:
    return member.url + story.feed in (final, member.url + feed) if feed == "" else story.feed == feed


def _story(story: Story, row: Mapping[str, Any], begun: datetime) -> Iterator[str]:
    name = story.headline[:60]
    for column in ("state", "revision"):
        if row[column] != getattr(story, column):
            yield f"{name}: {column} is {row[column]}"
    at, seen = moment(row["published_at"]), moment(row["first_seen_at"])
    if story.at == SEEN and not begun - LEEWAY <= at <= datetime.now(UTC) + LEEWAY:
        yield f"{name}: dated {at}, not now"
    if isinstance(story.at, datetime) and abs(at - story.at) > timedelta(seconds=1):
        yield f"{name}: dated {at}, not {story.at}"
    if (row["state"] == "published" and seen >= STARTED) != story.news:
        yield f"{name}: {'no news' if story.news else 'news'} for a digest"
    if story.standfirst is not None and row["standfirst"] != story.standfirst:
        yield f"{name}: its standfirst is {row['standfirst'][:60]!r}"
    yield from (
        f"{name}: nothing of {words[:60]!r} in {row['body'][:120]!r}" for words in story.has if words not in row["body"]
    )
    yield from (f"{name}: {words!r} is in it" for words in story.lacks if words in row["body"] + row["headline"])


def _row(member: Member, ledger: Ledger) -> Iterator[str]:
    for feed in ledger.rows(_FEED, f"%{member.path}{'/new' if '/new' in str(member.row.get('url')) else ''}"):
        for column, wanted in member.row.items():
            found = feed.get(column)
            if column == "minutes":
                found = round((moment(feed["next_fetch_at"]) - datetime.now(UTC)) / timedelta(minutes=1))
                if abs(found - int(str(wanted))) <= 1:
                    continue
            if found != wanted:
                yield f"the feed's {column} is {found}, not {wanted}"
