"""`flask articles also` and `flask articles index`: what a story leads to, and the index by which stories are found."""

import sys
from collections.abc import Callable

import click

from articles import related, searchindex
from commands import articles, turns
from core import clock, database
from core.database import db

CHUNK = 100
"""Stories in one transaction: on SQLite, the site's own writes wait for no more than that."""


@click.command("also")
@click.argument("story")
@click.argument("picks", metavar="PICK…", nargs=-1)
@click.option("--remove", is_flag=True, help="Take the picks away; what is alike then stands there alone.")
def also(story: str, picks: tuple[str, ...], remove: bool) -> None:
    """Let the page of a STORY lead to these PICKS first, under See also, in their order: five stories at most.

    They take the place of what was picked before. What is alike fills up to five. Without PICKS it shows what stands
    there now.

    Example: flask articles also k3j5m7p9q2 b2c3d4e5f6 g7h2j3k4m5
    """
    if remove and picks:
        raise click.UsageError("Give either PICKS or --remove.")
    if picks or remove:
        with turns.writing():
            related.pick(articles.named(story), [articles.named(one) for one in picks])
    with turns.told():
        article = articles.named(story)
        by_hand = related.picks_of(article)
        found = related.see_also(article)
    for one in found:
        mark = "  [picked]" if one in by_hand else ""
        click.echo(f"{one.public_id}  {one.published_at:%Y-%m-%d %H:%M}{mark}  {one.headline}")
    click.echo(f"{len(found)} shown.")


@click.command("index")
@click.option("--anew", is_flag=True, help="Empty the index first. Search finds less until it is full again.")
def index(anew: bool) -> None:
    """Take the stories that are missing into the index, the newest first, and work out their See also.

    Once after an upgrade from a version without search; stories that come in are indexed by themselves. It can be
    stopped at any time with Ctrl-C, and goes on from there when it is run again. The service may run meanwhile.
    """
    if anew:
        with turns.writing():
            searchindex.clear()
    indexed = _until_nothing_is_left("Indexing", searchindex.missing(), lambda: searchindex.catch_up(CHUNK))
    due = related.count_due(clock.utc_now())
    _until_nothing_is_left("See also", due, lambda: related.compute_due(clock.utc_now(), CHUNK))
    click.echo(f"{indexed:,} stories taken into the index. See also worked out for {due:,}.")


def _until_nothing_is_left(label: str, length: int, step: Callable[[], int]) -> int:
    """Take steps, each in a transaction of its own, and show how far it is; return what they came to."""
    total = 0
    with click.progressbar(length=length, label=label, file=sys.stderr, show_pos=True, hidden=not length) as bar:
        while True:
            with database.write_turn():
                count = step()
                db.session.commit()
            if not count:
                return total
            total += count
            bar.update(count)
