"""Run the inbox alone: `python -m inbox --help`."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from core import ending, errors, logs
from inbox.service import Inbox

_DESCRIPTION = """\
A local inbox for development. It takes every mail that is sent to it on this
machine, for any recipient, passes none of it on, and shows it on a web page
as its reader would see it: HTML, text, headers and source.

Point a program that sends mail at smtp://127.0.0.1:1025, without user or
password, then open http://127.0.0.1:8025/ in a browser.
"""

_EPILOG = """\
for scripts:
  GET /api/messages?q=&limit=&offset=   the newest mails as JSON
  GET /api/messages/KEY                 one mail, byte for byte
  POST /clear                           empty the inbox

The mails stay in the folder, one .eml file each, until you empty the inbox.
Ctrl-C ends it. Exit status: 0 when ended by you, 1 when it could not start,
2 for a wrong option.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; return the exit status."""
    options = _options(arguments)
    logs.configure(as_json=False, level="WARNING")
    ended = threading.Event()
    # Set explicitly: a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with Inbox(options.folder, options.smtp_port, options.web_port, options.site_url) as inbox:
            sys.stdout.write(f"The inbox is at {inbox.url} and takes mail on smtp://127.0.0.1:{inbox.smtp_port}\n")
            sys.stdout.flush()
            ending.wait_for(ended)
    except errors.UnfitStart as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m inbox",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--smtp-port", type=int, default=1025, metavar="PORT", help="where mail comes in (1025)")
    parser.add_argument("--web-port", type=int, default=8025, metavar="PORT", help="where the page is (8025)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("var/inbox"),
        help="where the mails are kept (var/inbox); made if missing",
    )
    parser.add_argument(
        "--site-url",
        default="",
        metavar="URL",
        help="the site whose mails these are: linked, and asked for pictures",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
