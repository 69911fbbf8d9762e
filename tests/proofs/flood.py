"""The proof of the form: ten thousand sign-ups for one address from as many origins are one mail, and tell nothing.

The fleet runs from outside, behind what it takes for its own proxy; mails are counted at the relay, rows by plain SQL.
`make proof-flood` runs it in full and writes docs/proofs/flood.md.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import urllib3

from tests import servers
from tests.journeys import houses, readers
from tests.journeys.houses import House
from tests.proofs import page

INBOX = "reader@example.org"
VISITORS = 8
PACE_S = 2.5
"""A form that comes back in less than two seconds is offered again."""
PATIENCE_S = 1800.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run came to."""

    sent: int
    origins: int
    answers: int
    requests: int
    mails: int
    presses: int
    pressed: int
    subscribers: int
    entries: int

    def faults(self) -> list[str]:
        """Return what must not be, in words; empty when the proof holds."""
        found = []
        if self.answers != 1:
            found.append(f"the form gave {self.answers} different answers")
        if self.requests != self.sent:
            found.append(f"{self.requests} requests were noted of {self.sent}")
        if self.mails != 1:
            found.append(f"{self.mails} mails came to one inbox")
        if (self.pressed, self.subscribers, self.entries) != (self.presses, 1, 1):
            found.append(f"{self.pressed} presses made {self.subscribers} subscribers and {self.entries} entries")
        return found


def run(folder: Path, *, count: int, presses: int) -> Counts:
    """Sign one inbox up `count` times, from as many origins; then press the button of its one mail `presses` times."""
    with servers.postgres_server() as postgres, postgres.database() as url, servers.redis_server() as redis_url:
        own = {"TRUSTED_PROXIES": "1", "POSTRIDER_CONFIG": str(_config(folder))}
        with houses.fleet(folder, database_url=url, redis_url=redis_url, **own) as house:
            houses.open_relay(house)
            with ThreadPoolExecutor(VISITORS) as visitors:
                forms = list(visitors.map(lambda _number: _form(house), range(count)))
                time.sleep(PACE_S)
                answers = list(visitors.map(lambda number: _sign_up(house, number, forms[number]), range(count)))
                _wait(url, "SELECT count(*) FROM signup_requests WHERE state = 'new'", 0)
                houses.wait_until(lambda: house.recipients() != [], "the one mail", house)
                _wait(url, "SELECT count(*) FROM deliveries WHERE done_at IS NULL", 0)
                mails = len(house.recipients())
                link = readers.link_to(house.mails()[0], "confirm")
                pressed = list(visitors.map(lambda _number: house.post(link, []).status, range(presses)))
            return Counts(
                sent=count,
                origins=len({_origin(number) for number in range(count)}),
                answers=len(set(answers)),
                requests=_count(url, "SELECT count(*) FROM signup_requests"),
                mails=mails,
                presses=presses,
                pressed=pressed.count(200),
                subscribers=_count(url, "SELECT count(*) FROM subscribers"),
                entries=_count(url, "SELECT count(*) FROM consent_entries"),
            )


def _config(folder: Path) -> Path:
    """Write the demo's settings without proof of work, which would cost the proof hours, as it would a flooder."""
    config = folder / "postrider.toml"
    demo = (houses.ROOT / "demo" / "postrider.toml").read_text("utf-8")
    config.write_text(demo.replace("[signup]\n", "[signup]\nproof_of_work = false\n"), "utf-8")
    return config


def _form(house: House) -> dict[str, str]:
    return readers.hidden_fields(house.get("/en/subscribe").data.decode())


def _origin(number: int) -> str:
    """Return the address of a visitor: every second one comes over IPv6, from a network of its own."""
    high, low = divmod(number, 250)
    return f"2001:db8:{number:x}::7" if number % 2 else f"198.{18 + high // 250}.{high % 250}.{low + 1}"


def _address(number: int) -> str:
    return (INBOX, f"Reader+{number}@Example.org", f"reader+list{number % 7}@example.org")[number % 3]


def _sign_up(house: House, number: int, form: dict[str, str]) -> tuple[object, ...]:
    """Send a form through the proxy, with an address in front that is made up; return the answer, all of it."""
    fields = {**form, "email": _address(number), "digests": "asia-daily"}
    headers = {
        "X-Forwarded-For": f"203.0.113.{number % 250}, {_origin(number)}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = house.http.request(
        "POST", f"{house.site}/en/subscribe", body=urlencode(fields), headers=headers, redirect=False
    )
    return answer.status, answer.data, _told(answer)


def _told(answer: urllib3.BaseHTTPResponse) -> str:
    """Return the headers of an answer; its cookie is random for everyone, and its date is the clock's."""
    lines = (f"{name}: {value}" for name, value in sorted(answer.headers.items()) if name not in ("Date", "date"))
    return re.sub(r"signup=[\w-]{43}; Expires=[^;]+;", "signup=(random);", "\n".join(lines))


def _count(url: str, statement: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _wait(url: str, statement: str, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    reached: Callable[[], bool] = lambda: _count(url, statement) == wanted  # noqa: E731 - it is one question
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for: {statement}"
        time.sleep(1.0)


def main() -> int:
    """Run the proof and write its page; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="sign-ups (default: 10,000)")
    parser.add_argument("--presses", type=int, default=200, help="presses of the button (default: 200)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = run(Path(folder), count=given.count, presses=given.presses)
    page.write(
        "flood",
        title="Thousands of sign-ups for one inbox are one mail",
        claim="Whoever types one address into the form from thousands of places has its owner sent one confirmation, "
        "learns nothing from the answers, and a button pressed by many at once subscribes once.",
        rows={
            "sign-ups for one inbox, with and without plus-tags": f"{counts.sent:,}",
            "origins they came from, each with a made-up address in front": f"{counts.origins:,}",
            "different answers": counts.answers,
            "requests noted": f"{counts.requests:,}",
            "mails that arrived": counts.mails,
            "presses of the button in it": counts.presses,
            "subscribers, and entries of consent": f"{counts.subscribers}, {counts.entries}",
        },
        faults=counts.faults(),
    )
    return 1 if counts.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
