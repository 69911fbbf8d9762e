"""The bell that wakes the sender: whoever rings it is heard, and no ring is lost between two looks."""

import select
from collections.abc import Callable
from typing import Any

import pytest

from delivery.bell import Bell


def rings(bell: Bell) -> bool:
    return bool(select.select([bell], [], [], 0)[0])


def test_a_bell_that_was_rung_is_heard_once_however_often_it_was():
    bell = Bell()
    assert not rings(bell) and not bell.clear()
    for _again in range(100_000):
        bell.set()
    assert rings(bell) and bell.clear()
    assert not rings(bell) and not bell.clear()
    bell.set()
    assert rings(bell)
    bell.close()


def test_a_bell_that_was_taken_down_can_still_be_rung():
    bell = Bell()
    bell.close()
    bell.set()


class Interrupted:
    """A socket that has others do something just before and just after what it holds is taken."""

    def __init__(self, inner: Any, before: Callable[[], None], after: Callable[[], None]) -> None:
        self.inner, self.before, self.after = inner, before, after

    def recv(self, count: int) -> bytes:
        self.before()
        found: bytes = self.inner.recv(count)
        self.after()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_ring_while_it_is_stopped_does_not_keep_the_next_one_from_being_heard(when, monkeypatch):
    bell = Bell()
    bell.set()
    nothing = lambda: None  # noqa: E731
    before, after = (bell.set, nothing) if when == "before" else (nothing, bell.set)
    monkeypatch.setattr(bell, "_hear", Interrupted(bell._hear, before, after))
    bell.clear()
    bell.set()
    assert rings(bell)
    bell.close()
