"""A migrated database and a runtime on it, on each kind of server in turn."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from shared.db.database import writing_engine
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from worker import jobs
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


BecomePeriodic = Callable[..., None]


@pytest.fixture
def become_periodic(monkeypatch: pytest.MonkeyPatch) -> Iterator[BecomePeriodic]:
    """Makes this process one that runs jobs, with the environment of a periodic one, until the
    test is over: what jobs keep of their database would be found by the next test's."""

    def become(settings: Settings, **environment: str) -> None:
        addresses = {"REDIS_URL": settings.redis_url, "DATABASE_URL": settings.database_url}
        for name, value in (addresses | environment).items():
            monkeypatch.setenv(name, value)

    yield become
    if jobs.runtime.cache_info().currsize:
        jobs.runtime().engine.dispose()
        jobs.runtime().queue.close()
    if jobs.reader.cache_info().currsize:
        jobs.reader().dispose()
    if jobs.merger.cache_info().currsize:
        jobs.merger().engine.dispose()
    for kept in vars(jobs).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()
