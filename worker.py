"""The Celery application for `celery -A worker worker` and `celery -A worker beat`."""

from celery.apps.worker import Worker
from celery.signals import celeryd_after_setup, setup_logging, worker_shutting_down

from app import site
from core import services
from core.settings import Settings
from tasks import alerts, delivery
from tasks.celery_app import QUEUES

flask_app = site()
celery = flask_app.extensions["celery"]
_senders: list[delivery.Sender] = []
_watches: list[alerts.Watch] = []


@setup_logging.connect
def _keep_our_logs(**_signal: object) -> None:
    """Our own formatter masks tokens and addresses; Celery must not put another in its place."""


@celeryd_after_setup.connect
def _start_sender(**_signal: object) -> None:
    """Every worker that takes the queue `pump` sends mail in a thread of its own.

    It starts before the worker has reached Redis: what stands in the ledger leaves although the broker is down.
    """
    if QUEUES[1] not in celery.amqp.queues.consume_from:
        return
    settings: Settings = flask_app.extensions["postrider settings"]
    with flask_app.app_context():
        passed_down = services.current()
    _senders.append(delivery.start_sender(flask_app, post=settings.post, services=passed_down))
    _watches.append(alerts.start_watch(flask_app))


@worker_shutting_down.connect
def _stop_sender(sender: Worker, **_signal: object) -> None:
    """Let the mail in hand come to its end before the process goes."""
    for watch in _watches:
        watch.stop()
    for one in _senders:
        one.stop(patience_s=25)
