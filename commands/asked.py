"""What a person at a terminal gives a command: an address, a moment."""

import sys
from datetime import UTC, datetime

import click

from core import addresses, characters

STDIN = "-"
MOMENTS = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])
_LONGEST = 1000
"""Characters of standard input that are read for one address."""


def address(given: str) -> addresses.Address:
    """Return the address that was given: as an argument, or as `-` on standard input, where no list of processes and
    no history of a shell shows it. Raises Invalid.
    """
    if given == STDIN:
        given = sys.stdin.readline(_LONGEST).rstrip("\r\n")
    return addresses.parse(given)


def utc(moment: datetime | None) -> datetime | None:
    """Return a moment that was typed as what it means: UTC."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def word(_context: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Take a short name such as a reason or a source: it stands in lists and journals for years."""
    if value is None or (0 < len(value) <= 60 and not any(map(characters.is_hidden, value)) and " " not in value):
        return value
    raise click.BadParameter("It is one word of at most 60 characters, such as: operator", param=param)
