"""Addresses are tried side by side, and what does not answer in time is taken to be there."""

import time

from core import probing
from tasks import preflight


def test_what_is_gone_is_told_and_what_is_slow_holds_nothing_up(monkeypatch):
    def answer(url: str) -> int | None:
        if url == "slow":
            time.sleep(0.3)
        return 404 if url == "gone" else None

    monkeypatch.setattr(probing, "answer_if_gone", answer)
    assert preflight.gone(["gone", "here", "slow", "gone"], longest_s=0.05) == {"gone": 404}
