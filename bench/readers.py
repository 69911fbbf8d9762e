"""What readers wait for: the form at its busiest, the pages of their preferences, and who of a million is due now."""

import base64
import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from urllib.parse import urlencode

import altcha
from sqlalchemy import func, select

from articles import topics
from bench import asking, crowd, ground, visits
from bench.ground import BenchError, Ground
from bench.installation import Installation, installation
from bench.progress import Progress
from bench.sizes import Sizes
from bench.speed import Keep
from bench.visits import Visit
from core import clock, services
from core.database import db
from core.links import path
from digests import forecast
from subscribers import offer, schedule
from subscribers.models import Rhythm, SignupRequest, Subscriber, Subscription
from tests import servers
from tests.digests.house import TOPICS, House
from web import proof, stamps

DIGEST = "asia-daily"
FORMS_PER_S = 200.0
LINES = 64
"""Connections that the proxy keeps to the site."""
AT_ONCE = 2_000
"""Readers who are read at once."""
AWAY_S = 3.0
"""How long Redis is away after it was killed."""
PAGES = 300
WARM = 600
"""Forms that come before it counts."""
TRIES = 15
STORIES = 60
PROXY = {"TRUSTED_PROXIES": "1"}

Solved = tuple[str, str]
"""The signed challenge of a form and its solution, and the form's stamp."""


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Measure on one installation with `sizes.large` readers."""
    with (
        installation(ground, smtp_port=9, connections=1) as house,
        servers.guarded_redis() as (redis_url, guard),
        house.rooms(),
    ):
        asking.offer(house)
        topics.apply(TOPICS)
        db.session.commit()
        House(services.current()).articles(STORIES, "diplomacy", at=clock.utc_now())
        progress = Progress(f"{sizes.large:,} readers", sizes.large)
        crowd.gather(house, sizes.large, DIGEST)
        progress.done("written")
        keep({"due": _due()})
        port = _site(house, redis_url)
        keep({"pages": _pages(port)})
        keep({"fields": _fields(port)})
        keep({"forms": _forms(port, guard, sizes.forms)})
        keep({"forecast": _forecast()})


def _site(house: Installation, redis_url: str) -> int:
    """Start the site as the Procfile has it, behind one proxy; return its port when each process has answered."""
    port = servers.free_port()
    sender = house.start("site", PORT=str(port), REDIS_URL=redis_url, **PROXY)
    ground.wait_until(lambda: ground.listens(port), within_s=30, otherwise="The site does not listen.")
    sender.check()
    # Each thread of each process has a line to the database, and has said each of its statements, before it counts.
    warm = [Visit("/en/subscribe", _origin(0)), *(_send(number) for number in range(WARM))]
    visits.steadily(port, warm, per_s=FORMS_PER_S / 2, lines=LINES)
    return port


# --- who is due ---------------------------------------------------------------------------------------------------


def _due() -> dict[str, object]:
    """Return how long it takes to see which waves are due, and to read readers of the largest: at its begin, in its
    middle and at its end; in seconds.
    """
    largest = (
        select(Rhythm.digest_id, Rhythm.slot, Rhythm.next_due_at, func.count())
        .join(Subscription, Subscription.rhythm_id == Rhythm.id)
        .group_by(Rhythm.digest_id, Rhythm.slot, Rhythm.next_due_at)
        .order_by(func.count().desc())
        .limit(1)
    )
    digest_id, slot, due_at, readers = db.session.execute(largest).one()
    last = db.session.scalar(select(func.max(Subscription.id))) or 0
    found: dict[str, object] = {
        "subscriptions": db.session.scalar(select(func.count()).select_from(Subscription)),
        "readers of the wave": readers,
        "waves": _timed(lambda: schedule.due_waves(due_at)),
    }
    for name, after_id in (("first", 0), ("middle", last // 2), ("last", last - 20 * AT_ONCE)):
        chunk = functools.partial(
            schedule.readers_due, digest_id=digest_id, slot=slot, due_at=due_at, after_id=after_id, limit=AT_ONCE
        )
        if not chunk():
            raise BenchError("The wave has no readers.")
        found[f"{name} chunk"] = _timed(chunk)
    return found


def _timed(work: Callable[[], object]) -> float:
    took = []
    for _try in range(TRIES):
        db.session.rollback()
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return median(took)


# --- a forecast ---------------------------------------------------------------------------------------------------


def _forecast() -> dict[str, object]:
    """Return how long it takes to forecast the next edition of everybody: the dates that it has where readers live."""
    now, house = clock.utc_now(), House(services.current())
    for number in range(STORIES):
        # What came in before the crowd signed up is no news to it.
        house.article(f"News {number}", "diplomacy" if number % 2 else "economy", at=now)
    slots = list(db.session.scalars(select(Rhythm.slot).distinct()))
    counted = mails = 0
    began = time.monotonic()
    for slot in slots:
        *_before, tally = _each_let_go(
            forecast.regular(offer.by_key(DIGEST), slot, now=now, services=services.current())
        )
        found = forecast.of_tally(tally, offer.by_key(DIGEST), rate=None, now=now)
        counted, mails = counted + tally.readers, mails + found.mails
    if not mails:
        raise BenchError("The forecast is of no mail at all.")
    return {"seconds": time.monotonic() - began, "readers": counted, "mails": mails}


def _each_let_go(steps: Iterator[forecast.Tally]) -> Iterator[forecast.Tally]:
    for tally in steps:
        db.session.rollback()
        yield tally


# --- pages --------------------------------------------------------------------------------------------------------


def _pages(port: int) -> dict[str, object]:
    """Return how long the pages of the preferences take, for readers from all over the table, one after the other."""
    readers = crowd.some(PAGES)
    tokens = [_token(reader) for reader in readers]
    typed = urlencode(
        {"action": "show", "rhythm": "daily", "hour": "7", "quarter": "0", "zone": "Europe/Rome", "format": "both"}
    )
    asked = {
        "the overview": [Visit(path("preferences", token=token), _origin(0)) for token in tokens],
        "the form of a digest": [Visit(path("choices", digest=DIGEST, token=token), _origin(0)) for token in tokens],
        "what other choices would bring": [
            Visit(path("choices", digest=DIGEST, token=token), _origin(0), typed.encode(), {"HX-Request": "true"})
            for token in tokens
        ],
        "why this mail, why none": [Visit(path("why", token=token), _origin(0)) for token in tokens],
    }
    return {name: _all(200, visits.one_by_one(port, pages)) for name, pages in asked.items()}


def _token(reader: Subscriber) -> str:
    day = clock.day_number(clock.utc_now())
    link = services.current().links.preferences(reader.public_id, version=reader.link_version, day=day)
    return link.rpartition("/")[2]


def _all(status: int, answers: Sequence[visits.Answer]) -> dict[str, object]:
    """Return the table of answers. Raises BenchError when one has another status."""
    found = visits.table(answers)
    if found["statuses"] != {str(status): len(answers)}:
        raise BenchError(f"Instead of {status} alone, the site answered {found['statuses']}.")
    return found


# --- the form -----------------------------------------------------------------------------------------------------


def _origin(number: int) -> str:
    """Return the address of one visitor: each has a network of its own."""
    return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::7"


def _form(number: int) -> dict[str, str]:
    """Return a form as a browser sends it: with its stamp of a minute ago, and its proof of work.

    The challenge is made with its solution, since finding one takes a browser a moment; the site's part is the same.
    """
    signer, form_id, now = services.current().links.tokens, os.urandom(16), clock.utc_now()
    challenge = altcha.create_challenge(
        proof.ALGORITHM,
        proof.COST,
        counter=number,
        expires_at=now + proof.GOOD_FOR,
        data={"form": form_id.hex()},
        hmac_secret=proof.secret(signer),
    )
    solution = altcha.solve_challenge(challenge, counter_start=number)
    assert solution is not None
    solved = {"challenge": challenge.to_dict(), "solution": solution.to_dict()}
    return {
        "form_id": form_id.hex(),
        "stamp": stamps.stamp(form_id, signer, now=now - stamps.OLDEST / 2, again=False),
        "altcha": base64.b64encode(json.dumps(solved).encode()).decode(),
        "email": f"new{number}@d{number % 5000}.example.org",
        "digests": DIGEST,
        "zone": "Europe/Rome",
    }


def _send(number: int, **changed: str) -> Visit:
    return Visit("/en/subscribe", _origin(number), urlencode({**_form(number), **changed}).encode())


def _forms(port: int, guard: servers.Guard, count: int) -> dict[str, object]:
    """Return how long forms take that come at 200 a second; in their middle Redis is killed, and comes back."""
    ready = list(_told(count, "forms filled in"))
    before = _requests()
    killer = threading.Timer(count / FORMS_PER_S / 2, _kill, [guard])
    killer.start()
    answers = visits.steadily(port, ready, per_s=FORMS_PER_S, lines=LINES)
    killer.join()
    found = _all(303, answers)
    if (noted := _requests() - before) != count:
        raise BenchError(f"Of {count} forms {noted} were noted.")
    span = answers[-1].due + answers[-1].took_s - answers[0].due
    return found | {"per second": len(answers) / span, "redis away": AWAY_S}


def _told(count: int, what: str) -> Iterator[Visit]:
    progress = Progress(what, count)
    for number in range(count):
        yield _send(10_000 + number)
        progress.at(number)


def _kill(guard: servers.Guard) -> None:
    guard.order("KILL")
    time.sleep(AWAY_S)
    guard.order("again")


def _requests() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(SignupRequest)) or 0


# --- bad fields ---------------------------------------------------------------------------------------------------

OCTETS = (60_000, 100_000)
"""The site takes 64 kB at once: the one comes as far as the field's own reader, the other does not."""
NASTY = {
    "letters": "x",
    "ats": "@",
    "dots": "a.",
    "quotes": '"',
    "brackets": "(",
    "numbers": "9",
    "percent": "%",
    "turned around": "\u202e",
    "accents": "a\u0301",
    "base64": "A",
}
FIELDS = ("email", "digests", "topics", "zone", "rhythm", "form_id", "stamp", "altcha", "subject", "action")


def _fields(port: int) -> dict[str, object]:
    """Return how much longer a form takes with a field of endless length than as people send it, at the worst."""
    usual = visits.table(visits.one_by_one(port, [_send(number) for number in range(1000, 1100)]))
    numbers = iter(range(2000, 10_000))
    longest, whose = 0.0, ""
    for octets in OCTETS:
        for name in FIELDS:
            for kind, text in NASTY.items():
                value = (text * octets)[: octets // len(text.encode()) * len(text)]
                some = [_send(next(numbers), **{name: value}) for _try in range(3)]
                took = median(one.took_s for one in visits.one_by_one(port, some))
                if took > longest:
                    longest, whose = took, f"{octets:,} octets of {kind} in {name}"
    return {"usual": usual["median"], "longest": longest, "whose": whose}
