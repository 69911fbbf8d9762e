"""The inbox as one thing to start and stop: its SMTP server and its page, each in a thread of its own."""

import threading
from pathlib import Path
from typing import Self

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from core import errors, logs
from inbox import page, ports, smtp
from inbox.mailbox import Mailbox

log = logs.get(__name__)

_POLL_S = 0.1


class Inbox:
    """A local inbox on loopback. Port 0 takes any free port; after `start` the attributes tell which."""

    def __init__(self, folder: Path, smtp_port: int, web_port: int, site_url: str = "") -> None:
        self.mailbox = Mailbox(folder)
        self._smtp = smtp.SmtpServer(self.mailbox, port=smtp_port)
        self._web = _WebServer(page.create_inbox_app(self.mailbox, site_url=site_url), port=web_port)

    @property
    def smtp_port(self) -> int:
        """The port that takes mail."""
        return self._smtp.port

    @property
    def web_port(self) -> int:
        """The port of the page."""
        return self._web.port

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{ports.LOOPBACK}:{self.web_port}/"

    def start(self) -> None:
        """Take both ports; both are served when this returns. Raises ports.PortTaken or ports.PortRefused."""
        self.mailbox.sweep()
        self._web.start()
        try:
            self._smtp.start()
        except errors.UnfitStart:
            self._web.stop()
            raise

    def stop(self) -> None:
        """Give both ports back, within a second, whoever is still connected. Stopping twice does nothing."""
        self._smtp.stop()
        self._web.stop()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


class _WebServer:
    """A WSGI application served on loopback from a thread."""

    def __init__(self, app: Flask, *, port: int) -> None:
        self.port = port
        self._app = app
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread

    def start(self) -> None:
        # The library would end the whole process when it cannot bind, so it is given a socket that is bound.
        with ports.listen(self.port) as listener:
            self.port = listener.getsockname()[1]
            self._server = make_server(
                ports.LOOPBACK,
                self.port,
                self._app,
                threaded=True,
                request_handler=_QuietRequests,
                fd=listener.fileno(),
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="inbox-web", daemon=True
        )
        self._thread.start()
        log.info("inbox shows mail", port=self.port)

    def stop(self) -> None:
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server = None


class _QuietRequests(WSGIRequestHandler):
    """Serve requests without a line for each."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing; errors are still logged."""
