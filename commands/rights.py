"""Options that say what may be done with stories: of one story, or of all that a feed brings."""

from collections.abc import Callable
from typing import Any

import click

_SITES = ("postrider", "publisher")


def _on_off(_context: click.Context, _param: click.Parameter, value: str | None) -> bool | None:
    return None if value is None else value == "on"


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--read-at` and `--teaser-only`; each is None where it is not said."""
    command = click.option(
        "--teaser-only",
        type=click.Choice(["on", "off"]),
        callback=_on_off,
        help="Show no more than headline and standfirst, and lead to the publisher's page for the rest.",
    )(command)
    return click.option(
        "--read-at",
        type=click.Choice(_SITES),
        help="Where links in mails lead, and whose page search engines are to show: ours, or the publisher's.",
    )(command)


def may_break(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--may-break`, which is None where it is not said."""
    return click.option(
        "--may-break",
        type=click.Choice(["on", "off"]),
        callback=_on_off,
        help="Whether what its publisher pushes may call itself breaking news. Off at first.",
    )(command)


def full_text(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--full-text`, which is None where it is not said."""
    return click.option(
        "--full-text",
        type=click.Choice(["on", "off"]),
        callback=_on_off,
        help="Whether the text of a story is taken from its page, where the feed has only a teaser. Off at first.",
    )(command)
