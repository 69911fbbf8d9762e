"""A mail of each kind, made as the sender makes it, for nobody."""

from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from sqlalchemy import event

from checkup import sampling
from core.identity import LaneSender
from digests import samples
from tests.checkup.signing import NOW, signing
from tests.installation import IDENTITY, rooms_on, services_for, settings_for

LANES = {"transactional": "a confirmation", "digest": "a digest", "breaking": "a breaking digest"}


def made(**changes):
    services = replace(services_for(settings_for("sqlite:///none.db")), **changes)
    return {one.lane: one for one in samples.make(services, NOW)}


def test_there_is_one_of_each_lane_that_mails_and_all_are_whole_mails():
    found = made()
    assert {lane: one.title for lane, one in found.items()} == LANES
    for one in found.values():
        mail = message_from_bytes(one.mail, policy=policy.default)
        assert not mail.defects
        for header in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
            assert len(mail.get_all(header, [])) == 1
        text, markup = mail.iter_parts()
        assert (text.get_content_type(), markup.get_content_type()) == ("text/plain", "text/html")
        assert "http://127.0.0.1:8000/" in text.get_content()
        assert mail["To"] == sampling.TO


@pytest.mark.parametrize("lane", ["digest", "breaking"])
def test_bulk_mails_can_be_left_with_one_click_and_a_confirmation_cannot(lane):
    found = made()
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in found[lane].mail
    assert b"List-Unsubscribe" not in found["transactional"].mail


def test_each_comes_from_its_lanes_address_and_is_signed_where_we_sign():
    lanes = {
        "transactional": LaneSender(sender="hello@example.net", signed_by_relay=True),
        "breaking": LaneSender(sender="breaking@mail.monsoon.example.org"),
    }
    found = made(identity=replace(IDENTITY, lanes=lanes), dkim=signing())
    assert {lane: one.signed for lane, one in found.items()} == {
        "transactional": False,
        "digest": True,
        "breaking": True,
    }
    for lane, address in {
        "transactional": "hello@example.net",
        "digest": "news@monsoon.example.org",
        "breaking": "breaking@mail.monsoon.example.org",
    }.items():
        mail = message_from_bytes(found[lane].mail, policy=policy.default)
        assert address in mail["From"]
        assert len(mail.get_all("DKIM-Signature", [])) == (2 if found[lane].signed else 0)


def test_nothing_is_read_or_written_for_them(tmp_path):
    with rooms_on(settings_for(f"sqlite:///{tmp_path / 'rooms.db'}")) as app:
        said: list[str] = []
        engine = app.extensions["sqlalchemy"].engine
        event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_more: said.append(statement))
        made()
        assert said == []
