"""`flask digests clicks`: whether it is counted how often the links of digests are followed."""

import sys

import click

from commands import turns
from digests import clicks

QUESTION = """Do you want to know how often the links in your digests are followed?

  No, which is the rule here: links lead straight to the stories, and nobody notes who reads what.
  Yes: links lead over this site, which counts them for each story, edition and hour, after leaving out scanners. It is
  never kept who followed one, all readers have the same links, and there are no invisible pictures in the mails. Your
  readers may have to be told: see your privacy notice.

You can change it at any time: flask digests clicks"""


def ask_once() -> None:
    """Ask at a terminal, as long as nobody has answered. No answer is no."""
    with turns.told():
        is_asked = clicks.answered() is not None
    if is_asked or not sys.stdin.isatty():
        return
    click.echo(QUESTION)
    counted = click.confirm("Shall clicks be counted?", default=False)
    with turns.writing():
        clicks.choose(counted=counted)


@click.command("clicks")
@click.option("--count/--do-not-count", "counted", default=None, help="Count them from now on, or do not.")
def choose(counted: bool | None) -> None:
    """Say whether it is counted how often the links of digests are followed, or change that.

    They are counted for each story, edition and hour, and never for a reader. It holds for what is composed from now
    on; the links of mails that were sent lead to their stories for ever. The numbers: flask digests numbers
    """
    if counted is not None:
        with turns.writing():
            clicks.choose(counted=counted)
    with turns.told():
        answer = clicks.answered()
    click.echo("Clicks are counted." if answer else "Clicks are not counted.")
