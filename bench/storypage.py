"""The page of a story as readers ask for it: whole, and when their browser has it already."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import watch
from bench.ground import BenchError

LINES = 4
"""Connections at once, as few proxies keep to one process."""
WARM = 200
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rate:
    """How many answers a second came, and how many a whole second of one core would have brought."""

    per_second: float
    per_core: float


def measure(port: int, site: int, paths: Sequence[str], count: int) -> dict[str, object]:
    """Return the rates of whole pages and of 304 answers, of the site whose first process is `site`.

    Raises BenchError when an answer has another status than it should.
    """
    first = {path: _Line(port).ask(path, {}) for path in paths}
    for status, headers, _body in first.values():
        if status != 200 or "etag" not in headers:
            raise BenchError(
                f"A story's page was answered with {status}, {'with' if 'etag' in headers else 'without'} ETag."
            )
    known = {path: {"If-None-Match": headers["etag"]} for path, (_status, headers, _body) in first.items()}
    asked = {"whole": (200, dict.fromkeys(paths, {})), "304": (304, known)}
    found: dict[str, object] = {"octets": sum(len(body) for _s, _h, body in first.values()) / len(first)}
    for name, (status, requests) in asked.items():
        _ask(port, requests, WARM, status)
        rate = _rate(port, site, requests, count, status)
        found[name] = {"per second": rate.per_second, "per core": rate.per_core}
    return found


def _rate(port: int, site: int, requests: Mapping[str, Headers], count: int, status: int) -> Rate:
    before, began = _cpu(site), time.monotonic()
    _ask(port, requests, count, status)
    took, used = time.monotonic() - began, _cpu(site) - before
    return Rate(count / took, count / used)


def _cpu(site: int) -> float:
    """Return the CPU seconds that the site's processes have used."""
    return sum(watch.cpu_of(Path("/proc", str(pid))).both for pid in (site, *watch.children_of(site)))


def _ask(port: int, requests: Mapping[str, Headers], count: int, status: int) -> None:
    found: Counter[int] = Counter()
    names = list(requests)

    def work(first: int) -> None:
        line = _Line(port)
        for number in range(first, count, LINES):
            path = names[number % len(names)]
            found[line.ask(path, requests[path])[0]] += 1
        line.close()

    threads = [threading.Thread(target=work, args=(first,), daemon=True) for first in range(LINES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if set(found) != {status}:
        raise BenchError(f"Instead of {status} alone, the site answered {dict(found)}.")


class _Line:
    """A connection that is kept. It reads no more of an answer than it must, so that it is not what is measured."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._file = self._socket.makefile("rb", 1 << 16)

    def ask(self, path: str, headers: Headers) -> tuple[int, dict[str, str], bytes]:
        """Ask for a page; return status, headers and body."""
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: bench.example.org\r\n{more}\r\n".encode())
        status = int(self._file.readline().split()[1])
        told: dict[str, str] = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            told[name.lower()] = value.strip()
        return status, told, self._file.read(int(told.get("content-length", 0)))

    def close(self) -> None:
        """Close it."""
        self._file.close()
        self._socket.close()
