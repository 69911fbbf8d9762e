"""Pages that everybody sees alike, kept as they were sent, and sent again as long as nothing on them can have changed.

It stands in front of the application: a page that is kept costs one question to the database and no framework. What it
sends are the very headers that the application had put on the page. What a browser has already is answered with 304.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import event
from werkzeug.http import parse_date, parse_etags

from core import changes, clock, services
from core.database import db
from core.services import Services

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_OCTETS = 48 * 1024 * 1024
"""Of all pages that one process keeps; the one that was not asked for longest goes first."""
LARGEST = MOST_OCTETS // 8
_SAID = "postrider.page"
_NEVER_KEPT = ("/static/", "/health/", "/metrics")
_OF_A_BODY = ("content-length", "content-type")
_TICK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Said:
    """What a view says of the page that it made."""

    whatever_query: bool
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is sent, and what it was made of: the state of the database, the settings, a span of time."""

    seen: changes.Seen
    made_by: Services
    said: Said
    etag: str
    changed_at: datetime
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def holds(self, seen: changes.Seen, by: Services, now: datetime, query: str) -> bool:
        """Return whether it would be made the same now."""
        return (
            self.seen.value == seen.value
            and self.made_by is by
            and self.said.since <= now < self.said.until
            and (self.said.whatever_query or not query)
        )


def register(app: Flask) -> None:
    """Put the pages that are kept in front of the application, and have changes noted."""
    changes.register(db.session)
    with app.app_context():
        engine = db.engine
    cache = PageCache(app, changes.Watch(engine))
    event.listen(engine, "engine_disposed", lambda _engine: cache.close())
    app.wsgi_app = cache  # type: ignore[method-assign]


def note(
    environ: "WSGIEnvironment",
    *,
    whatever_query: bool,
    span: tuple[datetime, datetime] | None,
    ends: datetime | None = None,
) -> None:
    """Say that the page being made is everybody's: kept until midnight, since there may be a date of today on it.

    `whatever_query`: it is the same whatever stands after the question mark. `span`: it holds for this time instead.
    `ends`: it holds no longer than that, whatever else.
    """
    since, until = span or _today(ZoneInfo(services.current().publication.zone))
    environ[_SAID] = Said(whatever_query, since, min(until, ends or until))


def _today(zone: ZoneInfo) -> tuple[datetime, datetime]:
    day = clock.utc_now().astimezone(zone).date()
    begin, end = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    return begin, end


class PageCache:
    """The application behind the pages that this process keeps."""

    def __init__(self, app: Flask, watch: changes.Watch) -> None:
        self._app: WSGIApplication = app.wsgi_app
        self._extensions: Mapping[str, Any] = app.extensions
        self._watch = watch
        self._kept = _Kept(MOST_OCTETS)
        # Other code makes other pages: what was sent before this start is no measure.
        self._started_at = clock.utc_now().replace(microsecond=0) + _TICK

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD") or path.startswith(_NEVER_KEPT):
            return self._app(environ, start_response)
        # Asked before the page is made: what changes while it is being made has it made anew.
        seen = self._watch.seen()
        by: Services = self._extensions["postrider"]
        page = self._kept.get(path)
        if page and seen and page.holds(seen, by, clock.utc_now(), environ.get("QUERY_STRING", "")):
            return _answer(page, environ, start_response)
        return self._make(seen, by, environ, start_response)

    def close(self) -> None:
        """Forget all pages, and close the line to the database until the next one is asked for."""
        self._kept = _Kept(MOST_OCTETS)
        self._watch.close()

    def _make(
        self,
        seen: changes.Seen | None,
        by: Services,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Have the application answer; keep what it says is everybody's."""
        begun: list[tuple[tuple[str, str], ...]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: "OptExcInfo | None" = None, /) -> Any:
            if _SAID not in environ or not status.startswith("200"):
                return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)
            begun.append(tuple(headers))
            return _not_written

        made = self._app(environ, start)
        if not begun:
            return made
        (headers,) = begun
        try:
            body = b"".join(made)
        finally:
            getattr(made, "close", lambda: None)()
        said: Said = environ[_SAID]
        changed_at = max(_at(seen), self._started_at, said.since)
        etag = next(value for name, value in headers if name.lower() == "etag")
        page = Page(seen or changes.NEVER, by, said, etag, changed_at, headers, body)
        query = environ.get("QUERY_STRING", "")
        if seen and environ["REQUEST_METHOD"] == "GET" and (said.whatever_query or not query):
            self._kept.put(environ["PATH_INFO"], page)
        return _answer(page, environ, start_response)


def _at(seen: changes.Seen | None) -> datetime:
    return datetime.fromtimestamp(seen.at, UTC) if seen else clock.utc_now()


def _not_written(_part: bytes, /) -> None:
    raise RuntimeError("Pages are returned, not written.")


def _answer(page: Page, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Send a page, or say that the browser's copy is still good (RFC 9110, section 13.2.2)."""
    headers = list(page.headers)
    # In the second of a change there may be another one: a date would not tell them apart (section 8.8.2.2).
    dated = page.changed_at + _TICK <= clock.utc_now()
    if dated:
        headers.append(("Last-Modified", format_datetime(page.changed_at, usegmt=True)))
    if _has_it(page, environ, dated=dated):
        start_response("304 NOT MODIFIED", [one for one in headers if one[0].lower() not in _OF_A_BODY])
        return ()
    start_response("200 OK", headers)
    return () if environ["REQUEST_METHOD"] == "HEAD" else (page.body,)


def _has_it(page: Page, environ: "WSGIEnvironment", *, dated: bool) -> bool:
    etags = environ.get("HTTP_IF_NONE_MATCH")
    if etags is not None:
        return bool(etags == page.etag or parse_etags(etags).contains_weak(page.etag.strip('"')))
    since = parse_date(environ.get("HTTP_IF_MODIFIED_SINCE"))
    return dated and since is not None and since >= page.changed_at


class _Kept:
    """Pages by their paths, of so many octets at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._octets = 0
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str) -> Page | None:
        """Return the page of a path, if there is one: it may not hold any more."""
        with self._lock:
            page = self._pages.get(path)
            if page is not None:
                self._pages.move_to_end(path)
            return page

    def put(self, path: str, page: Page) -> None:
        """Keep a page, in the place of the one before; others have to go when there is no room."""
        if len(page.body) > LARGEST:
            return
        with self._lock:
            self._octets += len(page.body) - len(self._pages[path].body if path in self._pages else b"")
            self._pages[path] = page
            self._pages.move_to_end(path)
            while self._octets > self._most:
                _path, gone = self._pages.popitem(last=False)
                self._octets -= len(gone.body)
