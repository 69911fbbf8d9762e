"""Door three: people at a terminal, with progress, a sensible exit status and a --help worth reading."""

from flask import Flask

from commands.delivery import delivery_commands
from commands.demo import demo_commands
from commands.digests import digest_commands
from commands.feeds import feed_commands
from commands.topics import topic_commands


def register(app: Flask) -> None:
    """Hang the groups of commands under `flask`."""
    for group in (delivery_commands, demo_commands, digest_commands, feed_commands, topic_commands):
        app.cli.add_command(group)
