"""A story is taken back, or comes back: the mails that have not left are made anew at once, and how many is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from articles.models import Article
from commands import turns
from core.database import db
from digests import recall, turn
from tasks import digests


@contextmanager
def changing(find: Callable[[], Article]) -> Iterator[Article]:
    """Change a story's state; then have the mails that wait with it, or without it, made anew."""
    with turns.writing():
        turn.take()
        article = find()
        yield article
        count = recall.hold(article)
    digests.remake()
    db.session.remove()
    if count:
        click.echo(f"{count} mails that had not left were made anew.")
