"""What the tests of the inbox stand on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from inbox.mailbox import Mailbox
from inbox.page import create_inbox_app
from inbox.service import Inbox


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "inbox")


@pytest.fixture
def web(mailbox: Mailbox) -> FlaskClient:
    return create_inbox_app(mailbox, site_url="http://127.0.0.1:8000/").test_client()


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with Inbox(tmp_path / "inbox", 0, 0, "http://127.0.0.1:8000/") as running:
        yield running
