"""Door three: people at a terminal, with progress, a sensible exit status and a --help worth reading."""

from flask import Flask

from commands import (
    articles_breaking,
    articles_import,
    control,
    digests_clicks,
    digests_design,
    digests_desk,
    digests_forecast,
    digests_notice,
    digests_preview,
    digests_report,
    digests_special,
    doubts,
    feeds_push,
    pictures,
    progress,
    related,
)
from commands.alerts import alert_commands
from commands.articles import article_commands
from commands.delivery import delivery_commands
from commands.demo import demo_commands
from commands.digests import digest_commands
from commands.dkim import dkim_commands
from commands.feeds import feed_commands
from commands.mail import mail_commands
from commands.mail_check import check
from commands.mailbox import mailbox_commands
from commands.restore import restore_commands
from commands.sharing import sharing_commands
from commands.signups import signup_commands
from commands.subscribers import subscriber_commands
from commands.suppression import suppression_commands
from commands.topics import topic_commands
from commands.webhooks import webhook_commands

MAILS = (control.pause, control.resume, control.cancel, doubts.doubt_commands, progress.show)
"""The commands of `flask delivery` that have modules of their own."""

STORIES = (
    related.also,
    related.index,
    articles_import.import_folder,
    articles_breaking.flag_breaking,
    articles_breaking.issue_flash,
    articles_breaking.list_flashes,
    articles_breaking.attach,
    pictures.list_pictures,
    pictures.fetch_now,
    pictures.describe,
)
"""The commands of `flask articles` that have modules of their own."""
FEEDS = (feeds_push.push_key, feeds_push.sign, feeds_push.push_file)
"""The commands of `flask feeds` that have a module of their own."""
EDITIONS = (
    *(digests_desk.note, digests_desk.subject, digests_desk.front_page, digests_desk.pin, digests_desk.drop),
    *(digests_desk.hold, digests_desk.approve, digests_desk.show, digests_design.preview_design, digests_notice.notice),
    *(digests_forecast.show, digests_preview.preview, digests_preview.test_send),
    digests_report.edition_report,
    digests_report.show_numbers,
    digests_clicks.choose,
    *(digests_special.draft, digests_special.list_all, digests_special.send),
)
"""The commands of `flask digests` that have modules of their own."""

MAIL = (dkim_commands, check)
"""The commands of `flask mail`; each has a module of its own."""


def register(app: Flask) -> None:
    """Hang the groups of commands under `flask`."""
    for command in MAILS:
        delivery_commands.add_command(command)
    for story in STORIES:
        article_commands.add_command(story)
    for command in FEEDS:
        feed_commands.add_command(command)
    for edition in EDITIONS:
        digest_commands.add_command(edition)
    for part in MAIL:
        mail_commands.add_command(part)
    for group in (
        alert_commands,
        article_commands,
        delivery_commands,
        demo_commands,
        digest_commands,
        feed_commands,
        mail_commands,
        mailbox_commands,
        restore_commands,
        sharing_commands,
        subscriber_commands,
        suppression_commands,
        signup_commands,
        topic_commands,
        webhook_commands,
    ):
        app.cli.add_command(group)
