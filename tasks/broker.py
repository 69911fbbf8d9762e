"""How the site, workers and beat hold on to Redis: soon back when it is back, and never long in its hands."""

from typing import Any, Self

from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis, virtual

LONGEST_PAUSE_S = 4
"""Between two attempts to reach Redis. The library's pauses grow to 30 s, for which nudges would not be heard."""


class FrankQoS(redis.QoS):
    """Counts a task as done also when Redis cannot be told. Else its place stays taken, and a worker takes no more."""

    def ack(self, delivery_tag: str) -> None:
        """Tell Redis; it hands the task out once more otherwise, when it has long expired."""
        try:
            super().ack(delivery_tag)
        except redis.Transport.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise


class FrankChannel(redis.Channel):
    """A channel that counts like this."""

    QoS = FrankQoS


class FrankTransport(redis.Transport):
    """Redis, spoken to through such channels."""

    Channel = FrankChannel


class NearConnection(Connection):
    """A connection that is tried again every few seconds, however long Redis was away."""

    def get_transport_cls(self) -> type[Any]:
        """Return our Redis instead of the library's."""
        found = super().get_transport_cls()
        return FrankTransport if found is redis.Transport else found

    def ensure_connection(self, *args: Any, **options: Any) -> Self:
        """Try until Redis answers."""
        pauses = {"interval_start": 1, "interval_step": 1, "interval_max": LONGEST_PAUSE_S}
        return super().ensure_connection(*args, **(pauses | options))


class NearAMQP(AMQP):
    """Has workers, beat and publishers connect like this."""

    Connection = NearConnection
    BrokerConnection = NearConnection


def transport() -> dict[str, object]:
    """Return how Redis is spoken to."""
    return {
        # Far longer than any task, so that nothing is handed out a second time while it runs.
        "visibility_timeout": 900,
        # A Redis that says nothing for so long is called anew: it answers within milliseconds, or it hangs.
        "socket_timeout": 3,
        "socket_connect_timeout": 2,
        # A line that went dead without a word is found out within 10 s: by two of these looks and one silence.
        "socket_keepalive": True,
        "health_check_interval": 3,
        # Whoever publishes tries once: the next nudge, or beat, makes up for it.
        "retry_on_timeout": False,
        "max_retries": 0,
    }
