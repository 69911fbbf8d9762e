"""`flask topics`: the shelves that readers can choose, and how stories come onto them."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from articles import feeds, ingest, reshelving, rules, shelf, topics, unmapped
from articles.models import Feed, UnmappedTerm
from articles.rules import Rule
from commands import asked, files, groups, turns
from core import database, errors, services
from core.database import db

topic_commands = groups.group("topics", help="The topics and countries that readers can choose, and their rules.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
_FEED = click.option("--feed", "feed_url", metavar="URL", help="Only in this feed; else in all.")


@topic_commands.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def apply(file: Path, dry_run: bool) -> None:
    """Take over the topics and rules of a TOML FILE, and show what that changes: + is new, ~ is different.

    [[topic]] tables have key, kind (country or theme), names by language, and find_in. [[rule]] tables say what terms
    mean: terms, topics, find_in, feed, language. What the file leaves out stays.
    Example: flask topics apply demo/topics.toml --dry-run
    """
    tables = files.read_some(file, "topic", "rule")
    with turns.told(), database.write_turn():
        lines = topics.changes(tables["topic"])
        topics.apply(tables["topic"])
        wanted = rules.read(tables["rule"])
        pairs = rules.changed(wanted)
        lines += [f"{'~' if before else '+'} {_said(rule)}" for rule, before in pairs]
        rules.write(rule for rule, _before in pairs)
        if dry_run:
            db.session.rollback()
        else:
            db.session.commit()
    click.echo("\n".join([*lines, ""]) if lines else "", nl=False)
    if dry_run:
        click.echo(f"{len(lines)} changes; nothing was changed.")
        return
    if tables["topic"]:
        click.echo(f"{len(tables['topic'])} topics are on offer.")
    if pairs:
        click.echo(f"{len(pairs)} rules hold from now on. For the stories that are here: flask topics apply-rules")


@topic_commands.command("list")
@_JSON
def list_all(as_json: bool) -> None:
    """List the topics: key, kind, English name, and where their names are found."""
    found = topics.all_topics()
    if as_json:
        fields = ("key", "kind", "names", "find_in")
        click.echo(json.dumps([{name: getattr(one, name) for name in fields} for one in found], ensure_ascii=False))
        return
    for one in found:
        places = f"  (found in {', '.join(one.find_in)})" if one.find_in else ""
        click.echo(f"{one.key}  {one.kind}  {topics.name(one, 'en')}{places}")
    click.echo(f"{len(found)} shown.")


@topic_commands.command("rules")
@_JSON
def list_rules(as_json: bool) -> None:
    """List the rules: what each term means, where it is found, and in which feed and language."""
    found = rules.every()
    if as_json:
        click.echo(json.dumps([_fields(rule) for rule in found], indent=2, ensure_ascii=False))
        return
    for rule in found:
        click.echo(_said(rule))
    click.echo(f"{len(found)} shown.")


@topic_commands.command("map")
@click.argument("term")
@click.argument("keys", metavar="KEY…", nargs=-1)
@click.option("--nothing", is_flag=True, help="The term means no topic: it comes off the list of unmapped ones.")
@_FEED
@click.option("--language", default="", help="Only in stories in this language; else in all.")
@click.option(
    "--find-in",
    "places",
    multiple=True,
    type=click.Choice(rules.PLACES),
    default=["terms"],
    show_default=True,
    help="Where the term is found: among the feed's own terms, in the headline, in the dateline. Can be repeated.",
)
def map_term(
    term: str, keys: tuple[str, ...], nothing: bool, feed_url: str | None, language: str, places: tuple[str, ...]
) -> None:
    """Say that TERM means the topics with these KEYS: a feed's category, or a word in its headlines and datelines.

    It counts for new stories; for those that are here, run flask topics apply-rules. What was said before of the same
    term, feed and language gives way. A feed's own rule goes before one of all feeds.
    Example: flask topics map Estero world --feed https://publisher.example.org/feed.xml
    Example: flask topics map Seoul kr --find-in headline --find-in dateline
    """
    if bool(keys) == nothing:
        raise click.UsageError("Give either the keys of topics, or --nothing.")
    with turns.writing():
        if not rules.is_term(term):
            raise errors.Invalid("term", f"A term is a text of 1 to {rules.LONGEST_TERM} characters.")
        meaning = frozenset(topic.id for topic in topics.by_keys(keys))
        rule = rules.rule_of(term, meaning, places=places, feed=_feed(feed_url), spoken=language)
        rules.write([rule])
        said = _said(rule)
    click.echo(f"{said}. For the stories that are here: flask topics apply-rules")


@topic_commands.command("unmap")
@click.argument("term")
@_FEED
def unmap(term: str, feed_url: str | None) -> None:
    """Forget the rules about TERM. If it is the name of a topic, it goes on to mean that."""
    with turns.writing():
        count = rules.remove(term, feed=_feed(feed_url))
        if not count:
            raise errors.Invalid("term", "There is no such rule; flask topics rules shows those there are.")
    click.echo("Forgotten.")


@topic_commands.command("unmapped")
@_FEED
@click.option("--last", "most", default=50, show_default=True, help="How many to show; the commonest come first.")
@_JSON
def list_unmapped(feed_url: str | None, most: int, as_json: bool) -> None:
    """List the terms of feeds that mean no topic yet: in how many stories, the last one of them, and the cure."""
    with turns.told():
        feed = _feed(feed_url)
    found = unmapped.most_told(feed, limit=most)
    told = _unmapped(found)
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for one in told:
        click.echo(f"{one['count']:>6}  {one['term']}  ({one['feed']})  last in: {one['headline']}")
    click.echo(f"{len(told)} shown.")
    if told:
        term, where = json.dumps(told[0]["term"], ensure_ascii=False), told[0]["feed"]
        click.echo(f"What one means: flask topics map {term} KEY --feed {where}")
        click.echo(f"That it means nothing: flask topics map {term} --nothing --feed {where}")


@topic_commands.command("apply-rules")
@click.option("--since", type=asked.MOMENTS, help="Only stories published from then on, in UTC: 2026-03-02.")
def apply_rules(since: datetime | None) -> None:
    """Put the stories that are here on their shelves anew, by the rules of now. It can be stopped and begun again.

    What an editor put on its shelves by hand (flask articles set-topics) stays there.
    """
    looked_at = changed = 0
    bar: Any = click.progressbar(length=reshelving.count(asked.utc(since)), label="Stories", file=sys.stderr)
    walk = reshelving.steps(asked.utc(since))
    with bar, turns.told():
        while True:
            with database.write_turn():
                ingest.take_turn()
                step = next(walk, None)
                db.session.commit()
            if step is None:
                break
            looked_at, changed = looked_at + step.looked_at, changed + step.changed
            bar.update(step.looked_at)
    click.echo(f"{looked_at} stories were looked at; {changed} of them changed shelves.")


def _feed(url: str | None) -> Feed | None:
    found = feeds.by_url(url) if url else None
    if url and found is None:
        raise errors.Invalid("feed", "There is no such feed; flask feeds list shows those there are.")
    return found


def _fields(rule: Rule) -> dict[str, object]:
    keys = {topic.id: topic.key for topic in topics.all_topics()}
    return {
        "term": rule.term,
        "feed": feeds.by_id(rule.group.feed_id).url if rule.group.feed_id else None,
        "language": rule.group.language or None,
        "means": {place: [keys[topic_id] for topic_id in sorted(meant)] for place, meant in rule.meanings.items()},
    }


def _said(rule: Rule) -> str:
    """Return a rule in one line: `Seoul means kr (headline, dateline), in en`."""
    fields = _fields(rule)
    means: Mapping[str, Sequence[str]] = fields["means"]  # type: ignore[assignment]
    by_meaning: dict[str, list[str]] = {}
    for place, meant in means.items():
        by_meaning.setdefault(" ".join(meant) or "nothing", []).append(place)
    text = "; ".join(f"{meant} ({', '.join(places)})" for meant, places in by_meaning.items())
    where = [str(fields[name]) for name in ("language", "feed") if fields[name]]
    return f"{rule.term} means {text}" + "".join(f", in {one}" for one in where)


def _unmapped(found: Sequence[UnmappedTerm]) -> list[dict[str, Any]]:
    urls = {feed.id: feed.url for feed in feeds.every()}
    stories = {one.id: one for one in shelf.by_ids(list({one.article_id for one in found}))}
    to = services.current().links.to
    return [
        {
            "term": one.term,
            "feed": urls[one.feed_id],
            "count": one.count,
            "last_seen_at": one.last_seen_at.isoformat(timespec="seconds"),
            "headline": stories[one.article_id].headline,
            "story": to("story", language=stories[one.article_id].language, story=stories[one.article_id].ref),
        }
        for one in found
    ]
