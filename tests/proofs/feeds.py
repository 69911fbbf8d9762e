"""The proof of the feeds: a corpus of bad ones, served by a real server, fetched by the shipped commands.

The service runs in a network namespace where public addresses are here, and nothing in it is told that it is tested.
`make proof-feeds` runs it on SQLite and PostgreSQL and writes docs/proofs/feeds.md.
"""

import argparse
import json
import queue
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import servers
from tests.journeys import houses, readers
from tests.journeys.houses import House
from tests.proofs import corpus, feeds_commands, feeds_oracle, feeds_server, feeds_tls, fetch_net, page
from tests.proofs.corpus.model import HOST, Member
from tests.proofs.feeds_commands import Commands
from tests.proofs.feeds_oracle import Ledger
from tests.proofs.feeds_server import Server

AT_ONCE = 4
"""So many commands run at the same time."""
READER = "reader@example.org"
MOST = 100
"""Stories of an edition: as many as a digest may have."""
MOST_BYTES = 400_000_000
"""What a command that fetches may need at its peak, with all that it loads."""
MOST_S = 30.0
NAMES = (HOST, "wrong.example.org", "unknown.example.org", "expired.example.org")
HOSTS = "".join(
    f"{address} {name}\n"
    for address, name in (
        *((fetch_net.PUBLIC4, name) for name in NAMES),
        (fetch_net.OTHER4, "closed.example.org"),
        ("10.0.0.5", "inside.example.org"),
        (fetch_net.PUBLIC4, "mixed.example.org"),
        ("127.0.0.1", "mixed.example.org"),
    )
)


@dataclass
class Counts:
    """What a run on one database came to."""

    members: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    looks: int = 0
    stories: int = 0
    held: int = 0
    mailed: int = 0
    peak: int = 0
    longest_s: float = 0.0
    faults: list[str] = field(default_factory=list)


def run(folder: Path, house: House, web: Server, members: Sequence[Member]) -> Counts:
    """Have a reader, look at every member, then let the service run again, and read the mail."""
    counts = Counts(members=len(members), kinds=Counter(member.kind for member in members))
    ledger = Ledger(house.environment["DATABASE_URL"])
    digests = (houses.ROOT / "demo" / "digests.toml").read_text("utf-8").replace("most = 12", f"most = {MOST}")
    (folder / "digests.toml").write_text(digests, "utf-8")
    house.flask("digests", "apply", str(folder / "digests.toml"))
    readers.join(house, READER, "asia-daily")
    with _nobody_fetches(house):
        _look(counts, house, web, ledger, members)
    _alerts(counts, house, members)
    _edition(counts, house, members)
    return counts


@contextmanager
def _nobody_fetches(house: House) -> Iterator[None]:
    """Have beat away: what is fetched when is decided here."""
    name = "beat" if "beat" in house.processes else "postrider"
    house.stop(name)
    yield
    if name == "beat":
        houses.start_beat(house)
    else:
        houses.start_local(house)


def _look(counts: Counts, house: House, web: Server, ledger: Ledger, members: Sequence[Member]) -> None:
    with ExitStack() as stack:
        free: queue.SimpleQueue[Commands] = queue.SimpleQueue()
        for _number in range(AT_ONCE):
            commands = feeds_commands.loaded(house.environment)
            stack.callback(commands.close)
            free.put(commands)

        def look(member: Member) -> tuple[Member, float, int, list[str]]:
            commands = free.get()
            began, before = time.monotonic(), len(commands.said)
            try:
                faults = feeds_oracle.held_against(member, commands.run, web, ledger)
            except (AssertionError, LookupError, OSError, ValueError) as error:  # the others are still to be seen
                faults = [f"the proof itself: {error!r}"]
            took = time.monotonic() - began
            peak = max((said.peak for said in commands.said[before:]), default=0)
            free.put(commands)
            return member, took / len(member.looks), peak, faults

        with ThreadPoolExecutor(AT_ONCE) as at_once:
            for member, took, peak, faults in at_once.map(look, members):
                counts.looks += len(member.looks)
                counts.peak, counts.longest_s = max(counts.peak, peak), max(counts.longest_s, took)
                if peak > MOST_BYTES:
                    faults.append(f"a peak of {peak / 1e6:.0f} MB")
                if took > MOST_S:
                    faults.append(f"{took:.0f} s for a look")
                counts.faults += [f"{member.kind}, {member.name}: {fault}" for fault in faults]
    counts.stories = ledger.rows("SELECT count(*) AS n FROM articles")[0]["n"]
    counts.held = ledger.rows("SELECT count(*) AS n FROM articles WHERE state = 'held'")[0]["n"]


def _alerts(counts: Counts, house: House, members: Sequence[Member]) -> None:
    """Wait for the service to tell operators, and hold that against what the members say."""
    wanted = [member for member in members if member.alert]

    def told() -> str:
        return "\n".join(" ".join(one["text"].split()) for one in json.loads(house.flask("alerts", "list", "--json")))

    def missing() -> list[Member]:
        text = told()
        return [member for member in wanted if not re.search(member.alert, text)]

    deadline = time.monotonic() + 100
    while (absent := missing()) and time.monotonic() < deadline:
        time.sleep(2)
    counts.faults += [f"{member.kind}, {member.name}: operators are not told" for member in absent]
    text = told()
    quiet = [member for member in members if not member.alert and re.search(rf"{re.escape(member.url)}[ :]", text)]
    counts.faults += [f"{member.kind}, {member.name}: operators are told" for member in quiet]


def _edition(counts: Counts, house: House, members: Sequence[Member]) -> None:
    """Have the next edition go out, and hold its stories against what is news."""
    before = len(house.mails(READER))
    house.flask("demo", "tomorrow")
    mail = house.wait_for_mails(before + 1, to=READER)[-1]
    news = {_bare(story.headline) for member in members for story in member.stories if story.news}
    quiet = {_bare(story.headline) for member in members for story in member.stories} - news
    found = {_bare(headline) for headline in readers.headlines(mail)}
    counts.mailed = len(found & news)
    counts.faults += [f"mailed, and no news: {headline}" for headline in sorted(found & quiet)]
    if len(readers.headlines(mail)) != MOST or counts.mailed < MOST // 2:
        counts.faults.append(f"{len(readers.headlines(mail))} stories in the mail, {counts.mailed} of the corpus")
    time.sleep(2)
    if len(house.recipients()) != before + 1:
        counts.faults.append(f"{len(house.recipients())} mails in all, where {before + 1} are meant")


def _bare(headline: str) -> str:
    return re.sub(r"\W+", "", headline)


@contextmanager
def _web(folder: Path) -> Iterator[tuple[Server, str]]:
    """Serve at the public address, in TLS too; yield the server and the file of whom to trust."""
    tls, trusted = feeds_tls.context(folder, HOST)
    own = fetch_net.PUBLIC4
    with feeds_server.serving([(own, 80)], [(own, 443)], tls) as (web, _places):
        yield web, str(trusted)


def runs(databases: Sequence[str], members: Sequence[Member]) -> dict[str, Counts]:
    """Run the corpus on each kind of database."""
    found = {}
    for database in databases:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            web, trusted = stack.enter_context(_web(folder))
            if database == "SQLite":
                house = stack.enter_context(houses.local(folder, SSL_CERT_FILE=trusted))
            else:
                url = stack.enter_context(stack.enter_context(servers.postgres_server()).database())
                redis_url = stack.enter_context(servers.redis_server())
                own = {"SSL_CERT_FILE": trusted}
                house = stack.enter_context(houses.fleet(folder, database_url=url, redis_url=redis_url, **own))
                houses.open_relay(house)
            found[database] = run(folder, house, web, members)
    return found


def main() -> int:
    """Run the proof and write its page; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="look at these classes alone, by a part of their name")
    parser.add_argument("--database", action="append", choices=["SQLite", "PostgreSQL"], help="default: both")
    given = parser.parse_args()
    outside = fetch_net.inside("tests.proofs.feeds", sys.argv[1:], names=HOSTS)
    if outside is not None:
        return outside
    members = [member for member in corpus.members() if given.only in member.kind]
    began = time.monotonic()
    counts = runs(given.database or ["SQLite", "PostgreSQL"], members)
    faults = [f"{database}: {fault}" for database, one in counts.items() for fault in one.faults]
    if given.only or given.database:
        sys.stdout.write("\n".join([*faults, f"{len(faults)} faults.", str(counts)[:300], ""]))
    else:
        _write(counts, faults, time.monotonic() - began)
    return 1 if faults else 0


def _write(counts: dict[str, Counts], faults: Sequence[str], took_s: float) -> None:
    one = next(iter(counts.values()))
    rows: dict[str, object] = {
        "classes of failure": len(one.kinds),
        "members, each with what it must come to": one.members,
        "looks at them, on each database": one.looks,
        "stories there in the end": ", ".join(f"{name} {each.stories}" for name, each in counts.items()),
        "held for an editor": ", ".join(f"{name} {each.held}" for name, each in counts.items()),
        "stories of the corpus in the next edition, all of them news": ", ".join(
            f"{name} {each.mailed}" for name, each in counts.items()
        ),
        "longest look": f"{max(each.longest_s for each in counts.values()):.1f} s",
        "most memory of a command that fetches (100 MB of it are the program)": (
            f"{max(each.peak for each in counts.values()) / 1e6:.0f} MB"
        ),
        "all of it took": f"{took_s:.0f} s",
        "members that did not come to what they must": len(faults),
    }
    rows |= {f"*{kind}*": f"{count} members" for kind, count in one.kinds.items()}
    page.write(
        "feeds",
        title="Forty ways for a feed to be wrong",
        claim="Feeds of every kind of failure, from a real server, through the shipped commands into a real database: "
        "the good items are kept, the rest is told in one line with the feed's name, operators are told what they "
        "must know, nothing is mailed that is no news, and time and memory stay bounded. What each member must come "
        "to is written beside it, in [tests/proofs/corpus](../../tests/proofs/corpus); the databases are read by plain "
        "SQL, the mail by its headings. The service runs in a network of its own where public addresses are here, so "
        "that not even the rule against private ones is loosened for the proof.",
        rows=rows,
        faults=faults,
    )


if __name__ == "__main__":
    sys.exit(main())
