"""Who the visitor is: what a proxy says of an address is believed only from as many proxies as we run."""

import dataclasses
from pathlib import Path

import pytest
from flask import request

from app import create_app
from tests.installation import settings_for


@pytest.mark.parametrize(("proxies", "seen"), [(0, "127.0.0.1"), (1, "203.0.113.9"), (2, "198.51.100.7")])
def test_a_forged_chain_never_reaches_further_than_our_own_proxies(tmp_path: Path, proxies: int, seen: str) -> None:
    settings = dataclasses.replace(settings_for(f"sqlite:///{tmp_path / 'p.db'}"), trusted_proxies=proxies)
    app = create_app(settings)
    app.add_url_rule("/who", view_func=lambda: str(request.remote_addr))
    chain = "192.0.2.1, 198.51.100.7, 203.0.113.9"
    answer = app.test_client().get("/who", headers={"X-Forwarded-For": chain, "X-Forwarded-Host": "evil.test"})
    assert answer.text == seen
