"""The operator's commands for events that the database refused."""

import dataclasses
import json

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, func, select

from footfall.__main__ import cli
from shared.db.database import writing_engine
from shared.db.tables import dead_letters
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.events import NOW, make_batch, make_event
from tests.migration import migrate
from worker.batch.commit import commit_batch


@pytest.fixture
def engine(settings: Settings, database_url: str) -> Engine:
    """A database with three dead letters, one of them no text at all."""
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine)
    poison = [make_event(number, timestamp=2**70) for number in range(2)]
    batch = make_batch("b", *poison)
    batch.payloads.append(b"\xff")
    commit_batch(engine, batch, NOW)
    return engine


def run(settings: Settings, engine: Engine, *arguments: str) -> Result:
    address = engine.url.render_as_string(hide_password=False)
    environ = {"REDIS_URL": settings.redis_url, "DATABASE_URL": address}
    result = CliRunner(env=environ).invoke(cli, ["dead-letters", *arguments])
    engine.dispose()
    return result


def left(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(dead_letters)) or 0)


def test_they_are_listed_with_reason_and_event(settings: Settings, engine: Engine) -> None:
    result = run(settings, engine, "list")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line["id"] for line in lines] == [1, 2, 3]
    assert "unreadable" in lines[0]["reason"]
    assert lines[1]["event"]["path"] == "/"
    assert lines[1]["dead_at"] == "2025-11-15T09:46:40Z"
    engine.dispose()


def test_requeued_ones_wait_again_as_they_did(
    settings: Settings, queue: EventQueue, engine: Engine
) -> None:
    assert run(settings, engine, "requeue", "1", "3").output == "2 requeued\n"
    assert left(engine) == 1
    batch = queue.claim()
    assert batch is not None
    assert len(batch.payloads) == 2
    assert batch.payloads[0] == b"\xff"
    assert queue.snapshot().accepted == 2
    engine.dispose()


def test_all_of_them_are_requeued(settings: Settings, queue: EventQueue, engine: Engine) -> None:
    assert run(settings, engine, "requeue", "--all").output == "3 requeued\n"
    assert left(engine) == 0
    assert queue.snapshot().queued == 3
    engine.dispose()


def test_discarded_ones_are_gone(settings: Settings, engine: Engine) -> None:
    assert run(settings, engine, "discard", "1").output == "1 discarded\n"
    assert run(settings, engine, "discard", "1").output == "0 discarded\n"
    assert run(settings, engine, "discard", "--all").output == "2 discarded\n"
    assert left(engine) == 0
    engine.dispose()


@pytest.mark.parametrize("arguments", [["requeue"], ["discard"], ["discard", "1", "--all"]])
def test_it_must_be_said_which(settings: Settings, engine: Engine, arguments: list[str]) -> None:
    result = run(settings, engine, *arguments)
    assert result.exit_code == 2
    assert "or --all" in result.output
    assert left(engine) == 3
    engine.dispose()
