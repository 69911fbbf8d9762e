"""`flask articles flag-breaking`, `flash`, `attach`: breaking news, mailed at once, and stopped while there is time."""

from datetime import timedelta

import click

from articles import breaking, flash
from articles.models import Article
from commands import turns, words
from commands.articles import named
from core import clock, services
from delivery import progress
from delivery.progress import Standing
from delivery.states import State
from digests import breaking as mails
from tasks import nudge

STOPPABLE = timedelta(seconds=60)
"""So long after the flag it is stopped without a question."""
_URGENT = click.option(
    "--urgent",
    is_flag=True,
    help="Also to readers who had their number of breaking mails today, and where it is night.",
)


@click.command("flag-breaking")
@click.argument("story")
@_URGENT
@click.option("--undo", is_flag=True, help="Take the flag back, and stop all its mails that have not left yet.")
@click.option("--yes", is_flag=True, help="Also a story that is older than a day; do not ask before it is stopped.")
def flag_breaking(story: str, urgent: bool, undo: bool, yes: bool) -> None:
    """Flag a STORY as breaking news, and mail it at once. It must be published, and not older than a day.

    Its page and every list say so in words, for a day. Readers have chosen how much breaking news they want by mail:
    none, one a day, three a day, or all of it. Flagged twice is flagged once.

    There is no delay. With --undo all is stopped that has not left, and you are told how many readers had it: within a
    minute of the flag at once, later after a question.
    Example: flask articles flag-breaking k3j5m7p9q2
    """
    if undo:
        _stop(story, asks=not yes)
        return
    with turns.writing():
        article = named(story)
        breaking.flag(article, now=clock.utc_now(), however_old=yes, urgent=urgent)
    nudge.breaking()
    click.echo(f"It is breaking news. To stop its mails: flask articles flag-breaking {article.public_id} --undo")


def _stop(story: str, *, asks: bool) -> None:
    with turns.told():
        article = named(story)
    at = article.breaking_at
    if asks and at is not None and clock.utc_now() - at > STOPPABLE:
        minutes = (clock.utc_now() - at) // timedelta(minutes=1)
        click.confirm(f"It was flagged {minutes} min ago. Stop what has not left yet?", abort=True)
    with turns.writing():
        article = named(story)
        keys = mails.stop(article)
        breaking.unflag(article)
    click.echo(_stopped([progress.of(key) for key in keys]))


def _stopped(standings: list[Standing]) -> str:
    """Return how many had it, how many are getting it at this moment, and how many do not."""
    handed_over = sum(one.handed_over for one in standings)
    leaving = sum(one.count(State.SENDING) for one in standings)
    stopped = sum(one.count(State.PLANNED, State.CLAIMED, State.CANCELLED) for one in standings)
    parts = ["The flag is taken back. " + _had(handed_over)]
    if leaving:
        parts.append(f"{leaving:,} are leaving at this moment")
    if doubtful := sum(one.count(State.IN_DOUBT) for one in standings):
        parts.append(words.cannot_tell(doubtful))
    return ", ".join(parts) + f"; {stopped:,} were stopped, and nobody else gets it."


def _had(count: int) -> str:
    return f"{count:,} {'reader' if count == 1 else 'readers'} had its mail already"


@click.command("flash")
@click.argument("headline")
@click.option("--language", help="The language of the headline; without it the publication's first.")
@click.option("--topic", "topics", multiple=True, metavar="KEY", help="A shelf that it belongs on. Say it as needed.")
@_URGENT
def issue_flash(headline: str, language: str | None, topics: tuple[str, ...], urgent: bool) -> None:
    """Mail a HEADLINE before there is a story: it is breaking news at once, as with flag-breaking.

    Its page shows the headline, until the story is there: flask articles attach. Readers who have chosen topics get it
    when it stands on one of them.
    Example: flask articles flash "Ferry aground off Cebu" --language en --topic ph
    """
    spoken = services.current().publication.languages
    if language is not None and language not in spoken:
        raise click.ClickException(f"The languages of this publication are {', '.join(spoken)}.")
    with turns.writing():
        issued = flash.issue(
            headline, language=language or spoken[0], topic_keys=topics, urgent=urgent, now=clock.utc_now()
        )
    nudge.breaking()
    click.echo(f"{issued.public_id} is on its way. To stop it: flask articles flag-breaking {issued.public_id} --undo")
    if not topics:
        click.echo("It stands on no topic, so only readers who have chosen none get it. Next time: --topic KEY")
    click.echo(f"When the story is there: flask articles attach {issued.public_id} STORY")


@click.command("flashes")
def list_flashes() -> None:
    """List the flashes that wait for their story, newest first, with how long they have waited.

    Their headline stands on its page, above the lists and, as a headline, in digests, for a day.
    """
    now = clock.utc_now()
    found = flash.waiting(now)
    for one in found:
        minutes = (now - one.published_at) // timedelta(minutes=1)
        late = "  [late]" if now - one.published_at >= flash.WAITS else ""
        click.echo(f"{one.public_id}  {minutes:,} min  {one.language}{late}  {one.headline}")
    click.echo(f"{len(found)} wait." + (" When the story is there: flask articles attach FLASH STORY" if found else ""))


@click.command("attach")
@click.argument("flash_", metavar="FLASH")
@click.argument("story")
def attach(flash_: str, story: str) -> None:
    """Have STORY take the place of FLASH: its page leads to the story, and nobody is alerted to it anew.

    The next regular mail of those who had the alert brings the story in full, and says so.
    """
    with turns.writing():
        found: Article = named(story)
        flash.attach(named(flash_), found)
    click.echo(f"It has become {found.public_id}: {found.headline}")
