"""A migrated database and a runtime on it, on each kind of server in turn."""

import dataclasses
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from shared.db.database import writing_engine
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from worker.run.drain import Runtime
from worker.stopping import StopFlag


@pytest.fixture
def database_settings(settings: Settings, migrated_url: str) -> Settings:
    return dataclasses.replace(settings, database_url=migrated_url)


@pytest.fixture
def engine(database_settings: Settings) -> Iterator[Engine]:
    engine = writing_engine(database_settings)
    yield engine
    engine.dispose()


@pytest.fixture
def runtime(queue: EventQueue, engine: Engine) -> Runtime:
    return Runtime(queue, engine, StopFlag())
