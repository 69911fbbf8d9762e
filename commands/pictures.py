"""What stories show, and what is said of it to those who do not see it: `flask articles pictures`, `picture`."""

import json

import click

from articles import pictures, pictures_due
from articles.models import Article
from articles.pictures import Listed
from commands import turns
from commands.articles import named
from core import clock, services
from core.database import db
from tasks import pictures as tasks


@click.command("pictures")
@click.argument("story", required=False)
@click.option("--missing", is_flag=True, help="Only those of which nobody has said yet what they show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def list_pictures(story: str | None, missing: bool, as_json: bool) -> None:
    """List the pictures of a STORY: number, state, what it shows. 0 leads the story, others stand in its text.

    Without a story: those of all stories, newest first. What is missing: flask articles pictures --missing
    """
    if story is None and not missing:
        raise click.UsageError("Name a story, or say --missing for those of all stories.")
    with turns.told():
        article = None if story is None else named(story)
    found = pictures.listed(article, missing=missing)
    if as_json:
        click.echo(json.dumps([_told(one) for one in found], indent=2, ensure_ascii=False))
        return
    for one in found:
        click.echo(_line(one) if article else f"{one.article.public_id}  {_line(one)}")
    click.echo(f"{len(found)} listed.")


@click.command("fetch-pictures")
@click.argument("story")
def fetch_now(story: str) -> None:
    """Fetch now the pictures of a STORY that are not there yet, also those that were given up.

    Lists all its pictures then. The exit status is 1 if one could not be had.
    """
    with turns.writing():
        taken = pictures_due.take_again(named(story), clock.utc_now())
    for source_id in taken:
        tasks.fetch_one(source_id)
    db.session.rollback()
    found = pictures.listed(named(story))
    for one in found:
        click.echo(_line(one))
    lacking = sum(one.source.state != "ready" for one in found)
    if lacking:
        raise click.ClickException(f"{lacking} of {len(found)} pictures could not be had.")
    click.echo(f"{len(found)} listed.")


@click.command("picture")
@click.argument("story")
@click.argument("number", type=click.IntRange(min=0))
@click.option("--alt", help="What it shows, in a few words, for those who do not see it.")
@click.option("--decorative", is_flag=True, help="It says nothing: those who do not see it miss nothing.")
def describe(story: str, number: int, alt: str | None, decorative: bool) -> None:
    """Say what the picture NUMBER of a STORY shows. No feed changes that any more.

    Example: flask articles picture k3j5m7p9q2 0 --alt "Two ministers shake hands before a map."
    """
    if (alt is None) != decorative:
        raise click.UsageError("Give either --alt or --decorative.")
    with turns.writing():
        article: Article = named(story)
        pictures.describe(article, number, alt=alt, now=clock.utc_now())
    click.echo("It counts as decoration." if decorative else "Its page says so from now on.")


def _line(one: Listed) -> str:
    return f"{one.picture.position}  {_state(one)}  {_words(one)}  {one.source.url}"


def _state(one: Listed) -> str:
    if one.source.state == "ready":
        return "shown"
    if one.source.state == "refused":
        return f"never shown: {one.source.why}"
    return f"not shown yet: {one.source.why}" if one.source.why else "waits to be fetched"


def _words(one: Listed) -> str:
    if one.picture.is_decorative:
        return "[decorative]"
    return "[no alt text]" if one.picture.alt is None else one.picture.alt


def _told(one: Listed) -> dict[str, object]:
    link = {"language": one.article.language, "story": one.article.ref}
    return {
        "story": one.article.public_id,
        "page": services.current().links.to("story", **link),
        "number": one.picture.position,
        "state": one.source.state,
        "why": one.source.why,
        "alt": one.picture.alt,
        "decorative": one.picture.is_decorative,
        "by_hand": one.picture.by_hand,
        "caption": one.picture.caption,
        "credit": one.picture.credit,
        "url": one.source.url,
    }
