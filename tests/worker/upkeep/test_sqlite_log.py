"""SQLite's log: it grows while somebody reads an old snapshot, and is cut back after that."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, select

from shared.db import sqlite
from shared.db.database import reading_engine, writing_engine
from shared.db.dialects import dialect_of
from shared.db.tables import events
from shared.settings import Settings
from tests.events import NOW, make_batch, make_event
from tests.migration import migrate
from tests.worker.conftest import BecomePeriodic
from worker import jobs
from worker.batch.commit import commit_batch

LIMIT = 200_000


@pytest.fixture
def _low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_LOG_BYTES", LIMIT)


@pytest.fixture
def writing(settings: Settings, _low_limit: None) -> Iterator[Engine]:
    engine = writing_engine(settings)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def reading(settings: Settings) -> Iterator[Engine]:
    engine = reading_engine(settings)
    yield engine
    engine.dispose()


def store(engine: Engine, number: int, events: int = 1000) -> None:
    rows = [make_event(number * 1000 + n, path="/" + "x" * 300) for n in range(events)]
    commit_batch(engine, make_batch(f"batch {number}", *rows), NOW)


def log_size(engine: Engine) -> int:
    size = os.stat(f"{engine.url.database}-wal").st_size
    with engine.connect() as connection:
        assert dialect_of(engine).fetch_log_size(connection) == size
    return size


def grow(writing: Engine, reading: Engine) -> int:
    """Write while somebody reads; how large the log is then."""
    with reading.connect() as reader:
        reader.scalar(select(func.count()).select_from(events))
        for number in range(10):
            store(writing, number)
        dialect_of(writing).cut_log(writing)  # not now, and without waiting
        return log_size(writing)


def test_after_the_reader_upkeep_cuts_it_back(
    writing: Engine, reading: Engine, settings: Settings, become_periodic: BecomePeriodic
) -> None:
    assert grow(writing, reading) > 2 * LIMIT
    become_periodic(settings)
    jobs.compact()
    assert log_size(writing) <= LIMIT
    with reading.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == 10_000


def test_after_the_reader_writers_cut_it_back_as_they_begin_it_anew(
    writing: Engine, reading: Engine
) -> None:
    assert grow(writing, reading) > 2 * LIMIT
    for number in range(10, 13):
        store(writing, number, events=1)
    assert log_size(writing) < 2 * LIMIT


def test_a_log_of_usual_size_is_left_alone(
    writing: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(writing, 1)
    before = log_size(writing)
    monkeypatch.setattr(sqlite, "MAX_LOG_BYTES", before)
    dialect_of(writing).cut_log(writing)
    assert log_size(writing) == before > 0
