"""One turn at writing for a command: committed as a whole, or refused with one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from commands import words
from core import database
from core.database import db
from core.errors import DomainError


@contextmanager
def told() -> Iterator[None]:
    """Turn what a room refuses into a sentence on standard error and the exit status 1."""
    try:
        yield
    except DomainError as error:
        raise click.ClickException(words.plain(str(error))) from error


@contextmanager
def writing() -> Iterator[None]:
    """Write, and commit at the end. What is refused is told, and changes nothing."""
    with told(), database.write_turn():
        yield
        db.session.commit()
