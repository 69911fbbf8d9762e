"""Whether a page on the web is gone for certain: asked in little time, and with doubt taken for life."""

from core import fetch, reach
from core.fetch import FetchLimits, FetchRequest
from core.reach import Network

LIMITS = FetchLimits(connect_s=2, total_s=4, max_bytes=2_000_000)
GONE = frozenset({404, 410})


def answer_if_gone(url: str, *, _network: Network = reach.PUBLIC) -> int | None:
    """Return the status by which the server says that the page is gone; None when it is there, or nobody can tell.

    A server that is slow, fails or turns us away says nothing about what readers will find.
    """
    try:
        status = fetch.get(FetchRequest(url, accept="text/html, */*;q=0.1"), LIMITS, _network=_network).status
    except fetch.FetchError:
        return None
    return status if status in GONE else None
