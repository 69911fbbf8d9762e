"""The texts of stories are fetched here from their pages, where a feed has only a teaser and its publisher says so."""

import time
from collections import Counter

from celery import shared_task

from articles import fulltext, ingest, pagetext
from articles.fulltext import Missing
from articles.pagetext import PageText, Teaser
from core import apart, clock, database, fetch, logs
from core.database import db

log = logs.get(__name__)
LONGEST_S = 45.0
_BUSY = frozenset({429, 500, 502, 503, 504})
"""By these a server says that it has enough, or is not well."""


@shared_task
def fetch_due() -> None:
    """Fetch the pages that are due, one after the other; what is not reached now is due a little later."""
    fetch_all(longest_s=LONGEST_S)


def fetch_all(*, feed_id: int | None = None, longest_s: float) -> Counter[str]:
    """Fetch the pages that are due, of one feed or all. Return how many brought a text (''), and why others did not."""
    outcomes: Counter[str] = Counter()
    started = time.monotonic()
    # One at a time: what a server says of one page may keep us from asking it for the next.
    while time.monotonic() - started < longest_s and (taken := _take(feed_id)):
        (article_id,) = taken
        try:
            outcomes[fetch_one(article_id)] += 1
        except Exception:  # a door: one page that fails must not keep all others from being read
            db.session.rollback()
            log.exception("full text not stored", article=article_id)
    return outcomes


def _take(feed_id: int | None) -> list[int]:
    anything = fulltext.anything_due(clock.utc_now())
    db.session.rollback()
    if not anything:
        return []
    with database.write_turn():
        taken = fulltext.take(clock.utc_now(), 1, feed_id=feed_id)
        db.session.commit()
    return taken


def fetch_one(article_id: int) -> str:
    """Fetch one story's page and keep its text: read, then fetch and look outside of any transaction, then write.

    Return why there is no text, if there is none.
    """
    request, own = fulltext.request_for(article_id)
    db.session.rollback()
    brought = _bring(request, own)
    with database.write_turn():
        # The time is asked in turn: who chooses stories meanwhile relies on later ones having later times.
        ingest.take_turn()
        now = clock.utc_now()
        if isinstance(brought, Missing):
            fulltext.note_failure(article_id, brought, now=now)
        else:
            fulltext.note_text(article_id, *brought, now=now)
        db.session.commit()
    return brought.why if isinstance(brought, Missing) else ""


def _bring(request: fetch.FetchRequest, own: Teaser) -> tuple[fetch.Fetched, PageText | None] | Missing:
    """Return a page and its text, None for one that has not changed; or why there is none."""
    try:
        page = fetch.get(request, pagetext.LIMITS)
        if page.status == fetch.NOT_MODIFIED:
            return page, None
        if page.body is None:
            why, wait_s = f"the server answered {page.status} for its page", page.retry_after or 0
            return Missing(why, wait_s=wait_s, of_server=page.status in _BUSY)
        return page, pagetext.read(page, own, asked=request.url)
    except (pagetext.NotTheStory, fetch.FetchRefused) as error:
        return Missing(str(error), for_good=True)
    except fetch.FetchFailed as error:
        return Missing(str(error), of_server=True)
    except apart.FailedApart as error:
        return Missing(f"its page could not be read: {error}")
