"""kill -9 in the middle of an edition: everyone gets their mail, nobody two, at most one is listed as in doubt."""

import json
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.journeys import houses, readers
from tests.journeys.houses import House

READERS = [f"reader{number}@example.org" for number in range(60)]


def test_a_killed_service_sends_every_due_mail_after_its_next_start_and_none_twice(local_house: House) -> None:
    house = local_house
    with ThreadPoolExecutor(4) as visitors:
        list(visitors.map(lambda reader: readers.join(house, reader, "asia-daily"), READERS))
    before = len(house.recipients())

    house.flask("demo", "tomorrow")
    houses.wait_until(lambda: len(house.recipients()) >= before + 5, "the first mails of the edition", house)
    assert house.stop("postrider", signal.SIGKILL) == -signal.SIGKILL
    houses.start_local(house)

    doubtful = len(json.loads(house.flask("delivery", "doubts", "--json")))
    assert doubtful <= 1
    wanted = before + len(READERS) - doubtful
    houses.wait_until(lambda: len(house.recipients()) >= wanted, "the rest of the edition", house)
    copies = Counter(house.recipients())
    # Each had a confirmation, a first edition, and now this one; the doubtful one may or may not have come.
    assert set(copies.values()) <= {2, 3}
    assert sum(1 for count in copies.values() if count == 2) <= doubtful
    assert len({mail["Message-ID"] for mail in house.mails()}) == sum(copies.values())
    counts = json.loads(house.flask("delivery", "status", "--json"))
    assert sum(by_state.get("planned", 0) for by_state in counts.values()) == 0
