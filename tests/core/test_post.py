"""Telling an address of the operator's something: any host and port, within limits, and nothing but 2xx will do."""

import json
import socket

import pytest

from core import fetch
from tests.core.web import PUBLIC, serving, within


@pytest.fixture
def web():
    with serving() as served:
        yield served


def test_a_document_is_posted_as_json_to_a_host_of_ones_own(web):
    heard = []

    def hook(asked):
        heard.append(json.loads(asked.rfile.read(int(asked.headers["Content-Length"]))))
        asked.answer(204)

    web.pages["/hook?key=a/b"] = hook
    fetch.post_json(f"http://127.0.0.1:{web.port}/hook?key=a/b", {"text": "Ein Ü\nund ein 用"})
    assert heard == [{"text": "Ein Ü\nund ein 用"}]
    (asked,) = web.hits
    assert (asked.command, asked.headers["Content-Type"]) == ("POST", "application/json")
    assert asked.headers["Host"] == f"127.0.0.1:{web.port}"


def test_a_name_is_looked_up_and_its_port_kept(web):
    web.names["alerts.internal.test"] = ["10.0.0.9"]
    web.pages["/"] = lambda asked: asked.answer(200)
    fetch.post_json("http://alerts.internal.test:9093", {}, _network=web.network())
    assert (web.looked_up, web.connected) == (["alerts.internal.test"], [("10.0.0.9", 9093)])


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_whatever_is_not_2xx_is_a_failure_and_no_redirect_is_followed(web, status):
    web.pages["/"] = lambda asked: asked.answer(status, Location="/elsewhere")
    with pytest.raises(fetch.FetchFailed, match=f"answered {status}"):
        fetch.post_json(f"http://127.0.0.1:{web.port}/", {})
    assert len(web.hits) == 1


@pytest.mark.parametrize("url", ["ftp://h/", "http://me:word@h/", "http://h:0/", "http://127.1/", "h", ""])
def test_an_address_of_an_odd_kind_is_refused_unasked(web, url):
    with pytest.raises(fetch.FetchRefused):
        fetch.post_json(url, {}, _network=web.network())
    assert web.looked_up == []


def test_a_server_that_never_answers_costs_no_more_than_the_limit(web):
    web.pages["/"] = lambda asked: asked.web.closed.wait(20)
    with within(5), pytest.raises(fetch.FetchFailed, match="longer than 0.2 seconds"):
        fetch.post_json(f"http://127.0.0.1:{web.port}/", {}, fetch.FetchLimits(total_s=0.2))


def test_nobody_there_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(fetch.FetchFailed, match="cannot be reached"):
        fetch.post_json(f"http://127.0.0.1:{port}/", {})


def test_what_readers_and_feeds_name_is_still_fetched_from_public_hosts_and_usual_ports_only(web):
    for url in (f"http://127.0.0.1:{web.port}/", "http://feeds.example.org:9093/"):
        with pytest.raises(fetch.FetchRefused):
            web.get(url)
    web.names["feeds.example.org"] = ["10.0.0.9", PUBLIC]
    with pytest.raises(fetch.FetchRefused):
        web.get("http://feeds.example.org/")
    assert web.connected == []


def test_a_form_goes_to_public_hosts_alone_by_the_address_that_was_checked(web):
    heard = []

    def hook(asked):
        heard.append(asked.rfile.read(int(asked.headers["Content-Length"])))
        asked.answer(202)

    web.pages["/hub"] = hook
    fetch.post_form("http://hub.example.org/hub", {"hub.topic": "https://x.test/?a=b&c"}, _network=web.network())
    assert heard == [b"hub.topic=https%3A%2F%2Fx.test%2F%3Fa%3Db%26c"]
    assert web.hits[0].headers["Content-Type"] == "application/x-www-form-urlencoded"
    web.names["inside.example.org"] = ["10.0.0.9"]
    for url in ("http://inside.example.org/", "http://127.0.0.1/", "http://hub.example.org:8080/", "file:///x"):
        with pytest.raises(fetch.FetchRefused):
            fetch.post_form(url, {}, _network=web.network())
    assert len(web.hits) == 1


def test_a_form_follows_redirects_that_keep_it_and_no_others(web):
    web.pages["/a"] = lambda asked: asked.answer(307, Location="/b")
    web.pages["/b"] = lambda asked: asked.answer(308, Location="/c")
    web.pages["/c"] = lambda asked: asked.answer(202)
    fetch.post_form("http://hub.example.org/a", {"a": "b"}, _network=web.network())
    assert [hit.command for hit in web.hits] == ["POST"] * 3
    for status, location in ((301, "/c"), (302, "/c"), (303, "/c"), (404, "")):
        web.pages["/d"] = lambda asked, status=status, to=location: asked.answer(status, Location=to)
        with pytest.raises(fetch.FetchFailed, match=f"answered {status}"):
            fetch.post_form("http://hub.example.org/d", {}, _network=web.network())
    web.pages["/e"] = lambda asked: asked.answer(307, Location="http://127.0.0.1/")
    web.pages["/f"] = lambda asked: asked.answer(307, Location="/f")
    for path in ("e", "f"):
        with pytest.raises(fetch.FetchRefused):
            fetch.post_form(f"http://hub.example.org/{path}", {}, _network=web.network())
