"""The page that says why a mail came, or none: for whom holds the link, in their language, and changing nothing."""

import pytest

from core import clock
from core.database import db
from digests import whywords
from digests.why import Reason, Slot
from subscribers import overall, unsubscribe
from subscribers.models import Digest
from tests.web.readers import dump


@pytest.fixture
def why(reader) -> str:
    """The path of the reader's page."""
    return reader.preferences.replace("/preferences/", "/why/")


def test_the_preferences_lead_to_it_and_it_leads_back(client, reader, why):
    assert f'href="{why}"' in client.get(reader.preferences).text
    shown = client.get(why)
    assert shown.status_code == 200
    assert f'href="{reader.preferences}"' in shown.text


def test_it_tells_of_the_readers_own_digests_in_words(client, reader, readers, why):
    readers.join("other@example.org", digests=("asia-arabic",))
    text = client.get(why).text
    assert "Asia Daily" in text and "r***@example.org" in text
    assert "Your first edition. It is just being made." in text
    assert "You subscribed. Before that, no mail could come." in text
    assert "other" not in text and "آسيا" not in text


def test_it_speaks_the_readers_language(client, readers):
    arab = readers.join("qari@example.org", digests=("asia-arabic",), language="ar")
    text = client.get(arab.preferences.replace("/preferences/", "/why/")).text
    assert 'lang="ar" dir="rtl"' in text and "عددك الأول. يجري إعدادها الآن." in text


def test_opening_it_as_often_as_one_likes_changes_not_one_row(client, reader, why):
    before = dump()
    for _time in range(3):
        assert client.get(why).status_code == 200
        assert client.head(why).status_code == 200
    assert dump() == before


def test_no_other_token_opens_it_and_no_flipped_bit_does(client, reader, why):
    tokens = [link.rpartition("/")[2] for link in (reader.confirm, reader.unsubscribe, reader.leave_all)]
    last = "a" if why[-1] != "a" else "b"
    for token in (*tokens, why.rpartition("/")[2][:-1] + last):
        assert client.get(f"/why/t/{token}").status_code == 404
    assert client.get(reader.links(days_ago=91)[0].replace("/preferences/", "/why/")).status_code == 410
    assert client.post(why).status_code == 405


def test_who_left_can_still_see_why_nothing_comes(client, reader, why):
    unsubscribe.leave(reader.row, None, now=clock.utc_now())
    db.session.commit()
    assert "You stopped this digest." in client.get(why).text


def test_a_pause_from_the_page_is_known_afterwards(client, reader, why):
    now = clock.utc_now()
    overall.pause(reader.row, now.date().replace(year=now.year + 1), spoken=("en", "ar"), now=now)
    db.session.commit()
    assert client.post(reader.preferences, data={"action": "resume"}).status_code == 303
    (pause,) = db.session.execute(db.text("SELECT ended_at FROM pauses")).all()
    assert pause.ended_at is not None


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("provider", [None, "gmail.com"])
def test_every_reason_has_its_words_in_every_language(app, language, provider):
    digest = db.session.scalars(db.select(Digest).limit(1)).one()
    said = {
        whywords.sentence(Slot(digest, reason, clock.utc_now(), "Asia/Tokyo", provider=provider), language)
        for reason in Reason
    }
    assert len(said) == len(Reason)
    if language == "ar":
        assert not any("mail" in one.replace("gmail.com", "") for one in said)
