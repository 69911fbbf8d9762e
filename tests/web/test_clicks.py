"""Following a counted link: it leads to its story, and changes not one row; only a task counts."""

import pytest

import tasks.clicks
from articles import topics
from core import pile
from core.database import db
from core.services import current
from digests import clicks
from digests.clicks import ClickCount
from subscribers import offer
from tests.digests.house import ASIA, DUE, NOW, TOPICS, House
from tests.digests.test_clicks import LINK
from tests.web.readers import dump

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
AWAY = "https://publisher.example.org/the-story"


@pytest.fixture
def paths(app) -> list[str]:
    """The paths of the links in a mail: a story that is read elsewhere, and one that is read here."""
    pile._OWN["clicks"].clear()
    topics.apply(TOPICS)
    offer.apply([ASIA])
    clicks.choose(counted=True)
    db.session.commit()
    house = House(current())
    house.reader()
    house.article("Away", at=NOW, url=AWAY, read_at="publisher", rank=2)
    house.article("Here", at=NOW, rank=1)
    (mail,) = house.go(DUE)
    return ["/en/digests/{}/{}/{}/t/{}".format(*found) for found in LINK.findall(mail.text)[:2]]


def counts() -> list[int]:
    tasks.clicks.count()
    db.session.rollback()
    return [one.clicks for one in db.session.query(ClickCount)]


def test_a_link_leads_to_its_story_changes_no_row_and_is_counted_by_the_task(client, paths):
    before = dump()
    away, here = (client.get(path, headers=BROWSER) for path in paths)
    assert away.headers["Location"] == AWAY
    assert "/en/" in here.headers["Location"] and "here" in here.headers["Location"].lower() or here.status_code == 302
    assert {one.status_code for one in (away, here)} == {302}
    assert dump() == before
    assert counts() == [1, 1] and counts() == [1, 1]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", BROWSER),
        ("GET", {"User-Agent": "Mozilla/5.0 (compatible; LinkScanner/1.0)"}),
        ("GET", {**BROWSER, "Sec-Purpose": "prefetch;prerender"}),
        ("GET", {**BROWSER, "Sec-Fetch-Dest": "image"}),
        ("GET", {}),
    ],
)
def test_machines_are_led_to_the_story_and_not_counted(client, paths, method, headers):
    assert client.open(paths[0], method=method, headers=headers).status_code == 302
    assert counts() == []


def test_a_scanner_that_opens_all_links_of_a_mail_is_not_counted(client, paths, monkeypatch):
    monkeypatch.setattr(clicks, "MOST_AT_ONCE", 2)
    for path in paths:
        client.get(path, headers=BROWSER)
    assert counts() == []


def test_a_link_that_we_did_not_make_leads_nowhere_and_is_not_counted(client, paths):
    away, here = paths
    token = here.rpartition("/")[2]
    for wrong in (away.rpartition("/")[0] + "/" + token, away[:-1] + ("a" if away[-1] != "a" else "b")):
        assert client.get(wrong, headers=BROWSER).status_code >= 400
    assert counts() == []


def test_what_is_noted_names_nobody(client, paths):
    client.get(paths[0], headers=BROWSER)
    (line,) = pile._OWN["clicks"]
    assert "127.0.0.1" not in line and "Mozilla" not in line and "example.org" not in line
