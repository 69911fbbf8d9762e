"""What goes wrong is a page, in the reader's language, and says nothing that it should not."""

import logging

import pytest
from sqlalchemy import exc

from articles import shelf
from core import errors
from core.database import db
from subscribers import unsubscribe
from tests.web import markup
from web import errors as table


def domain_errors(kind=errors.DomainError):
    for below in kind.__subclasses__():
        yield below
        yield from domain_errors(below)


def test_every_kind_of_error_has_a_status_and_a_title():
    # The inbox, which other tests of this process may have loaded, has pages of its own.
    ours = {kind for kind in domain_errors() if not kind.__module__.startswith("inbox")}
    assert set(table.KINDS) >= {errors.DomainError, *ours}


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_wrong_method_is_answered_with_a_page(client, language):
    for path in (f"/{language}/", f"/{language}/check-your-inbox", "/health/live"):
        answer = client.post(path, headers={"Accept-Language": language})
        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"]
        assert f'<html lang="{language}"' in answer.text
        assert markup.problems(markup.read(answer.text)) == []
    assert client.delete(f"/{language}/").status_code == 405
    assert client.put("/unsubscribe/t/x").status_code == 405


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_mistake_of_ours_is_a_page_without_a_word_of_it(app, client, monkeypatch, caplog, language):
    def fail(*_args, **_values):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(shelf, "latest", fail)
    with caplog.at_level(logging.ERROR):
        answer = client.get(f"/{language}/")
    assert answer.status_code == 500
    assert "secret inside" not in answer.text
    assert f'<html lang="{language}"' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"]
    assert markup.problems(markup.read(answer.text)) == []


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize(
    "trouble",
    [
        exc.OperationalError("SELECT", {}, Exception("the server closed the connection")),
        exc.InterfaceError("SELECT", {}, Exception("connection already closed")),
        exc.TimeoutError("QueuePool limit reached"),
    ],
    ids=lambda trouble: type(trouble).__name__,
)
def test_a_database_out_of_reach_is_a_page_that_says_when_to_come_back(client, monkeypatch, language, trouble):
    def fail(*_args, **_values):
        raise trouble

    monkeypatch.setattr(shelf, "latest", fail)
    answer = client.get(f"/{language}/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert f'<html lang="{language}"' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert markup.problems(markup.read(answer.text)) == []
    monkeypatch.undo()
    assert client.get(f"/{language}/").status_code == 200


def test_a_form_that_meets_a_database_out_of_reach_is_not_saved_and_the_next_one_is(client, reader, monkeypatch):
    def fail(*_args, **_values):
        db.session.flush()
        raise exc.OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(unsubscribe, "leave", fail)
    assert client.post(reader.unsubscribe).status_code == 503
    monkeypatch.undo()
    assert client.post(reader.unsubscribe).status_code == 200
    assert reader.row.state == "left"


@pytest.mark.parametrize(
    "path", ["/nothing/at/all/here", "/favicon.ico", "/static/no.css", "/en/x/y/z", "/.git/config"]
)
def test_what_is_not_there_is_a_page_in_the_browser_s_or_the_path_s_language(client, path):
    answer = client.get(path, headers={"Accept-Language": "ar"})
    assert answer.status_code == 404
    assert f'<html lang="{"en" if path.startswith("/en/") else "ar"}"' in answer.text
    assert markup.problems(markup.read(answer.text)) == []


def test_a_forwarded_address_does_not_become_the_visitor_s(client):
    with client.application.test_request_context(headers={"X-Forwarded-For": "203.0.113.9"}) as context:
        assert context.request.remote_addr != "203.0.113.9"
