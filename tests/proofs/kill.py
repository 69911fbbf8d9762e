"""The proof of the ledger: `kill -9` again and again while an edition goes out, then everyone's mail is counted.

The service runs from outside, over its real sockets and database; what arrived is counted from the files of the relay
that took it, before it said so. `make proof-kill` runs it in full and writes docs/proofs/kill.md.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from tests.journeys import houses, readers
from tests.journeys.houses import House
from tests.proofs import page

VISITORS = 4
LINES = 10
"""How many lines a sender of `make run` has: the 8 and 2 of docs/settings.md."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run came to, counted after the last restart, when nothing is planned any more."""

    readers: int
    kills: int
    once: int
    never: int
    twice: int
    doubtful: int
    shared_ids: int

    def faults(self) -> list[str]:
        """Return what must not be, in words; empty when the proof holds."""
        found = []
        if self.twice:
            found.append(f"{self.twice} readers got the edition twice")
        if self.never > self.doubtful:
            found.append(f"{self.never} readers got nothing, but only {self.doubtful} are listed as in doubt")
        if self.doubtful > self.kills * LINES:
            found.append(f"{self.doubtful} are in doubt after {self.kills} kills: more than one for each open line")
        if self.shared_ids:
            found.append(f"{self.shared_ids} Message-IDs belong to two mails")
        return found


def run(folder: Path, *, count: int, kills: int, seed: int) -> Counts:
    """Subscribe `count` readers, have an edition sent to all, and kill the service `kills` times on the way."""
    chance = random.Random(seed)
    addresses = [f"reader{number}@example.org" for number in range(count)]
    with houses.local(folder) as house:
        with ThreadPoolExecutor(VISITORS) as visitors:
            list(visitors.map(lambda address: readers.join(house, address, "asia-daily"), addresses))
        before = _arrived(folder)
        house.flask("demo", "tomorrow")
        done = 0
        while done < kills and _sent(folder, before) < count - 1:
            done += _kill_on_the_way(house, folder, before, chance)
        _wait_for_the_end(house)
        doubtful = len(json.loads(house.flask("delivery", "doubts", "--json")))
    edition = Counter(recipient for key, (recipient, _id) in _arrived(folder).items() if key not in before)
    ids = Counter(message_id for _recipient, message_id in _arrived(folder).values())
    return Counts(
        readers=count,
        kills=done,
        once=sum(1 for address in addresses if edition[address] == 1),
        never=sum(1 for address in addresses if edition[address] == 0),
        twice=sum(1 for address in addresses if edition[address] > 1),
        doubtful=doubtful,
        shared_ids=sum(1 for copies in ids.values() if copies > 1),
    )


def _kill_on_the_way(house: House, folder: Path, before: dict[str, tuple[str, str]], chance: random.Random) -> int:
    """Wait for a few more mails of the edition, kill at a random moment, start again; return how many kills it was."""
    reached = _sent(folder, before)
    houses.wait_until(lambda: _sent(folder, before) > reached or _ended(house), "more mails of the edition", house)
    time.sleep(chance.uniform(0, 0.15))
    house.stop("postrider", signal.SIGKILL)
    houses.start_local(house)
    return 1


def _ended(house: House) -> bool:
    waves = json.loads(house.flask("digests", "status", "--json"))
    counts = json.loads(house.flask("delivery", "status", "--json"))
    open_rows = sum(counts[key].get(state, 0) for key in counts for state in ("planned", "claimed", "sending"))
    return {wave["state"] for wave in waves} == {"composed"} and not open_rows


def _wait_for_the_end(house: House) -> None:
    houses.wait_until(lambda: _ended(house), "the end of the edition", house)


def _arrived(folder: Path) -> dict[str, tuple[str, str]]:
    """Return recipient and Message-ID of each mail that the relay has on disk, by file name."""
    found = {}
    for file in (folder / "inbox").glob("*.eml"):
        first, _newline, source = file.read_bytes().partition(b"\n")
        recipient = json.loads(first.partition(b":")[2])["to"]
        found[file.name] = (recipient[0], str(message_from_bytes(source)["Message-ID"]))
    return found


def _sent(folder: Path, before: dict[str, tuple[str, str]]) -> int:
    return sum(1 for file in (folder / "inbox").glob("*.eml") if file.name not in before)


def main() -> int:
    """Run the proof in full and write its page; the exit status says whether it holds."""
    parser = argparse.ArgumentParser(description="Kill the service again and again while an edition goes out.")
    parser.add_argument("--readers", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = run(Path(folder), count=options.readers, kills=options.kills, seed=options.seed)
    faults = counts.faults()
    page.write(
        "kill",
        title="Killed on the way, and nobody is lost",
        claim=(
            "`kill -9` of the whole service while an edition goes out: after the next start everyone gets their mail, "
            "nobody gets two, and at most one mail for each kill and open line is listed as in doubt."
            f" A sender has {LINES} lines here."
        ),
        seed=options.seed,
        rows={
            "readers of the edition": counts.readers,
            "kills while it went out": counts.kills,
            "readers who got it once": counts.once,
            "readers who got it twice": counts.twice,
            "readers who got nothing": counts.never,
            "mails listed as in doubt (resent after 10 minutes, by the digest's policy)": counts.doubtful,
            "Message-IDs that two mails share": counts.shared_ids,
        },
        faults=faults,
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
