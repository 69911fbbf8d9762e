"""`flask articles import`: a folder of files becomes stories, once."""

import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from articles import feeds, importing, ingest, recognition
from articles.arriving import Manner
from articles.entries import Entry
from articles.importing import BadFile
from articles.ingest import ReadFeed
from articles.models import Feed
from articles.recognition import Identity
from commands import feeds_push, turns
from core import clock
from core.database import db
from core.services import current

CHUNK = 50
"""Files in one transaction: visitors wait for the turn of whoever writes."""
LISTED = 50
"""So many bad files are told one by one."""


@dataclass(slots=True)
class _Import:
    """What is imported where, what came of it so far, and which file each story came from."""

    folder: Path
    feed_id: int | None
    language: str
    languages: tuple[str, ...]
    zone: ZoneInfo
    manner: Manner
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)
    bad: list[dict[str, object]] = field(default_factory=list)
    met: dict[tuple[str, Identity], str] = field(default_factory=dict)

    def refuse(self, name: str, error: BadFile) -> None:
        """Note a file that cannot be taken."""
        self.counts["refused"] += 1
        if len(self.bad) < LISTED:
            self.bad.append({"file": name, "line": error.line or None, "why": error.why})


@click.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--feed", metavar="URL", help="The feed that they are of, so that it knows them again.")
@click.option("--language", metavar="CODE", help="The language of files that do not say theirs.")
@click.option("--as-news", is_flag=True, help="They are new, and come in the next mails. Without it they are archive.")
@click.option("--dry-run", is_flag=True, help="Say what would come of it, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def import_folder(
    folder: Path, feed: str | None, language: str | None, as_news: bool, dry_run: bool, as_json: bool
) -> None:
    """Import the HTML and Markdown files of FOLDER that have front matter, each once: doing it again changes nothing.

    What is wrong with a file is told with its line; the others are imported. docs/feeds.md has the fields.
    The exit status is 0 when all are taken, 1 when one is not, 2 for a wrong call.

    Example: flask articles import ~/archive --language en --dry-run
    """
    if (feed is None) == (language is None):
        raise click.UsageError("Give either --feed URL or --language CODE.")
    publication = current().publication
    with turns.told():
        found = feeds_push.named(feed) if feed else None
        feed_id, spoken = (found.id, found.language) if found else (None, language or "")
    db.session.rollback()
    if spoken not in publication.languages:
        raise click.UsageError(f"{spoken} is no language of this publication ({', '.join(publication.languages)}).")
    job = _Import(
        folder=folder,
        feed_id=feed_id,
        language=spoken,
        languages=publication.languages,
        zone=ZoneInfo(publication.zone),
        manner=Manner.NEWS if as_news else Manner.ARCHIVE,
        dry_run=dry_run,
    )
    _run(job)
    _tell(job, as_json)
    if job.counts["refused"]:
        raise SystemExit(1)


def _run(job: _Import) -> None:
    paths = list(itertools.islice(importing.files(job.folder), importing.MOST_FILES + 1))
    if len(paths) > importing.MOST_FILES:
        raise click.ClickException(f"The folder has more than {importing.MOST_FILES} files. Import a part of it.")
    bar: Any = click.progressbar(
        length=max(1, len(paths)),
        label="Importing",
        file=sys.stderr,
        show_pos=True,
        item_show_func=lambda _item: f"{job.counts['new']:,} new, {job.counts['refused']:,} refused",
    )
    try:
        with bar:
            for chunk in _batched(paths):
                _store(job, chunk, clock.utc_now())
                bar.update(len(chunk), job)
    except KeyboardInterrupt as error:
        raise click.ClickException("Stopped. What is imported stays; run it again to go on.") from error


def _batched(paths: list[Path]) -> Iterator[tuple[Path, ...]]:
    for start in range(0, len(paths), CHUNK):
        yield tuple(paths[start : start + CHUNK])


def _store(job: _Import, paths: tuple[Path, ...], now: datetime) -> None:
    """Read some files, and store them in one transaction: all of them, or none when it breaks off."""
    by_language: dict[str, list[Entry]] = {}
    for path in paths:
        name = path.relative_to(job.folder).as_posix()
        try:
            language, entry = _taken(job, path, name, now)
        except BadFile as error:
            job.refuse(name, error)
            continue
        if entry is not None:
            by_language.setdefault(language, []).append(entry)
    if not by_language:
        return
    with turns.writing():
        ingest.take_turn()
        for language, entries in by_language.items():
            read = ReadFeed(entries)
            stored = ingest.store_entries(_feed(job, language).id, read, clock.utc_now(), manner=job.manner)
            job.counts.update({name: getattr(stored, name) for name in ("new", "changed", "known")})
        if job.dry_run:
            db.session.rollback()


def _taken(job: _Import, path: Path, name: str, now: datetime) -> tuple[str, Entry | None]:
    """Return a file's language and entry; none for a draft. Raises BadFile."""
    one = importing.read(path, job.folder, zone=job.zone, now=now)
    language = one.language or job.language
    if language not in job.languages:
        raise BadFile(f"Its language {language} is none of this publication ({', '.join(job.languages)}).", 1)
    if job.feed_id is not None and language != job.language:
        raise BadFile(f"Its language is {language}, and that of the feed {job.language}.", 1)
    if one.entry is None:
        job.counts["drafts"] += 1
        return language, None
    (arrival,) = recognition.once_each([one.entry], language=language)
    keys = [(language, identity) for identity in arrival.identities]
    if twice := next((job.met[key] for key in keys if key in job.met), None):
        raise BadFile(f"It is the same story as {twice}: the same guid, url or text. Keep one of the two.")
    job.met.update(dict.fromkeys(keys, name))
    return language, one.entry


def _feed(job: _Import, language: str) -> Feed:
    if job.feed_id is not None:
        return feeds.by_id(job.feed_id)
    return feeds.ensure(f"import:{language}", language=language, now=clock.utc_now(), fetched=False)


def _tell(job: _Import, as_json: bool) -> None:
    counts = {name: job.counts[name] for name in ("new", "changed", "known", "drafts", "refused")}
    if as_json:
        told = {**counts, "dry_run": job.dry_run, "bad": job.bad}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for one in job.bad:
        where = f"{one['file']}, line {one['line']}" if one["line"] else str(one["file"])
        click.echo(f"{where}: {one['why']}", err=True)
    if (more := counts["refused"] - len(job.bad)) > 0:
        click.echo(f"… and {more:,} more.", err=True)
    click.echo(
        f"{counts['new']:,} new, {counts['changed']:,} changed, {counts['known']:,} as before, "
        f"{counts['drafts']:,} drafts, {counts['refused']:,} refused."
        + (" Nothing was written: a dry run." if job.dry_run else "")
    )
