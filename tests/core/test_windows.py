"""Short windows: shared through Redis, counted by the process alone while there is none."""

import socket
import time

import pytest
import redis

from core.windows import APART_S, Away, Windows
from tests import servers

KEY = b"k" * 16


def passed(windows: Windows, times: int, *, limit: int = 3, key: bytes = KEY) -> int:
    return sum(windows.hit(key, limit=limit, window_s=60) for _time in range(times))


def test_a_window_lets_as_many_pass_as_its_limit():
    windows = Windows(None)
    assert passed(windows, 5) == 3
    assert passed(windows, 5, key=b"o" * 16) == 3


def test_processes_share_their_windows_through_redis(redis_database):
    assert passed(Windows(redis_database), 2) == 2
    assert passed(Windows(redis_database), 5) == 1


def test_redis_learns_no_key_that_was_not_hashed(redis_database):
    Windows(redis_database).hit(KEY, limit=3, window_s=60)
    with redis.Redis.from_url(redis_database) as client:
        assert all(KEY.hex().encode() in name for name in client.scan_iter())


def test_without_redis_a_process_counts_for_itself():
    windows = Windows("redis://127.0.0.1:1/0")
    assert passed(windows, 5) == 3


def test_what_must_not_be_counted_without_redis_is_not_counted(redis_database):
    with pytest.raises(Away):
        Windows("redis://127.0.0.1:1/0").hit(KEY, limit=3, window_s=60, alone=False)
    shared = Windows(redis_database)
    assert [shared.hit(KEY, limit=3, window_s=60, count=2, alone=False) for _time in range(2)] == [True, False]
    assert Windows(None).hit(KEY, limit=3, window_s=60, alone=False), "where there is none, there is none to miss"


def test_a_redis_that_does_not_answer_is_not_asked_again_for_a_while(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        windows = Windows(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        assert passed(windows, 5) == 3
        assert windows._not_before >= began + APART_S
        before = windows._not_before
        assert passed(windows, 1) == 0
        assert windows._not_before == before, "not asked again"
        monkeypatch.setattr(windows, "_not_before", 0.0)
        passed(windows, 1)
        assert windows._not_before > before, "asked again"


def test_a_redis_that_is_killed_is_not_missed():
    with servers.redis_server() as url:
        windows = Windows(url)
        assert passed(windows, 2) == 2
    assert passed(windows, 5) == 3, "the process has counted none of those before"
