"""Whoever the friend is: the same bytes over a real socket, and the same statements in the same order behind it.

Time is compared by the proof (tests/proofs/share.py); here is why it is the same: a request does the same work.
"""

import http.client
import re
from contextlib import closing, contextmanager
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import event

from core.database import db
from tests.web import friends
from tests.web.friends import TYPED
from tests.web.readers import hidden_fields


@pytest.fixture
def form(app, client, monkeypatch, nudged):
    """The form of a story whose limits nobody reaches."""
    settings = app.extensions["postrider settings"]
    monkeypatch.setitem(app.extensions, "postrider settings", replace(settings, sharing=friends.WIDE))
    friends.turn()
    return friends.form(client)


def asked(host: str, path: str, body: str | None = None) -> bytes:
    """Return what comes back over a connection of its own, every byte of it but the date."""
    server = urlsplit(host)
    with closing(http.client.HTTPConnection(server.netloc, timeout=30)) as line:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        line.request("POST" if body else "GET", path, body, headers)
        answer = line.getresponse()
        lines = [f"{name}: {value}" for name, value in answer.getheaders() if name != "Date"]
        return b"\n".join([str(answer.status).encode(), *(one.encode() for one in lines), answer.read()])


@contextmanager
def statements():
    """Note the statements that the database is given."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        seen.append(re.sub(r"sa_savepoint_\d+", "savepoint", statement))

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("known", [False, True], ids=["anybody", "a reader"])
def test_every_friend_has_the_same_bytes_for_an_answer(served, form, readers, reader, known):
    path = form.as_reader(reader) if known else form.path
    kinds = friends.of_all_kinds(readers)
    pages = [hidden_fields(form.client.get(path).text) for _kind in kinds]
    typed = TYPED | ({"email": ""} if known else {})
    answers = {
        asked(served, path, urlencode(fields | typed | {"friend_1": friend}))
        for friend, fields in zip(kinds, pages, strict=True)
    }
    assert len(answers) == 1
    assert answers.pop().startswith(b"303")
    assert len({asked(served, f"{path}?sent") for _kind in kinds}) == 1
    assert len(friends.shares()) == len(kinds)


def test_a_fault_elsewhere_in_the_form_tells_nothing_of_the_friend_either(served, form, readers):
    answers = set()
    for friend in friends.of_all_kinds(readers):
        fields = hidden_fields(form.client.get(form.path).text) | TYPED | {"name": "x.example", "friend_1": friend}
        text = asked(served, form.path, urlencode(fields)).decode()
        # Only what each form has of its own goes out of it: its id, its stamp, and what was typed.
        for own in (fields["form_id"], friend):
            text = text.replace(own, "")
        text = re.sub(r'name="stamp" value="\w+"', "", text)
        answers.add(re.sub(r"Content-Length: \d+", "", text))
    assert len(answers) == 1


@pytest.mark.parametrize("known", [False, True], ids=["anybody", "a reader"])
def test_every_friend_costs_the_same_statements_in_the_same_order(form, readers, reader, known):
    path = form.as_reader(reader) if known else form.path
    done = set()
    for friend in friends.of_all_kinds(readers):
        page = form.client.get(path).text
        with statements() as seen:
            assert form.send(path, page=page, friend_1=friend).status_code == 303
        done.add(tuple(seen))
    assert len(done) == 1
    assert any("share_friends" in one for one in done.pop())
