"""What every test can ask for: real servers, a real browser, and that no mail leaves unasked."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import FrameType
from typing import Any

import pytest
import redis
from axe_playwright_python.sync_playwright import Axe
from hypothesis import settings
from playwright.sync_api import Browser, Page, sync_playwright

from tests import servers
from tools import programs

# `make test` looks at few examples, a proof at many: pytest --hypothesis-profile=full
settings.register_profile("quick", max_examples=25, deadline=None, print_blob=True)
settings.register_profile("full", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("quick")

# The tests never touch what the developer's own shell points to.
for _name in (
    "DATABASE_URL",
    "REDIS_URL",
    "SMTP_URL",
    "SECRET_KEY",
    "SECRET_KEYS_OLD",
    "HASH_KEY",
    "CONSENT_KEY",
    "BASE_URL",
    "POSTRIDER_CONFIG",
    "STATE_DIR",
    "METRICS_TOKEN",
    "ALERT_WEBHOOK",
    "ALERT_COMMAND",
    "ALERT_SMTP_URL",
    "ALERT_TO",
    "SES_TOPIC_ARN",
    "SENDGRID_WEBHOOK_KEY",
    "MAILGUN_WEBHOOK_KEY",
    "POSTMARK_WEBHOOK_PASSWORD",
    "MAILBOX_URL",
    "MAILBOX_DESK",
):
    os.environ.pop(_name, None)

SMTP_SPEAKERS = {"smtplib", "delivery.smtp"}
MAIL_PORTS = {25, 465, 587, 2525}
BROWSER_OPTIONS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    # Pages come from this machine alone: a font or a picture from elsewhere is not found.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    """The PostgreSQL server of this process; `with postgres_server.database() as url:` makes a database."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(servers.postgres_server())
        except servers.ServerMissingError as error:
            pytest.fail(str(error), pytrace=False)
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: servers.Postgres) -> Iterator[str]:
    """The DATABASE_URL of one database for all tests of this pytest process; empty at the start."""
    with postgres_server.database("postrider") as url:
        yield url


@pytest.fixture
def postgres_database(postgres_server: servers.Postgres) -> Iterator[str]:
    """The DATABASE_URL of an empty database for this test alone."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The REDIS_URL of the Redis server of this pytest process."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(servers.redis_server())
        except servers.ServerMissingError as error:
            pytest.fail(str(error), pytrace=False)
        yield url


@pytest.fixture
def redis_database(redis_url: str) -> str:
    """The same REDIS_URL, emptied for this test."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser's program."""
    path = programs.find(programs.BROWSER)
    if path is None:
        pytest.fail(programs.BROWSER.cure, pytrace=False)
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """A Chromium for the tests of one module.

    Not for the session: while Playwright runs, asyncio.run() fails in its thread, and so would other tests.
    """
    options = [*BROWSER_OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages, each like a new visitor's: `new_page(viewport=…, locale="ar", java_script_enabled=False)`.

    It takes what Playwright's Browser.new_context takes. A script that fails on a page fails the test.
    """
    contexts, script_errors = [], []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(10_000)
        context.on("weberror", lambda error: script_errors.append(str(error.error)))
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert not script_errors


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """One page on a desktop's screen."""
    return new_page(viewport={"width": 1280, "height": 900})


@pytest.fixture
def assert_accessible() -> Callable[[Page], None]:
    """Fail the test when axe finds something on the page that WCAG 2.2 A or AA forbids."""

    def check(page: Page) -> None:
        results = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG}})
        assert results.violations_count == 0, results.generate_report()

    return check


@pytest.fixture(autouse=True)
def no_unasked_smtp(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse SMTP connections, and fail the test that tried one, unless it is marked `smtp`."""
    if request.node.get_closest_marker("smtp"):
        yield
        return
    attempts: list[object] = []
    connect = socket.socket.connect

    def refuse_smtp(self: socket.socket, address: Any) -> None:
        if speaks_smtp(address):
            attempts.append(address)
            raise ConnectionRefusedError("no SMTP in a test without @pytest.mark.smtp")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse_smtp)
        yield
    if attempts:
        pytest.fail(f"It opened SMTP connections it did not ask for, to {attempts}; see the marker smtp.")


def speaks_smtp(address: Any) -> bool:
    """Say whether a connection is for mail: by its port, or by who is opening it."""
    if isinstance(address, tuple) and address[1] in MAIL_PORTS:
        return True
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") in SMTP_SPEAKERS:
            return True
        frame = frame.f_back
    return False
