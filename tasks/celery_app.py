"""The Celery application: every option of every task is set here once, each with its reason."""

from typing import Any

from celery import Celery, Task
from flask import Flask
from kombu import Queue

from core.settings import Settings
from tasks import broker, schedule

EMBEDDED_BROKER = "memory://localhost/"
QUEUES = ("work", "pump")
"""`work` is everything that decides and composes; `pump` only rings the sender's bell."""
MODULES = (
    "tasks.signup",
    "tasks.notices",
    "tasks.breaking",
    "tasks.digests",
    "tasks.corrections",
    "tasks.clicks",
    "tasks.sharing",
    "tasks.feeds",
    "tasks.websub",
    "tasks.related",
    "tasks.pictures",
    "tasks.fulltext",
    "tasks.giveback",
    "tasks.heartbeat",
    "tasks.delivery",
    "tasks.alerts",
    "tasks.returns",
    "tasks.webhooks",
    "tasks.checkup",
    "tasks.consent",
    "tasks.mailbox",
)


def init_celery(app: Flask, settings: Settings) -> Celery:
    """Make the Celery application of a Flask application; each task runs in an application context of its own."""

    class ContextTask(Task):  # type: ignore[type-arg]
        """A task that runs in the Flask application's context."""

        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery: Celery = Celery(
        "postrider", broker=settings.redis_url or EMBEDDED_BROKER, amqp=broker.NearAMQP, task_cls=ContextTask
    )
    celery.conf.update(options(settings))
    celery.set_default()
    app.extensions["celery"] = celery
    return celery


def options(settings: Settings) -> dict[str, Any]:
    """Return the configuration of workers, beat and publishers."""
    return {
        "imports": MODULES,
        # Nothing but JSON is ever read from the queue, and what is in it is ids only.
        "accept_content": ["json"],
        "task_serializer": "json",
        # State lives in the database; results would only leak memory in Redis.
        "task_ignore_result": True,
        "result_backend": None,
        # A task that died with its worker runs again; each of them may.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # Our tasks wait for the database and the network, and the sender is a thread beside them.
        "worker_pool": "threads",
        "worker_concurrency": 4,
        # It takes tasks, and does nothing else on Redis: what reaches Redis may ring the bell, but give no orders.
        "worker_consumer": "tasks.consumer:BareConsumer",
        "worker_enable_remote_control": False,
        # Tasks that run while Redis comes back do not keep others waiting.
        "worker_enable_prefetch_count_reduction": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "task_default_queue": QUEUES[0],
        "task_queues": [Queue(name) for name in QUEUES],
        "task_routes": {"tasks.delivery.*": {"queue": QUEUES[1]}},
        # A nudge that cannot be said now is not worth saying later: the beat looks anyway.
        "task_publish_retry": False,
        # The sender lives in the worker: it must not end because Redis was away for long.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": _transport(settings),
        "beat_schedule": schedule.BEAT,
        # The schedule is in the code: beat keeps no file of its own.
        "beat_scheduler": "celery.beat:Scheduler",
        "beat_max_loop_interval": 5,
        "timezone": "UTC",
    }


def _transport(settings: Settings) -> dict[str, object]:
    # The in-process broker is looked at ten times a second; its default is once.
    return {"polling_interval": 0.1} if settings.redis_url is None else broker.transport()
