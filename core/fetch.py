"""The one way out to the web: fetch an address that somebody else chose, from public hosts, within limits.

No proxy of the environment, no cookies, no credentials. A name is resolved once, every one of its addresses
must be public, and the connection goes to the very address that was checked: rebinding the name is no use.

An operator's own address may be anywhere: `post_json` tells it something, within the same limits.
"""

import json
import re
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from urllib.parse import urlencode, urljoin

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from core import gunzip, hosts, reach
from core.reach import FetchError as FetchError
from core.reach import FetchFailed as FetchFailed
from core.reach import FetchRefused as FetchRefused
from core.reach import Network as Network
from core.reach import UntrustedCertificate as UntrustedCertificate

_HEADERS = {
    "User-Agent": "Postrider feed reader",
    "Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.1",
    "Accept-Encoding": "gzip",
    "Connection": "close",
}
_JSON_HEADERS = {"User-Agent": "Postrider", "Content-Type": "application/json", "Connection": "close"}
_FORM_HEADERS = _JSON_HEADERS | {"Content-Type": "application/x-www-form-urlencoded"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_GOOD = frozenset({301, 308})
NOT_MODIFIED = 304
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([A-Za-z0-9._-]{1,40})""", re.IGNORECASE)
_CHUNK = 16_384
_MAX_VALIDATOR = 1_000
_MAX_LINK = 8_000
_SAME_METHOD = frozenset({307, 308})
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What to fetch, with the validators of the last good answer (RFC 9110, section 13.1)."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    accept: str | None = None
    """What it may be, if it is no feed (RFC 9110, section 12.5.1)."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one fetch.

    Seconds to look the name up, and as many to connect; seconds in all, redirects included; bytes, decoded;
    how many times its size a gzip body may unfold to; redirects.
    """

    connect_s: float = 5
    total_s: float = 20
    max_bytes: int = 5_000_000
    max_ratio: int = 100
    max_redirects: int = 3


LIMITS = FetchLimits()


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: `url` after redirects, `body` with status 200 only, `retry_after` seconds, at most a day.

    `moved` says that every redirect on the way was for good (RFC 9110, sections 15.4.2 and 15.4.9). `link` is its Link
    header.
    """

    status: int
    url: str
    body: bytes | None = None
    etag: str | None = None
    last_modified: str | None = None
    retry_after: int | None = None
    moved: bool = False
    link: str = ""
    charset: str = ""
    """The encoding that its server states, in lower case."""


class _PlainPinned(HTTPConnection):
    """An HTTP connection over a socket that is connected already."""

    pinned: socket.socket

    def _new_conn(self) -> socket.socket:
        return self.pinned


class _TlsPinned(HTTPSConnection):
    """The same in TLS. The name, not the address, goes into SNI and is looked for in the certificate."""

    pinned: socket.socket

    def _new_conn(self) -> socket.socket:
        return self.pinned


def check(url: str, *, any_port: bool = False) -> hosts.Target:
    """Return what `url` leads to, without looking it up. Raises FetchRefused unless `get` would try it.

    `any_port` is for an address of the operator's, as `post_json` takes it.
    """
    try:
        return hosts.parse(url, any_port=any_port)
    except ValueError as error:
        raise FetchRefused(str(error)) from error


def get(request: FetchRequest, limits: FetchLimits = LIMITS, *, _network: Network = reach.PUBLIC) -> Fetched:
    """Fetch one address. HTTP errors are answers, too. Raises FetchRefused or FetchFailed.

    `_network` is for tests, which cannot reach the public internet. No setting and no variable leads to it.
    """
    deadline = reach.Deadline(limits.total_s)
    url, for_good = request.url, True
    for _hop in range(limits.max_redirects + 1):
        answer, location = _exchange(url, request, limits, deadline, _network)
        if location is None:
            return replace(answer, moved=for_good and url != request.url)
        for_good = for_good and answer.status in _FOR_GOOD
        try:
            url = urljoin(url, location)
        except ValueError as error:
            raise FetchRefused("it redirects to a malformed address") from error
    raise FetchRefused(f"it redirects more than {limits.max_redirects} times")


def post_json(
    url: str, document: Mapping[str, object], limits: FetchLimits = LIMITS, *, _network: Network = reach.PUBLIC
) -> None:
    """Tell an address of the operator's settings something, as JSON in a POST. Raises FetchRefused or FetchFailed.

    It may be any host and any port, since nobody else chose it. Whatever is not 2xx is a failure, a redirect too.
    """
    deadline = reach.Deadline(limits.total_s)
    target = check(url, any_port=True)
    body = json.dumps(document).encode("ascii")
    with _talking(target, limits, deadline, _network, public_only=False) as connection:
        connection.request("POST", target.path, body=body, headers=_JSON_HEADERS, preload_content=False)
        status = connection.getresponse().status
    if not 200 <= status < 300:
        raise FetchFailed(f"it answered {status}")


def post_form(
    url: str, fields: Mapping[str, str], limits: FetchLimits = LIMITS, *, _network: Network = reach.PUBLIC
) -> None:
    """Send a form to an address that somebody else chose: public hosts and usual ports only, as for `get`.

    Redirects that keep the method are followed, each checked anew (RFC 9110, sections 15.4.8 and 15.4.9). Whatever is
    not 2xx in the end is a failure. Raises FetchRefused or FetchFailed.
    """
    deadline = reach.Deadline(limits.total_s)
    body = urlencode(fields).encode("ascii")
    for _hop in range(limits.max_redirects + 1):
        target = check(url)
        with _talking(target, limits, deadline, _network, public_only=True) as connection:
            connection.request("POST", target.path, body=body, headers=_FORM_HEADERS, preload_content=False)
            with closing(connection.getresponse()) as response:
                status, location = response.status, response.headers.get("Location")
        if status not in _SAME_METHOD or location is None:
            if not 200 <= status < 300:
                raise FetchFailed(f"it answered {status}")
            return
        if target.scheme == "https" and not urljoin(url, location).startswith("https:"):
            raise FetchRefused("it redirects out of TLS")
        url = urljoin(url, location)
    raise FetchRefused(f"it redirects more than {limits.max_redirects} times")


def _exchange(
    url: str, request: FetchRequest, limits: FetchLimits, deadline: reach.Deadline, network: Network
) -> tuple[Fetched, str | None]:
    """Ask once. Return the answer and, if it redirects, where to."""
    target = check(url)
    with _talking(target, limits, deadline, network, public_only=True) as connection:
        connection.request("GET", target.path, headers=_headers(request), preload_content=False)
        with closing(connection.getresponse()) as response:  # Else what is refused half-read keeps its socket.
            body = _read(response, limits) if response.status == 200 else None
    location = response.headers.get("Location") if response.status in _REDIRECTS else None
    return _answer(response, url, body), location


@contextmanager
def _talking(
    target: hosts.Target, limits: FetchLimits, deadline: reach.Deadline, network: Network, *, public_only: bool
) -> Iterator[_PlainPinned | _TlsPinned]:
    """Have a connection to the target until the block ends, or the deadline cuts it."""
    sock = reach.connected(
        target, connect_s=limits.connect_s, deadline=deadline, network=network, public_only=public_only
    )
    with sock:
        connection = _over(sock, target, deadline.left(), network)
        call_off = deadline.guard(sock)
        try:
            yield connection
            deadline.left()  # A body without a stated length looks whole when the deadline has cut it.
        except (HTTPError, HTTPException, OSError, ValueError, zlib.error) as error:
            deadline.left()  # What looks like an error of theirs may be our own cut.
            if isinstance(error, ssl.SSLCertVerificationError):
                raise UntrustedCertificate(f"its certificate does not fit: {error.verify_message}") from error
            raise FetchFailed(f"the connection failed ({type(error).__name__})") from error
        finally:
            call_off()
            connection.close()


def _over(sock: socket.socket, target: hosts.Target, timeout: float, network: Network) -> _PlainPinned | _TlsPinned:
    sock.settimeout(timeout)
    connection: _PlainPinned | _TlsPinned = _PlainPinned(target.host, target.port, timeout=timeout)
    if target.scheme == "https":
        connection = _TlsPinned(target.host, target.port, timeout=timeout, ssl_context=network.tls())
    connection.pinned = sock
    return connection


def _headers(request: FetchRequest) -> dict[str, str]:
    validators = {"If-None-Match": request.etag, "If-Modified-Since": request.last_modified}
    no_feed = {"User-Agent": "Postrider", "Accept": request.accept} if request.accept else {}
    return _HEADERS | no_feed | {name: value for name, value in validators.items() if value}


def _read(response: HTTPResponse, limits: FetchLimits) -> bytes:
    """Return the decoded body, never holding more than the limit and one chunk."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise FetchRefused("it is packed in a way that we did not ask for")
    gzip = gunzip.Unfolding() if encoding.endswith("gzip") else None
    body, received = bytearray(), 0
    for chunk in response.stream(_CHUNK, decode_content=False):
        received += len(chunk)
        body += gzip.unfold(chunk, limits.max_bytes - len(body)) if gzip else chunk
        if len(body) > limits.max_bytes:
            raise FetchRefused(f"it is larger than {limits.max_bytes} bytes")
        if len(body) > limits.max_ratio * received:
            raise FetchRefused(f"it unfolds to more than {limits.max_ratio} times its size")
    if gzip and not gzip.ended:
        raise FetchFailed("the answer was cut off")
    return bytes(body)


def _answer(response: HTTPResponse, url: str, body: bytes | None) -> Fetched:
    return Fetched(
        status=response.status,
        url=url,
        body=body,
        etag=_validator(response.headers.get("ETag")),
        last_modified=_validator(response.headers.get("Last-Modified")),
        retry_after=_seconds(response.headers.get("Retry-After"), response.headers.get("Date")),
        charset=_charset(response.headers.get("Content-Type", "")),
        link=response.headers.get("Link", "")[:_MAX_LINK],
    )


def _charset(content_type: str) -> str:
    stated = _CHARSET.search(content_type[:_MAX_VALIDATOR])
    return stated[1].lower() if stated else ""


def _validator(value: str | None) -> str | None:
    """Return a header's value if it can be sent back as it is."""
    good = value and len(value) <= _MAX_VALIDATOR and value.isascii() and value.isprintable()
    return value if good else None


def _seconds(retry_after: str | None, date: str | None) -> int | None:
    """Read Retry-After (RFC 9110, section 10.2.3); a date is measured on the server's own clock."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return min(int(retry_after[:9]), _DAY_S)
    with suppress(ValueError, TypeError):
        wait = parsedate_to_datetime(retry_after) - parsedate_to_datetime(date or "")
        return max(0, min(int(wait.total_seconds()), _DAY_S))
    return None
