"""The proof of sending to a friend: the answer and its time tell nothing of the friend, and limits are exact.

The fleet runs from outside, gunicorn and workers on PostgreSQL and Redis. Friends of all kinds come to be by what
people and operators do; the forms are posted over the site's own socket, in an order that a seed decides. `make
proof-share` runs it in full and writes docs/proofs/share.md.
"""

import argparse
import http.client
import math
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests import servers
from tests.journeys import houses, readers
from tests.journeys.houses import House
from tests.proofs import page

KINDS = (
    "unknown",
    "unknown, too",
    "typed before",
    "subscriber",
    "left stories",
    "left all",
    "bounced",
    "complained",
    "had it",
)
"""The first three are of nobody. Those who are “unknown, too” show what chance does: they differ in nothing."""
ONE_ORIGIN = 20
"""How many recipients one origin has: each form of the proof comes from another one, but those at the limit."""
AT_ONCE = 200
OF_ONE_LINK = 1000
"""The largest limit that a link of a digest can have."""
PACE_S = 2.5
"""A form that comes back in less than two seconds is offered again."""
WIDE = f"""
[sharing]
per_origin_hour = {ONE_ORIGIN}
per_origin_day = {ONE_ORIGIN}
per_sender_hour = 1000
per_sender_day = 1000
per_link_day = {OF_ONE_LINK}
per_story_hour = 100000
per_site_hour = 100000
per_domain_hour = 1000
questions_day = 1000
burst = 100000
stop_day = 1000000
"""


@dataclass
class Door:
    """One way to the form, with the answers that came and how long each kind of friend took, in seconds."""

    path: str
    answers: set[bytes] = field(default_factory=set)
    times: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def later(self, kind: str) -> float:
        """Return the chance that a friend of a kind is answered later than an unknown one; 0.5 is no difference."""
        return chance(self.times[kind], self.times["unknown"])


def margin(rounds: int) -> float:
    """Return how far from one half the chance may be that a friend of a kind is answered later.

    Of two samples of the same size that do not differ it lies 3.3 standard deviations away once in a thousand times
    (Mann and Whitney, 1947); 0.02 more is what we call no difference.
    """
    return 0.02 + 3.3 * math.sqrt((2 * rounds + 1) / (12 * rounds * rounds))


def chance(some: Sequence[float], others: Sequence[float]) -> float:
    """Return the chance that one of `some` is larger than one of `others`, drawn at random."""
    larger = sum((one > other) + (one == other) / 2 for one in some for other in others)
    return larger / (len(some) * len(others))


@dataclass(frozen=True, slots=True)
class Run:
    """What a run came to."""

    doors: Mapping[str, Door]
    taken: int
    refused: int

    def faults(self) -> list[str]:
        """Return what must not be, in words; empty when the proof holds."""
        found = []
        for name, door in self.doors.items():
            if len(door.answers) != 1:
                found.append(f"{name}: {len(door.answers)} different answers")
            for kind in KINDS[1:]:
                if abs(door.later(kind) - 0.5) > margin(len(door.times[kind])):
                    found.append(f"{name}: the time tells of a friend who is “{kind}”")
        if (self.taken, self.refused) != (ONE_ORIGIN, AT_ONCE - ONE_ORIGIN):
            found.append(f"at a limit of {ONE_ORIGIN}, {self.taken} were taken and {self.refused} refused")
        return found


def run(folder: Path, *, rounds: int, seed: int) -> Run:
    """Post `rounds` forms for each kind of friend through each door; then many at once from one origin."""
    with servers.postgres_server() as postgres, postgres.database() as url, servers.redis_server() as redis_url:
        own = {"TRUSTED_PROXIES": "1", "POSTRIDER_CONFIG": str(_config(folder))}
        with houses.fleet(folder, database_url=url, redis_url=redis_url, **own) as house:
            houses.open_relay(house)
            house.flask("sharing", "switch", "verified", "--by", "the proof", "--accept-notice")
            digest = readers.join(house, "reader@example.org", "asia-daily")
            as_reader = urlsplit(next(link for link in readers.links_of(digest) if "/send/t/" in link)).path
            plain = as_reader.partition("/t/")[0]
            _make_friends(house, as_reader)
            doors = {"somebody": Door(plain), "a reader, by the link of a digest": Door(as_reader)}
            # Workers that answer what was posted before would blur what a request itself takes: they come back later.
            for name in (*houses.WORKERS, "beat"):
                house.stop(name)
            for door in doors.values():
                most = rounds if door.path == plain else min(rounds, OF_ONE_LINK // len(KINDS) - 1)
                _measure(house, door, rounds=most, draw=random.Random(seed))
            taken, refused = _at_once(house, plain)
            return Run(doors, taken, refused)


def _config(folder: Path) -> Path:
    """Write the demo's settings without proof of work, which would take the proof hours, and with limits of its own."""
    config = folder / "postrider.toml"
    demo = (houses.ROOT / "demo" / "postrider.toml").read_text("utf-8")
    demo = re.sub(r"(?ms)^\[sharing\]\n.*?(?=^\[|\Z)", "", demo)
    config.write_text(demo.replace("[signup]\n", "[signup]\nproof_of_work = false\n") + WIDE, "utf-8")
    return config


def _make_friends(house: House, as_reader: str) -> None:
    """Let there be somebody of each kind, by what people and operators do."""
    readers.join(house, "subscriber@example.org", "asia-daily")
    form = _forms(house, as_reader, 2)
    time.sleep(PACE_S)
    for place, name in enumerate(("had-it", "left-stories")):
        _send(house, as_reader, form[place], friend=f"{name}@example.org", number=9000 + place)
        (mail,) = house.wait_for_mails(1, to=f"{name}@example.org")
    assert house.post(readers.link_to(mail, "never"), [("List-Unsubscribe", "One-Click")]).status == 200
    for name, scope, reason in (
        ("left-all", "all", "left"),
        ("bounced", "all", "hard"),
        ("complained", "share", "complaint"),
    ):
        house.flask("suppression", "add", f"{name}@example.org", "--scope", scope, "--reason", reason)


def _measure(house: House, door: Door, *, rounds: int, draw: random.Random) -> None:
    """Post the forms of a door, one after the other over one connection, as a patient stranger would."""
    order = [kind for kind in KINDS for _round in range(rounds)]
    draw.shuffle(order)
    forms = _forms(house, door.path, len(order))
    time.sleep(PACE_S)
    with closing(http.client.HTTPConnection(urlsplit(house.site).netloc, timeout=60)) as line:
        for number, (kind, form) in enumerate(zip(order, forms, strict=True)):
            name = f"nobody-{number}" if kind.startswith("unknown") else kind.replace(" ", "-")
            began = time.perf_counter()
            answer = _send(house, door.path, form, friend=f"{name}@example.org", number=number, line=line)
            door.times[kind].append(time.perf_counter() - began)
            door.answers.add(answer)


def _forms(house: House, path: str, count: int) -> list[dict[str, str]]:
    return [readers.hidden_fields(house.get(path).data.decode()) for _number in range(count)]


def _send(
    house: House,
    path: str,
    form: Mapping[str, str],
    *,
    friend: str,
    number: int,
    origin: str | None = None,
    line: http.client.HTTPConnection | None = None,
) -> bytes:
    """Send a form as somebody else from elsewhere; return the answer, every byte of it but the date."""
    fields = {**form, "name": "Mara", "email": f"mara-{number}@example.net", "friend_1": friend}
    headers = {
        "X-Forwarded-For": origin or f"2001:db8:{number:x}::7",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    own = line or http.client.HTTPConnection(urlsplit(house.site).netloc, timeout=60)
    own.request("POST", path, urlencode(fields), headers)
    answer = own.getresponse()
    told = [f"{name}: {value}" for name, value in answer.getheaders() if name.lower() != "date"]
    read = b"\n".join([str(answer.status).encode(), *(one.encode() for one in told), answer.read()])
    if line is None:
        own.close()
    return read


def _at_once(house: House, path: str) -> tuple[int, int]:
    """Post many forms at once from one origin; return how many were taken, and how many were not."""
    forms = _forms(house, path, AT_ONCE)
    time.sleep(PACE_S)

    def send(number: int) -> bytes:
        friend = f"crowd-{number}@example.org"
        return _send(house, path, forms[number], friend=friend, number=20_000 + number, origin="192.0.2.77")[:3]

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(send, range(AT_ONCE)))
    return answers.count(b"303"), answers.count(b"429")


def _width(door: Door) -> float:
    return margin(len(door.times["unknown"]))


def _rows(found: Run) -> dict[str, object]:
    rows: dict[str, object] = {}
    for name, door in found.doors.items():
        known = door.times["unknown"]
        rows[f"{name}: forms sent, different answers"] = f"{sum(map(len, door.times.values())):,}, {len(door.answers)}"
        rows[f"{name}: median time of a friend nobody knows"] = f"{statistics.median(known) * 1000:.2f} ms"
        for kind in KINDS[1:]:
            median = statistics.median(door.times[kind]) * 1000
            rows[f"{name}: a friend who is “{kind}”"] = (
                f"{median:.2f} ms, later with a chance of {door.later(kind):.2f}"
            )
        rows[f"{name}: what would be a difference"] = f"below {0.5 - _width(door):.2f}, above {0.5 + _width(door):.2f}"
        control = chance([one + 0.001 for one in known], known)
        rows[f"{name}: what a difference of 1 ms would read as"] = f"{control:.2f}"
    rows[f"{AT_ONCE} at once from an origin with a limit of {ONE_ORIGIN}: taken, refused"] = (
        f"{found.taken}, {found.refused}"
    )
    return rows


def main() -> int:
    """Run the proof and write its page; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="forms for each kind (default: 300)")
    parser.add_argument("--seed", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), rounds=given.rounds, seed=given.seed)
    page.write(
        "share",
        title="Nobody learns anything of a friend, and a limit is a limit",
        claim="Whoever sends a story learns neither from the answer nor from its time whether the friend reads us,"
        " wants no mail, bounced, complained, or had the story: the bytes are the same, and the times are those of a"
        " friend whom nobody knows. (Of two forms, one for a friend of a kind and one for a friend whom nobody knows,"
        " either is answered later with a chance of one half; what chance alone brings once in a thousand times, and"
        " 0.02 more, is no difference.) Many at once take exactly what a limit has.",
        rows=_rows(found),
        faults=found.faults(),
        seed=given.seed,
    )
    return 1 if found.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
