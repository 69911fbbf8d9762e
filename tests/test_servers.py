"""The servers, the browser and the guard against unasked mail are what the tests believe they are."""

import signal
import smtplib
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis
from hypothesis import settings

from tests import servers
from tools import programs

ROOT = Path(__file__).resolve().parent.parent
# A process that starts both servers, tells where their files are, and waits to be killed.
HOLDER = """
import time
import psycopg, redis
from tests import servers
with servers.postgres_server() as postgres, servers.redis_server() as redis_url:
    with psycopg.connect(postgres.url("postgres")) as connection, redis.Redis.from_url(redis_url) as client:
        data = connection.execute("SHOW data_directory").fetchone()[0]
        print(data, client.config_get("dir")["dir"], flush=True)
    time.sleep(60)
"""


def test_postgres_listens_on_this_machine_only_and_speaks_unicode(postgres_database):
    with psycopg.connect(postgres_database) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        assert connection.execute("SELECT lower('ÄÇ')").fetchone() == ("äç",)


@pytest.mark.parametrize("visit", ["first", "second"])
def test_each_test_has_an_empty_postgres_database(postgres_database, visit):
    with psycopg.connect(postgres_database) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert tables == (0,), f"the {visit} test finds what another has left"
        connection.execute("CREATE TABLE visits (name text)")


def test_a_database_can_be_made_from_a_template(postgres_server):
    with postgres_server.database("pattern") as pattern:
        with psycopg.connect(pattern) as connection:
            connection.execute("CREATE TABLE stories AS SELECT 1 AS id")
        with postgres_server.database(template="pattern") as copy, psycopg.connect(copy) as connection:
            assert connection.execute("SELECT id FROM stories").fetchall() == [(1,)]


def test_a_database_goes_even_when_somebody_is_connected(postgres_server):
    with postgres_server.database("crowded") as url:
        left_open = psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    left_open.close()


def test_postgres_can_be_stopped_in_the_middle_of_things_and_keeps_what_was_committed():
    with servers.postgres_server() as server, server.database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE stories AS SELECT 1 AS id")
            server.restart_at_once()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT id FROM stories").fetchall() == [(1,)]


def test_redis_can_be_killed_and_forgets_everything():
    with servers.guarded_redis() as (url, guard), redis.Redis.from_url(url) as client:
        client.set("story", "1")
        guard.order("KILL")
        guard.order("again")

        def forgotten() -> None:
            if client.get("story") is not None:
                raise redis.ConnectionError("It has not ended yet.")

        servers.wait_for(forgotten, redis.ConnectionError, log=ROOT)
        assert client.dbsize() == 0


def test_redis_evicts_nothing_and_keeps_nothing_on_disk(redis_database):
    with redis.Redis.from_url(redis_database) as client:
        assert client.dbsize() == 0
        kept = client.config_get("maxmemory-policy", "save", "appendonly")
        assert kept == {"maxmemory-policy": "noeviction", "save": "", "appendonly": "no"}


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_no_server_outlives_the_tests_however_they_end(end):
    command = [sys.executable, "-c", HOLDER]
    holder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert holder.stdout
    folders = [Path(folder) for folder in holder.stdout.readline().split()]
    assert len(folders) == 2
    assert all(folder.is_dir() for folder in folders)
    holder.send_signal(end)
    holder.communicate(timeout=10)
    # A guard removes its server's folder after the server has ended.
    deadline = time.monotonic() + 10
    while any(folder.exists() for folder in folders):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_missing_server_fails_and_says_the_cure(monkeypatch):
    monkeypatch.setenv("REDIS_SERVER", "/nowhere/redis-server")
    with (
        pytest.raises(servers.ServerMissingError, match="apt-get install -y redis-server"),
        servers.redis_server(),
    ):
        pass
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    assert programs.find(programs.BROWSER) is None


def test_a_server_that_does_not_start_fails_with_its_last_words(monkeypatch):
    monkeypatch.setattr(servers, "READY_WITHIN_SECONDS", 0.5)
    monkeypatch.setenv("REDIS_SERVER", "false")
    with pytest.raises(servers.ServerMissingError, match="did not start"), servers.redis_server():
        pass


def test_the_browser_shows_a_page_and_reaches_nobody_else(page):
    page.set_content("<h1>Good morning</h1>")
    assert page.get_by_role("heading").inner_text() == "Good morning"
    with pytest.raises(Exception, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.org/")


def test_a_page_that_not_everyone_can_read_is_not_accessible(page, assert_accessible):
    fine = "<html lang=en><title>News</title><main><h1>News</h1><img alt='A ship' src='data:,'></main>"
    page.set_content(fine)
    assert_accessible(page)
    page.set_content(fine.replace("alt='A ship'", ""))
    with pytest.raises(AssertionError, match="alt"):
        assert_accessible(page)


@pytest.mark.smtp
def test_a_test_that_asks_may_speak_smtp():
    with pytest.raises(OSError, match="refused"):
        smtplib.SMTP("127.0.0.1", servers.free_port(), timeout=2)


@pytest.mark.parametrize(
    "way",
    [
        "smtplib.SMTP('127.0.0.1', 9, timeout=2)",
        "smtplib.SMTP_SSL('127.0.0.1', 9, timeout=2)",
        "socket.create_connection(('127.0.0.1', 25), timeout=2)",
    ],
)
def test_one_that_speaks_smtp_unasked_fails_even_when_the_code_swallows_the_refusal(pytester, way):
    pytester.makeconftest("from tests.conftest import no_unasked_smtp")
    pytester.makepyfile(f"""
        import contextlib, smtplib, socket

        def test_it():
            with contextlib.suppress(OSError):
                {way}
    """)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines("*SMTP connections it did not ask for*")


def test_few_examples_are_the_default():
    assert settings().max_examples == settings.get_profile("quick").max_examples < 100
