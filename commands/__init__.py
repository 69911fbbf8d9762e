"""Door three: people at a terminal, with progress, a sensible exit status and a --help worth reading."""

from flask import Flask

from commands import control, doubts, progress, suppressed
from commands.alerts import alert_commands
from commands.delivery import delivery_commands
from commands.demo import demo_commands
from commands.digests import digest_commands
from commands.feeds import feed_commands
from commands.mailbox import mailbox_commands
from commands.restore import restore_commands
from commands.topics import topic_commands

MAILS = (control.pause, control.resume, control.cancel, doubts.doubt_commands, progress.show, suppressed.show)
"""The commands of `flask delivery` that have modules of their own."""


def register(app: Flask) -> None:
    """Hang the groups of commands under `flask`."""
    for command in MAILS:
        delivery_commands.add_command(command)
    for group in (
        alert_commands,
        delivery_commands,
        demo_commands,
        digest_commands,
        feed_commands,
        mailbox_commands,
        restore_commands,
        topic_commands,
    ):
        app.cli.add_command(group)
