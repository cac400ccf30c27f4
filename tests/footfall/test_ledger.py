"""The operator's commands for a ledger that does not add up."""

import dataclasses
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from footfall import ledger
from footfall.__main__ import cli
from reporting.app import create_app
from shared.db.database import writing_engine
from shared.event import encode_event
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.events import NOW, make_batch, make_event
from tests.migration import migrate
from worker.batch.commit import commit_batch


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def its_settings(settings: Settings, database_url: str) -> Settings:
    return dataclasses.replace(settings, database_url=database_url)


@pytest.fixture
def engine(its_settings: Settings) -> Engine:
    engine = writing_engine(its_settings)
    migrate(engine)
    return engine


@pytest.fixture
def run(its_settings: Settings) -> Callable[..., Result]:
    environ = {"REDIS_URL": its_settings.redis_url, "DATABASE_URL": its_settings.database_url}
    return lambda *arguments: CliRunner(env=environ).invoke(cli, ["ledger", *arguments])


def push(queue: EventQueue, number: int) -> None:
    queue.push([encode_event(make_event(n)) for n in range(number)])


def store_next(queue: EventQueue, engine: Engine) -> None:
    batch = queue.claim()
    assert batch is not None
    commit_batch(engine, batch, NOW)
    queue.finish(batch.id)


def status(settings: Settings) -> dict[str, object]:
    app = create_app(settings)
    try:
        found: dict[str, object] = app.test_client().get("/pipeline/status").get_json()
        return found
    finally:
        app.close()


def test_after_a_restore_what_is_gone_is_told_and_entered(
    queue: EventQueue, engine: Engine, its_settings: Settings, run: Callable[..., Result]
) -> None:
    push(queue, 3)
    batch = queue.claim()
    assert batch is not None
    queue.finish(batch.id)  # it was stored; the backup was made before
    push(queue, 2)
    told = run().output
    assert "3 events were accepted and are nowhere" in told
    assert status(its_settings)["unaccounted"] == 3
    assert run("correct", "--reason", "backup of Monday").exit_code == 0
    assert "It adds up." in run().output
    found = status(its_settings)
    assert found["corrected"] == {"backup of Monday": 3}
    assert (found["balanced"], found["unaccounted"], found["queued"]) == (True, 0, 2)
    engine.dispose()


def test_after_a_failover_a_batch_that_came_again_is_told_and_entered(
    queue: EventQueue, engine: Engine, its_settings: Settings, run: Callable[..., Result]
) -> None:
    push(queue, 4)
    store_next(queue, engine)
    commit_batch(engine, make_batch("again", *map(make_event, range(4))), NOW)
    assert "4 more events have an outcome than were accepted" in run().output
    found = status(its_settings)
    assert (found["stored"], found["duplicates"], found["unaccounted"]) == (4, 4, -4)
    assert run("correct", "--reason", "failover").exit_code == 0
    found = status(its_settings)
    assert (found["corrected"], found["balanced"]) == ({"failover": -4}, True)
    engine.dispose()


def test_nothing_is_entered_where_it_adds_up_or_a_worker_is_at_work(
    queue: EventQueue, engine: Engine, run: Callable[..., Result]
) -> None:
    push(queue, 1)
    assert "the ledger adds up" in str(run("correct", "--reason", "x").exception)
    assert queue.claim() is not None
    assert "stop them" in str(run("correct", "--reason", "x").exception)
    assert "--reason" in str(run("correct", "--reason", "x" * 65).exception)
    engine.dispose()
