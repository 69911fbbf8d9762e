"""Breaking news through the whole service: flagged by an editor, in the inbox, stopped; and nothing lost on the way."""

import re
import signal
from email.message import EmailMessage

from core import clock
from tests.journeys import houses, readers
from tests.journeys.houses import House, wait_until

READER = "reader@example.org"
UNREAD = 20
"""The place of a story in the list of the newest that no first edition has brought."""


def ask_for_breaking(house: House, first: EmailMessage) -> None:
    """Choose all breaking mails on the page of preferences, in a zone in which it is day."""
    token = readers.link_to(first, "preferences").rpartition("/")[2]
    path = f"/preferences/asia-daily/t/{token}"
    form = house.get(path).data.decode()
    zone = "Africa/Abidjan" if 7 <= clock.utc_now().hour < 20 else "Pacific/Auckland"
    lists = re.findall(r'<select[^>]*name="(\w+)".*?<option value="([^"]*)" selected', form, re.DOTALL)
    radios = re.findall(r'name="(\w+)" value="([^"]*)" checked', form)
    fields = readers.hidden_fields(form) | dict([*lists, *radios]) | {"breaking": "255", "zone": zone}
    assert house.post(path, [*fields.items()]).status == 303


def unread(house: House, *, place: int = UNREAD) -> tuple[str, str]:
    """Return the id and the headline of a story that the reader did not have."""
    line = house.flask("articles", "list", "--language", "en", "--last", "22").splitlines()[place]
    found = re.fullmatch(r"(\w+)  \S+ \S+  en(?:  \[.*\])*  (.+)", line)
    assert found is not None, line
    return found[1], found[2]


def arrived(house: House, subject: str) -> int:
    """Return how many mails of this subject the reader has."""
    return sum(mail["Subject"] == subject for mail in house.mails(READER))


def test_a_flagged_story_is_in_the_inbox_of_who_wants_that_and_the_flag_is_taken_back(house):
    if "REDIS_URL" in house.environment:
        houses.open_relay(house)
    ask_for_breaking(house, readers.join(house, READER, "asia-daily"))
    story, headline = unread(house)
    assert "--undo" in house.flask("articles", "flag-breaking", story, "--yes")
    wait_until(lambda: arrived(house, headline) == 1, "the breaking mail", house)
    (mail,) = (one for one in house.mails(READER) if one["Subject"] == headline)
    assert "breaking news of Asia Daily" in readers.text_of(mail)
    assert house.get(readers.link_to(mail, "why")).data.decode().count(headline) == 1
    assert "1 reader had its mail already" in house.flask("articles", "flag-breaking", story, "--undo")
    assert arrived(house, headline) == 1


def test_a_flag_is_not_lost_when_everything_dies_before_it_is_composed(tmp_path, postgres_database, redis_database):
    with houses.fleet(tmp_path, database_url=postgres_database, redis_url=redis_database) as house:
        houses.open_relay(house)
        ask_for_breaking(house, readers.join(house, READER, "asia-daily"))
        for name in (*houses.WORKERS, "beat"):
            house.stop(name, signal.SIGKILL)
        (story, headline), (other, stopped) = unread(house), unread(house, place=UNREAD + 1)
        for one in (story, other):
            house.flask("articles", "flag-breaking", one, "--yes")
        assert "0 readers had its mail already" in house.flask("articles", "flag-breaking", other, "--undo")
        houses.start_worker(house, houses.WORKERS[0])
        houses.start_beat(house)
        wait_until(lambda: arrived(house, headline) == 1, "the breaking mail", house)
        assert arrived(house, stopped) == 0
