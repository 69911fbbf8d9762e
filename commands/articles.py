"""`flask articles`: what editors do to stories once they are here."""

import json
from datetime import datetime
from urllib.parse import urlsplit

import click
from sqlalchemy import select

from articles import breaking, feeds, ingest, life, shelf
from articles.models import Article
from commands import asked, groups, recalling, rights, turns
from core import clock, errors, services
from core.database import db
from digests import correctionmails, corrections
from tasks import nudge

article_commands = groups.group("articles", help="Stories: shown, held, corrected, withdrawn.")
_PAGES = ("print", "send")
_STORY = click.argument("story")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


def named(story: str) -> Article:
    """Return the article that a path, an address or an id names."""
    parts = [part for part in urlsplit(story.strip()).path.split("/") if part]
    while parts and parts[-1] in _PAGES:
        parts.pop()
    try:
        return shelf.by_ref(parts[-1] if parts else "")
    except errors.NotFound as error:
        raise errors.Invalid("story", "There is no such story. Give the address of its page, or its id.") from error


_of = named


@article_commands.command("list")
@click.option("--language", help="Only stories in this language.")
@click.option(
    "--state", type=click.Choice(["published", "held", "withdrawn", "flash"]), help="Only stories in this state."
)
@click.option("--last", default=20, show_default=True, help="How many to show.")
@_JSON
def list_newest(language: str | None, state: str | None, last: int, as_json: bool) -> None:
    """List the newest stories: id, date, language, state, headline."""
    wanted = select(Article).order_by(Article.published_at.desc(), Article.id.desc()).limit(last)
    for column, value in ((Article.language, language), (Article.state, state)):
        wanted = wanted if value is None else wanted.where(column == value)
    found = db.session.scalars(wanted).all()
    if as_json:
        click.echo(json.dumps([_told(one) for one in found], indent=2, ensure_ascii=False))
        return
    for one in found:
        mark = "".join(f"  [{word}]" for word in _marks(one))
        click.echo(f"{one.public_id}  {one.published_at:%Y-%m-%d %H:%M}  {one.language}{mark}  {one.headline}")
    click.echo(f"{len(found)} shown.")


def _marks(one: Article) -> list[str]:
    """Return what an editor should see of a story at once."""
    found = {
        one.state: one.state != "published",
        "breaking": breaking.is_shown(one, clock.utc_now()),
        "teaser only": one.teaser_only,
    }
    return [word for word, is_so in found.items() if is_so]


@article_commands.command("show")
@_STORY
@_JSON
def show(story: str, as_json: bool) -> None:
    """Show all about one STORY: its state, where it came from, its topics, languages and earlier texts."""
    with turns.told():
        article = _of(story)
    told = {**_told(article), **_more(article)}
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for name, value in told.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        if text not in (None, ""):
            click.echo(f"{name.replace('_', ' ')}: {text}")


def _told(one: Article) -> dict[str, object]:
    return {
        "id": one.public_id,
        "url": services.current().links.to("story", language=one.language, story=one.ref),
        "language": one.language,
        "headline": one.headline,
        "state": one.state,
        "published_at": _moment(one.published_at),
        "breaking_at": _moment(one.breaking_at),
        "teaser_only": one.teaser_only,
        "read_at": one.read_at,
    }


def _more(one: Article) -> dict[str, object]:
    feed = feeds.by_id(one.feed_id) if one.feed_id else None
    return {
        "reason": one.reason,
        "embargo_until": _moment(one.embargo_until),
        "correction": one.correction,
        "corrected_at": _moment(one.corrected_at),
        "updated_at": _moment(one.updated_at),
        "shareable": one.shareable,
        "printable": one.printable,
        "feed": feed.url if feed else None,
        "publishers_page": one.url,
        "terms": one.terms,
        "topics": [topic.key for topic in shelf.topics_of([one.id])[one.id]],
        "topics_by_hand": one.topics_by_hand,
        "rank": one.rank,
        "other_languages": [version.language for version in shelf.versions(one)],
        "revision": one.revision,
        "earlier_texts": [f"{kept.revision} until {_moment(kept.replaced_at)}" for kept in life.revisions(one)],
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="minutes") if at else None


@article_commands.command("withdraw")
@_STORY
@click.option("--reason", required=True, help="Why, in a sentence: its page shows it to readers.")
def withdraw(story: str, reason: str) -> None:
    """Take a STORY back. Its page says so, with the reason (HTTP 410); no list, search or digest has it any more.

    What was handed over already stays mailed; all that has not left goes on without the story, and a mail of which
    nothing else is left is not sent. A feed that still has the story does not bring it back.
    Example: flask articles withdraw k3j5m7p9q2 --reason "The agency has killed this story."
    """
    with recalling.changing(lambda: _of(story)) as article:
        life.withdraw(article, reason=reason)
    click.echo("Withdrawn. To take that back: flask articles restore, and the same story.")


@article_commands.command("restore")
@_STORY
def restore(story: str) -> None:
    """Bring back a STORY that was withdrawn. Readers who had it do not get it again; mails that wait have it again."""
    with recalling.changing(lambda: _of(story)) as article:
        ingest.take_turn()
        life.restore(article, now=clock.utc_now())
    click.echo("It is published again.")


@article_commands.command("hold")
@_STORY
@click.option("--until", type=asked.MOMENTS, help="Publish it by itself then, in UTC: 2026-03-02T18:00.")
def hold(story: str, until: datetime | None) -> None:
    """Keep a STORY from being seen and mailed, until it is released or that moment comes (an embargo).

    Mails that have not left go on without it.
    """
    with recalling.changing(lambda: _of(story)) as article:
        life.hold(article, until=asked.utc(until), now=clock.utc_now())
    click.echo(f"Held until {until:%Y-%m-%d %H:%M} UTC." if until else "Held. To publish it: flask articles release.")


@article_commands.command("release")
@_STORY
def release(story: str) -> None:
    """Publish a STORY that was held. It is new from now on for all who did not have it."""
    with recalling.changing(lambda: _of(story)) as article:
        ingest.take_turn()
        life.release(article, now=clock.utc_now())
    click.echo("Published.")


@article_commands.command("correct")
@_STORY
@click.option("--text", help="What was wrong and what is right, in a sentence or two: readers see it.")
@click.option("--take-back", is_flag=True, help="Take the correction away that is there.")
@click.option(
    "--tell",
    type=click.Choice(["now", "next", "nobody"]),
    default="next",
    show_default=True,
    help="Tell those who had it by mail: at once, or in their next edition.",
)
def correct(story: str, text: str | None, take_back: bool, tell: str) -> None:
    """Put a correction on the page of a STORY, with its date, and tell just those who had it by mail.

    The text itself follows the feed. Mails that have not left say what was wrong; who had it before is told at once
    (--tell now) or at the top of their next edition, and the story's page says how many were told.
    Example: flask articles correct k3j5m7p9q2 --text "The talks were on Tuesday, not on Monday."
    """
    if bool(text) == take_back:
        raise click.UsageError("Give either --text or --take-back.")
    now = clock.utc_now()
    with recalling.changing(lambda: _of(story)) as article:
        correctionmails.stop(article.id, now=now)
        if take_back:
            life.uncorrect(article)
            corrections.end(article, now=now)
        else:
            life.correct(article, text=text or "", now=now)
            made = corrections.begin(article, tell=tell, now=now)
            if tell == "now":
                correctionmails.open_waves(made, now=now, services=services.current())
    nudge.corrections()
    click.echo("The correction was taken away." if take_back else "The correction stands on its page.")


@article_commands.command("update")
@_STORY
def update(story: str) -> None:
    """Mark a developing STORY as updated now, as its page shows."""
    with turns.writing():
        life.mark_updated(_of(story), now=clock.utc_now())
    click.echo("Marked as updated.")


@article_commands.command("rank")
@_STORY
@click.argument("number", metavar="RANK", type=int)
def rank(story: str, number: int) -> None:
    """Say how much you want a STORY in digests: RANK is 0 (as any other) to 9; the higher, the further up it stands."""
    with turns.writing():
        life.set_rank(_of(story), number)
    click.echo(f"Its rank is {number}.")


@article_commands.command("let")
@_STORY
@click.option("--share/--no-share", default=None, help="Whether readers may send it to friends.")
@click.option("--print/--no-print", "to_print", default=None, help="Whether it has a printable version.")
@rights.options
def let(story: str, share: bool | None, to_print: bool | None, read_at: str | None, teaser_only: bool | None) -> None:
    """Say what readers may do with a STORY, where its rights say less than usual.

    What is said of its whole feed later (flask feeds set) goes over it.
    """
    if all(one is None for one in (share, to_print, read_at, teaser_only)):
        raise click.UsageError("Say at least one: --[no-]share, --[no-]print, --teaser-only on|off, --read-at SITE.")
    with turns.writing():
        life.let(_of(story), share=share, to_print=to_print, read_at=read_at, teaser_only=teaser_only)
    click.echo("Done.")


@article_commands.command("set-topics")
@_STORY
@click.argument("keys", metavar="KEY…", nargs=-1)
def set_topics(story: str, keys: tuple[str, ...]) -> None:
    """Put a STORY on just the shelves with these KEYS, such as: kr cu diplomacy. The feed changes them no more."""
    with turns.writing():
        life.set_topics(_of(story), keys)
    click.echo(f"It stands on {', '.join(keys)}." if keys else "It stands on no shelf.")


@article_commands.command("join")
@_STORY
@click.argument("other")
def join(story: str, other: str) -> None:
    """Make STORY and OTHER one story in two languages: each page leads to the other."""
    with turns.writing():
        life.join(_of(story), _of(other))
    click.echo("Joined.")
