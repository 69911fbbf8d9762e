"""The Celery application: its options hold for every task, and beat only names what exists."""

from pathlib import Path

import pytest
from celery import Celery

from app import create_app
from tasks import celery_app, schedule
from tests.installation import settings_for


@pytest.fixture
def celery(tmp_path: Path) -> Celery:
    app = create_app(settings_for(f"sqlite:///{tmp_path / 'tasks.db'}", redis_url="redis://127.0.0.1:1/0"))
    made = app.extensions["celery"]
    made.loader.import_default_modules()
    return made


def ours(celery):
    return {name: task for name, task in celery.tasks.items() if name.startswith("tasks.")}


def test_every_beat_entry_names_a_task_that_exists(celery):
    assert {entry["task"] for entry in schedule.BEAT.values()} <= set(ours(celery))


def test_every_task_module_is_imported_by_workers(celery):
    folder = Path(celery_app.__file__).parent
    with_tasks = {f"tasks.{file.stem}" for file in folder.glob("*.py") if "@shared_task" in file.read_text("utf-8")}
    assert with_tasks == set(celery_app.MODULES)


def test_every_route_leads_to_a_queue_that_plain_workers_consume(celery):
    queues = {queue.name for queue in celery.conf.task_queues}
    for name in ours(celery):
        route = celery.amqp.router.route({}, name)
        assert route["queue"].name in queues


def test_a_task_survives_its_worker_and_leaves_no_result(celery):
    for task in ours(celery).values():
        assert task.acks_late and task.reject_on_worker_lost and task.ignore_result, task.name


def test_only_json_is_read_from_the_queue(celery):
    assert celery.conf.accept_content == ["json"] and celery.conf.task_serializer == "json"


def test_no_task_is_handed_out_twice_while_it_runs(celery):
    assert celery.conf.broker_transport_options["visibility_timeout"] >= 900
    assert celery.conf.worker_prefetch_multiplier == 1
