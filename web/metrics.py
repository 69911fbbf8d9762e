"""The metrics, in the text format of Prometheus, for whoever has the token."""

import math
import threading
import time
from collections.abc import Iterator, Mapping

from flask import Blueprint, Response, abort, current_app
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from core import services
from core.settings import Settings
from delivery import figures
from delivery.figures import Figures
from delivery.states import State
from web import health

metrics = Blueprint("metrics", __name__)

KEPT_S = 5.0
_SHARE = 20
"""Counting a large ledger takes a while: it may take up this share of the time, and no more."""


@metrics.get("/metrics")
def show() -> Response:
    """Show the numbers. Without METRICS_TOKEN there is no such page; without the right one it says nothing."""
    if not health.token_is_set():
        abort(404)
    if not health.may_know():
        return Response(status=401, headers={"WWW-Authenticate": "Bearer"}, content_type="text/plain")
    kept: _Kept = current_app.extensions.setdefault("postrider metrics", _Kept())
    return Response(kept.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Kept:
    """The page as it was a moment ago: many who ask cost the database no more than one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = b""
        self._until = -math.inf

    def text(self) -> bytes:
        """Return the page, counted anew if it is too old."""
        with self._lock:
            started = time.monotonic()
            if started >= self._until:
                self._text = _page()
                ended = time.monotonic()
                self._until = ended + max(KEPT_S, _SHARE * (ended - started))
            return self._text


def _page() -> bytes:
    settings: Settings = current_app.extensions["postrider settings"]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(figures.read(settings.post, services.current().identity)))
    return generate_latest(registry)


class _Numbers(Collector):
    """What was counted, as Prometheus wants it. No label names a reader, a mail or a token."""

    def __init__(self, found: Figures) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with all its samples."""
        found = self._found
        deliveries = GaugeMetricFamily("postrider_deliveries", "Mails in the ledger.", labels=["lane", "state"])
        for lane_and_state, count in found.deliveries.items():
            deliveries.add_metric(lane_and_state, count)
        yield deliveries
        yield _by(
            "postrider_oldest_due_seconds", "How long the oldest mail waits that is due.", "lane", found.oldest_due_s
        )
        sent = sum(count for (_lane, state), count in found.deliveries.items() if state == State.SENT)
        yield CounterMetricFamily("postrider_sent", "Mails handed over to a relay.", value=sent)
        yield _one("postrider_rate", "Mails handed over in a second, by all senders.", found.rate)
        refused = CounterMetricFamily("postrider_refused", "Mails that were not taken.", labels=["reason"])
        for reason, count in found.refused.items():
            refused.add_metric([reason], count)
        yield refused
        yield _by("postrider_returned", "Mails handed over that came back later.", "class", found.returned)
        yield _one("postrider_senders", "Senders that were heard in the last minute.", found.senders)
        yield _age("postrider_sender_heartbeat_age_seconds", "Since any sender was heard.", found.sender_age_s)
        yield _age("postrider_beat_heartbeat_age_seconds", "Since beat was heard.", found.beat_age_s)
        yield _one("postrider_doubts", "Mails in doubt that are not settled.", found.doubts)
        yield _one("postrider_alerts_open", "Troubles that are not over.", found.alerts)
        yield _by(
            "postrider_held_back", "Mails that today's ceiling of a domain holds back.", "domain", found.held_back
        )


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _age(name: str, text: str, seconds: float | None) -> Metric:
    """What was never heard is infinitely old, so that whoever compares it with a limit is told."""
    return _one(name, text, math.inf if seconds is None else seconds)


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
