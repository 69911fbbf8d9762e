"""Visitors of the site: forms that come at a steady rate whatever becomes of those before, and pages one by one."""

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one visitor, who comes from `origin` as the proxy in front tells it."""

    path: str
    origin: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, when it was due, and how long after that it was there."""

    status: int
    due: float
    took_s: float


class Line:
    """A connection to the site, kept as a proxy keeps it, and opened again when the site has closed it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)

    def ask(self, visit: Visit) -> int:
        """Send a request; return the status of the answer, which is read to its end."""
        return self.hear(visit)[0]

    def hear(self, visit: Visit) -> tuple[int, bytes]:
        """Send a request; return the status of the answer and its body."""
        try:
            return self._hear(visit)
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()
            return self._hear(visit)

    def _hear(self, visit: Visit) -> tuple[int, bytes]:
        headers = {**(FORM if visit.body is not None else {}), **visit.headers, "X-Forwarded-For": visit.origin}
        self._connection.request("GET" if visit.body is None else "POST", visit.path, visit.body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def steadily(port: int, visits: Sequence[Visit], *, per_s: float, lines: int) -> list[Answer]:
    """Send requests at their times, whether those before were answered or not; a late start counts as waiting."""
    began, numbers = time.monotonic() + 0.2, itertools.count()
    found: list[list[Answer]] = [[] for _line in range(lines)]

    def work(answers: list[Answer]) -> None:
        line = Line(port)
        # A counter's next number is handed out once, whichever thread asks.
        for number in iter(numbers.__next__, None):
            if number >= len(visits):
                break
            due = began + number / per_s
            time.sleep(max(0.0, due - time.monotonic()))
            answers.append(Answer(line.ask(visits[number]), due, time.monotonic() - due))
        line.close()

    threads = [threading.Thread(target=work, args=(answers,), daemon=True) for answers in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted((one for answers in found for one in answers), key=lambda one: one.due)


def one_by_one(port: int, visits: Iterable[Visit]) -> list[Answer]:
    """Send each request when the one before was answered."""
    line, found = Line(port), []
    for visit in visits:
        due = time.monotonic()
        found.append(Answer(line.ask(visit), due, time.monotonic() - due))
    line.close()
    return found


def table(answers: Sequence[Answer]) -> dict[str, object]:
    """Return how many, with which statuses, and how long they took, in seconds."""
    took = [one.took_s for one in answers]
    return {
        "count": len(answers),
        "statuses": {str(status): count for status, count in Counter(one.status for one in answers).items()},
        "median": median(took),
        "p99": quantiles(took, n=100, method="inclusive")[98],
        "worst": max(took),
    }
