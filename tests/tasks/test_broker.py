"""Redis is held on to: soon reached again, and a worker's places are free again although Redis could not be told."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from kombu import Connection, Consumer, Queue
from kombu.exceptions import OperationalError

from app import create_app
from tasks import broker, nudge
from tasks.celery_app import options
from tests import servers
from tests.installation import settings_for
from tests.servers import free_port
from tests.tasks.test_nudge import all_said
from tests.wire import Wire


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been slept between the attempts to connect."""
    slept: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", slept.append)
    return slept


def test_redis_is_tried_again_every_few_seconds_however_long_it_was_away(sleeps):
    pauses: list[float] = []
    with (
        broker.NearConnection(f"redis://127.0.0.1:{free_port()}/0") as connection,
        pytest.raises(OperationalError),
    ):
        connection.ensure_connection(lambda _error, pause: pauses.append(pause), max_retries=12)
    assert len(pauses) == 12
    assert max(pauses) == broker.LONGEST_PAUSE_S < 15 / 2


def test_everything_that_speaks_to_redis_holds_on_to_it_like_this(tmp_path: Path):
    settings = settings_for(f"sqlite:///{tmp_path / 'near.db'}", redis_url="redis://127.0.0.1:1/0")
    celery = create_app(settings).extensions["celery"]
    ways = (celery.connection_for_read(), celery.connection_for_write(), celery.pool.connection)
    assert {type(one) for one in ways} == {broker.NearConnection}
    assert celery.conf.worker_consumer == "tasks.consumer:BareConsumer"
    assert options(settings)["broker_connection_max_retries"] is None


def test_a_place_is_free_again_when_redis_could_not_be_told_of_its_task():
    with servers.guarded_redis() as (url, guard):
        taken = []
        with broker.NearConnection(url, transport_options=broker.transport()) as connection:
            channel = connection.default_channel
            assert isinstance(channel, broker.FrankChannel)
            channel.basic_qos(0, 1, False)
            queue = Queue("work", channel=channel)
            queue.declare()
            connection.Producer().publish("look", routing_key="work")
            with Consumer(channel, [queue], callbacks=[lambda _body, message: taken.append(message)]):
                connection.drain_events(timeout=10)
                assert not channel.qos.can_consume()
                guard.order("KILL")
                with pytest.raises(connection.connection_errors):
                    while True:  # until it is dead
                        channel.client.ping()
                with pytest.raises(connection.connection_errors):
                    taken[0].ack()
                assert channel.qos.can_consume()
            guard.order("again")


def test_a_nudge_is_heard_although_the_line_of_the_last_one_is_dead(tmp_path: Path, redis_database: str):
    parts = urlsplit(redis_database)
    assert parts.port
    with Wire(parts.port) as wire, redis.Redis.from_url(redis_database) as client:
        url = redis_database.replace(f":{parts.port}/", f":{wire.port}/")
        create_app(settings_for(f"sqlite:///{tmp_path / 'nudge.db'}", redis_url=url))
        nudge.post()
        all_said()
        assert client.llen("pump") == 1
        wire.go_dead()
        nudge.post()
        all_said()
        assert client.llen("pump") == 2


def test_the_broker_of_one_process_is_left_as_it_is():
    with broker.NearConnection("memory://localhost/") as connection, Connection("memory://localhost/") as plain:
        assert connection.get_transport_cls() is plain.get_transport_cls()
